/* Inside engine/ only: the frame of every write of an operator (begin, the step's store calls, audit, change, commit, settle) and of every
 * read. */
#ifndef ENGINE_ADMIN_FRAME_H
#define ENGINE_ADMIN_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "model/nouns.h"
#include "store/change.h"
#include "store/db.h"
#include "work/pool.h"

struct engine;
struct err;

/* What a write leaves behind. The step fills id, target and detail. */
struct admin_write {
	const char *action;    /* "product.create" */
	enum change_kind kind; /* CHANGE_KINDS: no replica holds such rows in memory, so none is told */
	int64_t id;            /* of the row that changed */
	char target[TEXT_SIZE];
	char detail[TEXT_SIZE];
	int64_t *rollouts; /* that changed or ended with it; malloc'd by the step, freed by the frame */
	size_t rollout_count;
	bool ranges;    /* of these rollouts changed too */
	bool opens;     /* they are shown behind all else that changed, not before: what they offer from now on must be there first */
	int64_t *tasks; /* that changed; likewise */
	size_t task_count;
};

/* The typed store calls of one verb, inside the transaction. May run again after a deadlock: it must not build on what it changed in noun.
 */
typedef bool admin_step(struct db *db, struct admin_write *write, void *noun, struct err *err);

struct admin_frame {
	struct engine *engine;
	struct worker *worker;
	const struct actor *actor;
};
bool admin_frame_write(const struct admin_frame *frame, struct admin_write *write, admin_step *step, void *noun, struct err *err);

/* Runs `call` (an expression over `db`) on the worker's connection, once more on a fresh one if that turned out to be lost. For single
 * reads only. */
#define ADMIN_READ(worker, err, call)                              \
	__extension__({                                            \
		bool ok_ = false;                                  \
		for (int attempt_ = 0; attempt_ < 2; attempt_++) { \
			struct db *db = worker_db(worker, err);    \
			ok_ = db && (call);                        \
			if (ok_ || !db || db_is_alive(db)) {       \
				break;                             \
			}                                          \
		}                                                  \
		ok_;                                               \
	})

#endif
