#include "engine/batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/feed.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "metrics/metrics.h"
#include "store/db.h"
#include "store/outbox.h"

void *batch_grow(struct batch *b, void **array, size_t *count, size_t *cap, size_t size)
{
	if (*count == *cap) {
		size_t more = *cap ? *cap * 2 : 16;
		void *bigger = realloc(*array, more * size);
		if (!bigger) {
			b->failed = true;
			return NULL;
		}
		*array = bigger;
		*cap = more;
	}
	void *slot = (char *)*array + (*count)++ * size;
	memset(slot, 0, size);
	return slot;
}
#define GROW(b, list, count, cap) batch_grow((b), (void **)&(b)->list, &(b)->count, &(b)->cap, sizeof *(b)->list)

bool ids_add(struct batch *b, struct ids *ids, int64_t id)
{
	int64_t *slot = batch_grow(b, (void **)&ids->at, &ids->count, &ids->cap, sizeof *ids->at);
	if (slot) {
		*slot = id;
	}
	return slot != NULL;
}

struct held *batch_live(struct batch *b, int64_t device_id, const char *component)
{
	for (size_t i = b->held_count; i-- > 0;) {
		const struct task *t = &b->held[i].task;
		if (b->held_devices.at[i] == device_id && task_state_is_live(t->state) && strcmp(t->component, component) == 0) {
			return &b->held[i];
		}
	}
	return NULL;
}

struct held *batch_task(struct batch *b, int64_t task_id)
{
	for (size_t i = 0; i < b->held_count; i++) {
		if (b->held_tasks.at[i] == task_id) {
			return &b->held[i];
		}
	}
	return NULL;
}

struct rollout *batch_assignment(struct batch *b, int64_t device_id, const char *component)
{
	for (size_t i = 0; i < b->assignment_count; i++) {
		struct rollout *r = &b->assignments[i];
		if (r->device_id == device_id && !r->ended_ms && strcmp(r->component, component) == 0) {
			return r;
		}
	}
	return NULL;
}

void batch_event(struct batch *b, int64_t task_id, const char *event, const char *from, const char *to, const char *detail)
{
	struct event_insert *e = GROW(b, events, event_count, event_cap);
	if (e) {
		*e = (struct event_insert){.task_id = task_id, .event = event, .from = from, .to = to};
		text_copy(e->detail, sizeof e->detail, detail);
	}
}

void batch_audit(struct batch *b, const struct actor *actor, const char *action, const char *target, const char *detail)
{
	struct audit_insert *a = GROW(b, audits, audit_count, audit_cap);
	if (a) {
		*a = (struct audit_insert){.actor = *actor, .action = action};
		text_copy(a->target, sizeof a->target, target);
		text_copy(a->detail, sizeof a->detail, detail);
	}
}

void batch_fact(struct batch *b, int64_t device_id, const char *component, const char *version)
{
	struct version_fact *f = NULL;
	for (size_t i = 0; i < b->fact_count && !f; i++) {
		if (b->facts[i].device_id == device_id && strcmp(b->facts[i].component, component) == 0) {
			f = &b->facts[i];
		}
	}
	f = f ? f : GROW(b, facts, fact_count, fact_cap);
	if (f) {
		f->device_id = device_id;
		text_copy(f->component, sizeof f->component, component);
		text_copy(f->version, sizeof f->version, version);
		ids_add(b, &b->changed[CHANGE_DEVICE], device_id);
	}
}

const char *batch_end_reason(enum rollout_end how)
{
	static const char *const reasons[ROLLOUT_ENDS] = {
		[END_DONE] = "done", [END_CANCELLED] = "cancelled", [END_SUPERSEDED] = "superseded", [END_REPLACED] = "replaced"};
	return reasons[how];
}

void batch_end_rollout(struct batch *b, int64_t rollout_id, enum rollout_end how)
{
	for (size_t i = 0; i < b->rollout_count; i++) {
		if (b->rollouts[i].rollout.id == rollout_id) { /* made and ended in one batch */
			b->rollouts[i].rollout.ended_ms = b->now_ms;
			b->rollouts[i].end_reason = batch_end_reason(how);
			return;
		}
	}
	ids_add(b, &b->ended[how], rollout_id);
}

