/* Orders in the snapshot: tasks, assignments, standing rollouts; what ended is remembered for a while. */
#include "fleet/fleet_order.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "fleet/fleet_firmware.h"
#include "fleet/inside.h"
#include "fleet/standings.h"
#include "metrics/metrics.h"

const struct fleet_task *fleet_tasks_of(const struct fleet *f, int64_t device_id)
{
	return map_get(&f->tasks_by_device, fleet_key(device_id));
}

const struct fleet_task *fleet_task(const struct fleet *f, int64_t id)
{
	return map_get(&f->tasks, fleet_key(id));
}

const struct fleet_assignment *fleet_assignments_of(const struct fleet *f, int64_t device_id)
{
	return map_get(&f->assignments_by_device, fleet_key(device_id));
}

bool fleet_is_revoked(const struct fleet *f, int64_t task_id)
{
	return map_get(&f->revoked, fleet_key(task_id)) != NULL;
}

size_t fleet_task_count(const struct fleet *f)
{
	return f->tasks.count;
}

const struct fleet_task *fleet_task_next(const struct fleet *f, size_t *at)
{
	struct map_slot *slot = map_next(&f->tasks, at);
	return slot ? slot->value : NULL;
}

void fleet_sent(const struct fleet_task *task, int64_t mono_ms)
{
	struct fleet_task *own = (struct fleet_task *)(uintptr_t)task;
	__atomic_store_n(&own->sent_ms, mono_ms, __ATOMIC_RELAXED);
}

void fleet_handed(const struct fleet_task *task, int64_t mono_ms)
{
	struct fleet_task *own = (struct fleet_task *)(uintptr_t)task;
	__atomic_store_n(&own->handed_ms, mono_ms, __ATOMIC_RELAXED);
}

bool fleet_without_tool(const struct fleet_task *task)
{
	struct fleet_task *own = (struct fleet_task *)(uintptr_t)task;
	return !__atomic_exchange_n(&own->no_tool, true, __ATOMIC_RELAXED);
}

/* The file name of an offer of this firmware; "" if it is not known here (yet). */
static void make_alias(const struct fleet *f, struct alias a, int64_t firmware_id, char out[ALIAS_SIZE])
{
	const struct fleet_firmware *fw = fleet_firmware(f, firmware_id);
	out[0] = '\0';
	if (fw && !fw->firmware.external) {
		memcpy(a.sha_head, fw->firmware.artifact.sha256, sizeof a.sha_head);
		alias_make(f->alias_key, &a, out);
	}
}

/* A task's name dies a day after the task's time to live; an assignment's lasts as long as the assignment does. */
static void name_task(const struct fleet *f, struct fleet_task *own)
{
	int64_t until_h = (own->created_ms + f->push_ttl_ms) / MS_PER_HOUR + 24;
	struct alias a = {.kind = ALIAS_TASK, .id = (uint64_t)own->id, .device = (uint64_t)own->device_id, .expires_h = (uint32_t)until_h};
	make_alias(f, a, own->firmware_id, own->alias);
}

void fleet_name_tasks(struct fleet *f, int64_t firmware_id)
{
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&f->tasks, &i));) {
		struct fleet_task *own = slot->value;
		if (own->firmware_id == firmware_id) {
			name_task(f, own);
		}
	}
}

static void name_assignment(const struct fleet *f, struct fleet_assignment *own)
{
	struct alias a = {.kind = ALIAS_ROLLOUT, .id = (uint64_t)own->id, .device = (uint64_t)own->device_id};
	make_alias(f, a, own->firmware_id, own->alias);
}

static int64_t ended_rev(const struct fleet *f, int64_t id)
{
	return (int64_t)(uintptr_t)map_get(&f->ended, fleet_key(id));
}

static void remember_end(struct fleet *f, int64_t id, int64_t rev)
{
	int64_t *oldest = &f->ended_ring[f->ended_at];
	if (*oldest) {
		map_remove(&f->ended, fleet_key(*oldest));
	}
	*oldest = id;
	f->ended_at = (f->ended_at + 1) % ENDED_RING;
	map_put(&f->ended, fleet_key(id), (void *)(uintptr_t)rev);
}

/* Takes a task out of its device's list. */
static void unlink_task(struct fleet *f, struct fleet_task *task)
{
	struct fleet_task *first = map_get(&f->tasks_by_device, fleet_key(task->device_id));
	if (first == task) {
		if (task->next) {
			map_put(&f->tasks_by_device, fleet_key(task->device_id), task->next);
		} else {
			map_remove(&f->tasks_by_device, fleet_key(task->device_id));
		}
		return;
	}
	while (first && first->next != task) {
		first = first->next;
	}
	if (first) {
		first->next = task->next;
	}
}

static void end_task(struct fleet *f, const struct task *t)
{
	struct fleet_task *own = map_remove(&f->tasks, fleet_key(t->id));
	if (own) {
		unlink_task(f, own);
		free(own);
	}
	remember_end(f, t->id, t->rev);
	if (t->state == TASK_CANCELLED || t->state == TASK_SUPERSEDED || t->state == TASK_REJECTED) {
		fleet_revoke(f, t->id);
	}
	metrics_set(METRIC_TASKS_LIVE, (int64_t)f->tasks.count);
}

