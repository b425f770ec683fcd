/* Objects: bytes that an operator's browser posts by a form, without his token: what he was handed instead is a signed policy. They have a
 * key, which is written once, and can be had by it; a file (engine/files.h) may name one as its own bytes. */
#ifndef ENGINE_OBJECTS_H
#define ENGINE_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct actor;
struct artifact;
struct delivery;
struct engine;
struct err;
struct worker;

enum { OBJECTS_SIGNATURE_SIZE = 29, OBJECTS_ACCESS_SIZE = 21 };

/* Which key signs: the same on every replica, another one for another master key. No secret. */
void objects_access(const struct engine *engine, char out[OBJECTS_ACCESS_SIZE]);
/* The base64 of HMAC-SHA1. Memory only. */
void objects_sign(const struct engine *engine, const char *text, char out[OBJECTS_SIGNATURE_SIZE]);
bool objects_signed(const struct engine *engine, const char *text, const char *signature); /* constant time */

/* Names bytes that upload_seal_bytes() has sealed, with an audit row. The same bytes once more are no error. ERR_EXISTS: the key has other
 * ones. On a worker. */
bool objects_create(struct engine *engine, struct worker *worker, const struct actor *actor, const char *key,
		    const struct artifact *artifact, struct err *err);

/* ERR_NOT_FOUND: nothing has this key. *out is to be freed with delivery_free. On a worker. */
bool objects_open(struct engine *engine, struct worker *worker, const char *key, struct delivery **out, struct err *err);

#endif