bool batch_move(struct batch *b, struct held *h, enum task_event event, const char *code, const char *detail)
{
	enum task_state from = h->task.state;
	const struct task_edge *edge = task_apply(&h->task, event, code, b->now_ms);
	if (!edge) {
		return false;
	}
	h->dirty = true;
	batch_event(b, h->task.id, task_event_name(event), task_state_name(from), task_state_name(edge->to), *detail ? detail : code);
	if (edge->to == TASK_DOWNLOADING) {
		ids_add(b, &b->outbox_delay, h->task.id);
	} else if (!task_state_is_sendable(edge->to)) {
		ids_add(b, &b->outbox_drop, h->task.id);
	}
	if (h->task.ended_ms && h->task.way == WAY_PUSH) {
		enum rollout_end how = edge->to == TASK_CANCELLED ? END_CANCELLED : edge->to == TASK_SUPERSEDED ? END_SUPERSEDED : END_DONE;
		batch_end_rollout(b, h->task.rollout_id, how);
	}
	return true;
}

/* --- the other operations: small ones --- */

static void run_sent(struct batch *b, struct op *op)
{
	struct held *h = batch_task(b, op->task_id);
	if (!h) {
		return;
	}
	batch_move(b, h, EVENT_SENT, "", op->mqtt ? "broker" : "poll");
}

static void run_hasten(struct batch *b, struct op *op)
{
	struct held *h = batch_task(b, op->task_id);
	if (h && h->task.way == WAY_PUSH && task_state_is_sendable(h->task.state)) {
		struct outbox_hasten *row = GROW(b, hasten, hasten_count, hasten_cap);
		if (row) {
			/* who begins a download anew is told once, not at short intervals again */
			int64_t attempt = h->task.state == TASK_DOWNLOADING ? OUTBOX_ATTEMPT_LAST : 0;
			*row = (struct outbox_hasten){op->task_id, op->in.since.mono_ms, attempt, op->in.since.wait_ms};
		}
	}
}

/* An outbox row whose task is not live: it ended where its row could not be seen. */
static void run_stray(struct batch *b, struct op *op)
{
	const struct held *h = batch_task(b, op->task_id);
	if (!h || !task_state_is_sendable(h->task.state)) {
		ids_add(b, &b->outbox_drop, op->task_id);
	}
}

static void run_silence(struct batch *b, struct op *op)
{
	struct held *h = batch_task(b, op->task_id);
	struct task_timers timers = {b->config->task_ttl, b->config->stall_timeout, b->config->install_timeout};
	if (h) {
		struct verdict v = report_silence(&h->task, &timers, b->now_ms);
		if (v.moves) {
			batch_move(b, h, v.event, v.code, "");
		}
	}
}

static void run_op(struct batch *b, struct op *op)
{
	op->refused.kind = ERR_NONE;
	switch (op->kind) {
	case OP_ORDER:
		batch_order(b, op);
		break;
	case OP_CANCEL:
		batch_cancel(b, op);
		break;
	case OP_REPORT:
		batch_hear(b, op);
		break;
	case OP_SENT:
		run_sent(b, op);
		break;
	case OP_UNSENT:
		ids_add(b, &b->outbox_retry, op->task_id);
		break;
	case OP_STRAY:
		run_stray(b, op);
		break;
	case OP_HASTEN:
		run_hasten(b, op);
		break;
	case OP_SILENCE:
		run_silence(b, op);
		break;
	case OP_OFFER:
		batch_offer(b, op);
		break;
	case OP_NOTE:
		batch_note(b, op);
		break;
	}
}

/* Nothing but what happened to pushes at the broker: a push whose "sent" is lost is sent again. */
static bool is_relaxed(struct commit_op **ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct op *op = (const struct op *)(const void *)ops[i];
		bool broker = (op->kind == OP_SENT && op->mqtt) || op->kind == OP_UNSENT || op->kind == OP_STRAY;
		if (!broker) {
			return false;
		}
	}
	return true;
}

bool batch_run(void *ctx, struct db *db, struct commit_op **ops, size_t n, struct err *err)
{
	struct engine *e = ctx;
	struct batch *b = e->batch;
	batch_free(b);
	b->engine = e;
	b->config = e->config;
	if (!batch_read(b, db, ops, n, err)) {
		return false;
	}
	b->now_ms = clock_wall_ms(); /* with the locks: later than whatever another replica did to these tasks */
	for (size_t i = 0; i < n; i++) {
		run_op(b, (struct op *)ops[i]);
	}
	if (b->failed) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	return db_pipeline(db, err) && (!is_relaxed(ops, n) || store_commit_relaxed(db, err)) && batch_write(b, db, err);
}

