#include "fleet/front.h"

#include <string.h>

#include "fleet/fleet.h"
#include "fleet/fleet_firmware.h"
#include "fleet/ranges.h"
#include "fleet/standings.h"
#include "model/decide.h"

static bool is_for_all(const struct standing_rollout *s, int64_t product_id, const char *component)
{
	return !s->ended_ms && s->stage == STAGE_ONLINE && !s->named && s->product_id == product_id && strcmp(s->component, component) == 0;
}

static const struct standing_rollout *find(const struct fleet *f, const struct standing_rollout *first, int64_t product_id,
					   const char *component)
{
	const struct standing_rollout *best = NULL;
	struct decide_rank top = {.version = ""};
	for (const struct standing_rollout *s = first; s; s = s->next) {
		const struct fleet_firmware *fw = is_for_all(s, product_id, component) ? fleet_firmware(f, s->firmware_id) : NULL;
		struct decide_rank rank = {fw ? fw->firmware.version : "", s->created_ms, s->id};
		if (fw && !ranges_has(fleet_ranges(f), s->id) && (!best || decide_ranks_above(&rank, &top))) {
			best = s;
			top = rank;
		}
	}
	return best;
}

/* Readers that find it at the same time find the same. */
const struct standing_rollout *front_of(const struct fleet *f, int64_t product_id, const char *component)
{
	const struct standing_rollout *first = standings_ranked(fleet_standings(f), product_id, component);
	if (!first) {
		return NULL;
	}
	if (first->product_id != product_id || strcmp(first->component, component) != 0) { /* two lists in one: not worth a memory */
		return find(f, first, product_id, component);
	}
	struct standing_front *front = (struct standing_front *)(uintptr_t)&first->front;
	uint64_t stamp = fleet_files_stamp(f);
	if (atomic_load_explicit(&front->stamp, memory_order_acquire) != stamp) {
		atomic_store_explicit(&front->best, find(f, first, product_id, component), memory_order_relaxed);
		atomic_store_explicit(&front->stamp, stamp, memory_order_release);
	}
	return atomic_load_explicit(&front->best, memory_order_relaxed);
}
