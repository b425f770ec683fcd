/* Standing rollouts: ordered for a product and component, cancelled, listed. Writes run inside the caller's transaction and lock in the
 * order product, firmware, rollout, tasks; the group commit, which makes tasks of them, locks in the same order. None of them audits or
 * appends to the change feed.
 */
#ifndef STORE_STANDING_H
#define STORE_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct firmware;
struct page;
struct rollout;
struct standing_row;
struct task;

/* Locks the product against other orders and the firmware against deletion. ERR_NOT_FOUND: there is no such product or firmware;
 * ERR_INVALID: the firmware is another product's. */
bool store_standing_prepare(struct db *db, int64_t product_id, int64_t firmware_id, struct firmware *out, struct err *err);

/* The active one, locked against offers and other orders; out->id 0 = none. */
bool store_standing_present(struct db *db, int64_t product_id, const char *component, struct rollout *out, struct err *err);
/* By its id; ERR_NOT_FOUND when it is none that is active. */
bool store_standing_lock(struct db *db, int64_t rollout_id, struct rollout *out, struct err *err);

/* id comes back. */
bool store_standing_insert(struct db *db, struct rollout *inout, const char *created_by, struct err *err);

/* Live tasks of it with ids above `after`, ascending and locked, at most max. *out is malloc'd. */
bool store_standing_tasks(struct db *db, int64_t rollout_id, int64_t after, size_t max, struct task **out, size_t *count, struct err *err);
/* Hands its live tasks, locked by the caller, to another rollout of the same firmware: each counts there as the first offer. */
bool store_standing_adopt(struct db *db, const int64_t *tasks, size_t n, int64_t to, struct err *err);

/* For the group commit: of these rollouts, those that are active, ascending; held so until the end of the transaction. */
bool store_standing_hold(struct db *db, const int64_t *rollouts, size_t n, int64_t *out, size_t *count, struct err *err);

/* Active ones that are not ranked; page->product_id filters. *out is malloc'd. */
bool store_standing_list(struct db *db, const struct page *page, struct standing_row **out, size_t *count, struct err *err);
/* Also one that is ranked. */
bool store_standing_get(struct db *db, int64_t rollout_id, struct standing_row *out, struct err *err);

#endif
