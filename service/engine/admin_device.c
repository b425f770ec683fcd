#include <inttypes.h>
#include <stdio.h>

#include "common/text.h"
#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "engine/revocation.h"
#include "store/device.h"
#include "store/told.h"

static bool create(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct device *device = noun;
	if (!*device->client_id) {
		text_copy(device->client_id, sizeof device->client_id, device->name);
	}
	if (!store_device_create(db, device, err)) {
		return false;
	}
	write->id = device->id;
	snprintf(write->target, sizeof write->target, "device/%" PRId64, device->id);
	snprintf(write->detail, sizeof write->detail, "name %s, product %" PRId64, device->name, device->product_id);
	return true;
}

bool admin_device_create(struct engine *e, struct worker *w, const struct actor *actor, struct device *inout, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "device.create", .kind = CHANGE_DEVICE};
	return admin_frame_write(&frame, &write, create, inout, err);
}

enum { CONFIRM_MS = 2000 };

struct update {
	struct device *device;
	int64_t rev;
	int64_t revoked;
};

static bool update(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct update *u = noun;
	if (!store_device_update(db, u->device, u->rev, &u->revoked, err)) {
		return false;
	}
	write->id = u->device->id;
	snprintf(write->target, sizeof write->target, "device/%" PRId64, u->device->id);
	snprintf(write->detail, sizeof write->detail, "name %s, product %" PRId64 ", revision %" PRId64, u->device->name,
		 u->device->product_id, u->device->rev);
	return true;
}

/* The broker is told by the time the answer is given, if it is there. */
static bool told(struct engine *e, int64_t revoked)
{
	if (revoked) {
		revocation_wait(e, revoked, CONFIRM_MS);
	}
	return true;
}

bool admin_device_update(struct engine *e, struct worker *w, const struct actor *actor, struct device *inout, int64_t rev, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "device.update", .kind = CHANGE_DEVICE};
	struct update u = {inout, rev, 0};
	return admin_frame_write(&frame, &write, update, &u, err) && told(e, u.revoked);
}

struct deletion {
	int64_t id;
	int64_t revoked;
};

static bool delete (struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct device device;
	struct deletion *d = noun;
	struct device_deletion gone = {0};
	write->id = d->id;
	if (!store_device_get(db, d->id, &device, err) || !store_device_delete(db, d->id, &gone, err)) {
		return false;
	}
	d->revoked = gone.revoked;
	write->rollouts = gone.rollouts;
	write->rollout_count = gone.rollout_count;
	snprintf(write->target, sizeof write->target, "device/%" PRId64, write->id);
	snprintf(write->detail, sizeof write->detail, "name %s, product %" PRId64, device.name, device.product_id);
	return true;
}

bool admin_device_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "device.delete", .kind = CHANGE_DEVICE};
	struct deletion d = {id, 0};
	return admin_frame_write(&frame, &write, delete, &d, err) && told(e, d.revoked);
}

bool admin_device_get(struct worker *w, int64_t id, struct device *out, struct err *err)
{
	return ADMIN_READ(w, err, store_device_get(db, id, out, err));
}

bool admin_device_find(struct worker *w, const char *name, struct device *out, struct err *err)
{
	return ADMIN_READ(w, err, store_device_find(db, name, out, err));
}

bool admin_device_facts(struct worker *w, int64_t id, struct told *out, int64_t *updated_ms, struct err *err)
{
	return ADMIN_READ(w, err, store_facts_get(db, id, out, updated_ms, err));
}

bool admin_device_versions(struct worker *w, int64_t id, struct device_version *out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_device_versions(db, id, out, count, err));
}

bool admin_device_list(struct worker *w, const struct page *page, struct device **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_device_list(db, page, out, count, err));
}
