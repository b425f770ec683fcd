#include "engine/poll.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/candidates.h"
#include "engine/notes.h"
#include "engine/op.h"
#include "engine/private.h"
#include "engine/sign.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_order.h"
#include "fleet/products.h"
#include "fleet/standings.h"
#include "metrics/metrics.h"
#include "model/decide.h"

/* What a poll found, taken out of the snapshot under one hold. */
struct found {
	int64_t device_id;
	int64_t tell_task;   /* a queued task that this answer notifies; 0 = none */
	int64_t standing;    /* a standing rollout to be offered, of which the device has no task yet; 0 = none */
	int64_t firmware_id; /* its */
	int64_t hasten_task; /* the device was away: its push is sent again as well */
	bool news;           /* it told a version that is not known */
	bool evidence;       /* what it told may matter to a live task */
	bool offered;
	bool blocked;
	bool doubted; /* it may be anybody */
};

/* The name of an activated device is its MAC: where the product believes no MAC, who polls by it is told nothing and not listened to. */
static bool is_doubted(const struct fleet *f, const struct poll *poll, const struct device_entry *device)
{
	const struct fleet_product *product = fleet_product(f, device->product_id);
	return poll->by_name && device->bound && product && product->identity != IDENTITY_MAC;
}

/* Is the device at work on an update and has said no version since it began (since it has all bytes)? Then what it says now counts when a
 * timer ends, even if it is what it always said. */
static bool is_awaited(const struct fleet *f, int64_t device_id, const char *component)
{
	for (const struct fleet_task *t = fleet_tasks_of(f, device_id); t; t = t->next) {
		bool at_work = t->state == TASK_DOWNLOADING || t->state == TASK_DOWNLOADED || t->state == TASK_INSTALLING;
		if (at_work && !t->heard && strcmp(t->component, component) == 0) {
			return true;
		}
	}
	return false;
}

/* standing: may one be begun for it? */
static bool look(struct engine *e, const struct poll *poll, bool standing, struct found *found, struct offer *offer)
{
	struct candidate candidates[CANDIDATES_MAX];
	const char *component = poll->component ? poll->component : COMPONENT_DEFAULT;
	int64_t now = clock_wall_ms();
	*found = (struct found){0};
	fleet_read(e->fleet);
	const struct device_entry *device = fleet_device(e->fleet, poll->device);
	if (!device) {
		fleet_done(e->fleet);
		return false;
	}
	found->device_id = device->id;
	found->doubted = is_doubted(e->fleet, poll, device);
	if (found->doubted) {
		fleet_done(e->fleet);
		return true;
	}
	const char *known = fleet_device_version(e->fleet, device, component);
	found->news = *poll->version && strcmp(poll->version, known) != 0;
	found->hasten_task = sign_seen(e->fleet, device, now, e->config);
	found->evidence =
		*poll->version && ((found->news && fleet_tasks_of(e->fleet, device->id)) || is_awaited(e->fleet, device->id, component));
	found->blocked = device->blocked;
	struct device_facts facts = {.component = component, .blocked = device->blocked, .version = *poll->version ? poll->version : known};
	size_t n = candidates_gather(e->fleet, device, standing, candidates);
	struct decision d = decide(&facts, candidates, n, now, NULL);
	if (d.offer && d.offer->kind == CANDIDATE_STANDING) {
		found->standing = d.offer->rollout_id;
		found->firmware_id = standings_get(fleet_standings(e->fleet), d.offer->rollout_id)->firmware_id;
	} else {
		found->offered = d.offer && candidates_offer(e->fleet, device->id, d.offer, offer);
	}
	if (found->offered && d.offer->kind == CANDIDATE_TASK && d.offer->state == TASK_QUEUED) {
		found->tell_task = d.offer->task_id;
	}
	fleet_done(e->fleet);
	return true;
}

/* A poll that waits for the group commit. */
struct waiting {
	struct engine *engine;
	poll_done *done;
	void *ctx;
	struct offer offer;
	char device[NAME_SIZE];
	char component[COMPONENT_SIZE];
};

static void told(struct op *op, const struct err *err)
{
	struct waiting *w = op->done_ctx;
	w->done(w->ctx, err ? NULL : &w->offer, err);
	free(w);
}

static void reported(void *ctx, const struct err *err)
{
	struct waiting *w = ctx;
	if (err) {
		w->done(w->ctx, NULL, err);
	} else { /* look again: the report may have ended the task */
		struct poll again = {.device = w->device, .component = w->component, .version = ""};
		poll_device(w->engine, &again, w->done, w->ctx);
	}
	free(w);
}

static void busy(poll_done *done, void *ctx, const char *why)
{
	struct err err = {0};
	err_set(&err, ERR_BUSY, "%s", why);
	done(ctx, NULL, &err);
}

