#include "engine/presence.h"

#include "common/clock.h"
#include "config/config.h"
#include "engine/climbing.h"
#include "engine/op.h"
#include "engine/private.h"
#include "engine/sign.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_order.h"
#include "metrics/metrics.h"
#include "store/outbox.h"

enum { ASKED_AGO_MS = 1000, DOUBT_MS = 2000 };

/* A push that may have to be told (again). */
struct waiting {
	int64_t task_id; /* 0 = none */
	bool in_doubt;   /* it went through the broker about when the device began to listen */
};

/* Unless it was told since. Who is downloading is left alone, unless it began anew. Times are monotonic: a clock that is set back must not
 * silence anybody. Under the reader's hold. */
static struct waiting waiting_push(const struct fleet *f, int64_t device_id, int64_t since_ms, bool anew)
{
	for (const struct fleet_task *t = fleet_tasks_of(f, device_id); t; t = t->next) {
		int64_t sent_ms = __atomic_load_n(&t->sent_ms, __ATOMIC_RELAXED);
		bool after = sent_ms != 0 && sent_ms > since_ms; /* or will be: FLEET_SENDING */
		bool told = after && __atomic_load_n(&t->handed_ms, __ATOMIC_RELAXED) > since_ms;
		bool busy = t->state == TASK_DOWNLOADING && !anew;
		if (t->way == WAY_PUSH && !busy && task_state_is_sendable(t->state) && !told) {
			return (struct waiting){t->id, after};
		}
	}
	return (struct waiting){0};
}

static void hasten(struct engine *e, int64_t device_id, int64_t task_id, int64_t since_ms, int64_t wait_ms)
{
	struct op *op = op_new(e, OP_HASTEN);
	if (op) {
		op->device_id = device_id;
		op->task_id = task_id;
		op->in.since = (struct op_since){since_ms, wait_ms};
		op_submit(op, NULL); /* a full queue: the push is repeated in its time */
	}
}

int64_t sign_seen(struct fleet *f, const struct device_entry *device, int64_t now_ms, const struct config *config)
{
	if (fleet_seen(device, now_ms) < SIGN_AWAY_S || device->blocked) {
		return 0;
	}
	return waiting_push(f, device->id, clock_mono_ms() - config->resend_min, false).task_id;
}

void sign_hasten(struct engine *e, int64_t device_id, int64_t task_id)
{
	const struct config *c = e->config;
	hasten(e, device_id, task_id, clock_mono_ms() - c->resend_min, 0); /* nor if another replica has sent it since */
}

void sign_again(struct engine *e, int64_t device_id, int64_t task_id)
{
	hasten(e, device_id, task_id, clock_mono_ms() + 1, 0); /* what was sent in this very millisecond was sent before */
}

void presence_told(struct engine *e, const char *device, enum presence_event event, bool resumed, int64_t age_ms)
{
	int64_t since = clock_mono_ms() - age_ms;
	int64_t device_id = 0;
	struct waiting push = {0};
	bool anew = event == PRESENCE_SUBSCRIBED && !resumed;
	bool connected = event == PRESENCE_CONNECTED;
	fleet_read(e->fleet);
	const struct device_entry *d = fleet_device_at_broker(e->fleet, device);
	if (d) {
		fleet_set_online(d, event != PRESENCE_GONE);
		if (event != PRESENCE_GONE) {
			fleet_seen(d, clock_wall_ms());
		}
		device_id = d->id;
		/* who connects without a subscription hears nothing yet, but for those who never subscribe */
		bool listens = event == PRESENCE_SUBSCRIBED || (connected && (resumed || climbing_is(d)));
		push = listens && !d->blocked ? waiting_push(e->fleet, d->id, since, anew) : push;
	}
	fleet_done(e->fleet);
	if (push.task_id && !(resumed && push.in_doubt)) { /* a session's queue or its owner has it: one of both */
		metrics_add(METRIC_PRESENCE_RESENT, 1);
		hasten(e, device_id, push.task_id, since, resumed ? HASTEN_RESUMED : push.in_doubt ? DOUBT_MS : 0);
	}
}

void presence_reset(struct engine *e)
{
	fleet_all_offline(e->fleet);
}

void presence_listed(struct engine *e, const char *device)
{
	fleet_read(e->fleet);
	const struct device_entry *d = fleet_device_at_broker(e->fleet, device);
	if (d) {
		fleet_set_online(d, true);
	}
	fleet_done(e->fleet);
}

void presence_complete(struct engine *e, bool complete)
{
	e->presence_known = complete;
}

int8_t presence_of(struct engine *e, const char *device)
{
	if (!e->presence_known) {
		return -1;
	}
	fleet_read(e->fleet);
	const struct device_entry *d = fleet_device_at_broker(e->fleet, device);
	int8_t online = d && fleet_is_online(d);
	fleet_done(e->fleet);
	return online;
}

void presence_asked(struct engine *e, const char *device)
{
	int64_t since = clock_mono_ms() - ASKED_AGO_MS;
	fleet_read(e->fleet);
	const struct device_entry *d = fleet_device(e->fleet, device);
	int64_t device_id = d ? d->id : 0;
	int64_t task_id = d && !d->blocked ? waiting_push(e->fleet, device_id, since, false).task_id : 0;
	if (d) {
		fleet_seen(d, clock_wall_ms());
	}
	fleet_done(e->fleet);
	if (task_id) {
		hasten(e, device_id, task_id, since, 0);
	}
}
