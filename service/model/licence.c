#include "model/licence.h"

#include <string.h>

#include "common/err.h"
#include "common/text.h"

static const char *const names[] = {[LICENCE_RAW] = "raw", [LICENCE_HEX_TEXT] = "hex_text"};

const char *licence_encoding_name(enum licence_encoding encoding)
{
	return names[encoding];
}

bool licence_encoding_parse(const char *name, enum licence_encoding *out)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum licence_encoding)i;
			return true;
		}
	}
	return false;
}

static bool is_serial(const char *s)
{
	size_t len = strnlen(s, SERIAL_SIZE);
	if (len == 0 || len == SERIAL_SIZE || s[0] == ' ' || s[len - 1] == ' ') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (s[i] < ' ' || s[i] > '~') {
			return false;
		}
	}
	return true;
}

/* As text the digits stay as they are: their case is part of the HMAC's key. */
static bool take_key(const char *text, enum licence_encoding encoding, struct licence_key *out)
{
	uint8_t raw[LICENCE_KEY_DIGITS / 2];
	bool ok = strnlen(text, LICENCE_KEY_DIGITS + 1) == LICENCE_KEY_DIGITS && text_unhex(text, raw, sizeof raw);
	if (ok) {
		out->len = encoding == LICENCE_RAW ? sizeof raw : LICENCE_KEY_DIGITS;
		memcpy(out->bytes, encoding == LICENCE_RAW ? (const void *)raw : text, out->len);
	}
	explicit_bzero(raw, sizeof raw);
	return ok;
}

bool licence_take(struct licence_new *inout, const char *serial, const char *key, const char *encoding, struct err *err)
{
	struct licence *l = &inout->licence;
	if (!is_serial(serial)) {
		return err_set(err, ERR_INVALID, "the serial must have 1 to %d printable ASCII characters and no blank at either end",
			       SERIAL_SIZE - 1);
	}
	l->encoding = LICENCE_RAW;
	if (*encoding && !licence_encoding_parse(encoding, &l->encoding)) {
		return err_set(err, ERR_INVALID, "the encoding must be raw or hex_text");
	}
	text_copy(l->serial, sizeof l->serial, serial);
	return take_key(key, l->encoding, &inout->key) || err_set(err, ERR_INVALID, "the key must be %d hex digits", LICENCE_KEY_DIGITS);
}

void licence_key_wipe(struct licence_key *key)
{
	explicit_bzero(key, sizeof *key);
}
