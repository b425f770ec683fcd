/* Offers of standing rollouts: there is no task until a device is offered; the group commit makes it. */
#include "engine/standing.h"

#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "engine/batch.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/standings.h"
#include "model/decide.h"

bool standing_candidate(const struct fleet *f, const struct standing_rollout *s, int64_t device_id, struct candidate *out)
{
	const struct fleet_firmware *fw = s->ended_ms ? NULL : fleet_firmware(f, s->firmware_id);
	if (!fw) {
		return false;
	}
	struct standing_past past = standings_past(s, device_id);
	*out = (struct candidate){.kind = CANDIDATE_STANDING,
				  .rollout_id = s->id,
				  .created_ms = s->created_ms,
				  .component = s->component,
				  .version = fw->firmware.version,
				  .called = s->version_name,
				  .firmware = &fw->firmware,
				  .state = past.state,
				  .code = past.rolled_back ? "rolled_back" : "",
				  .offers = task_offers_had(past.state, past.offers),
				  .turns = past.task_id ? task_turns_had(past.state, past.turns) : 0,
				  .outranked = past.outranked,
				  .ranked = s->ranked,
				  .stage = s->stage,
				  .named = s->named};
	return true;
}

/* The device's latest task of the component that is in the hand of the batch; of rollout, or (0) of any. */
static const struct task *latest(const struct batch *b, const struct op *op, int64_t rollout_id)
{
	const struct task *found = NULL;
	for (size_t i = 0; i < b->held_count; i++) {
		const struct task *t = &b->held[i].task;
		if (b->held_devices.at[i] == op->device_id && strcmp(t->component, op->in.offer.component) == 0 &&
		    (!rollout_id || t->rollout_id == rollout_id) && (!found || t->id > found->id)) {
			found = t;
		}
	}
	return found;
}

/* The rows, which are locked, know better than a snapshot that may be a moment old. */
static void take_rows(const struct batch *b, const struct op *op, const struct standing_rollout *s, struct candidate *c)
{
	const struct task *mine = latest(b, op, op->rollout_id);
	const struct task *last = latest(b, op, 0);
	bool counts = mine && (!s->ranked || mine->created_ms >= s->created_ms); /* it may have been ordered again since */
	int64_t had = counts ? task_offers_had(mine->state, mine->offers) : 0;
	if (counts && had >= c->offers) {
		c->offers = had;
		c->turns = task_turns_had(mine->state, mine->turns);
		c->state = mine->state;
		c->code = mine->code;
	}
	/* the newest order is what the device is to run: one for it alone that came later is not undone */
	if (last && last->way != WAY_STANDING && last->state == TASK_SUCCEEDED && last->created_ms > c->created_ms &&
	    last->firmware_id != s->firmware_id) {
		c->outranked = true;
	}
}

/* Decides again. Answers whether it is still to be offered; task: what it has had before is set. */
static bool decide_again(const struct batch *b, const struct op *op, const char *version, struct task *task)
{
	struct candidate c;
	struct fleet *f = b->engine->fleet;
	struct device_facts facts = {.component = op->in.offer.component, .version = version, .suited = op->in.offer.suited};
	fleet_read(f);
	const struct standing_rollout *s = standings_get(fleet_standings(f), op->rollout_id);
	const struct device_entry *device = fleet_device_by_id(f, op->device_id);
	bool offered = false;
	bool outranked = false;
	if (s && device && standing_candidate(f, s, op->device_id, &c)) {
		facts.blocked = device->blocked;
		c.match = op->in.offer.named ? "" : NULL;
		take_rows(b, op, s, &c);
		offered = decide(&facts, &c, 1, b->now_ms, NULL).offer != NULL;
		outranked = c.outranked;
		task->offers = c.offers;
		task->turns = c.turns;
	}
	fleet_done(f);
	if (outranked) { /* remembered, so that the next poll is an idle one */
		fleet_write(f);
		fleet_outrank(f, op->rollout_id, op->device_id);
		fleet_done(f);
	}
	return offered;
}

/* Does the live task of the component keep the offer away? One of another ranked rollout that has not begun gives way to a ranked one. */
static bool stands_in_the_way(struct batch *b, const struct op *op, const struct held *live)
{
	fleet_read(b->engine->fleet);
	const struct standings *all = fleet_standings(b->engine->fleet);
	const struct standing_rollout *old = live->task.way == WAY_STANDING ? standings_get(all, live->task.rollout_id) : NULL;
	const struct standing_rollout *new = standings_get(all, op->rollout_id);
	bool yields = old && new &&old != new && old->ranked &&new->ranked &&task_edge_find(live->task.state, EVENT_SUPERSEDED);
	fleet_done(b->engine->fleet);
	return !yields;
}

void batch_offer(struct batch *b, struct op *op)
{
	const struct standing_offer *in = &op->in.offer;
	if (!batch_has(&b->devices, op->device_id)) {
		err_set(&op->refused, ERR_NOT_FOUND, "no device of that name");
		return;
	}
	if (*in->version) {
		batch_fact(b, op->device_id, in->component, in->version);
	}
	/* whatever came in between speaks for itself: the poll looks again */
	struct held *live = batch_live(b, op->device_id, in->component);
	if ((live && stands_in_the_way(b, op, live)) || batch_assignment(b, op->device_id, in->component) ||
	    !batch_has(&b->standing, op->rollout_id) || !batch_has(&b->firmware, in->firmware_id)) {
		return;
	}
	struct task task = {.rollout_id = op->rollout_id, .device_id = op->device_id, .firmware_id = in->firmware_id, .way = WAY_STANDING};
	text_copy(task.component, sizeof task.component, in->component);
	batch_present_version(b, op->device_id, in->component, task.source_version);
	if (!decide_again(b, op, in->as_told ? in->version : task.source_version, &task)) {
		return;
	}
	task.offers++;
	if (live) {
		batch_move(b, live, EVENT_SUPERSEDED, "", "another file");
	}
	struct held *h = batch_new_task(b, &task, "standing");
	if (h) {
		batch_move(b, h, EVENT_SENT, "", "poll");
	}
}
