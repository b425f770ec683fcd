#include "engine/activation.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/admin_frame.h"
#include "engine/licence.h"
#include "engine/private.h"
#include "engine/revocation.h"
#include "engine/throttle.h"
#include "fleet/fleet.h"
#include "fleet/products.h"
#include "model/decide.h"
#include "model/licence.h"
#include "store/activation.h"

enum { CONFIRM_MS = 2000 };

static int64_t now(void)
{
	return clock_mono_ms() + 1; /* above 0 */
}

static int64_t ttl_of(struct engine *e)
{
	return atomic_load(&e->config)->activation_ttl;
}

/* --- checks --- */

static bool check_fact(const char *value, const char *what, struct err *err)
{
	size_t len = strlen(value);
	return (text_is_utf8(value, len) && text_is_printable(value, len)) || err_set(err, ERR_INVALID, "%s is no text", what);
}

static bool admit(const struct activation_facts *f, struct err *err)
{
	char mac[MAC_SIZE];
	if (!mac_parse(f->mac, mac) || strcmp(mac, f->mac) != 0) {
		return err_set(err, ERR_INVALID, "the device has no MAC");
	}
	if (!check_fact(f->client_uuid, "Client-Id", err) || !check_fact(f->board_type, "board.type", err) ||
	    !check_fact(f->board_name, "board.name", err) || !check_fact(f->serial, "Serial-Number", err)) {
		return false;
	}
	return throttle_take(THROTTLE_CONTACT, f->address, now()) || err_set(err, ERR_BUSY, "this address asks too often");
}

bool activation_begin(struct engine *e, struct worker *w, const struct activation_facts *facts, struct activation *out, struct err *err)
{
	const struct config *c = e->config;
	struct activation_limits limits = {c->activation_ttl, c->activation_max, c->activation_per_address};
	struct activation_found found = {0};
	char challenge[UUID_SIZE];
	*out = (struct activation){0};
	text_uuid(challenge);
	if (!admit(facts, err) || !ADMIN_READ(w, err, store_activation_begin(db, facts, challenge, &limits, &found, err))) {
		return false;
	}
	if (found.state == ACTIVATION_FULL) {
		log_debug("no room for a first contact", LOG_S("address", facts->address));
		return err_set(err, ERR_BUSY, "too many devices wait to be activated; try again later");
	}
	out->bound = found.state == ACTIVATION_BOUND;
	out->licensed = found.licensed && !throttle_counts(THROTTLE_PROOF_DEVICE, facts->mac, now()); /* it has tried, and needs a person */
	out->device_id = found.device_id;
	if (!out->bound) {
		memcpy(out->code, found.code, sizeof out->code);
		memcpy(out->challenge, challenge, sizeof out->challenge);
	}
	return true;
}

bool activation_ask(struct engine *e, struct worker *w, const struct activation_facts *facts, struct activation *out, struct err *err)
{
	struct activation_found found = {0};
	int64_t ttl = ttl_of(e);
	*out = (struct activation){0};
	if (!admit(facts, err) || !ADMIN_READ(w, err, store_activation_ask(db, facts->mac, facts->client_uuid, ttl, &found, err))) {
		return false;
	}
	out->bound = found.state == ACTIVATION_BOUND;
	out->device_id = found.device_id;
	return found.state != ACTIVATION_UNKNOWN || err_set(err, ERR_NOT_FOUND, "this device does not wait to be activated");
}

bool activation_offer(struct engine *e, struct worker *w, const struct activation_facts *facts, int64_t rollout_id, struct err *err)
{
	bool counted = false;
	(void)e;
	return ADMIN_READ(w, err, store_activation_offer(db, facts, rollout_id, STANDING_OFFERS_MAX, &counted, err)) && counted;
}

/* --- binding --- */

/* What a step that binds works on. */
struct binding {
	struct engine *engine;
	const struct activation_confirmation *confirmation; /* a person's, or */
	const struct activation_proof *proof;               /* the device's */
	const struct licence *licence;                      /* proven by it */
	struct device *device;
	bool bound;
	int64_t revoked;
};

