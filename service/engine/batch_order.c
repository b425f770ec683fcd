/* Orders inside a group commit: what becomes of an operator's push, passive assignment or cancellation. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "engine/batch.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"

static void target_of(const struct op *op, char out[TEXT_SIZE])
{
	snprintf(out, TEXT_SIZE, "device/%s/firmware/%" PRId64, op->in.order.order.device, op->in.order.firmware.id);
}

static int64_t take_id(struct ids *ids)
{
	return ids->count ? ids->at[--ids->count] : 0;
}

static int64_t new_rollout(struct batch *b, const struct op *op)
{
	const struct order *order = &op->in.order.order;
	const struct firmware *fw = &op->in.order.firmware;
	struct rollout_insert *row = batch_grow(b, (void **)&b->rollouts, &b->rollout_count, &b->rollout_cap, sizeof *row);
	if (!row) {
		return 0;
	}
	struct rollout *r = &row->rollout;
	*r = (struct rollout){
		.id = take_id(&b->fresh_rollouts),
		.way = order->way,
		.product_id = fw->product_id,
		.device_id = op->device_id,
		.firmware_id = fw->id,
		.created_ms = b->now_ms,
	};
	text_copy(r->component, sizeof r->component, fw->component);
	text_copy(r->version_name, sizeof r->version_name, order->version_name);
	text_copy(r->description, sizeof r->description, order->description);
	row->created_by = order->actor.name;
	return r->id;
}

void batch_present_version(const struct batch *b, int64_t device_id, const char *component, char out[VERSION_SIZE])
{
	for (size_t i = 0; i < b->fact_count; i++) {
		if (b->facts[i].device_id == device_id && strcmp(b->facts[i].component, component) == 0) {
			memcpy(out, b->facts[i].version, VERSION_SIZE);
			return;
		}
	}
	fleet_read(b->engine->fleet);
	const struct device_entry *device = fleet_device_by_id(b->engine->fleet, device_id);
	if (device) {
		text_copy(out, VERSION_SIZE, fleet_device_version(b->engine->fleet, device, component));
	}
	fleet_done(b->engine->fleet);
}

struct held *batch_hold(struct batch *b, const struct task *task)
{
	bool named = ids_add(b, &b->held_devices, task->device_id) && ids_add(b, &b->held_tasks, task->id);
	struct held *h = named ? batch_grow(b, (void **)&b->held, &b->held_count, &b->held_cap, sizeof *h) : NULL;
	if (h) {
		h->task = *task;
	}
	return h;
}

struct held *batch_new_task(struct batch *b, const struct task *as, const char *by)
{
	struct task task = *as;
	task.id = take_id(&b->fresh_tasks);
	struct held *h = batch_hold(b, &task);
	if (!h) {
		return NULL;
	}
	h->is_new = true;
	h->task.state = TASK_QUEUED;
	h->task.rev = 1;
	h->task.created_ms = b->now_ms;
	h->task.updated_ms = b->now_ms;
	text_uuid(h->task.token);
	batch_event(b, h->task.id, "ordered", "", task_state_name(TASK_QUEUED), by);
	return h;
}

static struct held *new_task(struct batch *b, const struct op *op, int64_t rollout_id)
{
	const struct order *order = &op->in.order.order;
	const struct firmware *fw = &op->in.order.firmware;
	struct task as = {.rollout_id = rollout_id, .device_id = op->device_id, .firmware_id = fw->id, .way = order->way};
	text_copy(as.component, sizeof as.component, fw->component);
	batch_present_version(b, op->device_id, fw->component, as.source_version);
	return batch_new_task(b, &as, order->actor.name);
}

static void end_assignment(struct batch *b, struct rollout *r, enum rollout_end how)
{
	r->ended_ms = b->now_ms;
	batch_end_rollout(b, r->id, how);
	ids_add(b, &b->changed[CHANGE_ROLLOUT], r->id);
}

static void refuse(struct op *op, const struct held *live)
{
	err_set(&op->refused, ERR_CONFLICT, "the device is busy with task %" PRId64 " (%s): wait for it, or cancel it first", live->task.id,
		task_state_name(live->task.state));
}

static void order_push(struct batch *b, struct op *op, struct held *live, enum order_outcome outcome)
{
	struct rollout *assigned = batch_assignment(b, op->device_id, op->in.order.firmware.component);
	if (outcome == ORDER_SAME && live) {
		op->result.task_id = live->task.id;
		op->result.rollout_id = live->task.rollout_id;
		ids_add(b, &b->outbox_put, live->task.id);
		batch_event(b, live->task.id, "ordered_again", task_state_name(live->task.state), task_state_name(live->task.state),
			    op->in.order.order.actor.name);
		return;
	}
	if (assigned && assigned->firmware_id != op->in.order.firmware.id) {
		end_assignment(b, assigned, END_SUPERSEDED); /* the newest order is what the device is to run */
	}
	op->result.rollout_id = new_rollout(b, op);
	struct held *task = new_task(b, op, op->result.rollout_id);
	if (task) {
		op->result.task_id = task->task.id;
		ids_add(b, &b->outbox_put, task->task.id);
	}
}

