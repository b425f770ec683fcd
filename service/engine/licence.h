/* Licences for those who verify a device's HMAC: the key in clear, on a worker thread, for as long as it takes. */
#ifndef ENGINE_LICENCE_H
#define ENGINE_LICENCE_H

#include <stdbool.h>

struct engine;
struct err;
struct licence;     /* model/licence.h */
struct licence_key; /* model/licence.h */
struct worker;

/* The licence of a serial and the bytes that key its HMAC; the caller wipes them (licence_key_wipe). ERR_NOT_FOUND: an unknown serial;
 * ERR_UNAVAILABLE; ERR_INTERNAL: the key does not open (altered, or sealed under another master key). On failure no key comes out. */
bool licence_open(struct engine *engine, struct worker *worker, const char *serial, struct licence *out, struct licence_key *key,
		  struct err *err);

#endif
