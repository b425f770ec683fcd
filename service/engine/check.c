#include "engine/check.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/activation.h"
#include "engine/candidates.h"
#include "engine/notes.h"
#include "engine/op.h"
#include "engine/patience.h"
#include "engine/private.h"
#include "engine/suited.h"
#include "engine/voice.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/products.h"
#include "fleet/standings.h"
#include "metrics/metrics.h"
#include "model/decide.h"
#include "model/image.h"
#include "model/mac.h"
#include "work/pool.h"

/* What must be written before the answer. Each is done once in a check: what then is there is the answer. */
enum need {
	NEED_NOTHING = 0,
	NEED_REPORT = 1,  /* a live task must hear what it told */
	NEED_BEGIN = 2,   /* a standing rollout becomes its task */
	NEED_TELL = 4,    /* a queued task is told by this answer */
	NEED_CONTACT = 8, /* it is not activated */
};

/* What a look into the snapshot finds beside the answer. */
struct found {
	unsigned need;
	bool trusted; /* it is the device that it says it is, as far as its product asks */
	bool version_news;
	bool told_news;
	bool fresh; /* it runs something else than it did: it marks that valid only after a check that offers nothing */
	bool blocked;
	int64_t task_id;
	int64_t rollout_id;
	int64_t firmware_id;
};

/* Under the reader's hold, for as long as it lasts. */
struct scene {
	struct engine *engine;
	const struct check *check;
	const struct device_entry *device; /* NULL = nobody knows it */
	const struct fleet_product *product;
};

/* --- who is it? --- */

/* A product that pins takes a MAC alone for nothing. */
static bool is_trusted(const struct scene *s)
{
	if (!s->device || !s->product) {
		return false;
	}
	uint64_t pin = told_pin(s->check->told->client_uuid);
	return s->product->identity == IDENTITY_MAC || (pin && pin == s->device->pin);
}

static void set_scene(struct scene *s, struct engine *e, const struct check *check)
{
	const struct fleet *f = e->fleet;
	s->engine = e;
	s->check = check;
	s->device = fleet_device_by_mac(f, check->mac);
	s->product = s->device ? fleet_product(f, s->device->product_id)
			       : fleet_product_of_board(f, check->told->board_name, check->told->board_type);
}

/* --- what does its word mean for its tasks? --- */

/* A check is a boot: it matters to a task that has begun, and to any that is under way if it tells another version or the very build. */
static bool is_evidence(const struct scene *s, struct found *found)
{
	const struct fleet *f = s->engine->fleet;
	for (const struct fleet_task *t = fleet_tasks_of(f, s->device->id); t; t = t->next) {
		const struct fleet_firmware *fw = fleet_firmware(f, t->firmware_id);
		const uint8_t *elf = fw ? image_elf(&fw->firmware.image) : NULL;
		bool is_build =
			elf && s->check->told->has_elf && memcmp(elf, s->check->told->elf_sha256, sizeof s->check->told->elf_sha256) == 0;
		if (strcmp(t->component, COMPONENT_DEFAULT) == 0 && (found->version_news || is_build || t->state >= TASK_DOWNLOADING)) {
			found->fresh |= is_build;
			return true;
		}
	}
	return false;
}

static void look_at_facts(const struct scene *s, struct found *found)
{
	const struct check *c = s->check;
	const char *known = fleet_device_version(s->engine->fleet, s->device);
	found->version_news = *c->version && strcmp(c->version, known) != 0;
	found->fresh = found->version_news && *known;
	found->told_news = c->told->read && told_fingerprint(c->told) != fleet_told(s->device);
	if (*c->version && is_evidence(s, found)) {
		found->need |= NEED_REPORT;
	}
}

/* --- what is offered? --- */

/* To a device that nobody knows: no task, an alias of the rollout's that names no device. */
static bool offer_stranger(const struct scene *s, const struct candidate *c, struct offer *out)
{
	const struct fleet_firmware *fw = fleet_firmware(s->engine->fleet, c->firmware->id);
	*out = (struct offer){.rollout_id = c->rollout_id, .size = fw->firmware.artifact.size};
	text_copy(out->image_version, sizeof out->image_version, fw->firmware.image.version);
	return candidates_alias(s->engine->fleet, s->engine->alias_key, c, out->alias);
}

