/* Inside engine/ only: what is done to the live tasks of a standing rollout, which may be a million: by pages, in the transaction of an
 * operator's write that holds the rollout's row locked, so that no task of it is made meanwhile. */
#ifndef ENGINE_ADMIN_SWEEP_H
#define ENGINE_ADMIN_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "model/task.h"

struct admin_write;
struct db;
struct err;

struct admin_sweep {
	struct db *db;
	struct admin_write *write; /* collects the tasks that changed */
	const char *actor;
	enum task_event event; /* what has no such edge is left to go on */
	int64_t adopt;         /* not 0: they become this rollout's instead */
	int64_t count;         /* out: how many changed */
};

bool admin_sweep(struct admin_sweep *sweep, int64_t rollout_id, struct err *err);

#endif
