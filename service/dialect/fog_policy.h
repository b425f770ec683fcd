/* Inside the fog dialect: what may be posted, as an OSS policy: base64 of JSON, and the keys of objects. Pure. */
#ifndef DIALECT_FOG_POLICY_H
#define DIALECT_FOG_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum { FOG_POLICY_SIZE = 1024, FOG_PREFIX_SIZE = 33, FOG_ISSUER_SIZE = 65, FOG_KEY_SIZE = 161, FOG_KEY_DEPTH = 4 };

struct fog_policy {
	int64_t expires_ms;           /* wall clock */
	uint64_t min, max;            /* content-length-range: bytes of the file */
	char prefix[FOG_PREFIX_SIZE]; /* which the key begins with */
	char issuer[FOG_ISSUER_SIZE]; /* the operator to whom it was given */
};

/* {"expiration":"...Z","conditions":[["content-length-range",MIN,MAX],["starts-with","$key",PREFIX]],"issuer":...} in base64. False: it
 * does not fit. */
bool fog_policy_encode(const struct fog_policy *policy, char out[FOG_POLICY_SIZE]);

/* The same back. Strict: both conditions, each once, and nothing else. ERR_INVALID with a sentence. */
bool fog_policy_decode(const char *base64, struct fog_policy *out, struct err *err);

/* May an object be called so? 1 to FOG_KEY_SIZE - 1 bytes, 1 to FOG_KEY_DEPTH segments of A-Z a-z 0-9 . _ - between single slashes, none of
 * them "." or "..". So a key stands in a URL as it is. */
bool fog_policy_is_key(const char *key);

/* The key that a form asks for: ${filename} in it stands for the file's name. False: it is longer than size - 1. */
bool fog_policy_key(char *out, size_t size, const char *key, const char *file_name);

#endif