static struct fleet_task *new_task(struct fleet *f, const struct task *t)
{
	struct fleet_task *own = calloc(1, sizeof *own);
	if (!own || !map_put(&f->tasks, fleet_key(t->id), own)) {
		free(own);
		return NULL;
	}
	own->id = t->id;
	own->rollout_id = t->rollout_id;
	own->device_id = t->device_id;
	own->firmware_id = t->firmware_id;
	own->way = t->way;
	own->created_ms = t->created_ms;
	text_copy(own->component, sizeof own->component, t->component);
	text_copy(own->token, sizeof own->token, t->token);
	name_task(f, own);
	own->next = map_get(&f->tasks_by_device, fleet_key(t->device_id));
	if (!map_put(&f->tasks_by_device, fleet_key(t->device_id), own)) {
		map_remove(&f->tasks, fleet_key(t->id));
		free(own);
		return NULL;
	}
	metrics_set(METRIC_TASKS_LIVE, (int64_t)f->tasks.count);
	return own;
}

void fleet_note_past(struct fleet *f, const struct task *t)
{
	if (t->way == WAY_STANDING) {
		struct standing_past past = {.task_id = t->id,
					     .made_ms = t->created_ms,
					     .offers = t->offers,
					     .turns = t->turns,
					     .state = t->state,
					     .rolled_back = t->state == TASK_FAILED && strcmp(t->code, "rolled_back") == 0};
		standings_note(f->standings, t->rollout_id, t->device_id, &past);
	}
}

void fleet_outrank(struct fleet *f, int64_t rollout_id, int64_t device_id)
{
	standings_outrank(f->standings, rollout_id, device_id);
}

bool fleet_put_task(struct fleet *f, const struct task *t)
{
	struct fleet_task *own = map_get(&f->tasks, fleet_key(t->id));
	fleet_note_past(f, t);
	if (own && own->rev > t->rev) {
		own->generation = f->generation;
		return true;
	}
	if (!task_state_is_live(t->state)) {
		end_task(f, t);
		return true;
	}
	if (!own) {
		if (ended_rev(f, t->id) >= t->rev) {
			return true;
		}
		own = new_task(f, t);
		if (!own) {
			return false;
		}
	}
	own->rev = t->rev;
	own->rollout_id = t->rollout_id; /* a standing rollout ordered again takes its tasks along */
	own->state = t->state;
	own->updated_ms = t->updated_ms;
	own->fetched = t->fetched;
	own->heard = *t->seen_version != '\0';
	own->reports = *t->source_version || *t->seen_version;
	own->told = own->heard ? text_hash(t->seen_version, strlen(t->seen_version)) : 0;
	own->generation = f->generation;
	return true;
}

void fleet_revoke(struct fleet *f, int64_t task_id)
{
	map_put(&f->revoked, fleet_key(task_id), f);
}

void fleet_drop_assignment(struct fleet *f, int64_t rollout_id)
{
	struct fleet_assignment *own = map_remove(&f->assignments, fleet_key(rollout_id));
	if (!own) {
		return;
	}
	struct fleet_assignment *first = map_get(&f->assignments_by_device, fleet_key(own->device_id));
	if (first == own && own->next) {
		map_put(&f->assignments_by_device, fleet_key(own->device_id), own->next);
	} else if (first == own) {
		map_remove(&f->assignments_by_device, fleet_key(own->device_id));
	}
	while (first && first != own && first->next != own) {
		first = first->next;
	}
	if (first && first != own) {
		first->next = own->next;
	}
	free(own);
}

void fleet_drop_rollout(struct fleet *f, int64_t rollout_id)
{
	f->files_stamp++;
	fleet_drop_assignment(f, rollout_id);
	standings_drop(f->standings, rollout_id);
}

bool fleet_put_standing(struct fleet *f, const struct rollout *r)
{
	f->files_stamp++;
	return standings_put(f->standings, r, f->generation);
}

bool fleet_put_assignment(struct fleet *f, const struct rollout *r)
{
	if (r->ended_ms) {
		fleet_drop_assignment(f, r->id);
		return true;
	}
	struct fleet_assignment *own = map_get(&f->assignments, fleet_key(r->id));
	if (!own) {
		own = calloc(1, sizeof *own);
		if (!own || !map_put(&f->assignments, fleet_key(r->id), own)) {
			free(own);
			return false;
		}
		own->id = r->id;
		own->device_id = r->device_id;
		own->next = map_get(&f->assignments_by_device, fleet_key(r->device_id));
		map_put(&f->assignments_by_device, fleet_key(r->device_id), own);
	}
	own->firmware_id = r->firmware_id;
	own->created_ms = r->created_ms;
	own->generation = f->generation;
	text_copy(own->component, sizeof own->component, r->component);
	text_copy(own->version_name, sizeof own->version_name, r->version_name);
	text_copy(own->description, sizeof own->description, r->description);
	name_assignment(f, own);
	return true;
}

void fleet_drop_task(struct fleet *f, int64_t id)
{
	struct fleet_task *own = map_remove(&f->tasks, fleet_key(id));
	if (own) {
		unlink_task(f, own);
		free(own);
	}
}
