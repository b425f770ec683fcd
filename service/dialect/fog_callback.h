/* Inside the fog dialect: the field `callback` of a form, as OSS has it: base64 of {"callbackUrl","callbackBody","callbackBodyType",
 * "callbackHost","callbackSNI"}, and the body that comes of it. Pure. */
#ifndef DIALECT_FOG_CALLBACK_H
#define DIALECT_FOG_CALLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum {
	FOG_CALLBACK_SIZE = 4097, /* of the base64 */
	FOG_CALLBACK_URL_SIZE = 513,
	FOG_CALLBACK_TEMPLATE_SIZE = 2049,
	FOG_CALLBACK_BODY_MAX = 16 * 1024,
	FOG_VARS_SIZE = 4096,
	FOG_VARS_MAX = 16,
};

struct fog_callback {
	char url[FOG_CALLBACK_URL_SIZE]; /* "": nobody is to be called */
	char body[FOG_CALLBACK_TEMPLATE_SIZE];
	bool json; /* else a form */
};

/* What is handed out to be sent back: a form with object, etag, size and mimeType for this URL; "": nobody. False: it does not fit. */
bool fog_callback_encode(const char *url, char out[FOG_CALLBACK_SIZE]);

/* ERR_INVALID with a sentence: no such object, a body without an end or with a variable that there is not, another host than the URL's. */
bool fog_callback_decode(const char *base64, struct fog_callback *out, struct err *err);

/* The form's own variables, its fields x:name. Zeroed before the first. */
struct fog_vars {
	size_t len;
	unsigned count;
	bool spoilt; /* one did not fit, is no UTF-8, or has a NUL in it or another name than x: and 1..64 of a-z A-Z 0-9 _ . - */
	char text[FOG_VARS_SIZE];
};
void fog_vars_put(struct fog_vars *vars, const char *name, const char *value, size_t len);

struct fog_posted {
	const char *object; /* the key */
	const char *etag;   /* without its quotes */
	uint64_t size;
	const struct fog_vars *vars;
};

/* The body: values are escaped for its type, so that none can end its place. A variable of the form's that is not there is "". ERR_INVALID:
 * too long, or the type is JSON and the whole would be no JSON object. */
bool fog_callback_render(const struct fog_callback *callback, const struct fog_posted *posted, struct buf *out, struct err *err);

const char *fog_callback_type(const struct fog_callback *callback);

#endif
