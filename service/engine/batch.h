/* Inside engine/ only: one group commit: decides on every operation in order, on locked rows held in memory, then writes each table once.
 */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/task.h"
#include "store/change.h"
#include "store/task.h"

struct commit_op;
struct config;
struct db;
struct engine;
struct err;
struct op;

/* A list of ids that grows. */
struct ids {
	int64_t *at;
	size_t count, cap;
};

/* A task in the hand of the batch. */
struct held {
	struct task task;
	bool is_new;
	bool dirty;
};

enum rollout_end { END_DONE, END_CANCELLED, END_SUPERSEDED, END_REPLACED, ROLLOUT_ENDS };

struct batch {
	struct engine *engine;
	const struct config *config;
	int64_t now_ms;
	bool failed; /* out of memory: sticky, checked before writing */
	struct held *held;
	size_t held_count, held_cap;
	struct ids held_devices, held_tasks; /* of each: what is looked for, side by side */
	struct rollout *assignments;         /* active passive ones of the devices at hand, also as changed by this batch */
	size_t assignment_count, assignment_cap;
	struct rollout_insert *rollouts;
	size_t rollout_count, rollout_cap;
	struct event_insert *events;
	size_t event_count, event_cap;
	struct audit_insert *audits;
	size_t audit_count, audit_cap;
	struct version_fact *facts;
	size_t fact_count, fact_cap;
	struct learnt {
		int64_t firmware_id;
		char version[VERSION_SIZE];
	} * learnt;
	size_t learnt_count, learnt_cap;
	struct ids described;
	struct ids ended[ROLLOUT_ENDS]; /* rollouts that were there before; new ones carry their end themselves */
	struct outbox_hasten *hasten;
	size_t hasten_count, hasten_cap;
	struct ids outbox_put, outbox_delay, outbox_retry, outbox_drop;
	struct ids fresh_rollouts, fresh_tasks; /* ids not used yet */
	struct ids devices, firmware, standing; /* what orders and offers may name: there (active), and locked; ascending */
	struct ids changed[CHANGE_KINDS];
	int64_t positions[CHANGE_KINDS]; /* of the change rows; 0 = none */
	bool wake;                       /* an operator's change: others must know at once */
};

/* struct commit_config.run and .committed; ctx is the engine. */
bool batch_run(void *ctx, struct db *db, struct commit_op **ops, size_t n, struct err *err);
void batch_committed(void *ctx, struct commit_op **ops, size_t n);
void batch_free(struct batch *b);

/* batch_rows.c: locks and reads what the operations may touch; writes what they made of it, inside a pipeline. */
bool batch_read(struct batch *b, struct db *db, struct commit_op **ops, size_t n, struct err *err);
bool batch_write(struct batch *b, struct db *db, struct err *err);

/* Shared by the files of the batch. */
bool ids_add(struct batch *b, struct ids *ids, int64_t id);
void *batch_grow(struct batch *b, void **array, size_t *count, size_t *cap, size_t size); /* a zeroed new element, or NULL */
struct held *batch_live(struct batch *b, int64_t device_id, const char *component);
struct held *batch_task(struct batch *b, int64_t task_id);
struct rollout *batch_assignment(struct batch *b, int64_t device_id, const char *component);
/* Takes an edge, if there is one: event row, outbox, end of the rollout. */
bool batch_move(struct batch *b, struct held *held, enum task_event event, const char *code, const char *detail);
void batch_end_rollout(struct batch *b, int64_t rollout_id, enum rollout_end how);
const char *batch_end_reason(enum rollout_end how); /* as its row says it */
/* A new one, also among the ids; NULL: out of memory. */
struct held *batch_hold(struct batch *b, const struct task *task);
void batch_event(struct batch *b, int64_t task_id, const char *event, const char *from, const char *to, const char *detail);
void batch_audit(struct batch *b, const struct actor *actor, const char *action, const char *target, const char *detail);
void batch_fact(struct batch *b, int64_t device_id, const char *component, const char *version);
void batch_order(struct batch *b, struct op *op);
void batch_cancel(struct batch *b, struct op *op);
void batch_hear(struct batch *b, struct op *op);
void batch_note(struct batch *b, struct op *op);   /* batch_hear.c */
void batch_offer(struct batch *b, struct op *op);  /* standing.c */
bool batch_has(const struct ids *ids, int64_t id); /* of ascending ones */
/* What the device runs, as far as anybody knows: what this batch has heard, else the snapshot; "" = unknown. */
void batch_present_version(const struct batch *b, int64_t device_id, const char *component, char out[VERSION_SIZE]);
/* A queued task of rollout, device, firmware, way, component, source version and offers as given, with an event that names `by`. */
struct held *batch_new_task(struct batch *b, const struct task *as, const char *by);

#endif
