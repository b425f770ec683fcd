/* Licences: which serial number proves itself by which HMAC key. Pure. */
#ifndef MODEL_LICENCE_H
#define MODEL_LICENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum { SERIAL_SIZE = 33, LICENCE_KEY_DIGITS = 64 };

/* What keys the device's HMAC: the 32 bytes in its eFuse, or (some clients) their 64 hex digits as text. */
enum licence_encoding { LICENCE_RAW, LICENCE_HEX_TEXT };

struct licence {
	int64_t id;
	int64_t product_id; /* 0 = good for a device of any product */
	int64_t device_id;  /* 0 = not bound yet */
	char serial[SERIAL_SIZE];
	enum licence_encoding encoding;
	int64_t rev;
	int64_t created_ms;
};

/* The bytes that key the HMAC, as the encoding says. Secret: wiped by licence_key_wipe() when it has served. */
struct licence_key {
	size_t len; /* 32 or 64 */
	uint8_t bytes[LICENCE_KEY_DIGITS];
};

/* A licence to be added. */
struct licence_new {
	struct licence licence;
	struct licence_key key;
	size_t line; /* of the file it came in */
};

/* "raw", "hex_text". parse answers false on anything else. */
const char *licence_encoding_name(enum licence_encoding encoding);
bool licence_encoding_parse(const char *name, enum licence_encoding *out);

/* Checks and takes what an operator gave: serial (1 to 32 printable ASCII characters, no blank at either end), the key's 64 hex digits,
 * encoding ("" = raw). Every sentence names the field; none shows the key. On failure inout holds no key. */
bool licence_take(struct licence_new *inout, const char *serial, const char *key, const char *encoding, struct err *err);

void licence_key_wipe(struct licence_key *key);

#endif
