#include "engine/explain.h"

#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "engine/candidates.h"
#include "engine/parts_who.h"
#include "engine/private.h"
#include "engine/suited.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/products.h"
#include "fleet/standings.h"

static const struct device_entry *find(const struct fleet *f, const char *device)
{
	uint64_t id;
	return text_to_u64(device, &id) ? fleet_device_by_id(f, (int64_t)id) : fleet_device(f, device);
}

static bool is_same(const struct reason *a, const struct reason *b)
{
	return a->id == b->id && a->number == b->number;
}

/* Is it a reason that has been told? A task and the order it came by may be refused for the same one. */
static bool is_told(const struct decision *d, const struct decision_trace *trace, size_t place)
{
	bool told = is_same(&trace->reasons[place], &d->reason);
	for (size_t i = 0; i < place && !told; i++) {
		told = is_same(&trace->reasons[place], &trace->reasons[i]);
	}
	return told;
}

static void print(const struct decision *d, const struct decision_trace *trace, bool chinese, struct buf *out)
{
	reason_print(&d->reason, chinese, out);
	buf_putc(out, '\n');
	for (size_t i = 0; i < trace->count; i++) {
		if (!is_told(d, trace, i)) {
			reason_print(&trace->reasons[i], chinese, out);
			buf_putc(out, '\n');
		}
	}
}

/* Why a task that is under way stays as it is. */
static void print_elsewhere(const struct fleet *f, const struct fleet_task *task, bool chinese, struct buf *out)
{
	const struct fleet_firmware *fw = task ? fleet_firmware(f, task->firmware_id) : NULL;
	if (fw && fw->firmware.external) {
		reason_print(&(struct reason){.id = REASON_ELSEWHERE, .number = task->id}, chinese, out);
		buf_putc(out, '\n');
	}
}

/* The same decision as engine/parts.c's, with the other files besides. */
static void print_files(const struct fleet *f, const struct device_entry *device, const char *component, bool chinese, struct buf *out)
{
	struct ranked_seen seen;
	struct decision_trace trace = {0};
	struct ranked_who who = {.product_id = device->product_id, .device_id = device->id};
	struct ranked_pick pick = {.component = component};
	const struct device_facts facts = {
		.component = component, .blocked = device->blocked, .version = fleet_device_version(f, device, component)};
	parts_who_name(f, device, &who);
	for (const struct fleet_task *t = fleet_tasks_of(f, device->id); t; t = t->next) {
		pick.task = strcmp(t->component, component) == 0 ? t : pick.task;
	}
	ranked_pick(f, &who, &pick, 1);
	seen.count = candidates_gather(f, device, true, seen.at);
	for (size_t i = 0; i < seen.count; i++) {
		if (seen.at[i].kind == CANDIDATE_TASK && pick.task && seen.at[i].task_id == pick.task->id) {
			ranked_mark_task(f, &pick, &seen.at[i]);
		}
	}
	seen.count -= seen.count == CANDIDATES_MAX;
	seen.count += ranked_candidate(f, &who, &pick, &seen.at[seen.count]);
	ranked_others(f, &who, &pick, &seen);
	struct decision d = decide(&facts, seen.at, seen.count, clock_wall_ms(), &trace);
	print(&d, &trace, chinese, out);
	print_elsewhere(f, pick.task, chinese, out);
}

static struct decision decide_polling(const struct fleet *f, const struct device_entry *device, const char *component,
				      struct candidate *candidates, struct decision_trace *trace)
{
	const struct device_facts facts = {
		.component = component, .blocked = device->blocked, .version = fleet_device_version(f, device, component)};
	size_t n = candidates_gather(f, device, true, candidates);
	return decide(&facts, candidates, n, clock_wall_ms(), trace);
}

bool explain_device(struct engine *e, const char *device, const char *component, const struct told *told, bool chinese, struct buf *out)
{
	struct decision_trace trace = {0};
	const struct fleet *f = e->fleet;
	fleet_read(e->fleet);
	struct suited s = {.device = find(f, device), .told = told, .component = component};
	if (s.device && standings_ranked(fleet_standings(f), s.device->product_id, component)) {
		print_files(f, s.device, component, chinese, out);
	} else if (s.device) {
		s.product = fleet_product(f, s.device->product_id);
		s.version = fleet_device_version(f, s.device, component);
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
