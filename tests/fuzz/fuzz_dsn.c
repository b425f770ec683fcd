/* libpq connection strings with their passwords masked. The input is the string; libpq says what of it is secret.
 *
 * A password cannot be found again in a text that happens to hold the same letters, so seeds write it in Z: if every Z of the string is in
 * a secret, none may show. */
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/scoped.h"
#include "config/config_mask.h"
#include "fuzz.h"

enum { OUT_MAX = 1 << 20, MARK = 'Z' };

static size_t count_marks(const char *s)
{
	size_t n = 0;
	for (; s && *s; s++) {
		n += *s == MARK;
	}
	return n;
}

/* A value that another one of the same name has replaced counts as shown. */
static bool only_secrets_marked(const char *dsn, const PQconninfoOption *options)
{
	size_t n = 0;
	for (; options->keyword; options++) {
		n += strcmp(options->dispchar, "*") == 0 ? count_marks(options->val) : 0;
	}
	return n == count_marks(dsn);
}

static void mask(const char *dsn, struct buf *out)
{
	buf_init(out, OUT_MAX);
	config_mask_dsn(dsn, out);
	CHECK(buf_ok(out) || strlen(dsn) > OUT_MAX / 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *dsn = fuzz_line(&in);
	struct buf shown;
	mask(dsn, &shown);
	const char *text = buf_cstr(&shown);
	PQconninfoOption *options = PQconninfoParse(dsn, NULL);
	if (options) {
		CHECK(!only_secrets_marked(dsn, options) || !strchr(text, MARK));
		PQconninfoFree(options);
	}
	buf_free(&shown);
	return 0;
}
