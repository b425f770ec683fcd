#include <inttypes.h>
#include <stdio.h>

#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "store/firmware.h"

static void describe(struct admin_write *write, const struct firmware *firmware)
{
	write->id = firmware->id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64 "/firmware/%" PRId64, firmware->product_id, firmware->id);
	int n = snprintf(write->detail, sizeof write->detail, "name %s, %" PRId64 " bytes", firmware->name, firmware->artifact.size);
	const struct image *image = &firmware->image;
	if (*image->compiled && n > 0 && (size_t)n < sizeof write->detail) {
		snprintf(write->detail + n, sizeof write->detail - (size_t)n, ", %s for %s, compiled %s", image->version, image->chip,
			 image->compiled);
	}
}

struct create {
	struct firmware *firmware;
	const struct actor *actor;
};

static bool create(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct create *c = noun;
	if (!store_firmware_create(db, c->firmware, c->actor->name, err)) {
		return false;
	}
	describe(write, c->firmware);
	return true;
}

bool admin_firmware_create(struct engine *e, struct worker *w, const struct actor *actor, struct firmware *inout, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "firmware.upload", .kind = CHANGE_FIRMWARE};
	return admin_frame_write(&frame, &write, create, &(struct create){inout, actor}, err);
}

bool admin_firmware_check(struct engine *e, struct worker *w, int64_t product_id, const char *name, struct err *err)
{
	(void)e;
	return ADMIN_READ(w, err, store_firmware_check(db, product_id, name, err));
}

static bool delete (struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct firmware firmware;
	if (!store_firmware_delete(db, *(const int64_t *)noun, &firmware, err)) {
		return false;
	}
	describe(write, &firmware);
	return true;
}

bool admin_firmware_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "firmware.delete", .kind = CHANGE_FIRMWARE};
	return admin_frame_write(&frame, &write, delete, &id, err);
}

bool admin_firmware_get(struct worker *w, int64_t id, struct firmware *out, struct err *err)
{
	return ADMIN_READ(w, err, store_firmware_get(db, id, out, err));
}

bool admin_firmware_list(struct worker *w, const struct page *page, struct firmware **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_firmware_list(db, page, out, count, err));
}
