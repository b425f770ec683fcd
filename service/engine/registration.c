#include "engine/registration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/admin_frame.h"
#include "engine/parts.h"
#include "engine/private.h"
#include "engine/throttle.h"
#include "fleet/fleet.h"
#include "fleet/products.h"
#include "metrics/metrics.h"
#include "model/mac.h"
#include "model/nouns.h"
#include "store/device.h"

enum { SHOWN_TRIES = 20, SHOWN_MS = 50, WHO_SIZE = 96 };

static int64_t now(void)
{
	return clock_mono_ms() + 1; /* above 0 */
}

/* --- who may --- */

bool registration_find(struct engine *e, const struct parts_ask *ask, struct parts_product *out)
{
	struct parts_product known;
	if (parts_of_device(e, ask, &known)) {
		return false;
	}
	fleet_read(e->fleet);
	const struct fleet_product *p = ask->product_id ? fleet_product(e->fleet, ask->product_id) : fleet_auto_register(e->fleet);
	bool may = p && p->auto_register;
	*out = may ? (struct parts_product){.id = p->id, .token = p->device_token} : (struct parts_product){0};
	fleet_done(e->fleet);
	return may;
}

/* --- refusals --- */

enum why { WHY_FULL, WHY_ADDRESS, WHYS };

static const struct {
	const char *name;
	enum metric metric;
	const char *answer;
} refusals[WHYS] = {
	[WHY_FULL] = {"full", METRIC_REGISTRATIONS_FULL,
		      "this product registers no more devices by itself; an operator must raise its autoRegisterMax"},
	[WHY_ADDRESS] = {"address", METRIC_REGISTRATIONS_ADDRESS, "too many new devices from this address; try again in an hour"},
};

/* A product's gate, or what of it was audited. An address's gate is named by the address alone: so an IPv6 one is its /64's, as its count.
 */
static void name_product(int64_t product_id, const char *what, char out[WHO_SIZE])
{
	snprintf(out, WHO_SIZE, "%" PRId64 " %s", product_id, what);
}

static bool refuse(enum why why, struct err *err)
{
	metrics_add(refusals[why].metric, 1);
	return err_set(err, ERR_CONFLICT, "%s", refusals[why].answer);
}

bool registration_is_open(int64_t product_id, const char *address, struct err *err)
{
	char product[WHO_SIZE];
	name_product(product_id, "", product);
	if (throttle_counts(THROTTLE_REGISTER_SHUT, product, now())) {
		return refuse(WHY_FULL, err);
	}
	return !throttle_counts(THROTTLE_REGISTER_SHUT, address, now()) || refuse(WHY_ADDRESS, err);
}

struct refusal {
	enum why why;
	int64_t product_id;
	int64_t limit;
	const char *address;
};

static bool tell(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct refusal *r = noun;
	(void)db;
	(void)err;
	snprintf(write->target, sizeof write->target, "product/%" PRId64, r->product_id);
	if (r->why == WHY_FULL) {
		snprintf(write->detail, sizeof write->detail,
			 "%" PRId64 " devices have registered themselves, which is its autoRegisterMax; more are refused", r->limit);
	} else {
		snprintf(write->detail, sizeof write->detail,
			 "%" PRId64 " devices of %s have registered within an hour (register_per_address); more are refused", r->limit,
			 r->address);
	}
	return true;
}

/* Once an hour: a flood of refusals must not become one of rows. */
static void audit(const struct admin_frame *frame, const struct refusal *r)
{
	char who[WHO_SIZE];
	struct err err = {0};
	struct refusal refusal = *r;
	struct admin_write write = {.action = "device.register_refused", .kind = CHANGE_KINDS};
	name_product(r->product_id, refusals[r->why].name, who);
	if (throttle_take(THROTTLE_REGISTER_TOLD, who, now()) && !admin_frame_write(frame, &write, tell, &refusal, &err)) {
		throttle_forgive(THROTTLE_REGISTER_TOLD, who);
		log_warn("a refused registration is not audited", LOG_S("error", err.text));
	}
}