static bool bind_row(struct db *db, struct admin_write *write, struct binding *b, const struct activation_binding *wish, struct err *err)
{
	bool fresh = false;
	if (!store_activation_bind(db, wish, b->device, &fresh, &b->revoked, err)) {
		return false;
	}
	b->bound = true;
	write->kind = CHANGE_DEVICE;
	write->id = b->device->id;
	snprintf(write->target, sizeof write->target, "device/%" PRId64, b->device->id);
	snprintf(write->detail, sizeof write->detail, "name %s, product %" PRId64 ", by %s%s", b->device->name, b->device->product_id,
		 wish->by_proof ? "licence" : "code", fresh ? "" : ", bound anew");
	return true;
}

static bool confirm(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct binding *b = noun;
	struct activation_row row;
	if (!store_activation_by_code(db, b->confirmation->code, ttl_of(b->engine), &row, err)) {
		return false;
	}
	const struct activation_binding wish = {.row = &row,
						.product_id = b->confirmation->product_id,
						.licence_id = row.licence_id,
						.nick_name = b->confirmation->nick_name};
	return bind_row(db, write, b, &wish, err);
}

/* The broker is told by the time the answer is given, if it is there. */
static void told(struct engine *e, int64_t revoked)
{
	if (revoked) {
		revocation_wait(e, revoked, CONFIRM_MS);
	}
}

bool activation_confirm(struct engine *e, struct worker *w, const struct actor *actor, const struct activation_confirmation *confirmation,
			struct device *out, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "device.activate", .kind = CHANGE_DEVICE};
	struct binding b = {.engine = e, .confirmation = confirmation, .device = out};
	struct err why = {0};
	if (!activation_is_code(confirmation->code)) {
		return err_set(err, ERR_INVALID, "a code has six digits");
	}
	if (!throttle_take(THROTTLE_CODE, actor->name, now())) {
		return err_set(err, ERR_BUSY, "too many wrong codes; wait five minutes");
	}
	bool ok = admin_frame_write(&frame, &write, confirm, &b, &why);
	if (why.kind != ERR_NOT_FOUND) {
		throttle_give_back(THROTTLE_CODE, actor->name);
	}
	if (!ok) {
		return err_set(err, why.kind, "%s", why.text);
	}
	told(e, b.revoked);
	return true;
}

/* --- proofs --- */

static int64_t product_of_board(struct engine *e, const struct activation_row *row)
{
	fleet_read(e->fleet);
	const struct fleet_product *p = fleet_product_of_board(e->fleet, row->board_name, row->board_type);
	int64_t id = p ? p->id : 0;
	fleet_done(e->fleet);
	return id;
}

static bool prove(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct binding *b = noun;
	const struct activation_facts *facts = b->proof->facts;
	struct activation_row row;
	b->bound = false;
	if (!store_activation_by_challenge(db, facts, b->proof->challenge, ttl_of(b->engine), &row, err)) {
		return false;
	}
	int64_t named = b->licence->product_id ? b->licence->product_id : b->proof->product_id;
	int64_t product = named ? named : product_of_board(b->engine, &row);
	if (product) {
		const struct activation_binding wish = {.row = &row, .product_id = product, .licence_id = b->licence->id, .by_proof = true};
		return bind_row(db, write, b, &wish, err);
	}
	write->kind = CHANGE_KINDS; /* nothing that replicas hold */
	snprintf(write->target, sizeof write->target, "licence/%" PRId64, b->licence->id);
	snprintf(write->detail, sizeof write->detail, "proven by %s, for no product yet", facts->mac);
	return store_activation_prove(db, row.id, b->licence->id, err);
}

/* Licence and HMAC. An unknown serial costs the same and is told in the same words. */
static bool verify(struct engine *e, struct worker *w, const struct activation_proof *proof, struct licence *licence, struct err *err)
{
	struct licence_key key = {.len = 32};
	struct err why = {0};
	bool known = licence_open(e, w, proof->facts->serial, licence, &key, &why);
	if (!known && why.kind != ERR_NOT_FOUND) {
		return err_set(err, why.kind, "%s", why.text);
	}
	key.len = known ? key.len : 32;
	bool right = activation_proves(&key, proof->challenge, proof->hmac);
	licence_key_wipe(&key);
	return (known && right) || err_set(err, ERR_DENIED, "serial number and hmac prove no licence that is known here");
}

