/* Inside fleet/ only: rows on their way from the database into the snapshot, in bursts between which polls go on. On the feed's thread.
 */
#ifndef FLEET_FEED_ROWS_H
#define FLEET_FEED_ROWS_H

#include <stdbool.h>
#include <stdint.h>

struct change;
struct db;
struct err;
struct fleet;
struct seal_key;

struct feed_rows {
	struct fleet *fleet;
	struct db *db;
	const struct seal_key *seal; /* opens what products' devices are told */
};

/* Everything, as of *position; of the revoked tasks those since revoked_after_ms. False: the snapshot has what came until then, and lost
 * nothing. */
bool feed_rows_load(const struct feed_rows *via, int64_t revoked_after_ms, int64_t *position, struct err *err);

/* What a change names (at least one id, which it sorts) as the database has it now; what it has no more is dropped. */
bool feed_rows_apply(const struct feed_rows *via, struct change *change, struct err *err);

#endif
