#include "engine/suited.h"

#include "common/clock.h"
#include "fleet/devices.h"
#include "fleet/fleet.h"
#include "fleet/products.h"
#include "model/told.h"

static struct product_needs needs_of(const struct fleet_product *p)
{
	return (struct product_needs){.key = p->key,
				      .boards = (const char(*)[NAME_SIZE])p->boards,
				      .board_count = p->board_count,
				      .partitions = (const char(*)[PARTITION_SIZE])p->partitions,
				      .partition_count = p->partition_count,
				      .unbound_updates = p->unbound_updates};
}

static size_t gather(const struct fleet *f, struct suited *s)
{
	if (s->device) {
		return candidates_gather(f, s->device, true, s->candidates);
	}
	return s->product ? candidates_standing(f, s->product->id, 0, s->candidates, 0) : 0;
}

struct decision suited_decide(const struct fleet *f, struct suited *s, struct decision_trace *trace)
{
	size_t n = gather(f, s);
	const struct board_facts board = {
		.told = s->told,
		.bound = s->device && s->device->bound,
		.auto_update = !s->device || s->device->auto_update,
		.forced_fix = n && fleet_is_forced_fix(f, s->version, s->told->board_name, s->told->board_type),
	};
	const struct device_facts facts = {
		.component = s->component, .version = s->version, .blocked = s->device && s->device->blocked, .board = &board};
	if (s->product) {
		s->needs = needs_of(s->product);
	}
	for (size_t i = 0; i < n; i++) {
		s->candidates[i].needs = s->product ? &s->needs : NULL;
	}
	return decide(&facts, s->candidates, n, clock_wall_ms(), trace);
}
