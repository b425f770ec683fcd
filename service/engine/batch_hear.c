/* Reports inside a group commit: which task a device's words concern, and what they do to it. */
#include <string.h>

#include "engine/batch.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/fleet.h"

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
		if (h->task.device_id == r->device_id && strcmp(h->task.component, r->component) == 0 &&
		    (!latest || h->task.id > latest->task.id)) {
			latest = h;
		}
	}
	return latest && task_state_is_revivable(latest->task.state) ? latest : NULL;
}

/* What is known of the task's firmware; also what this batch learnt of it. */
static void firmware_of(const struct batch *b, int64_t id, char version[VERSION_SIZE], int64_t *size)
{
	version[0] = '\0';
	*size = INT64_MAX;
	fleet_read(b->engine->fleet);
	const struct fleet_firmware *fw = fleet_firmware(b->engine->fleet, id);
	if (fw) {
		memcpy(version, fw->firmware.version, VERSION_SIZE);
		*size = fw->firmware.artifact.size;
	}
	fleet_done(b->engine->fleet);
	for (size_t i = 0; i < b->learnt_count && !*version; i++) {
		if (b->learnt[i].firmware_id == id) {
			memcpy(version, b->learnt[i].version, VERSION_SIZE);
		}
	}
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
	if (r->kind == REPORT_BYTES) {
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
	char version[VERSION_SIZE];
	int64_t size;
	firmware_of(b, h->task.firmware_id, version, &size);
	bool noted = false;
	struct verdict v = report_judge(&h->task, version, size, r, &noted);
	if (noted) {
		note(b, h, r);
	}
	if (v.moves && batch_move(b, h, v.event, v.code, r->kind == REPORT_VERSION ? r->version : r->detail) && v.learn_version) {
		learn(b, h->task.firmware_id, r->version);
	}
}
