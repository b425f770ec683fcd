/* Pushes to be published, shared by all replicas: a claim moves due_at into the future (the lease), so that a replica that dies loses nothing. */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;

struct outbox_row {
	int64_t task_id;
	int64_t attempt;
};

/* Entries for new or re-ordered tasks: due in delay_ms (the lease of the replica that sends at once, or 0), attempt 0. */
bool store_outbox_put(struct db *db, const int64_t *tasks, size_t n, int64_t delay_ms, struct err *err);

/* Takes up to max due entries with a lease. Commits by itself (outside a transaction). *next_ms: when nothing was taken, ms until the next becomes due (-1: none). */
bool store_outbox_claim(struct db *db, size_t max, int64_t lease_ms, struct outbox_row *out, size_t *count, int64_t *next_ms, struct err *err);

/* The broker took it: due again after min_ms * 2^attempt (at most max_ms, +-25 %). */
bool store_outbox_sent(struct db *db, const int64_t *tasks, size_t n, int64_t min_ms, int64_t max_ms, struct err *err);

/* Due after delay_ms from now, attempt unchanged: the broker did not take it, or the device is busy with it. */
bool store_outbox_delay(struct db *db, const int64_t *tasks, size_t n, int64_t delay_ms, struct err *err);

/* The broker is back and may have forgotten what it acknowledged: everything is due within window_ms, spread evenly, from attempt 0. */
bool store_outbox_restart(struct db *db, int64_t window_ms, struct err *err);

bool store_outbox_drop(struct db *db, const int64_t *tasks, size_t n, struct err *err);

#endif
