/* The rows of a batch: locked and read before its operations are decided, written after, each table once. */
#include <stdlib.h>

#include "common/err.h"
#include "common/scoped.h"
#include "config/config.h"
#include "engine/batch.h"
#include "engine/op.h"
#include "engine/private.h"
#include "store/outbox.h"
#include "store/standing.h"

/* --- reading --- */

static bool hold_tasks(struct batch *b, struct db *db, const struct ids *devices, const struct ids *named, struct err *err)
{
	struct task *tasks = NULL;
	size_t count = 0;
	struct task_wish wish = {devices->at, devices->count, named->at, named->count};
	if (devices->count + named->count && !store_tasks_lock(db, &wish, &tasks, &count, err)) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		batch_hold(b, &tasks[i]);
	}
	free(tasks);
	return true;
}

static bool take_fresh_ids(struct batch *b, struct db *db, size_t orders, struct err *err)
{
	int64_t *rollouts = calloc(orders, sizeof *rollouts);
	int64_t *tasks = calloc(orders, sizeof *tasks);
	bool ok = rollouts && tasks && store_task_ids(db, orders, rollouts, tasks, err);
	for (size_t i = orders; ok && i-- > 0;) { /* taken from the end, and an index grows best in order */
		ids_add(b, &b->fresh_rollouts, rollouts[i]);
		ids_add(b, &b->fresh_tasks, tasks[i]);
	}
	free(rollouts);
	free(tasks);
	return ok;
}

/* Which rows an operation needs: the one task it names, or whatever its device has. */
static void wish(struct batch *b, const struct op *op, struct ids *devices, struct ids *named)
{
	switch (op->kind) {
	case OP_ORDER:
	case OP_OFFER:
	case OP_REPORT:
		if (op->kind == OP_REPORT && op->in.report.task_id) {
			ids_add(b, named, op->in.report.task_id);
		} else {
			ids_add(b, devices, op->device_id);
		}
		break;
	case OP_CANCEL:
		if (op->task_id) {
			ids_add(b, named, op->task_id);
		} else {
			ids_add(b, devices, op->device_id);
		}
		break;
	case OP_SENT:
	case OP_HASTEN:
	case OP_SILENCE:
	case OP_STRAY:
	case OP_NOTE:
	case OP_UNSENT: /* locks before it touches the outbox, as all others do */
		ids_add(b, named, op->task_id);
		break;
	}
}

/* What orders and offers name. */
struct named {
	struct ids devices, firmware, standing;
};

static void name_last(struct batch *b, struct ids *ids, int64_t id)
{
	if (!ids->count || ids->at[ids->count - 1] != id) {
		ids_add(b, ids, id);
	}
}

static void name_for(struct batch *b, const struct op *op, struct named *named)
{
	if (op->kind == OP_ORDER || op->kind == OP_CANCEL || op->kind == OP_OFFER) {
		ids_add(b, &named->devices, op->device_id);
		b->wake = true;
	}
	if (op->kind == OP_ORDER) {
		name_last(b, &named->firmware, op->in.order.firmware.id);
	}
	if (op->kind == OP_OFFER) {
		name_last(b, &named->firmware, op->in.offer.firmware_id);
		name_last(b, &named->standing, op->rollout_id);
	}
}

/* What orders need: their devices and firmware held against deletion, rollouts against their end, the assignments, fresh ids. */
static bool prepare_orders(struct batch *b, struct db *db, const struct named *named, struct err *err)
{
	const struct ids *ordered = &named->devices;
	struct order_wish wish = {ordered->at, ordered->count, named->firmware.at, named->firmware.count};
	b->devices.at = calloc(ordered->count, sizeof *b->devices.at);
	b->firmware.at = calloc(named->firmware.count + 1, sizeof *b->firmware.at);
	b->standing.at = calloc(named->standing.count + 1, sizeof *b->standing.at);
	bool ok = (b->devices.at && b->firmware.at && b->standing.at) || err_set(err, ERR_INTERNAL, "out of memory");
	ok = ok && store_orders_lock(db, &wish, b->devices.at, &b->devices.count, b->firmware.at, &b->firmware.count, err) &&
	     store_assignments_lock(db, ordered->at, ordered->count, &b->assignments, &b->assignment_count, err) &&
	     (!named->standing.count ||
	      store_standing_hold(db, named->standing.at, named->standing.count, b->standing.at, &b->standing.count, err)) &&
	     take_fresh_ids(b, db, ordered->count, err);
	b->assignment_cap = b->assignment_count;
	return ok;
}

