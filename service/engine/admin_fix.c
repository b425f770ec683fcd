#include <inttypes.h>
#include <stdio.h>

#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "model/fix.h"
#include "store/fix.h"

static void trace(struct admin_write *write, const struct fix *fix)
{
	write->id = fix->id;
	snprintf(write->target, sizeof write->target, "forced_fix/%" PRId64, fix->id);
	snprintf(write->detail, sizeof write->detail, "version %s, board %s", fix->from_version, fix->board);
}

static bool create(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	if (!store_fix_create(db, noun, err)) {
		return false;
	}
	trace(write, noun);
	return true;
}

bool admin_fix_create(struct engine *e, struct worker *w, const struct actor *actor, struct fix *inout, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "forced_fix.create", .kind = CHANGE_FIX};
	return admin_frame_write(&frame, &write, create, inout, err);
}

static bool delete (struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct fix gone;
	if (!store_fix_delete(db, *(const int64_t *)noun, &gone, err)) {
		return false;
	}
	trace(write, &gone);
	return true;
}

bool admin_fix_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "forced_fix.delete", .kind = CHANGE_FIX};
	return admin_frame_write(&frame, &write, delete, &id, err);
}

bool admin_fix_get(struct worker *w, int64_t id, struct fix *out, struct err *err)
{
	return ADMIN_READ(w, err, store_fix_get(db, id, out, err));
}

bool admin_fix_list(struct worker *w, const struct page *page, struct fix **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_fix_list(db, page, out, count, err));
}
