/* The body of a Xiaozhi device's activation request, read (xiaozhi.md 5). Pure, nothing allocated.
 *
 * Three forms: {} of a device without a key; the flat object of a device with one; the same inside {"Payload":{...}}, as some clients send
 * it.
 */
#ifndef DIALECT_XIAOZHI_ACTIVATE_H
#define DIALECT_XIAOZHI_ACTIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/licence.h"

struct err;

enum {
	XIAOZHI_ACTIVATE_BODY_MAX = 4 * 1024,
	XIAOZHI_ACTIVATE_CHALLENGE_SIZE = 65,
	XIAOZHI_ACTIVATE_HMAC_SIZE = 65,
};

/* "" = not said. */
struct xiaozhi_activate {
	char serial[SERIAL_SIZE];
	char challenge[XIAOZHI_ACTIVATE_CHALLENGE_SIZE];
	char hmac[XIAOZHI_ACTIVATE_HMAC_SIZE]; /* 64 lower-case hex digits of HMAC-SHA256; "" = a chip without a key */
};

/* An empty body is {}. Unknown members are ignored. False: ERR_TOO_LARGE, or ERR_INVALID with a sentence: no JSON object, a known member
 * twice or of the wrong form, another algorithm, or an hmac without the serial number and challenge that it proves. */
bool xiaozhi_activate_decode(const char *body, size_t len, struct xiaozhi_activate *out, struct err *err);

#endif
