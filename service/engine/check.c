#include "engine/check.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/err.h"
#include "common/text.h"
#include "engine/activation.h"
#include "engine/check_look.h"
#include "engine/notes.h"
#include "engine/op.h"
#include "engine/patience.h"
#include "engine/private.h"
#include "engine/voice.h"
#include "fleet/fleet.h"
#include "fleet/standings.h"
#include "metrics/metrics.h"
#include "work/pool.h"

bool check_now(struct engine *e, const struct check *check, struct check_answer *out)
{
	struct check_found found;
	check_look(e, check, false, 0, &found, out);
	if (found.need != NEED_NOTHING) {
		return false;
	}
	check_note(e, check, out, &found, false);
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
	struct check_found found;
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
	struct check_found found;
	struct check_answer from_memory;
	struct err err = {0};
	check_look(c->engine, &c->check, true, ~0u, &found, &from_memory);
	if (from_memory.device_id) {
		check_note(c->engine, &c->check, &from_memory, &found, true);
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
		notes_put(c->engine, c->answer.device_id, COMPONENT_DEFAULT, c->check.version);
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
		check_look(c->engine, &c->check, c->quiet, ~0u, &c->found, &c->answer);
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

static enum check_need first_of(unsigned needs)
{
	return (enum check_need)(needs & -needs);
}

static void advance(struct checking *c)
{
	check_look(c->engine, &c->check, c->quiet, c->settled, &c->found, &c->answer);
	c->quiet |= c->found.fresh;
	c->found.need = first_of(c->found.need & ~c->settled);
	c->settled |= c->found.need;
	switch ((enum check_need)c->found.need) {
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
		check_note(c->engine, &c->check, &c->answer, &c->found, c->settled & NEED_REPORT);
		begin_contact(c);
		return;
	case NEED_NOTHING:
		break;
	}
	check_note(c->engine, &c->check, &c->answer, &c->found, c->settled & NEED_REPORT);
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
