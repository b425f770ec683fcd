#include "engine/deliver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "artifact/cache.h"
#include "common/alias.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/evidence.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/standings.h"
#include "work/pool.h"

enum { MS_PER_HOUR = 3600 * 1000 };

struct delivery {
	struct engine *engine;
	int64_t task_id; /* the live task whose evidence the bytes are; 0 = none */
	int64_t device_id;
	struct artifact artifact;
	char etag[72];
	bool open;
	/* while a worker fills the cache */
	delivery_done *done;
	void *done_ctx;
	/* while a worker reads */
	delivery_read_done *read_done;
	void *read_ctx;
	void *into;
	uint64_t offset;
	size_t len;
};

/* The live task of an assignment's firmware, or 0. */
static int64_t task_of_assignment(const struct fleet *f, const struct fleet_assignment *a)
{
	for (const struct fleet_task *t = fleet_tasks_of(f, a->device_id); t; t = t->next) {
		if (t->firmware_id == a->firmware_id) {
			return t->id;
		}
	}
	return 0;
}

/* Is the offer behind the alias still standing, and whose evidence is it? Under the reader's hold. */
static bool stands(const struct fleet *f, const struct alias *a, int64_t *task_id)
{
	if (a->kind == ALIAS_TASK) {
		*task_id = fleet_task(f, (int64_t)a->id) ? (int64_t)a->id : 0;
		return !fleet_is_revoked(f, (int64_t)a->id);
	}
	for (const struct fleet_assignment *own = fleet_assignments_of(f, (int64_t)a->device); own; own = own->next) {
		if (own->id == (int64_t)a->id) {
			*task_id = task_of_assignment(f, own);
			return true;
		}
	}
	return false;
}

/* An offer to devices that nobody knows stands as long as its rollout. */
static bool stands_for_all(const struct fleet *f, const struct alias *a)
{
	const struct standing_rollout *s =
		a->kind == ALIAS_ROLLOUT && !a->device ? standings_get(fleet_standings(f), (int64_t)a->id) : NULL;
	const struct fleet_firmware *fw = s && !s->ended_ms ? fleet_firmware(f, s->firmware_id) : NULL;
	return fw && !fw->firmware.external && memcmp(fw->firmware.artifact.sha256, a->sha_head, sizeof a->sha_head) == 0;
}

static void take_firmware(struct delivery *d, const struct fleet_firmware *fw)
{
	d->artifact = fw->firmware.artifact;
	d->etag[0] = '"';
	memcpy(d->etag + 1, fw->sha256, 64);
	d->etag[65] = '"';
}

/* Any alias that stands. Under the reader's hold. */
static bool find_alias(const struct fleet *f, const struct alias *a, int64_t now, struct delivery *d, struct err *err)
{
	if (a->expires_h && now / MS_PER_HOUR >= a->expires_h) {
		return err_set(err, ERR_GONE, "this offer has expired");
	}
	const struct fleet_firmware *fw = fleet_firmware_by_head(f, a->sha_head);
	const struct device_entry *device = fleet_device_by_id(f, (int64_t)a->device);
	if (!fw || !(device ? stands(f, a, &d->task_id) : stands_for_all(f, a))) {
		return err_set(err, ERR_GONE, "this offer has been withdrawn");
	}
	if (!device) {
		take_firmware(d, fw);
		return true;
	}
	if (device->blocked) {
		return err_set(err, ERR_BLOCKED, "this device is blocked");
	}
	fleet_seen(device, now);
	take_firmware(d, fw);
	d->device_id = device->id;
	return true;
}

/* The device's own live task. Under the reader's hold. */
static bool find_task(const struct fleet *f, const struct device_entry *device, int64_t task_id, struct delivery *d, struct err *err)
{
	const struct fleet_task *t = fleet_task(f, task_id);
	if (device->blocked) {
		return err_set(err, ERR_BLOCKED, "this device is blocked");
	}
	if (!t && fleet_is_revoked(f, task_id)) {
		return err_set(err, ERR_GONE, "this task has been withdrawn");
	}
	if (!t || t->device_id != device->id) {
		return err_set(err, ERR_NOT_FOUND, "this device has no task under way with that taskId");
	}
	const struct fleet_firmware *fw = fleet_firmware(f, t->firmware_id);
	if (!fw || fw->firmware.external) {
		return err_set(err, ERR_GONE,
			       fw ? "this task's firmware is to be had from its URL" : "this task's firmware has been withdrawn");
	}
	fleet_seen(device, clock_wall_ms());
	take_firmware(d, fw);
	d->task_id = task_id;
	d->device_id = device->id;
	return true;
}

static struct delivery *new_delivery(struct engine *e, struct err *err)
{
	struct delivery *d = calloc(1, sizeof *d);
	if (d) {
		d->engine = e;
	} else {
		err_set(err, ERR_INTERNAL, "out of memory");
	}
	return d;
}

static bool no_such_file(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "no such file: the name must be the fileName of an offer, unaltered");
}

bool delivery_open(struct engine *e, const char *text, struct delivery **out, struct err *err)
{
	struct alias a;
	if (!alias_verify(e->alias_key, text, &a)) {
		return no_such_file(err);
	}
	struct delivery *d = new_delivery(e, err);
	if (!d) {
		return false;
	}
	fleet_read(e->fleet);
	bool ok = find_alias(e->fleet, &a, clock_wall_ms(), d, err);
	fleet_done(e->fleet);
	if (!ok) {
		free(d);
		return false;
	}
	*out = d;
	return true;
}

