/* Inside fleet/ only: ranges on their way into the snapshot. A new table is read and built off the lock; polls wait for an exchange of
 * pointers only. On the feed's thread.
 */
#ifndef FLEET_FEED_RANGES_H
#define FLEET_FEED_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct fleet;

/* Those of these rollouts (NULL: of all) as the database has them now. */
bool feed_ranges_load(struct fleet *fleet, struct db *db, const int64_t *rollouts, size_t n, struct err *err);

/* Drops those of which no active rollout is known any more. */
bool feed_ranges_forget(struct fleet *fleet, const int64_t *rollouts, size_t n, struct err *err);

#endif