/* --- after COMMIT --- */

/* What happened, for whoever reads the log: ends at info, the steps before at debug. */
static void log_event(struct batch *b, const struct event_insert *event, enum log_level level)
{
	const struct held *h = batch_task(b, event->task_id);
	char device[NAME_SIZE] = "";
	fleet_read(b->engine->fleet);
	const struct device_entry *entry = h ? fleet_device_by_id(b->engine->fleet, h->task.device_id) : NULL;
	if (entry) {
		text_copy(device, sizeof device, fleet_device_name(b->engine->fleet, entry));
	}
	fleet_done(b->engine->fleet);
	const struct log_field fields[] = {LOG_S("event", event->event),
					   LOG_S("device", device),
					   LOG_I("task", event->task_id),
					   LOG_S("from", event->from),
					   LOG_S("to", event->to),
					   LOG_S("detail", event->detail),
					   {.key = NULL}};
	log_write(level, "task", fields);
}

static void log_events(struct batch *b)
{
	for (size_t i = 0; i < b->event_count; i++) {
		enum task_state to;
		bool end = task_state_parse(b->events[i].to, &to) && !task_state_is_live(to);
		enum log_level level = end ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
		if (log_enabled(level)) {
			log_event(b, &b->events[i], level);
		}
	}
}

void batch_committed(void *ctx, struct commit_op **ops, size_t n)
{
	(void)ops;
	(void)n;
	struct engine *e = ctx;
	struct batch *b = e->batch;
	fleet_write(e->fleet);
	for (size_t i = 0; i < b->learnt_count; i++) {
		fleet_learn_version(e->fleet, b->learnt[i].firmware_id, b->learnt[i].version);
	}
	for (size_t i = 0; i < b->fact_count; i++) {
		fleet_set_version(e->fleet, b->facts[i].device_id, b->facts[i].component, b->facts[i].version);
	}
	for (size_t i = 0; i < b->held_count; i++) {
		const struct held *h = &b->held[i];
		/* also one that was only read: it may have been made by another replica, or by a COMMIT whose answer was lost */
		if (h->is_new || h->dirty || task_state_is_live(h->task.state)) {
			fleet_put_task(e->fleet, &h->task);
		} else {
			fleet_note_past(e->fleet, &h->task); /* what it refused an offer for is not to be asked of the rows again */
		}
	}
	for (size_t i = 0; i < b->assignment_count; i++) {
		fleet_put_assignment(e->fleet, &b->assignments[i]);
	}
	/* only tasks have a revision that keeps a load from putting older ones back; the others are read again */
	if (b->positions[CHANGE_TASK]) {
		feed_applied(e->feed, b->positions[CHANGE_TASK]);
	}
	fleet_done(e->fleet);
	pthread_mutex_lock(&e->ready_lock);
	if (b->outbox_put.count && e->ready) {
		e->ready(e->ready_ctx, b->outbox_put.at, b->outbox_put.count);
	}
	if (b->hasten_count && e->ready) {
		e->ready(e->ready_ctx, NULL, 0);
	}
	pthread_mutex_unlock(&e->ready_lock);
	for (size_t i = 0; i < b->audit_count; i++) {
		engine_log_audit(&b->audits[i].actor, b->audits[i].action, b->audits[i].target, b->audits[i].detail);
	}
	log_events(b);
	batch_free(b);
}

void batch_free(struct batch *b)
{
	struct ids *lists[] = {&b->described,   &b->outbox_put, &b->outbox_delay, &b->outbox_retry, &b->outbox_drop,  &b->fresh_rollouts,
			       &b->fresh_tasks, &b->devices,    &b->firmware,     &b->standing,     &b->held_devices, &b->held_tasks};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		free(lists[i]->at);
	}
	for (int kind = 0; kind < CHANGE_KINDS; kind++) {
		free(b->changed[kind].at);
	}
	for (int how = 0; how < ROLLOUT_ENDS; how++) {
		free(b->ended[how].at);
	}
	free(b->hasten);
	free(b->held);
	free(b->assignments);
	free(b->rollouts);
	free(b->events);
	free(b->audits);
	free(b->facts);
	free(b->learnt);
	memset(b, 0, sizeof *b);
}