static void look_at_offers(const struct scene *s, struct found *found, struct check_answer *out)
{
	struct suited suited = {.device = s->device,
				.product = s->product,
				.told = s->check->told,
				.version = s->check->version,
				.component = COMPONENT_DEFAULT};
	struct decision d = suited_decide(s->engine->fleet, &suited, NULL);
	if (!d.offer) {
		return;
	}
	out->force = d.force;
	if (!s->device) {
		out->offered = offer_stranger(s, d.offer, &out->offer);
		found->rollout_id = d.offer->rollout_id;
	} else if (d.offer->kind == CANDIDATE_STANDING) {
		found->need |= NEED_BEGIN;
		found->rollout_id = d.offer->rollout_id;
		found->firmware_id = d.offer->firmware->id;
	} else {
		out->offered = candidates_offer(s->engine->fleet, s->device->id, d.offer, &out->offer);
	}
	if (out->offered && d.offer->kind == CANDIDATE_TASK && d.offer->state == TASK_QUEUED) {
		found->need |= NEED_TELL;
		found->task_id = d.offer->task_id;
	}
}

/* --- one look --- */

/* Whose voice it is told of. Who borrows a MAC is told of none, and where licences are asked for nobody is before the proof. */
static const struct fleet_product *voice_of(const struct scene *s, const struct found *found)
{
	bool bound = s->device && s->device->bound;
	bool secret = s->product && s->product->identity == IDENTITY_LICENCE;
	return found->blocked || ((bound || secret) && !(bound && found->trusted)) ? NULL : s->product;
}

enum { NEEDS_A_ROW = NEED_REPORT | NEED_BEGIN | NEED_TELL };

/* quiet: nothing is offered. settled: needs that were seen to. While another row is to be written the answer has no credentials, which
 * are most of its work: there will be another look. */
static void look(struct engine *e, const struct check *check, bool quiet, unsigned settled, struct found *found, struct check_answer *out)
{
	struct scene s;
	*found = (struct found){0};
	out->offered = out->force = out->activation.shown = false;
	fleet_read(e->fleet);
	set_scene(&s, e, check);
	found->trusted = is_trusted(&s);
	found->blocked = s.device && s.device->blocked;
	out->device_id = s.device ? s.device->id : 0;
	out->bound = found->trusted && s.device->bound;
	if (found->trusted && !found->blocked) {
		fleet_seen(s.device, clock_wall_ms());
		look_at_facts(&s, found);
	}
	if (!quiet && !found->fresh && !found->blocked && (s.device ? found->trusted : s.product != NULL)) {
		look_at_offers(&s, found, out);
	}
	if (!out->bound && !found->blocked) {
		found->need |= NEED_CONTACT;
	}
	if (!(found->need & ~settled & NEEDS_A_ROW)) {
		voice_fill(e, check, voice_of(&s, found), out->bound ? s.device : NULL, &out->voice);
	}
	fleet_done(e->fleet);
}

/* Facts that no task waits for are written behind. */
static void note(struct engine *e, const struct check *check, const struct check_answer *answer, const struct found *found, bool reported)
{
	bool noted = false;
	if (!found->trusted || found->blocked) {
		return;
	}
	if (found->version_news && !reported) {
		noted = notes_put(e, answer->device_id, check->version);
	}
	if (found->told_news) {
		noted = notes_put_told(e, answer->device_id, check->told) || noted;
	}
	metrics_add(noted ? METRIC_POLLS_NOTING : METRIC_POLLS_IDLE, 1);
}

bool check_now(struct engine *e, const struct check *check, struct check_answer *out)
{
	struct found found;
	look(e, check, false, 0, &found, out);
	if (found.need != NEED_NOTHING) {
		return false;
	}
	note(e, check, out, &found, false);
	return true;
}

/* --- what has to be written first --- */

/* Held by the step that is under way, and by the line of those who are promised an answer. */
struct checking {
	struct patient patient; /* first */
	struct patience *line;  /* where it waits, or has waited */
	struct engine *engine;
	check_done *done;
	void *ctx;
	atomic_int holders;
	atomic_bool answered;
	unsigned settled; /* needs that were seen to */
	bool quiet;       /* nothing is offered this time */
	struct found found;
	struct check check;
	/* from here on not cleared: 12 KB, of which a check writes the little that it has */
	struct check_answer answer;
	struct told told; /* what check points to */
};

static void advance(struct checking *c);

static void let_go(struct checking *c)
{
	if (atomic_fetch_sub(&c->holders, 1) == 1) {
		free(c);
	}
}

/* The step's side is over. */
static void answer(struct checking *c, const struct check_answer *answer, const struct err *err)
{
	if (patience_leave(c->line, &c->patient)) {
		let_go(c);
	}
	if (!atomic_exchange(&c->answered, true)) {
		c->done(c->ctx, answer, err);
	}
	let_go(c);
}

