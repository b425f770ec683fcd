/* Which devices the ranked rollout of a file is for. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/err.h"
#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "store/range.h"

struct write_ranges {
	struct admin_range_import wanted;
	const struct range_source *source; /* NULL: none any more */
	int64_t *count;
};

static bool write_ranges(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct write_ranges *w = noun;
	int64_t id = w->wanted.rollout_id;
	int64_t product_id;
	if (!store_range_lock(db, id, &product_id, err)) {
		return false;
	}
	bool ok = !w->source          ? store_range_clear(db, id, w->count, err)
		  : w->wanted.replace ? store_range_replace(db, id, w->source, w->count, err)
				      : store_range_add(db, id, w->source, w->count, err);
	write->rollouts = malloc(sizeof *write->rollouts);
	if (!write->rollouts) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	write->rollouts[0] = id; /* its row says whether it has any */
	write->rollout_count = 1;
	write->id = id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64 "/rollout/%" PRId64, product_id, id);
	snprintf(write->detail, sizeof write->detail, "%" PRId64 " ranges %s", *w->count,
		 !w->source          ? "dropped"
		 : w->wanted.replace ? "in the place of others"
				     : "added");
	return ok;
}

bool admin_range_import(struct engine *e, struct worker *w, const struct actor *actor, const struct admin_range_import *import,
			const struct range_source *source, int64_t *count, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "ranges.import", .kind = CHANGE_RANGES};
	return admin_frame_write(&frame, &write, write_ranges, &(struct write_ranges){*import, source, count}, err);
}

bool admin_range_clear(struct engine *e, struct worker *w, const struct actor *actor, int64_t rollout_id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "ranges.delete", .kind = CHANGE_RANGES};
	int64_t count;
	struct write_ranges noun = {.wanted.rollout_id = rollout_id, .count = &count};
	return admin_frame_write(&frame, &write, write_ranges, &noun, err);
}

bool admin_range_list(struct worker *w, int64_t rollout_id, const struct page *page, struct range_row **out, size_t *count, int64_t *total,
		      struct err *err)
{
	return ADMIN_READ(w, err, store_range_may(db, rollout_id, err) && store_range_list(db, rollout_id, page, out, count, total, err));
}

bool admin_range_naming(struct worker *w, const char *identifier, const struct page *page, struct range_row **out, size_t *count,
			struct err *err)
{
	return ADMIN_READ(w, err, store_range_naming(db, identifier, page, out, count, err));
}
