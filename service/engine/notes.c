#include "engine/notes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "common/text.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "metrics/metrics.h"

enum { NOTES_MAX = 65536, FLUSH_MAX = 4096 };

struct note {
	int64_t device_id;
	char version[VERSION_SIZE];
};

struct notes {
	pthread_mutex_t lock;
	struct map by_device; /* -> note */
};

struct notes *notes_new(void)
{
	struct notes *n = calloc(1, sizeof *n);
	if (n) {
		pthread_mutex_init(&n->lock, NULL);
	}
	return n;
}

void notes_free(struct notes **np)
{
	struct notes *n = *np;
	if (!n) {
		return;
	}
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&n->by_device, &i));) {
		free(slot->value);
	}
	map_free(&n->by_device);
	pthread_mutex_destroy(&n->lock);
	free(n);
	*np = NULL;
}

static bool put(struct notes *n, int64_t device_id, const char *version)
{
	struct note *note = map_get(&n->by_device, (uint64_t)device_id);
	if (note) {
		metrics_add(METRIC_NOTES_COALESCED, 1);
	} else {
		note = n->by_device.count < NOTES_MAX ? calloc(1, sizeof *note) : NULL;
		if (!note || !map_put(&n->by_device, (uint64_t)device_id, note)) {
			free(note);
			return false;
		}
		note->device_id = device_id;
	}
	text_copy(note->version, sizeof note->version, version);
	return true;
}

bool notes_put(struct engine *e, int64_t device_id, const char *version)
{
	pthread_mutex_lock(&e->notes->lock);
	bool taken = put(e->notes, device_id, version);
	pthread_mutex_unlock(&e->notes->lock);
	if (taken) {
		fleet_write(e->fleet);
		fleet_set_version(e->fleet, device_id, version);
		fleet_done(e->fleet);
	}
	return taken;
}

static size_t take(struct notes *n, struct note *out)
{
	size_t count = 0;
	struct map_slot *slot;
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; count < FLUSH_MAX && (slot = map_next(&n->by_device, &i));) {
		out[count++] = *(struct note *)slot->value;
	}
	for (size_t i = 0; i < count; i++) {
		free(map_remove(&n->by_device, (uint64_t)out[i].device_id));
	}
	pthread_mutex_unlock(&n->lock);
	return count;
}

/* A note on its way. */
struct flying {
	struct engine *engine;
	struct note note;
};

/* Unless the device has told something newer meanwhile. */
static void note_again(struct notes *n, const struct note *note)
{
	pthread_mutex_lock(&n->lock);
	if (!map_get(&n->by_device, (uint64_t)note->device_id)) {
		put(n, note->device_id, note->version);
	}
	pthread_mutex_unlock(&n->lock);
}

/* Not written: noted again, unless the device has told something newer meanwhile. */
static void written(void *ctx, const struct err *err)
{
	struct flying *f = ctx;
	struct notes *n = f->engine->notes;
	if (!err) {
		metrics_add(METRIC_NOTES_WRITTEN, 1);
	} else {
		note_again(n, &f->note);
	}
	free(f);
}

/* As a report: it may also be the late right one of a task that was given up. */
static bool submit(struct engine *e, const struct note *note)
{
	struct flying *f = calloc(1, sizeof *f);
	struct op *op = f ? op_new(e, OP_REPORT) : NULL;
	if (!op) {
		free(f);
		return false;
	}
	*f = (struct flying){e, *note};
	op->device_id = note->device_id;
	op->in.report = (struct report){.kind = REPORT_VERSION, .device_id = note->device_id};
	text_copy(op->in.report.component, sizeof op->in.report.component, COMPONENT_DEFAULT);
	text_copy(op->in.report.version, sizeof op->in.report.version, note->version);
	op->done.hear = written;
	op->done_ctx = f;
	if (!op_submit(op, NULL)) {
		free(f);
		return false;
	}
	return true;
}

void notes_flush(struct engine *e)
{
	struct note *batch = calloc(FLUSH_MAX, sizeof *batch);
	size_t count = batch ? take(e->notes, batch) : 0;
	for (size_t i = 0; i < count; i++) {
		if (!submit(e, &batch[i])) {
			note_again(e->notes, &batch[i]);
		}
	}
	free(batch);
}