bool delivery_open_task(struct engine *e, const char *device, int64_t task_id, const char *text, struct delivery **out, struct err *err)
{
	struct alias a;
	bool named = *text != '\0';
	if (named && !alias_verify(e->alias_key, text, &a)) {
		return no_such_file(err);
	}
	struct delivery *d = new_delivery(e, err);
	if (!d) {
		return false;
	}
	fleet_read(e->fleet);
	const struct device_entry *entry = fleet_device(e->fleet, device);
	bool ok = !entry                                    ? err_set(err, ERR_NOT_FOUND, "no device of that name")
		  : named && (int64_t)a.device != entry->id ? no_such_file(err)
		  : named                                   ? find_alias(e->fleet, &a, clock_wall_ms(), d, err)
							    : find_task(e->fleet, entry, task_id, d, err);
	fleet_done(e->fleet);
	if (!ok) {
		free(d);
		return false;
	}
	*out = d;
	return true;
}

bool delivery_open_firmware(struct engine *e, int64_t firmware_id, struct delivery **out, struct err *err)
{
	struct delivery *d = new_delivery(e, err);
	if (!d) {
		return false;
	}
	fleet_read(e->fleet);
	const struct fleet_firmware *fw = fleet_firmware(e->fleet, firmware_id);
	bool here = fw && !fw->firmware.external;
	if (here) {
		take_firmware(d, fw);
	}
	fleet_done(e->fleet);
	if (!here) {
		free(d);
		return err_set(err, ERR_NOT_FOUND, "no such firmware");
	}
	*out = d;
	return true;
}

bool delivery_open_artifact(struct engine *e, const struct artifact *artifact, struct delivery **out, struct err *err)
{
	struct delivery *d = new_delivery(e, err);
	if (d) {
		d->artifact = *artifact;
		d->etag[0] = '"';
		text_hex(d->etag + 1, artifact->sha256, sizeof artifact->sha256);
		d->etag[65] = '"';
	}
	*out = d;
	return d != NULL;
}

const struct artifact *delivery_artifact(const struct delivery *d)
{
	return &d->artifact;
}
const char *delivery_etag(const struct delivery *d)
{
	return d->etag;
}

void delivery_free(struct delivery **dp)
{
	struct delivery *d = *dp;
	if (d && d->open) {
		evidence_close(d->engine, d->task_id);
	}
	free(d);
	*dp = NULL;
}

int delivery_open_file(const struct delivery *d, struct worker *worker, struct err *err)
{
	int fd = cache_open_file(d->engine->cache, &d->artifact);
	struct db *db = fd < 0 ? worker_db(worker, err) : NULL;
	/* a database that is down does not matter if the file on disk turns out to be whole */
	for (int tries = 0; fd < 0 && tries < 3; tries++) {
		if (!cache_fill(d->engine->cache, db, &d->artifact, err)) {
			break;
		}
		fd = cache_open_file(d->engine->cache, &d->artifact);
	}
	if (fd < 0 && err->kind == ERR_NONE) {
		err_set(err, ERR_BUSY, "the file is being changed while it is read");
	}
	return fd;
}

static void fill(void *arg, struct worker *worker)
{
	struct delivery *d = arg;
	struct err err = {0};
	int fd = delivery_open_file(d, worker, &err);
	d->done(d->done_ctx, fd, fd < 0 ? &err : NULL);
}

void delivery_file(struct engine *e, struct delivery *d, delivery_done *done, void *ctx)
{
	int fd = cache_open_file(e->cache, &d->artifact);
	if (fd >= 0) {
		done(ctx, fd, NULL);
		return;
	}
	d->done = done;
	d->done_ctx = ctx;
	if (!pool_submit(e->pool, fill, d)) {
		struct err err = {0};
		err_set(&err, ERR_BUSY, "too many requests are waiting: try again in a moment");
		done(ctx, -1, &err);
	}
}

bool delivery_is_warm(const struct delivery *d)
{
	int fd = cache_open_file(d->engine->cache, &d->artifact);
	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

static bool read_fully(const struct delivery *d, int fd, struct err *err)
{
	for (size_t got = 0; got < d->len;) {
		ssize_t n = pread(fd, (char *)d->into + got, d->len - got, (off_t)(d->offset + got));
		if (n == 0 || (n < 0 && errno != EINTR)) {
			return err_set(err, ERR_BUSY, "the file is being changed while it is read");
		}
		got += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void read_job(void *arg, struct worker *worker)
{
	struct delivery *d = arg;
	struct err err = {0};
	int fd = delivery_open_file(d, worker, &err);
	bool ok = fd >= 0 && read_fully(d, fd, &err);
	if (fd >= 0) {
		close(fd);
	}
	d->read_done(d->read_ctx, ok ? NULL : &err);
}

bool delivery_read(struct delivery *d, uint64_t offset, size_t len, void *out, delivery_read_done *done, void *ctx)
{
	d->offset = offset;
	d->len = len;
	d->into = out;
	d->read_done = done;
	d->read_ctx = ctx;
	return pool_submit(d->engine->pool, read_job, d);
}

void delivery_begun(struct delivery *d)
{
	if (d->task_id && !d->open) {
		d->open = true;
		evidence_open(d->engine, d->task_id, d->device_id, d->artifact.size);
	}
}

void delivery_bytes(struct delivery *d, uint64_t offset, uint64_t len)
{
	if (d->open) {
		evidence_bytes(d->engine, d->task_id, offset, len);
	}
}