/* Nothing was written in time: what memory says, and nothing new for the device. */
static void answer_from_memory(struct checking *c)
{
	struct found found;
	struct check_answer from_memory;
	struct err err = {0};
	look(c->engine, &c->check, true, ~0u, &found, &from_memory);
	if (from_memory.device_id) {
		note(c->engine, &c->check, &from_memory, &found, true);
		c->done(c->ctx, &from_memory, NULL);
	} else {
		err_set(&err, ERR_UNAVAILABLE, "first contacts cannot be written now");
		c->done(c->ctx, NULL, &err);
	}
}

static void time_is_up(struct patient *patient)
{
	struct checking *c = (struct checking *)patient;
	if (!atomic_exchange(&c->answered, true)) {
		metrics_add(METRIC_CHECKS_LATE, 1);
		answer_from_memory(c);
	}
	let_go(c);
}

static struct report report_of(const struct checking *c)
{
	struct report r = {.kind = REPORT_VERSION, .device_id = c->answer.device_id, .booted = true, .has_elf = c->check.told->has_elf};
	memcpy(r.elf_sha256, c->check.told->elf_sha256, sizeof r.elf_sha256);
	text_copy(r.component, sizeof r.component, COMPONENT_DEFAULT);
	text_copy(r.version, sizeof r.version, c->check.version);
	return r;
}

/* What a step that has failed was to write, or what none has written. */
static void keep(struct checking *c)
{
	if (c->found.need == NEED_REPORT) {
		struct report report = report_of(c);
		notes_put_report(c->engine, &report);
	} else if (c->found.version_news && !(c->settled & NEED_REPORT)) {
		notes_put(c->engine, c->answer.device_id, c->check.version);
	}
}

/* A step has been written, or has failed. What a device has said is kept in any case. */
static void stepped(struct checking *c, const struct err *err)
{
	if (err) {
		keep(c);
	}
	if (!err && !atomic_load(&c->answered)) {
		advance(c);
		return;
	}
	if (!atomic_exchange(&c->answered, true)) {
		answer_from_memory(c);
	}
	answer(c, NULL, NULL); /* to nobody: it has been given */
}

static void op_done(struct op *op, const struct err *err)
{
	stepped(op->done_ctx, err);
}

static void heard(void *ctx, const struct err *err)
{
	stepped(ctx, err);
}

/* A step that waits for the group commit. */
static void submit(struct checking *c, enum op_kind kind)
{
	struct err err = {0};
	struct op *op = op_new(c->engine, kind);
	if (!op) {
		err_set(&err, ERR_BUSY, "out of memory");
		stepped(c, &err);
		return;
	}
	op->device_id = c->answer.device_id;
	op->task_id = c->found.task_id;
	op->rollout_id = c->found.rollout_id;
	op->done.plain = op_done;
	op->done_ctx = c;
	if (kind == OP_OFFER) {
		op->in.offer.firmware_id = c->found.firmware_id;
		op->in.offer.suited = true;
		text_copy(op->in.offer.component, sizeof op->in.offer.component, COMPONENT_DEFAULT);
		text_copy(op->in.offer.version, sizeof op->in.offer.version, c->found.version_news ? c->check.version : "");
	}
	metrics_add(METRIC_POLLS_TELLING, 1);
	if (!op_submit(op, &err)) {
		stepped(c, &err);
	}
}

static void report(struct checking *c)
{
	struct err err = {0};
	struct report r = report_of(c);
	metrics_add(METRIC_POLLS_TELLING, 1);
	if (!hear_device(c->engine, c->answer.device_id, &r, heard, c, &err)) {
		stepped(c, &err);
	}
}

/* --- first contacts, on a worker --- */

void check_facts(const struct check *check, struct activation_facts *out)
{
	memcpy(out->mac, check->mac, sizeof out->mac);
	memcpy(out->serial, check->serial, sizeof out->serial);
	memcpy(out->address, check->address, sizeof out->address);
	text_copy(out->client_uuid, sizeof out->client_uuid, check->told->client_uuid);
	text_copy(out->board_type, sizeof out->board_type, check->told->board_type);
	text_copy(out->board_name, sizeof out->board_name, check->told->board_name);
}

enum { SHOWN_TRIES = 10, SHOWN_MS = 100 };

