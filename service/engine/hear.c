#include "engine/hear.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "engine/evidence.h"
#include "engine/notes.h"
#include "engine/op.h"
#include "engine/private.h"
#include "engine/sign.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_order.h"
#include "metrics/metrics.h"

/* The live task a report of this device and component is about, or 0. Under the reader's hold. */
static int64_t live_task(const struct fleet *f, int64_t device_id, const char *component)
{
	for (const struct fleet_task *t = fleet_tasks_of(f, device_id); t; t = t->next) {
		if (strcmp(t->component, component) == 0) {
			return t->id;
		}
	}
	return 0;
}

/* entry NULL: there is no such device. Takes the reader's hold over. */
static bool hear(struct engine *e, const struct device_entry *entry, const struct report *report, hear_done *done, void *ctx,
		 struct err *err)
{
	int64_t device_id = entry ? entry->id : 0;
	bool blocked = entry && entry->blocked;
	int64_t hasten = entry && !blocked ? sign_seen(e->fleet, entry, clock_wall_ms(), e->config) : 0;
	int64_t live = entry ? live_task(e->fleet, device_id, report->component) : 0;
	fleet_done(e->fleet);
	if (!device_id) {
		return err_set(err, ERR_NOT_FOUND, "no device of that name");
	}
	if (blocked) {
		return err_set(err, ERR_BLOCKED, "this device is blocked");
	}
	struct op *op = op_new(e, OP_REPORT);
	if (!op) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	op->device_id = device_id;
	op->task_id = report->task_id ? report->task_id : live;
	op->in.report = *report;
	op->in.report.device_id = device_id;
	op->done.hear = done;
	op->done_ctx = ctx;
	if (!op_count(op)) {
		free(op);
		metrics_add(METRIC_REPORTS_DROPPED, 1);
		return err_set(err, ERR_BUSY, "too many reports of this device are waiting: repeat it in a moment");
	}
	if (report->kind == REPORT_VERSION) { /* before: once it is answered, the next word may come */
		notes_pass(e, device_id, report->component, report->version);
	}
	if (!evidence_submit_after(e, op->task_id, op, err)) {
		metrics_add(METRIC_REPORTS_DROPPED, 1);
		return false;
	}
	metrics_add(METRIC_REPORTS, 1);
	/* behind the report, which may end the task; and what a device talks about it has */
	if (hasten && report->kind == REPORT_VERSION && hasten != report->task_id) {
		sign_hasten(e, device_id, hasten);
	}
	return true;
}

bool hear_report(struct engine *e, const char *device, const struct report *report, hear_done *done, void *ctx, struct err *err)
{
	fleet_read(e->fleet);
	return hear(e, fleet_device(e->fleet, device), report, done, ctx, err);
}

bool hear_device(struct engine *e, int64_t device_id, const struct report *report, hear_done *done, void *ctx, struct err *err)
{
	fleet_read(e->fleet);
	return hear(e, fleet_device_by_id(e->fleet, device_id), report, done, ctx, err);
}
