/* Housekeeping that any replica may do at any time. */
#ifndef STORE_MAINTAIN_H
#define STORE_MAINTAIN_H

#include <stdbool.h>
#include <stdint.h>

struct db;
struct err;

/* Next month's partition of events, and no events older than keep_ms. */
bool store_maintain_events(struct db *db, int64_t keep_ms, struct err *err);

/* Forgets expired tokens and idempotency keys of yesterday. */
bool store_maintain_tokens(struct db *db, struct err *err);

#endif
