#include "engine/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "common/alias.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/climbing.h"
#include "engine/offer.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_order.h"
#include "metrics/metrics.h"
#include "model/ladder.h"
#include "store/db.h"
#include "store/outbox.h"

enum { CLAIM_MAX = 512 };

void dispatch_attach(struct engine *e, dispatch_ready *ready, void *ctx)
{
	pthread_mutex_lock(&e->ready_lock);
	e->ready_ctx = ctx;
	e->ready = ready;
	pthread_mutex_unlock(&e->ready_lock);
}

void dispatch_state(struct engine *e, bool up)
{
	if (up && !e->broker_up) {
		e->broker_back = true;
	}
	e->broker_up = up;
	metrics_set(METRIC_MQTT_CONNECTED, up);
}

bool dispatch_claim(struct engine *e, struct dispatch_item *out, size_t max, size_t *count, int64_t *next_ms, struct err *err)
{
	struct outbox_row rows[CLAIM_MAX];
	const struct config *c = e->config;
	struct outbox_pace pace = {c->resend_min, c->resend_max};
	int64_t taken_ms = clock_mono_ms();
	*count = 0;
	if (!e->dispatch_db) {
		e->dispatch_db = db_open(e->db_config, err);
	}
	if (!e->dispatch_db || !db_revive(e->dispatch_db, err)) {
		return false;
	}
	if (atomic_exchange(&e->broker_back, false) && !store_outbox_restart(e->dispatch_db, c->resend_min, err)) {
		e->broker_back = true;
		return false;
	}
	if (!store_outbox_claim(e->dispatch_db, max < CLAIM_MAX ? max : CLAIM_MAX, &pace, rows, count, next_ms, err)) {
		return false;
	}
	for (size_t i = 0; i < *count; i++) {
		out[i] = (struct dispatch_item){.task_id = rows[i].task_id, .attempt = rows[i].attempt, .taken_ms = taken_ms};
	}
	return true;
}

/* The message lives at the broker until the next repetition: a persistent session collects no copies. */
static uint32_t expiry_of(const struct config *c, const struct dispatch_item *item)
{
	int64_t ms = c->resend_min;
	for (int64_t i = 0; i < item->attempt && ms < c->resend_max; i++) {
		ms *= 2;
	}
	ms = ms < c->resend_max ? ms : c->resend_max;
	ms -= ms / 5 < OUTBOX_MARGIN_MS ? ms / 5 : OUTBOX_MARGIN_MS;
	ms -= clock_mono_ms() - item->taken_ms;
	return ms <= 1000 ? 1 : (uint32_t)((ms + 999) / 1000);
}

static void submit(struct engine *e, enum op_kind kind, int64_t device_id, int64_t task_id)
{
	struct op *op = op_new(e, kind);
	if (op) {
		op->device_id = device_id;
		op->task_id = task_id;
		op->mqtt = true;
		op_submit(op, NULL); /* a full queue: the push is repeated in its time */
	}
}

/* From memory alone. Under the reader's hold. */
static bool fill(const struct engine *e, const struct fleet_task *t, struct dispatch_message *out)
{
	const struct device_entry *device = fleet_device_by_id(e->fleet, t->device_id);
	bool climbs = device && climbing_is(device);
	if (!device || device->blocked || !task_state_is_sendable(t->state) || (climbs && !climbing_how(e, t, device, &out->how))) {
		return false;
	}
	out->offer.task_id = t->id;
	out->call = ladder_call(t->id);
	if (!climbs || !fleet_device_mac_name(e->fleet, device, out->device)) {
		text_copy(out->device, sizeof out->device, fleet_device_name(e->fleet, device));
	}
	return offer_task(e->fleet, t, &out->offer);
}

/* Answers whether the task is there. */
static bool note_handed(struct engine *e, int64_t task_id, bool handed)
{
	fleet_read(e->fleet);
	const struct fleet_task *t = fleet_task(e->fleet, task_id);
	if (t && handed) {
		fleet_handed(t, clock_mono_ms());
	} else if (t) {
		fleet_sent(t, 0);
	}
	fleet_done(e->fleet);
	return t != NULL;
}

bool dispatch_message(struct engine *e, struct dispatch_item *item, struct dispatch_message *out)
{
	*out = (struct dispatch_message){.expiry_s = expiry_of(e->config, item)};
	fleet_read(e->fleet);
	const struct fleet_task *t = fleet_task(e->fleet, item->task_id);
	bool ok = t && fill(e, t, out);
	fleet_done(e->fleet);
	if (ok && out->how != DISPATCH_TOPIC && !item->granted) {
		ok = item->granted = climbing_may(e, out);
	}
	if (!note_handed(e, item->task_id, ok)) {
		submit(e, OP_STRAY, 0, item->task_id);
		return false;
	}
	return ok;
}

/* From here on whoever begins to listen has not heard it. Not before: it lies in our own buffers and the broker's for a while. */
void dispatch_sent(struct engine *e, int64_t task_id)
{
	fleet_read(e->fleet);
	const struct fleet_task *t = fleet_task(e->fleet, task_id);
	if (t) {
		fleet_sent(t, clock_mono_ms());
	}
	fleet_done(e->fleet);
	metrics_add(METRIC_PUSHES, 1);
	submit(e, OP_SENT, 0, task_id);
}

void dispatch_queued(struct engine *e, int64_t task_id)
{
	fleet_read(e->fleet);
	const struct fleet_task *t = fleet_task(e->fleet, task_id);
	if (t) {
		fleet_handed(t, FLEET_SENDING);
		fleet_sent(t, FLEET_SENDING);
	}
	fleet_done(e->fleet);
}

void dispatch_failed(struct engine *e, int64_t task_id)
{
	fleet_read(e->fleet);
	const struct fleet_task *t = fleet_task(e->fleet, task_id);
	if (t) {
		fleet_sent(t, 0);
	}
	fleet_done(e->fleet);
	metrics_add(METRIC_PUSH_FAILURES, 1);
	submit(e, OP_UNSENT, 0, task_id);
}

bool dispatch_is_ours(struct engine *e, const char *device, const char *alias)
{
	struct alias a;
	if (!alias_verify(e->alias_key, alias, &a)) {
		return false;
	}
	fleet_read(e->fleet);
	const struct device_entry *d = fleet_device(e->fleet, device);
	bool same = d && d->id == (int64_t)a.device;
	fleet_done(e->fleet);
	return same;
}
