/* Standing rollouts: an order replaces the one before, a cancellation ends what has begun of it. Work of a rollout can be a million tasks,
 * so it goes by pages, beside the group commit: the row of the rollout, locked, keeps new tasks of it from being made meanwhile. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "engine/admin_sweep.h"
#include "store/standing.h"
#include "store/task.h"

static bool end(struct db *db, struct admin_write *write, const struct rollout *r, const char *reason, struct err *err)
{
	write->rollouts = malloc(sizeof *write->rollouts);
	if (!write->rollouts) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	write->rollouts[0] = r->id;
	write->rollout_count = 1;
	return store_rollouts_end(db, &r->id, 1, reason, err);
}

/* --- order --- */

struct order_standing {
	struct standing_row *row;
	const struct actor *actor;
};

/* Of the same firmware: its tasks go over to the new one and count anew. Of another: what has not begun is superseded, what has goes on. */
static bool replace(struct db *db, struct admin_write *write, const struct rollout *old, const struct order_standing *o, struct err *err)
{
	const struct rollout *now = &o->row->rollout;
	struct admin_sweep s = {.db = db, .write = write, .actor = o->actor->name, .event = EVENT_SUPERSEDED};
	s.adopt = old->firmware_id == now->firmware_id ? now->id : 0;
	if (!admin_sweep(&s, old->id, err)) {
		return false;
	}
	snprintf(write->detail, sizeof write->detail, "rollout %" PRId64 " replaces %" PRId64 ", %s tasks: %" PRId64, now->id, old->id,
		 s.adopt ? "continued" : "superseded", s.count);
	return true;
}

static bool order(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct order_standing *o = noun;
	struct rollout *r = &o->row->rollout;
	struct firmware firmware;
	struct rollout old;
	if (!store_standing_prepare(db, r->product_id, r->firmware_id, &firmware, err)) {
		return false;
	}
	if (firmware.external) {
		return err_set(err, ERR_INVALID, "firmware %" PRId64 " is a URL whose bytes are not here: its file offers it", firmware.id);
	}
	if (*r->component && strcmp(r->component, firmware.component) != 0) {
		return err_set(err, ERR_INVALID, "firmware %" PRId64 " is of the component %s, not of %s", firmware.id, firmware.component,
			       r->component);
	}
	text_copy(r->component, sizeof r->component, firmware.component);
	text_copy(o->row->firmware_name, sizeof o->row->firmware_name, firmware.name);
	text_copy(o->row->created_by, sizeof o->row->created_by, o->actor->name);
	r->way = WAY_STANDING;
	r->created_ms = clock_wall_ms();
	if (!store_standing_present(db, r->product_id, r->component, &old, err) || (old.id && !end(db, write, &old, "replaced", err)) ||
	    !store_standing_insert(db, r, o->actor->name, err)) {
		return false;
	}
	write->id = r->id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64 "/firmware/%" PRId64, r->product_id, r->firmware_id);
	snprintf(write->detail, sizeof write->detail, "rollout %" PRId64, r->id);
	return !old.id || replace(db, write, &old, o, err);
}

bool admin_rollout_order(struct engine *e, struct worker *w, const struct actor *actor, struct standing_row *inout, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "rollout.order", .kind = CHANGE_ROLLOUT};
	return admin_frame_write(&frame, &write, order, &(struct order_standing){inout, actor}, err);
}

/* --- cancel --- */

struct cancel_standing {
	int64_t id;
	const struct actor *actor;
};

static bool cancel(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct cancel_standing *c = noun;
	struct rollout r;
	struct admin_sweep s = {.db = db, .write = write, .actor = c->actor->name, .event = EVENT_CANCELLED};
	if (!store_standing_lock(db, c->id, &r, err)) {
		return false;
	}
	if (r.ranked) {
		return err_set(err, ERR_CONFLICT, "rollout %" PRId64 " is that of file %" PRId64 ": delete the file, or set its status",
			       r.id, r.firmware_id);
	}
	if (!admin_sweep(&s, c->id, err) || !store_rollouts_end(db, &c->id, 1, "cancelled", err)) {
		return false;
	}
	write->id = c->id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64 "/rollout/%" PRId64, r.product_id, c->id);
	snprintf(write->detail, sizeof write->detail, "cancelled tasks: %" PRId64, s.count);
	return true;
}

bool admin_rollout_cancel(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "rollout.cancel", .kind = CHANGE_ROLLOUT};
	return admin_frame_write(&frame, &write, cancel, &(struct cancel_standing){id, actor}, err);
}

bool admin_rollout_get(struct worker *w, int64_t id, struct standing_row *out, struct err *err)
{
	return ADMIN_READ(w, err, store_standing_get(db, id, out, err));
}

bool admin_rollout_list(struct worker *w, const struct page *page, struct standing_row **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_standing_list(db, page, out, count, err));
}
