/* From the table of revocations to the brokers: the engine says what there is to tell, a transport (mqtt/control) tells it and says what
 * the broker has confirmed.
 */
#ifndef ENGINE_REVOCATION_H
#define ENGINE_REVOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"

struct engine;
struct err;

/* Called on a worker's thread when there is a new one: must only wake the teller up. NULL detaches. */
typedef void revocation_poke(void *ctx);
void revocation_attach(struct engine *engine, revocation_poke *poke, void *ctx);

/* What comes after a revision, in order, and the newest there is. Blocking, on the teller's own thread (a connection of its own). */
bool revocation_read(struct engine *engine, int64_t after, struct revocation *out, size_t max, size_t *count, int64_t *newest,
		     struct err *err);

/* The broker has all that was there when revocation_read() was called last, up to this revision, on disk; -1: it cannot be asked. */
void revocation_confirmed(struct engine *engine, int64_t rev);

/* Waits until the broker has confirmed rev and all that was committed before this call, at most ms. False: not yet (it is away, or there is
 * no plugin): it will be told. At most half the workers wait at once, the others are told
 * "not yet". */
bool revocation_wait(struct engine *engine, int64_t rev, int64_t ms);

#endif