/* The database says that it is bound: the snapshot, which may be a moment behind, will show it. */
static void wait_until_shown(struct checking *c)
{
	for (int i = 0; i < SHOWN_TRIES; i++) {
		look(c->engine, &c->check, c->quiet, ~0u, &c->found, &c->answer);
		if (c->answer.bound) {
			return;
		}
		nanosleep(&(struct timespec){.tv_nsec = SHOWN_MS * 1000000L}, NULL);
	}
}

static void take_activation(struct checking *c, const struct activation *a)
{
	struct activation_shown *out = &c->answer.activation;
	out->shown = !a->bound;
	out->licensed = a->licensed;
	memcpy(out->code, a->code, sizeof out->code);
	memcpy(out->challenge, a->challenge, sizeof out->challenge);
}

static void contact(void *arg, struct worker *worker)
{
	struct checking *c = arg;
	struct err err = {0};
	struct activation a;
	struct activation_facts facts;
	if (atomic_load(&c->answered)) { /* it has waited here too long */
		answer(c, NULL, NULL);
		return;
	}
	check_facts(&c->check, &facts);
	if (!activation_begin(c->engine, worker, &facts, &a, &err)) {
		bool tellable = c->answer.device_id && err.kind == ERR_UNAVAILABLE; /* it may have been updated just now */
		answer(c, tellable ? &c->answer : NULL, tellable ? NULL : &err);
		return;
	}
	if (a.bound) {
		wait_until_shown(c);
		advance(c); /* it may be offered something, or have told something */
		return;
	}
	/* a device without a row of its own is counted where it waits */
	if (c->answer.offered && !c->answer.device_id) {
		c->answer.offered = activation_offer(c->engine, worker, &facts, c->found.rollout_id, &err);
	}
	take_activation(c, &a);
	answer(c, &c->answer, NULL);
}

/* A first contact may take longer than 300 ms, or it would be shown no code; but for a device that may have been updated just now. */
static void begin_contact(struct checking *c)
{
	struct err err = {0};
	bool updated = c->quiet || (c->settled & NEED_REPORT);
	if (!updated && patience_leave(c->line, &c->patient)) {
		c->line = c->engine->contacts;
		patience_join(c->line, &c->patient);
	}
	if (!pool_submit(c->engine->pool, contact, c)) {
		err_set(&err, ERR_BUSY, "too many first contacts at once; try again later");
		answer(c, NULL, &err);
	}
}

/* --- the walk --- */

static enum need first_of(unsigned needs)
{
	return (enum need)(needs & -needs);
}

static void advance(struct checking *c)
{
	look(c->engine, &c->check, c->quiet, c->settled, &c->found, &c->answer);
	c->quiet |= c->found.fresh;
	c->found.need = first_of(c->found.need & ~c->settled);
	c->settled |= c->found.need;
	switch ((enum need)c->found.need) {
	case NEED_REPORT:
		report(c);
		return;
	case NEED_BEGIN:
		submit(c, OP_OFFER);
		return;
	case NEED_TELL:
		submit(c, OP_SENT);
		return;
	case NEED_CONTACT:
		note(c->engine, &c->check, &c->answer, &c->found, c->settled & NEED_REPORT);
		begin_contact(c);
		return;
	case NEED_NOTHING:
		break;
	}
	note(c->engine, &c->check, &c->answer, &c->found, c->settled & NEED_REPORT);
	answer(c, &c->answer, NULL);
}

void check_later(struct engine *e, const struct check *check, check_done *done, void *ctx)
{
	struct err err = {0};
	struct checking *c = malloc(sizeof *c);
	if (!c) {
		err_set(&err, ERR_BUSY, "out of memory");
		done(ctx, NULL, &err);
		return;
	}
	memset(c, 0, offsetof(struct checking, answer));
	c->engine = e;
	c->done = done;
	c->ctx = ctx;
	c->check = *check;
	told_copy(&c->told, check->told);
	c->check.told = &c->told;
	c->patient.over = time_is_up;
	c->line = e->patience;
	atomic_init(&c->holders, 2);
	patience_join(c->line, &c->patient);
	advance(c);
}

void check_survey(struct engine *e, const char *host, char endpoint[CHECK_HOST_SIZE], struct check_survey *out)
{
	struct check asks = {0};
	text_copy(asks.host, sizeof asks.host, host);
	if (!voice_endpoint(e, &asks, endpoint)) {
		endpoint[0] = '\0';
	}
	fleet_read(e->fleet);
	out->products = fleet_product_count(e->fleet) > 0;
	out->standing = standings_count(fleet_standings(e->fleet)) > 0;
	fleet_done(e->fleet);
}
