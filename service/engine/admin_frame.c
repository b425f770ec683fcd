#include "engine/admin_frame.h"

#include <stdlib.h>

#include "common/err.h"
#include "engine/private.h"

enum { ATTEMPTS = 3 };

/* The worker's connection with a transaction begun; a connection that turns out to be lost is replaced once. */
static struct db *begin(struct worker *worker, struct err *err)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		struct db *db = worker_db(worker, err);
		if (!db) {
			return NULL;
		}
		if (db_begin(db, err)) {
			return db;
		}
		if (db_is_alive(db)) {
			return NULL;
		}
	}
	return NULL;
}

static bool leave_traces(struct db *db, const struct actor *actor, const struct admin_write *write, int64_t *pos, struct err *err)
{
	if (!store_audit(db, actor, write->action, write->target, write->detail, err)) {
		return false;
	}
	if (write->task_count && !store_change(db, CHANGE_TASK, write->tasks, write->task_count, false, NULL, err)) {
		return false;
	}
	bool last = write->opens;
	if (write->rollout_count && !last && !store_change(db, CHANGE_ROLLOUT, write->rollouts, write->rollout_count, false, NULL, err)) {
		return false;
	}
	if (write->ranges && !store_change(db, CHANGE_RANGES, write->rollouts, write->rollout_count, false, NULL, err)) {
		return false;
	}
	if (write->kind != CHANGE_KINDS && !store_change(db, write->kind, &write->id, 1, !last, last ? NULL : pos, err)) {
		return false;
	}
	return !last || store_change(db, CHANGE_ROLLOUT, write->rollouts, write->rollout_count, true, pos, err);
}

static bool write_once(const struct admin_frame *frame, struct admin_write *write, admin_step *step, void *noun, struct err *err)
{
	int64_t pos = 0;
	struct db *db = begin(frame->worker, err);
	if (!db) {
		return false;
	}
	bool ok = step(db, write, noun, err) && leave_traces(db, frame->actor, write, &pos, err) && db_commit(db, err);
	free(write->rollouts);
	write->rollouts = NULL;
	write->rollout_count = 0;
	free(write->tasks);
	write->tasks = NULL;
	write->task_count = 0;
	if (!ok) {
		db_rollback(db);
		return false;
	}
	engine_log_audit(frame->actor, write->action, write->target, write->detail);
	engine_settle(frame->engine, pos);
	return true;
}

bool admin_frame_write(const struct admin_frame *frame, struct admin_write *write, admin_step *step, void *noun, struct err *err)
{
	for (int attempt = 1;; attempt++) {
		struct err why = {0};
		if (write_once(frame, write, step, noun, &why)) {
			return true;
		}
		if (why.kind != ERR_BUSY || attempt == ATTEMPTS) { /* busy: a deadlock or a lock that did not come, nothing was done */
			return err_set(err, why.kind, "%s", why.text);
		}
	}
}