bool batch_read(struct batch *b, struct db *db, struct commit_op **ops, size_t n, struct err *err)
{
	struct ids devices = {0};
	struct ids tasks = {0};
	struct named named = {0};
	for (size_t i = 0; i < n; i++) {
		const struct op *op = (const struct op *)(const void *)ops[i];
		wish(b, op, &devices, &tasks);
		name_for(b, op, &named);
	}
	/* devices before tasks, as whoever deletes a device does */
	bool ok = (!named.devices.count || prepare_orders(b, db, &named, err)) && hold_tasks(b, db, &devices, &tasks, err);
	free(devices.at);
	free(tasks.at);
	free(named.devices.at);
	free(named.firmware.at);
	free(named.standing.at);
	return ok;
}

/* --- writing: each table once --- */

static bool write_tasks(struct batch *b, struct db *db, struct err *err)
{
	const struct task **fresh = calloc(b->held_count + 1, sizeof *fresh);
	const struct task **dirty = calloc(b->held_count + 1, sizeof *dirty);
	size_t fresh_count = 0;
	size_t dirty_count = 0;
	bool ok = (fresh && dirty) || err_set(err, ERR_INTERNAL, "out of memory");
	for (size_t i = 0; ok && i < b->held_count; i++) {
		const struct held *h = &b->held[i];
		if (h->is_new) {
			fresh[fresh_count++] = &h->task;
		} else if (h->dirty) {
			dirty[dirty_count++] = &h->task;
		}
		if (h->is_new || h->dirty) {
			ids_add(b, &b->changed[CHANGE_TASK], h->task.id);
		}
	}
	/* what ends must end before its successor begins: one live task per device and component */
	ok = ok && (!dirty_count || store_tasks_update(db, dirty, dirty_count, err)) &&
	     (!fresh_count || store_tasks_insert(db, fresh, fresh_count, err));
	free(fresh);
	free(dirty);
	return ok;
}

static bool write_descriptions(struct batch *b, struct db *db, struct err *err)
{
	scoped_free const struct rollout **rows = calloc(b->described.count, sizeof *rows);
	size_t n = 0;
	if (!rows) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	for (size_t i = 0; i < b->described.count; i++) {
		for (size_t j = 0; j < b->assignment_count; j++) {
			if (b->assignments[j].id == b->described.at[i]) {
				rows[n++] = &b->assignments[j];
				break;
			}
		}
	}
	return store_rollouts_describe(db, rows, n, err);
}

static bool write_rollouts(struct batch *b, struct db *db, struct err *err)
{
	for (int how = 0; how < ROLLOUT_ENDS; how++) {
		const struct ids *ids = &b->ended[how];
		if (ids->count && !store_rollouts_end(db, ids->at, ids->count, batch_end_reason((enum rollout_end)how), err)) {
			return false;
		}
	}
	if (b->rollout_count && !store_rollouts_insert(db, b->rollouts, b->rollout_count, err)) {
		return false;
	}
	return !b->described.count || write_descriptions(b, db, err);
}

static bool write_outbox(struct batch *b, struct db *db, struct err *err)
{
	const struct config *c = b->config;
	struct outbox_pace pace = {c->resend_min, c->resend_max};
	return (!b->hasten_count || store_outbox_hasten(db, b->hasten, b->hasten_count, &pace, err)) &&
	       (!b->outbox_put.count ||
		store_outbox_put(db, b->outbox_put.at, b->outbox_put.count, b->engine->broker_up, c->resend_min, err)) &&
	       (!b->outbox_delay.count || store_outbox_delay(db, b->outbox_delay.at, b->outbox_delay.count, c->resend_max, err)) &&
	       (!b->outbox_retry.count || store_outbox_retry(db, b->outbox_retry.at, b->outbox_retry.count, err)) &&
	       (!b->outbox_drop.count || store_outbox_drop(db, b->outbox_drop.at, b->outbox_drop.count, err));
}

static bool write_changes(struct batch *b, struct db *db, struct err *err)
{
	for (int kind = 0; kind < CHANGE_KINDS; kind++) {
		const struct ids *ids = &b->changed[kind];
		if (ids->count && !store_change(db, (enum change_kind)kind, ids->at, ids->count, b->wake, &b->positions[kind], err)) {
			return false;
		}
	}
	return true;
}

bool batch_write(struct batch *b, struct db *db, struct err *err)
{
	for (size_t i = 0; i < b->learnt_count; i++) {
		if (!store_firmware_learn(db, b->learnt[i].firmware_id, b->learnt[i].version, err)) {
			return false;
		}
	}
	return write_rollouts(b, db, err) && write_tasks(b, db, err) &&
	       (!b->fact_count || store_versions_write(db, b->facts, b->fact_count, err)) && write_outbox(b, db, err) &&
	       (!b->event_count || store_events_insert(db, b->events, b->event_count, b->now_ms, err)) &&
	       (!b->audit_count || store_audits_insert(db, b->audits, b->audit_count, err)) && write_changes(b, db, err);
}
