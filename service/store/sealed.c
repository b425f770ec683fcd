#include "store/sealed.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/seal.h"

uint8_t *sealed_new(const struct seal_key *key, const char *context, const void *clear, size_t len, struct err *err)
{
	scoped_free uint8_t *out = malloc(len + SEAL_OVERHEAD);
	if (!out) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	return seal_close(key, context, clear, len, out, err) ? steal(&out) : NULL;
}

char *sealed_get(const PGresult *r, int row, int col, const struct seal_key *key, const char *context, size_t *len, struct err *err)
{
	size_t sealed_len = (size_t)PQgetlength(r, row, col) / 2; /* "\x" and hex digits */
	sealed_len -= sealed_len > 0;
	scoped_free uint8_t *sealed = malloc(sealed_len + 1);
	scoped_free uint8_t *clear = malloc(sealed_len + 1);
	bool ok = (sealed && clear) || err_set(err, ERR_INTERNAL, "out of memory");
	ok = ok && (sql_get_bytes(r, row, col, sealed, sealed_len) || err_set(err, ERR_INTERNAL, "%s: not a sealed value", context));
	if (ok && !seal_open(key, context, sealed, sealed_len, clear, len, err)) {
		ok = err_prefix(err, "%s", context);
	}
	if (!ok) {
		return NULL;
	}
	clear[*len] = '\0';
	return (char *)steal(&clear);
}
