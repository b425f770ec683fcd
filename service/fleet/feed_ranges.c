#include "fleet/feed_ranges.h"

#include <stdlib.h>

#include "common/err.h"
#include "common/scoped.h"
#include "fleet/fleet.h"
#include "fleet/ranges.h"
#include "fleet/standings.h"
#include "metrics/metrics.h"
#include "store/feed.h"

struct reading {
	struct ranges_edit *edit;
	bool failed;
};

static void take_range(void *ctx, int64_t product_id, int64_t rollout_id, const struct range *range)
{
	struct reading *r = ctx;
	r->failed = r->failed || !ranges_edit_add(r->edit, product_id, rollout_id, range);
}

static bool begin(struct reading *r, const struct fleet *fleet, const int64_t *rollouts, size_t n, struct err *err)
{
	*r = (struct reading){.edit = ranges_edit_new(fleet_ranges(fleet), rollouts, n)};
	return r->edit || err_set(err, ERR_INTERNAL, "out of memory");
}

static bool finish(struct reading *r, struct fleet *fleet, struct err *err)
{
	bool ok = !r->failed && ranges_edit_build(r->edit);
	if (ok) {
		fleet_write(fleet);
		fleet_put_ranges(fleet, r->edit);
		fleet_done(fleet);
		metrics_set(METRIC_RANGES, (int64_t)ranges_count(fleet_ranges(fleet)));
	}
	ranges_edit_free(&r->edit);
	return ok || err_set(err, ERR_INTERNAL, "out of memory for the ranges, or more rollouts than can be held");
}

bool feed_ranges_load(struct fleet *fleet, struct db *db, const int64_t *rollouts, size_t n, struct err *err)
{
	struct reading r;
	if (!begin(&r, fleet, rollouts, n, err)) {
		return false;
	}
	struct load load = {.ids = rollouts, .count = n, .ctx = &r};
	if (!store_load_ranges(db, &load, take_range, err)) {
		ranges_edit_free(&r.edit);
		return false;
	}
	return finish(&r, fleet, err);
}

bool feed_ranges_forget(struct fleet *fleet, const int64_t *rollouts, size_t n, struct err *err)
{
	struct reading r;
	size_t gone = 0;
	scoped_free int64_t *ids = malloc((n + 1) * sizeof *ids);
	for (size_t i = 0; ids && i < n; i++) {
		fleet_read(fleet);
		const struct standing_rollout *s = standings_get(fleet_standings(fleet), rollouts[i]);
		bool stays = (s && !s->ended_ms) || !ranges_has(fleet_ranges(fleet), rollouts[i]);
		fleet_done(fleet);
		ids[gone] = rollouts[i];
		gone += !stays;
	}
	if (!ids) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	return gone == 0 || (begin(&r, fleet, ids, gone, err) && finish(&r, fleet, err));
}