/* false: too many have failed. A right proof counts all the same, or who knows a MAC could lock its device out. */
static bool may_fail(const struct activation_facts *facts, struct err *err)
{
	if (!throttle_take(THROTTLE_PROOF_ADDRESS, facts->address, now())) {
		return err_set(err, ERR_BUSY, "too many failed proofs from this address; wait five minutes");
	}
	if (!throttle_take(THROTTLE_PROOF_DEVICE, facts->mac, now())) {
		throttle_give_back(THROTTLE_PROOF_ADDRESS, facts->address); /* it costs nothing */
		return err_set(err, ERR_BUSY, "too many failed proofs for this device; wait five minutes");
	}
	return true;
}

static bool bind_proven(struct engine *e, struct worker *w, const struct activation_proof *proof, struct activation *out, struct err *err)
{
	struct actor device = {.name = "device"};
	struct licence licence;
	struct device bound;
	if (!verify(e, w, proof, &licence, err)) {
		return false;
	}
	text_copy(device.address, sizeof device.address, proof->facts->address);
	const struct admin_frame frame = {e, w, &device};
	struct admin_write write = {.action = "device.prove", .kind = CHANGE_DEVICE};
	struct binding b = {.engine = e, .proof = proof, .licence = &licence, .device = &bound};
	if (!admin_frame_write(&frame, &write, prove, &b, err)) {
		return false;
	}
	*out = (struct activation){.bound = b.bound, .licensed = true, .device_id = b.bound ? bound.id : 0};
	told(e, b.revoked);
	return true;
}

static bool is_uuid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	for (size_t i = 0; i < sizeof form - 1; i++) {
		bool hex = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f');
		if (form[i] == '-' ? s[i] != '-' : !hex) {
			return false;
		}
	}
	return s[sizeof form - 1] == '\0';
}

bool activation_prove(struct engine *e, struct worker *w, const struct activation_proof *proof, struct activation *out, struct err *err)
{
	const struct activation_facts *facts = proof->facts;
	struct err why = {0};
	struct err limit = {0};
	*out = (struct activation){0};
	if (!admit(facts, err)) {
		return false;
	}
	bool may = may_fail(facts, &limit);
	bool ok = is_uuid(proof->challenge) || err_set(&why, ERR_DENIED, "this challenge was not given here");
	ok = ok && bind_proven(e, w, proof, out, &why);
	bool failed =
		!ok && (why.kind == ERR_DENIED || why.kind == ERR_CONFLICT); /* a database that is down is no failure of the device's */
	if (may && !failed) {
		throttle_give_back(THROTTLE_PROOF_ADDRESS, facts->address);
		throttle_give_back(THROTTLE_PROOF_DEVICE, facts->mac);
	}
	const struct err *said = failed && !may ? &limit : &why;
	return ok || err_set(err, said->kind, "%s", said->text);
}

/* --- unbinding --- */

struct unbinding {
	int64_t id;
	int64_t revoked;
};

static bool unbind(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct unbinding *u = noun;
	struct device device;
	if (!store_activation_unbind(db, u->id, &device, &u->revoked, err)) {
		return false;
	}
	write->id = u->id;
	snprintf(write->target, sizeof write->target, "device/%" PRId64, u->id);
	snprintf(write->detail, sizeof write->detail, "name %s, product %" PRId64, device.name, device.product_id);
	return true;
}

bool activation_unbind(struct engine *e, struct worker *w, const struct actor *actor, int64_t device_id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "device.unbind", .kind = CHANGE_DEVICE};
	struct unbinding u = {.id = device_id};
	if (!admin_frame_write(&frame, &write, unbind, &u, err)) {
		return false;
	}
	told(e, u.revoked);
	return true;
}
