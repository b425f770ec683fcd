/* Idempotency-Keys: one request of an actor under one key runs once, its answer is kept for a day, sealed (an
 * answer may show a password). Each call is a transaction of its own. `seal` is the engine's.
 */
#ifndef STORE_IDEMPOTENCY_H
#define STORE_IDEMPOTENCY_H

#include <stdbool.h>

struct db;
struct err;
struct idempotency; /* model/listing.h */
struct seal_key;

/* Claims actor, key and request (status 0 afterwards), or finds the earlier answer (status, body). ERR_CONFLICT: the key belongs to another
 * request, or to the same one and that is still running (a claim whose process died is free again after a minute). The caller wipes and
 * frees body. */
bool store_idempotency_claim(struct db *db, const struct seal_key *seal, struct idempotency *inout, struct err *err);
/* The answer to a claimed request: its status and body. */
bool store_idempotency_keep(struct db *db, const struct seal_key *seal, const struct idempotency *answer, struct err *err);
/* Gives up the claim: the request failed and may be tried again under the same key. */
bool store_idempotency_drop(struct db *db, const struct idempotency *claim, struct err *err);

#endif
