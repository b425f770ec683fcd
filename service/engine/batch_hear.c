/* Reports inside a group commit: which task a device's words concern, and what they do to it. */
#include <string.h>

#include "engine/batch.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/standings.h"
#include "model/image.h"

/* The task a report is about: the one it names, if it is this device's; else the live one of the component; else, for a version, the latest
 * of the component if a late report may still turn it. */
static struct held *find_task(struct batch *b, const struct report *r)
{
	if (r->task_id) {
		struct held *named = batch_task(b, r->task_id);
		return named && named->task.device_id == r->device_id ? named : NULL;
	}
	struct held *live = batch_live(b, r->device_id, r->component);
	if (live || r->kind != REPORT_VERSION) {
		return live;
	}
	struct held *latest = NULL;
	for (size_t i = 0; i < b->held_count; i++) {
		struct held *h = &b->held[i];
		if (b->held_devices.at[i] == r->device_id && strcmp(h->task.component, r->component) == 0 &&
		    (!latest || h->task.id > latest->task.id)) {
			latest = h;
		}
	}
	return latest && task_state_is_revivable(latest->task.state) ? latest : NULL;
}

/* What a task is to bring, as a copy. */
struct brought {
	char version[VERSION_SIZE];
	struct image image;
	int64_t size;
	bool elsewhere;
};

/* What is known of the task's firmware; also what this batch learnt of it, and what an assignment or a standing rollout told this device to
 * call it. false: it was deleted, or is not heard of here yet. */
static bool firmware_of(const struct batch *b, const struct task *task, const struct report *r, struct brought *out)
{
	char *version = out->version;
	*out = (struct brought){.size = INT64_MAX};
	fleet_read(b->engine->fleet);
	const struct fleet_firmware *fw = fleet_firmware(b->engine->fleet, task->firmware_id);
	if (fw) {
		memcpy(version, fw->firmware.version, VERSION_SIZE);
		out->image = fw->firmware.image;
		out->size = fw->firmware.artifact.size;
		out->elsewhere = fw->firmware.external;
	}
	const struct fleet_assignment *a = *version && *r->version ? fleet_assignments_of(b->engine->fleet, task->device_id) : NULL;
	for (; a; a = a->next) {
		if (a->firmware_id == task->firmware_id && strcmp(a->version_name, r->version) == 0) {
			memcpy(version, a->version_name, VERSION_SIZE);
		}
	}
	const struct standing_rollout *s =
		*version && task->way == WAY_STANDING ? standings_get(fleet_standings(b->engine->fleet), task->rollout_id) : NULL;
	if (s && *r->version && strcmp(s->version_name, r->version) == 0) {
		memcpy(version, s->version_name, VERSION_SIZE);
	}
	fleet_done(b->engine->fleet);
	for (size_t i = 0; i < b->learnt_count && !*version; i++) {
		if (b->learnt[i].firmware_id == task->firmware_id) {
			memcpy(version, b->learnt[i].version, VERSION_SIZE);
		}
	}
	return fw != NULL;
}

static void learn(struct batch *b, int64_t firmware_id, const char *version)
{
	struct learnt *l = batch_grow(b, (void **)&b->learnt, &b->learnt_count, &b->learnt_cap, sizeof *l);
	if (l) {
		l->firmware_id = firmware_id;
		memcpy(l->version, version, VERSION_SIZE);
		ids_add(b, &b->changed[CHANGE_FIRMWARE], firmware_id);
	}
}

static void note(struct batch *b, struct held *h, const struct report *r)
{
	h->dirty = true;
	h->task.rev++;
	if (r->kind != REPORT_VERSION) {
		h->task.updated_ms = b->now_ms; /* progress keeps the stall timer quiet */
		if (h->task.state == TASK_DOWNLOADING) {
			ids_add(b, &b->outbox_delay, h->task.id);
		}
	}
}

void batch_hear(struct batch *b, struct op *op)
{
	const struct report *r = &op->in.report;
	if (r->kind == REPORT_VERSION && *r->version) {
		batch_fact(b, r->device_id, r->component, r->version);
	}
	struct held *h = find_task(b, r);
	if (!h) {
		return;
	}
	struct brought brought;
	if (!firmware_of(b, &h->task, r, &brought) && !task_state_is_live(h->task.state)) {
		return; /* what it should have become is no longer known */
	}
	bool noted = false;
	const struct report_target target = {
		.version = brought.version, .elf_sha256 = image_elf(&brought.image), .size = brought.size, .elsewhere = brought.elsewhere};
	struct verdict v = report_judge(&h->task, &target, r, &noted);
	if (noted) {
		note(b, h, r);
	}
	if (v.moves && batch_move(b, h, v.event, v.code, r->kind == REPORT_VERSION ? r->version : r->detail) && v.learn_version) {
		learn(b, h->task.firmware_id, r->version);
	}
}

void batch_note(struct batch *b, struct op *op)
{
	struct held *h = batch_task(b, op->task_id);
	if (h && task_state_is_live(h->task.state)) {
		const char *state = task_state_name(h->task.state);
		batch_event(b, op->task_id, op->in.note.event, state, state, op->in.note.detail);
	}
}