static int64_t limit_of(struct engine *e, int64_t product_id)
{
	fleet_read(e->fleet);
	const struct fleet_product *p = fleet_product(e->fleet, product_id);
	int64_t limit = p ? p->auto_register_max : 0;
	fleet_done(e->fleet);
	return limit;
}

static bool shut(const struct admin_frame *frame, enum why why, int64_t product_id, struct err *err)
{
	char product[WHO_SIZE];
	const char *address = frame->actor->address;
	struct refusal r = {.why = why, .product_id = product_id, .address = address};
	r.limit = why == WHY_FULL ? limit_of(frame->engine, product_id) : frame->engine->config->register_per_address;
	name_product(product_id, "", product);
	throttle_take(THROTTLE_REGISTER_SHUT, why == WHY_FULL ? product : address, now());
	audit(frame, &r);
	return refuse(why, err);
}

/* --- registering --- */

/* A MAC is named as a device that comes by itself is: so that it is one device whatever it speaks. */
static void name_new(const char *id, struct device *out)
{
	if (!mac_parse(id, out->mac)) {
		text_copy(out->name, sizeof out->name, id);
		return;
	}
	for (int i = 0; i < 12; i++) {
		char c = out->mac[i];
		out->name[i + i / 2] = (char)(c >= 'A' ? c - 'A' + 'a' : c);
		if (i % 2 && i < 11) {
			out->name[i + i / 2 + 1] = '_';
		}
	}
}

struct registering {
	struct device *device;
	bool full;
};

static bool create(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct registering *r = noun;
	text_copy(r->device->client_id, sizeof r->device->client_id, r->device->name);
	if (!store_device_register(db, r->device, &r->full, err)) {
		return false;
	}
	write->id = r->device->id;
	snprintf(write->target, sizeof write->target, "device/%" PRId64, r->device->id);
	snprintf(write->detail, sizeof write->detail, "name %s, product %" PRId64 ", by itself", r->device->name, r->device->product_id);
	return true;
}

/* Or is what it is to be named by another device's client id? */
static bool check_it_exists(struct worker *w, const struct device *device, struct err *err)
{
	bool there = false;
	return ADMIN_READ(w, err, store_device_is_there(db, device->name, device->mac, &there, err)) &&
	       (there || err_set(err, ERR_CONFLICT, "this device_id is the clientId of another device"));
}

/* Another one has made it a moment ago, here or on another replica: the snapshot shows it soon. */
static bool wait_until_shown(struct engine *e, const struct parts_ask *ask)
{
	struct parts_product its;
	for (int i = 0; i < SHOWN_TRIES && !parts_of_device(e, ask, &its); i++) {
		nanosleep(&(struct timespec){.tv_nsec = SHOWN_MS * 1000000L}, NULL);
	}
	return true;
}

bool registration_make(struct engine *e, struct worker *w, const struct actor *actor, const struct parts_ask *ask, int64_t product_id,
		       struct err *err)
{
	struct err why = {0};
	struct device device = {.product_id = product_id, .auto_update = true};
	struct registering r = {.device = &device};
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "device.register", .kind = CHANGE_DEVICE};
	name_new(ask->ids[0], &device);
	if (!text_is_device_name(device.name)) {
		return err_set(err, ERR_INVALID, "device_id must have 1 to %d of the characters A-Z a-z 0-9 _ -", NAME_SIZE - 1);
	}
	if (!throttle_take_of(THROTTLE_REGISTER, actor->address, frame.engine->config->register_per_address, now())) {
		return shut(&frame, WHY_ADDRESS, product_id, err);
	}
	if (admin_frame_write(&frame, &write, create, &r, &why)) {
		metrics_add(METRIC_REGISTRATIONS, 1);
		return true;
	}
	if (why.kind == ERR_EXISTS && !check_it_exists(w, &device, err)) {
		return false; /* and counts: or this could be had for ever */
	}
	throttle_give_back(THROTTLE_REGISTER, actor->address);
	if (r.full) {
		return shut(&frame, WHY_FULL, product_id, err);
	}
	return why.kind == ERR_EXISTS ? wait_until_shown(e, ask) : err_set(err, why.kind, "%s", why.text);
}