/* Keeps an assignment of the same firmware (its answer and file name stay), or makes a new one. */
static int64_t keep_or_make_assignment(struct batch *b, struct op *op, struct rollout *assigned)
{
	const struct order *order = &op->in.order.order;
	if (assigned && assigned->firmware_id == op->in.order.firmware.id) {
		text_copy(assigned->version_name, sizeof assigned->version_name, order->version_name);
		text_copy(assigned->description, sizeof assigned->description, order->description);
		ids_add(b, &b->described, assigned->id);
		ids_add(b, &b->changed[CHANGE_ROLLOUT], assigned->id);
		return assigned->id;
	}
	if (assigned) {
		end_assignment(b, assigned, END_REPLACED);
	}
	int64_t id = new_rollout(b, op);
	struct rollout *mine = batch_grow(b, (void **)&b->assignments, &b->assignment_count, &b->assignment_cap, sizeof *mine);
	if (id && mine) {
		*mine = b->rollouts[b->rollout_count - 1].rollout;
		ids_add(b, &b->changed[CHANGE_ROLLOUT], id);
	}
	return id;
}

/* Has the device already been brought there by this assignment? Then nothing new is to be done. */
static bool is_done(struct batch *b, int64_t rollout_id)
{
	for (size_t i = b->held_count; i-- > 0;) {
		if (b->held[i].task.rollout_id == rollout_id) {
			return b->held[i].task.state == TASK_SUCCEEDED;
		}
	}
	return false;
}

static void order_passive(struct batch *b, struct op *op, const struct held *live)
{
	struct rollout *assigned = batch_assignment(b, op->device_id, op->in.order.firmware.component);
	op->result.rollout_id = keep_or_make_assignment(b, op, assigned);
	if (live && task_state_is_live(live->task.state)) {
		op->result.task_id = live->task.id; /* the same firmware is under way already */
		return;
	}
	if (!is_done(b, op->result.rollout_id)) {
		const struct held *task = new_task(b, op, op->result.rollout_id);
		op->result.task_id = task ? task->task.id : 0;
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

bool batch_has(const struct ids *ids, int64_t id)
{
	return ids->count && bsearch(&id, ids->at, ids->count, sizeof id, by_value);
}

/* Device and firmware were there when the order came in; are they still, now that they are locked? */
static bool still_there(struct batch *b, struct op *op)
{
	if (!batch_has(&b->devices, op->device_id)) {
		return err_set(&op->refused, ERR_NOT_FOUND, "no device named %s", op->in.order.order.device);
	}
	if (!batch_has(&b->firmware, op->in.order.firmware.id)) {
		return err_set(&op->refused, ERR_NOT_FOUND, "the product of device %s has no firmware named %s", op->in.order.order.device,
			       op->in.order.order.firmware);
	}
	return true;
}

void batch_order(struct batch *b, struct op *op)
{
	if (!still_there(b, op)) {
		return;
	}
	const struct order *order = &op->in.order.order;
	const struct firmware *fw = &op->in.order.firmware;
	struct held *live = batch_live(b, op->device_id, fw->component);
	op->result = (struct order_result){
		.outcome = decide_order(live ? &live->task : NULL, fw->id), .device_id = op->device_id, .firmware = *fw};
	if (op->result.outcome == ORDER_REFUSE && live) {
		refuse(op, live);
		return;
	}
	if (op->result.outcome == ORDER_SUPERSEDE) {
		batch_move(b, live, EVENT_SUPERSEDED, "", order->actor.name);
	}
	if (order->way == WAY_PUSH) {
		order_push(b, op, live, op->result.outcome);
	} else {
		order_passive(b, op, live);
	}
	char target[TEXT_SIZE];
	char detail[TEXT_SIZE];
	target_of(op, target);
	snprintf(detail, sizeof detail, "task %" PRId64 " rollout %" PRId64, op->result.task_id, op->result.rollout_id);
	batch_audit(b, &order->actor, order->way == WAY_PUSH ? "device.push" : "device.assign", target, detail);
}

static bool cancel_task(struct batch *b, struct held *h, const struct actor *actor)
{
	if (!h || !batch_move(b, h, EVENT_CANCELLED, "", actor->name)) {
		return false;
	}
	struct rollout *r = batch_assignment(b, h->task.device_id, h->task.component);
	if (r && r->id == h->task.rollout_id) {
		end_assignment(b, r, END_CANCELLED); /* its answer goes with it */
	}
	return true;
}

static bool cancel_assignment(struct batch *b, int64_t rollout_id, const struct actor *actor)
{
	for (size_t i = 0; i < b->assignment_count; i++) {
		struct rollout *r = &b->assignments[i];
		if (r->id == rollout_id && !r->ended_ms) {
			struct held *live = batch_live(b, r->device_id, r->component);
			if (live && live->task.rollout_id == rollout_id) {
				cancel_task(b, live, actor);
			}
			if (!r->ended_ms) {
				end_assignment(b, r, END_CANCELLED);
			}
			return true;
		}
	}
	return false;
}

void batch_cancel(struct batch *b, struct op *op)
{
	const struct actor *actor = &op->in.actor;
	bool found = op->rollout_id ? cancel_assignment(b, op->rollout_id, actor) : cancel_task(b, batch_task(b, op->task_id), actor);
	if (!found) {
		err_set(&op->refused, ERR_NOT_FOUND,
			op->rollout_id ? "no such active assignment" : "no such live task: it has ended already");
		return;
	}
	char target[TEXT_SIZE];
	snprintf(target, sizeof target, op->rollout_id ? "assignment/%" PRId64 : "task/%" PRId64,
		 op->rollout_id ? op->rollout_id : op->task_id);
	batch_audit(b, actor, op->rollout_id ? "assignment.cancel" : "task.cancel", target, "");
	op->result = (struct order_result){.rollout_id = op->rollout_id, .task_id = op->task_id, .device_id = op->device_id};
}
