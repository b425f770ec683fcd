/* Keeps the snapshot true: a thread that follows the change feed. NOTIFY wakes it; it looks by itself every few seconds; what this replica
 * committed and applied itself is not read again.
 */
#ifndef FLEET_FEED_H
#define FLEET_FEED_H

#include <stdbool.h>
#include <stdint.h>

struct db_config;
struct err;
struct feed;
struct fleet;
struct seal_key;

/* Loads everything (logged with its duration), then starts following. seal opens what products' devices are told. revoked_ms: how
 * far back revoked pushes matter (their aliases' life). config and seal must outlive it. */
struct feed *feed_start(struct fleet *fleet, const struct db_config *config, const struct seal_key *seal, int64_t revoked_ms,
			struct err *err);
void feed_stop(struct feed **feed);

/* The change at pos is in the snapshot already: the caller has put its rows there. Any thread. */
void feed_applied(struct feed *feed, int64_t pos);

/* Waits until the snapshot shows pos, at most timeout_ms. Any thread. */
bool feed_wait(struct feed *feed, int64_t pos, int64_t timeout_ms);

/* No row that was read before this call is still on its way into the snapshot. Any thread. */
bool feed_is_quiet(const struct feed *feed);

/* Is the feed's connection to the database up? */
bool feed_is_up(const struct feed *feed);

#endif
