#include "engine/explain.h"

#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "engine/candidates.h"
#include "engine/private.h"
#include "engine/suited.h"
#include "fleet/fleet.h"

static const struct device_entry *find(const struct fleet *f, const char *device)
{
	uint64_t id;
	return text_to_u64(device, &id) ? fleet_device_by_id(f, (int64_t)id) : fleet_device(f, device);
}

static const char *version_of(const struct fleet *f, const struct device_entry *device, const char *component)
{
	return strcmp(component, COMPONENT_DEFAULT) == 0 ? fleet_device_version(f, device) : "";
}

static struct decision decide_polling(const struct fleet *f, const struct device_entry *device, const char *component,
				      struct candidate *candidates, struct decision_trace *trace)
{
	const struct device_facts facts = {.component = component, .blocked = device->blocked, .version = version_of(f, device, component)};
	size_t n = candidates_gather(f, device, true, candidates);
	return decide(&facts, candidates, n, clock_wall_ms(), trace);
}

static void print(const struct decision *d, const struct decision_trace *trace, bool chinese, struct buf *out)
{
	reason_print(&d->reason, chinese, out);
	buf_putc(out, '\n');
	for (size_t i = 0; i < trace->count; i++) {
		if (trace->reasons[i].id != d->reason.id || trace->reasons[i].number != d->reason.number) {
			reason_print(&trace->reasons[i], chinese, out);
			buf_putc(out, '\n');
		}
	}
}

bool explain_device(struct engine *e, const char *device, const char *component, const struct told *told, bool chinese, struct buf *out)
{
	struct decision_trace trace = {0};
	const struct fleet *f = e->fleet;
	fleet_read(e->fleet);
	struct suited s = {.device = find(f, device), .told = told, .component = component};
	if (s.device) {
		s.product = fleet_product(f, s.device->product_id);
		s.version = version_of(f, s.device, component);
		struct decision d = told ? suited_decide(f, &s, &trace) : decide_polling(f, s.device, component, s.candidates, &trace);
		print(&d, &trace, chinese, out);
	}
	fleet_done(e->fleet);
	return s.device != NULL;
}

int64_t explain_find(struct engine *e, const char *device, bool *told)
{
	fleet_read(e->fleet);
	const struct device_entry *d = find(e->fleet, device);
	int64_t id = d ? d->id : 0;
	*told = d && fleet_told(d) != 0;
	fleet_done(e->fleet);
	return id;
}
