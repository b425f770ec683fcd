#include "engine/deliver.h"

#include <stdlib.h>
#include <string.h>

#include "artifact/cache.h"
#include "common/alias.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/evidence.h"
#include "engine/private.h"
#include "fleet/fleet.h"
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

static void take_firmware(struct delivery *d, const struct fleet_firmware *fw)
{
	d->artifact = fw->firmware.artifact;
	d->etag[0] = '"';
	memcpy(d->etag + 1, fw->sha256, 64);
	d->etag[65] = '"';
}

bool delivery_open(struct engine *e, const char *text, struct delivery **out, struct err *err)
{
	struct alias a;
	if (!alias_verify(e->alias_key, text, &a)) {
		return err_set(err, ERR_NOT_FOUND, "no such file: the name must be the fileName of an offer, unaltered");
	}
	int64_t now = clock_wall_ms();
	if (a.expires_h && now / MS_PER_HOUR >= a.expires_h) {
		return err_set(err, ERR_GONE, "this offer has expired");
	}
	struct delivery *d = calloc(1, sizeof *d);
	if (!d) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	fleet_read(e->fleet);
	const struct fleet_firmware *fw = fleet_firmware_by_head(e->fleet, a.sha_head);
	const struct device_entry *device = fleet_device_by_id(e->fleet, (int64_t)a.device);
	bool ok = fw && device && stands(e->fleet, &a, &d->task_id);
	if (ok) {
		fleet_seen(device, now);
		take_firmware(d, fw);
	}
	fleet_done(e->fleet);
	if (!ok) {
		free(d);
		return err_set(err, ERR_GONE, "this offer has been withdrawn");
	}
	d->engine = e;
	d->device_id = (int64_t)a.device;
	*out = d;
	return true;
}

bool delivery_open_firmware(struct engine *e, int64_t firmware_id, struct delivery **out, struct err *err)
{
	struct delivery *d = calloc(1, sizeof *d);
	if (!d) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	d->engine = e;
	fleet_read(e->fleet);
	const struct fleet_firmware *fw = fleet_firmware(e->fleet, firmware_id);
	if (fw) {
		take_firmware(d, fw);
	}
	fleet_done(e->fleet);
	if (!fw) {
		free(d);
		return err_set(err, ERR_NOT_FOUND, "no such firmware");
	}
	*out = d;
	return true;
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

static void fill(void *arg, struct worker *worker)
{
	struct delivery *d = arg;
	struct err err = {0};
	int fd = cache_open_file(d->engine->cache, &d->artifact);
	struct db *db = fd < 0 ? worker_db(worker, &err) : NULL;
	/* a database that is down does not matter if the file on disk turns out to be whole */
	for (int tries = 0; fd < 0 && tries < 3; tries++) {
		if (!cache_fill(d->engine->cache, db, &d->artifact, &err)) {
			break;
		}
		fd = cache_open_file(d->engine->cache, &d->artifact);
	}
	if (fd < 0 && err.kind == ERR_NONE) {
		err_set(&err, ERR_BUSY, "the file is being changed while it is read");
	}
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
