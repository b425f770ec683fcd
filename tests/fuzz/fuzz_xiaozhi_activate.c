/* The body of an activation request; what was read, written flat by us, is read as the same. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/xiaozhi_activate.h"
#include "fuzz.h"

static void check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	CHECK(len < size && text_is_utf8(text, len) && text_is_printable(text, len));
}

static void read_back(const struct xiaozhi_activate *a, const char *before, const char *after)
{
	char mem[2048];
	struct buf out;
	struct xiaozhi_activate again;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, before);
	buf_puts(&out, "{\"serial_number\":");
	buf_put_json(&out, a->serial);
	buf_puts(&out, ",\"challenge\":");
	buf_put_json(&out, a->challenge);
	buf_puts(&out, ",\"hmac\":");
	buf_put_json(&out, a->hmac);
	buf_putc(&out, '}');
	buf_puts(&out, after);
	CHECK(buf_ok(&out) && xiaozhi_activate_decode(out.data, out.len, &again, NULL));
	CHECK(strcmp(a->serial, again.serial) == 0 && strcmp(a->challenge, again.challenge) == 0 && strcmp(a->hmac, again.hmac) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct xiaozhi_activate activate;
	struct err err = {0};
	size_t len;
	scoped_free char *body = fuzz_rest(&in, &len);
	if (!xiaozhi_activate_decode(body, len, &activate, &err)) {
		CHECK(err.kind == ERR_INVALID || err.kind == ERR_TOO_LARGE);
		return 0;
	}
	check_text(activate.serial, sizeof activate.serial);
	check_text(activate.challenge, sizeof activate.challenge);
	CHECK(!activate.hmac[0] || (strspn(activate.hmac, "0123456789abcdef") == 64 && activate.serial[0] && activate.challenge[0]));
	read_back(&activate, "", "");
	read_back(&activate, "{\"Payload\":", "}");
	return 0;
}