static struct waiting *wait_for(struct engine *e, const struct poll *poll, const struct offer *offer, poll_done *done, void *ctx)
{
	struct waiting *w = calloc(1, sizeof *w);
	if (!w) {
		return NULL;
	}
	*w = (struct waiting){.engine = e, .done = done, .ctx = ctx};
	if (offer) {
		w->offer = *offer;
	}
	text_copy(w->device, sizeof w->device, poll->device);
	text_copy(w->component, sizeof w->component, poll->component ? poll->component : COMPONENT_DEFAULT);
	return w;
}

/* The answer moves a task from queued to notified: first the commit, then the answer. */
static void tell(struct engine *e, const struct poll *poll, const struct found *found, const struct offer *offer, poll_done *done,
		 void *ctx)
{
	struct waiting *w = wait_for(e, poll, offer, done, ctx);
	struct op *op = w ? op_new(e, OP_SENT) : NULL;
	if (!op) {
		free(w);
		busy(done, ctx, "out of memory");
		return;
	}
	op->device_id = found->device_id;
	op->task_id = found->tell_task;
	op->done.plain = told;
	op->done_ctx = w;
	struct err err = {0};
	metrics_add(METRIC_POLLS_TELLING, 1);
	if (!op_submit(op, &err)) {
		free(w);
		done(ctx, NULL, &err);
	}
}

static void report_first(struct engine *e, const struct poll *poll, poll_done *done, void *ctx)
{
	struct waiting *w = wait_for(e, poll, NULL, done, ctx);
	if (!w) {
		busy(done, ctx, "out of memory");
		return;
	}
	struct report report = {.kind = REPORT_VERSION};
	text_copy(report.version, sizeof report.version, poll->version);
	memcpy(report.component, w->component, sizeof report.component);
	struct err err = {0};
	metrics_add(METRIC_POLLS_TELLING, 1);
	if (!hear_report(e, w->device, &report, reported, w, &err)) {
		free(w);
		done(ctx, NULL, &err);
	}
}

static void poll_again(struct engine *e, const struct poll *poll, bool standing, poll_done *done, void *ctx);

/* The task is made, or something else came in between: what is there now is the answer. A standing rollout is not begun once more: where
 * the rows have refused it, the snapshot will show why in a moment. */
static void begun(struct op *op, const struct err *err)
{
	struct waiting *w = op->done_ctx;
	if (err) {
		w->done(w->ctx, NULL, err);
	} else {
		struct poll again = {.device = w->device, .component = w->component, .version = ""};
		poll_again(w->engine, &again, false, w->done, w->ctx);
	}
	free(w);
}

/* A standing rollout becomes this device's task: first the commit, then the answer. */
static void begin_standing(struct engine *e, const struct poll *poll, const struct found *found, poll_done *done, void *ctx)
{
	struct waiting *w = wait_for(e, poll, NULL, done, ctx);
	struct op *op = w ? op_new(e, OP_OFFER) : NULL;
	if (!op) {
		free(w);
		busy(done, ctx, "out of memory");
		return;
	}
	op->device_id = found->device_id;
	op->rollout_id = found->standing;
	op->in.offer.firmware_id = found->firmware_id;
	memcpy(op->in.offer.component, w->component, sizeof w->component);
	text_copy(op->in.offer.version, sizeof op->in.offer.version, poll->version);
	op->done.plain = begun;
	op->done_ctx = w;
	struct err err = {0};
	metrics_add(METRIC_POLLS_TELLING, 1);
	if (!op_submit(op, &err)) {
		free(w);
		done(ctx, NULL, &err);
	}
}

void poll_device(struct engine *e, const struct poll *poll, poll_done *done, void *ctx)
{
	poll_again(e, poll, true, done, ctx);
}

static void poll_again(struct engine *e, const struct poll *poll, bool standing, poll_done *done, void *ctx)
{
	struct found found;
	struct offer offer;
	if (!look(e, poll, standing, &found, &offer)) {
		struct err err = {0};
		metrics_add(METRIC_POLLS_UNKNOWN, 1);
		err_set(&err, ERR_NOT_FOUND, "no device of that name");
		done(ctx, NULL, &err);
		return;
	}
	if (found.blocked || found.doubted) {
		struct err err = {0};
		err_set(&err, found.blocked ? ERR_BLOCKED : ERR_DENIED,
			found.blocked ? "this device is blocked"
				      : "this device's product believes no name: it gets its updates by its own checks");
		done(ctx, NULL, &err);
		return;
	}
	if (found.hasten_task) {
		sign_hasten(e, found.device_id, found.hasten_task);
	}
	if (found.evidence) {
		report_first(e, poll, done, ctx);
		return;
	}
	if (found.standing) {
		begin_standing(e, poll, &found, done, ctx);
		return;
	}
	const char *component = poll->component ? poll->component : COMPONENT_DEFAULT;
	if (found.news && notes_put(e, found.device_id, component, poll->version)) {
		metrics_add(METRIC_POLLS_NOTING, 1);
	} else if (!found.tell_task) {
		metrics_add(METRIC_POLLS_IDLE, 1);
	}
	if (found.tell_task) {
		tell(e, poll, &found, &offer, done, ctx);
		return;
	}
	done(ctx, found.offered ? &offer : NULL, NULL);
}
