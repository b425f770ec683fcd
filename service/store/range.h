/* Which devices a ranked rollout is for: its ranges in PostgreSQL. */
#ifndef STORE_RANGE_H
#define STORE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/listing.h"
#include "model/range.h"

struct db;
struct err;

/* In a transaction: keeps others from writing the rollout's ranges until its end, and the rollout from ending. ERR_NOT_FOUND: it is no
 * active ranked one. Does not hold up tasks that are made meanwhile. */
bool store_range_lock(struct db *db, int64_t rollout_id, int64_t *product_id, struct err *err);

/* After the lock: all of source, at the end of the list, in one COPY. *count: how many that were. The change row (CHANGE_RANGES) must stand
 * before that of the rollout itself, so that no replica shows it without them. */
bool store_range_add(struct db *db, int64_t rollout_id, const struct range_source *source, int64_t *count, struct err *err);
/* The same in the place of those that were there. */
bool store_range_replace(struct db *db, int64_t rollout_id, const struct range_source *source, int64_t *count, struct err *err);
/* After the lock: none any more. *count: how many they were. */
bool store_range_clear(struct db *db, int64_t rollout_id, int64_t *count, struct err *err);

/* ERR_NOT_FOUND: it is no active ranked one. */
bool store_range_may(struct db *db, int64_t rollout_id, struct err *err);

/* page: after = a place, limit. *total: all of the rollout. *out is malloc'd, for the caller to free. */
bool store_range_list(struct db *db, int64_t rollout_id, const struct page *page, struct range_row **out, size_t *count, int64_t *total,
		      struct err *err);

/* The entries of active rollouts that name this identifier (normalised), by rollout and place, at most limit; product_id 0 = of any. */
bool store_range_naming(struct db *db, const char *identifier, const struct page *page, struct range_row **out, size_t *count,
			struct err *err);

#endif
