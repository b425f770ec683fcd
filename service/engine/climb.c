#include "engine/climb.h"

#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/climbing.h"
#include "engine/hear.h"
#include "engine/message.h"
#include "engine/op.h"
#include "engine/private.h"
#include "engine/sign.h"
#include "engine/suited.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/products.h"
#include "metrics/metrics.h"
#include "model/ladder.h"
#include "model/told.h"
#include "store/db.h"
#include "store/outbox.h"
#include "store/told.h"

/* --- how a push is told --- */

bool climbing_is(const struct device_entry *device)
{
	return fleet_told(device) != 0; /* nobody else tells any */
}

/* A file that is no application image would be written over the one that runs. */
static bool is_app(const struct fleet *f, const struct fleet_task *t)
{
	const struct fleet_firmware *fw = fleet_firmware(f, t->firmware_id);
	return fw && *fw->firmware.image.chip && strcmp(t->component, COMPONENT_DEFAULT) == 0;
}

bool climbing_how(const struct engine *e, const struct fleet_task *t, const struct device_entry *device, enum dispatch_how *how)
{
	struct ladder ladder = {
		.version = fleet_device_version(e->fleet, device, COMPONENT_DEFAULT),
		.no_tool = __atomic_load_n(&t->no_tool, __ATOMIC_RELAXED) || !*e->config->public_url, /* a path alone is no address */
		.state = t->state,
		.state_ms = clock_wall_ms() - t->updated_ms,
	};
	bool here = e->presence_known && fleet_is_online(device); /* else nobody would get it, and it would count as told */
	enum ladder_rung rung = !here || t->way != WAY_PUSH || !is_app(e->fleet, t) ? LADDER_WAIT : ladder_next(&ladder);
	*how = rung == LADDER_UPGRADE ? DISPATCH_UPGRADE : DISPATCH_REBOOT;
	return rung != LADDER_WAIT;
}

/* Would it be offered this if it asked? Its tool has no guard of its own. Under the reader's hold. */
static bool suits(const struct fleet *f, const struct fleet_task *t, const struct device_entry *device, const struct told *told)
{
	struct suited s = {.device = device,
			   .product = fleet_product(f, device->product_id),
			   .told = told,
			   .version = fleet_device_version(f, device, COMPONENT_DEFAULT),
			   .component = COMPONENT_DEFAULT};
	const struct candidate *offer = suited_decide(f, &s, NULL).offer;
	return offer && offer->task_id == t->id;
}

static bool read_told(struct engine *e, int64_t device_id, struct told *out)
{
	struct err err = {0};
	int64_t since_ms;
	if (!e->dispatch_db) {
		e->dispatch_db = db_open(e->db_config, &err);
	}
	if (!e->dispatch_db || !db_revive(e->dispatch_db, &err) || !store_facts_get(e->dispatch_db, device_id, out, &since_ms, &err)) {
		log_warn("what a device has told is not read: its push waits", LOG_I("device", device_id), LOG_S("error", err.text));
		return false;
	}
	return since_ms != 0;
}

/* The answer is an event of the task before it is given. */
static bool may_reboot(struct engine *e, int64_t task_id)
{
	struct err err = {0};
	bool granted = false;
	if (!store_outbox_reboot(e->dispatch_db, task_id, LADDER_REBOOT_GAP_MS, &granted, &err)) {
		log_warn("a device that was to boot is not told; tried again", LOG_I("task", task_id), LOG_S("error", err.text));
		return false;
	}
	if (granted) {
		metrics_add(METRIC_PUSH_REBOOTS, 1);
		log_info("a device is told to boot, so that it asks for firmware", LOG_I("task", task_id));
	}
	return granted;
}

bool climbing_may(struct engine *e, const struct dispatch_message *message)
{
	struct told told;
	int64_t task_id = message->offer.task_id;
	fleet_read(e->fleet);
	const struct fleet_task *t = fleet_task(e->fleet, task_id);
	int64_t device_id = t ? t->device_id : 0;
	fleet_done(e->fleet);
	if (!t || !read_told(e, device_id, &told)) {
		return false;
	}
	fleet_read(e->fleet);
	t = fleet_task(e->fleet, task_id);
	const struct device_entry *device = t ? fleet_device_by_id(e->fleet, device_id) : NULL;
	bool ok = device && suits(e->fleet, t, device, &told);
	fleet_done(e->fleet);
	return ok && (message->how != DISPATCH_REBOOT || may_reboot(e, task_id));
}

/* --- what it answers --- */

/* The live push of this device that the call was for, and that is still to begin; else NULL. Under the reader's hold. */
static const struct fleet_task *called(const struct fleet *f, const struct device_entry *device, int32_t call)
{
	for (const struct fleet_task *t = fleet_tasks_of(f, device->id); t; t = t->next) {
		bool begun = t->state != TASK_QUEUED && t->state != TASK_NOTIFIED && t->state != TASK_ACCEPTED;
		if (t->way == WAY_PUSH && !begun && ladder_call(t->id) == call) {
			return t;
		}
	}
	return NULL;
}

static void hear(struct engine *e, const struct message_answer *a, const char *device, int64_t task_id)
{
	struct report report = {.kind = REPORT_PROGRESS, .task_id = task_id, .step = a->kind == ANSWER_TAKEN ? 0 : -1};
	struct err err = {0};
	text_copy(report.component, sizeof report.component, COMPONENT_DEFAULT);
	text_copy(report.detail, sizeof report.detail, a->kind == ANSWER_TAKEN ? "" : a->detail);
	if (!hear_report(e, device, &report, NULL, NULL, &err)) { /* counted; it is called again, and answers again */
		log_debug("an answer is not taken", LOG_S("device", device), LOG_S("error", err.text));
	}
}

/* The next rung, at once. */
static void climb(struct engine *e, const struct message_answer *a, int64_t device_id, int64_t task_id)
{
	struct op *op = op_new(e, OP_NOTE);
	if (op) {
		op->device_id = device_id;
		op->task_id = task_id;
		op->in.note.event = "no_tool";
		text_copy(op->in.note.detail, sizeof op->in.note.detail, a->detail);
		op_submit(op, NULL); /* a full queue: the timeline lacks a line */
	}
	log_info("a device does not know the tool that updates it", LOG_S("device", a->device), LOG_I("task", task_id));
	sign_again(e, device_id, task_id);
}

void climb_answer(struct engine *e, const struct message_answer *a)
{
	fleet_read(e->fleet);
	const struct device_entry *device = fleet_device_at_broker(e->fleet, a->device);
	bool ours = device && !device->blocked && climbing_is(device);
	const struct fleet_task *t = ours ? called(e->fleet, device, a->call) : NULL;
	int64_t device_id = t ? device->id : 0;
	int64_t task_id = t ? t->id : 0;
	char name[NAME_SIZE];
	bool news = t && (a->kind == ANSWER_NO_TOOL ? fleet_without_tool(t) : a->kind == ANSWER_REFUSED || t->state != TASK_ACCEPTED);
	if (ours) {
		fleet_seen(device, clock_wall_ms());
		text_copy(name, sizeof name, fleet_device_name(e->fleet, device));
	}
	fleet_done(e->fleet);
	metrics_add(t ? METRIC_CALLS_ANSWERED : METRIC_CALLS_STRAY, 1);
	if (news && a->kind == ANSWER_NO_TOOL) {
		climb(e, a, device_id, task_id);
	} else if (news) {
		hear(e, a, name, task_id);
	}
}
