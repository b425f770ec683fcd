#include "engine/parts.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/candidates.h"
#include "engine/hear.h"
#include "engine/notes.h"
#include "engine/op.h"
#include "engine/parts_who.h"
#include "engine/private.h"
#include "engine/ranked.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/products.h"
#include "metrics/metrics.h"
#include "model/decide.h"

/* What must be written before the answer; each once for a part. What then is there is the answer. */
enum need {
	NEED_REPORT = 1, /* a live task must hear what it told */
	NEED_BEGIN = 2,  /* a standing rollout becomes its task */
	NEED_TELL = 4,   /* a queued task is told by this answer */
};

struct found {
	unsigned need; /* the next one */
	int64_t task_id, rollout_id, firmware_id;
	bool named;    /* the rollout: by a range */
	bool withheld; /* it needs an update, which it is not offered now */
	bool news;     /* it runs something else than was known */
};

/* --- one look --- */

/* Does what it tells matter to its live task? What it has told it already does not. */
static bool is_evidence(const struct fleet *f, const struct fleet_task *t, const char *version)
{
	const struct fleet_firmware *fw = t ? fleet_firmware(f, t->firmware_id) : NULL;
	if (!t || !*version) {
		return false;
	}
	bool at_work = t->state == TASK_DOWNLOADING || t->state == TASK_DOWNLOADED || t->state == TASK_INSTALLING;
	bool arrived = fw && strcmp(fw->firmware.version, version) == 0 && t->told != text_hash(version, strlen(version));
	return arrived || (at_work && !t->heard);
}

static bool is_news(const struct fleet *f, const struct device_entry *device, const struct part *part)
{
	return device && *part->version && strcmp(part->version, fleet_device_version(f, device, part->component)) != 0;
}

static const struct fleet_task *live_task(const struct fleet *f, const struct device_entry *device, const char *component)
{
	const struct fleet_task *t = device ? fleet_tasks_of(f, device->id) : NULL;
	while (t && strcmp(t->component, component) != 0) {
		t = t->next;
	}
	return t;
}

static size_t gather(const struct fleet *f, const struct parts_who *who, const struct ranked_pick *pick, struct candidate *out)
{
	size_t n = who->device ? candidates_gather(f, who->device, false, out) : 0;
	for (size_t i = 0; i < n; i++) {
		if (out[i].kind == CANDIDATE_TASK && pick->task && out[i].task_id == pick->task->id) {
			ranked_mark_task(f, pick, &out[i]);
		}
	}
	n = candidates_standing(f, who->ranked.product_id, who->ranked.device_id, out, n);
	if (n == CANDIDATES_MAX) {
		n--;
	}
	return n + ranked_candidate(f, &who->ranked, pick, &out[n]);
}

static bool fill(struct engine *e, const struct parts_who *who, const struct candidate *c, struct parts_offer *out)
{
	struct offer ours = {.task_id = 0};
	const struct fleet_task *t = c->task_id ? fleet_task(e->fleet, c->task_id) : NULL;
	const struct fleet_firmware *known = fleet_firmware(e->fleet, t ? t->firmware_id : c->firmware ? c->firmware->id : 0);
	if (!known) {
		return false;
	}
	const struct firmware *fw = &known->firmware;
	text_copy(out->component, sizeof out->component, fw->component);
	text_copy(out->customize, sizeof out->customize, fw->customize);
	text_copy(out->version, sizeof out->version, fw->version);
	out->url[0] = out->alias[0] = '\0';
	if (fw->external) {
		text_copy(out->url, sizeof out->url, fw->url);
		text_copy(out->md5, sizeof out->md5, fw->told_md5);
		return true;
	}
	text_copy(out->md5, sizeof out->md5, known->md5);
	if (!who->device) {
		return candidates_alias(e->fleet, e->alias_key, c, out->alias);
	}
	if (!candidates_offer(e->fleet, who->device->id, c, &ours)) {
		return false;
	}
	memcpy(out->alias, ours.alias, sizeof out->alias);
	text_copy(out->version, sizeof out->version, ours.version);
	return true;
}

/* Something is for the part, and newer, but not to be offered now. */
static bool is_wait(enum reason_id id)
{
	return id == REASON_OFFER_CAP || id == REASON_TURN_CAP || id == REASON_ROLLED_BACK || id == REASON_WITHDRAWN ||
	       id == REASON_OUTRANKED;
}

struct looking {
	struct engine *engine;
	const struct parts_who *who;
	const struct ranked_pick *pick;
	const struct part *part;
	unsigned settled;
};

static void look_at_part(const struct looking *l, struct found *found, struct parts_offer *out)
{
	struct candidate candidates[CANDIDATES_MAX];
	const struct fleet *f = l->engine->fleet;
	struct device_facts facts = {.component = l->part->component, .version = l->part->version};
	*found = (struct found){.news = is_news(f, l->who->device, l->part)};
	out->offered = false;
	if (!(l->settled & NEED_REPORT) && is_evidence(f, l->pick->task, l->part->version)) {
		found->need = NEED_REPORT;
		return;
	}
	size_t n = gather(f, l->who, l->pick, candidates);
	struct decision d = decide(&facts, candidates, n, clock_wall_ms(), NULL);
	if (!d.offer) {
		found->withheld = is_wait(d.reason.id);
		return;
	}
	if (d.offer->kind == CANDIDATE_STANDING && l->who->device) {
		found->need = l->settled & NEED_BEGIN ? 0 : NEED_BEGIN;
		found->rollout_id = d.offer->rollout_id;
		found->firmware_id = d.offer->firmware->id;
		found->named = d.offer->match != NULL;
		return;
	}
	out->offered = fill(l->engine, l->who, d.offer, out);
	if (out->offered && d.offer->kind == CANDIDATE_TASK && d.offer->state == TASK_QUEUED && !(l->settled & NEED_TELL)) {
		found->need = NEED_TELL;
		found->task_id = d.offer->task_id;
	}
}

/* The product says that its parts belong together: where one must wait, none is offered. What a part has told is heard all the same. */
static void bundle(const struct fleet *f, const struct parts_who *who, struct found found[PARTS_MAX], struct parts_answer *out)
{
	const struct fleet_product *product = fleet_product(f, who->ranked.product_id);
	bool waits = false;
	for (size_t i = 0; i < PARTS_MAX; i++) {
		waits = waits || found[i].withheld;
	}
	for (size_t i = 0; i < PARTS_MAX && waits && product && product->together; i++) {
		out->offers[i].offered = false;
		found[i].need &= NEED_REPORT;
	}
}

/* All parts under one hold. *device: 0 = nobody knows it. */
static bool look(struct engine *e, const struct parts_ask *ask, const unsigned settled[PARTS_MAX], struct found found[PARTS_MAX],
		 struct parts_answer *out, int64_t *device, struct err *err)
{
	struct parts_who who;
	struct ranked_pick picks[PARTS_MAX];
	fleet_read(e->fleet);
	if (!parts_who_find(e->fleet, ask, &who, err)) {
		fleet_done(e->fleet);
		return false;
	}
	for (size_t i = 0; i < PARTS_MAX; i++) {
		picks[i].component = ask->parts[i].component;
		picks[i].task = live_task(e->fleet, who.device, ask->parts[i].component);
	}
	ranked_pick(e->fleet, &who.ranked, picks, PARTS_MAX);
	for (size_t i = 0; i < PARTS_MAX; i++) {
		struct looking l = {e, &who, &picks[i], &ask->parts[i], settled[i]};
		look_at_part(&l, &found[i], &out->offers[i]);
	}
	bundle(e->fleet, &who, found, out);
	*device = who.device ? who.device->id : 0;
	if (who.device) {
		fleet_seen(who.device, clock_wall_ms());
	}
	fleet_done(e->fleet);
	return true;
}

/* What no task waits for is written behind. */
static void note(struct engine *e, int64_t device, const struct parts_ask *ask, const struct found found[PARTS_MAX])
{
	bool noted = false;
	for (size_t i = 0; i < PARTS_MAX; i++) {
		noted = (found[i].news && notes_put(e, device, ask->parts[i].component, ask->parts[i].version)) || noted;
	}
	metrics_add(noted ? METRIC_POLLS_NOTING : METRIC_POLLS_IDLE, 1);
}

/* --- what has to be written first --- */

/* Rounds: what each part needs next is written side by side, then there is another look. */
struct checking {
	struct engine *engine;
	parts_done *done;
	void *ctx;
	int64_t device_id;
	struct parts_ask ask;
	struct parts_answer answer;
	struct found found[PARTS_MAX];
	unsigned settled[PARTS_MAX];
	atomic_int waiting; /* for steps of this round, and the one who began it */
	atomic_flag failing;
	struct err err;
};

static void advance(struct checking *c);

static void stepped(struct checking *c, const struct err *err)
{
	if (err && !atomic_flag_test_and_set(&c->failing)) {
		c->err = *err;
	}
	if (atomic_fetch_sub(&c->waiting, 1) > 1) {
		return;
	}
	if (c->err.kind == ERR_NONE) {
		advance(c);
		return;
	}
	c->done(c->ctx, NULL, &c->err);
	free(c);
}

static void op_done(struct op *op, const struct err *err)
{
	stepped(op->done_ctx, err);
}

static void heard(void *ctx, const struct err *err)
{
	stepped(ctx, err);
}

static bool submit(struct checking *c, size_t i, struct err *err)
{
	const struct found *found = &c->found[i];
	struct op *op = op_new(c->engine, found->need == NEED_BEGIN ? OP_OFFER : OP_SENT);
	if (!op) {
		return err_set(err, ERR_BUSY, "out of memory");
	}
	op->device_id = c->device_id;
	op->task_id = found->task_id;
	op->rollout_id = found->rollout_id;
	op->done.plain = op_done;
	op->done_ctx = c;
	if (found->need == NEED_BEGIN) {
		op->in.offer.firmware_id = found->firmware_id;
		op->in.offer.as_told = true;
		op->in.offer.named = found->named;
		text_copy(op->in.offer.component, sizeof op->in.offer.component, c->ask.parts[i].component);
		text_copy(op->in.offer.version, sizeof op->in.offer.version, c->ask.parts[i].version);
	}
	return op_submit(op, err);
}

/* A report of this part's version, to be filled further. */
static struct report report_of(const struct part *part)
{
	struct report r = {.kind = REPORT_VERSION};
	text_copy(r.component, sizeof r.component, part->component);
	text_copy(r.version, sizeof r.version, part->version);
	return r;
}

/* What it told along with its question. */
static bool report_asked(struct checking *c, const struct part *part, struct err *err)
{
	struct report r = report_of(part);
	return hear_device(c->engine, c->device_id, &r, heard, c, err);
}

static void advance(struct checking *c)
{
	struct err err = {0};
	bool needs = false;
	if (!look(c->engine, &c->ask, c->settled, c->found, &c->answer, &c->device_id, &err)) {
		c->done(c->ctx, NULL, &err);
		free(c);
		return;
	}
	atomic_store(&c->waiting, 1);
	for (size_t i = 0; i < PARTS_MAX; i++) {
		unsigned need = c->found[i].need;
		struct err why = {0};
		if (!need) {
			continue;
		}
		needs = true;
		c->settled[i] |= need;
		metrics_add(METRIC_POLLS_TELLING, 1);
		atomic_fetch_add(&c->waiting, 1);
		bool ok = need == NEED_REPORT ? report_asked(c, &c->ask.parts[i], &why) : submit(c, i, &why);
		if (!ok) {
			stepped(c, &why);
		}
	}
	if (needs) {
		stepped(c, NULL);
		return;
	}
	note(c->engine, c->device_id, &c->ask, c->found);
	c->done(c->ctx, &c->answer, NULL);
	free(c);
}

void parts_check(struct engine *e, const struct parts_ask *ask, parts_done *done, void *ctx)
{
	static const unsigned none[PARTS_MAX];
	struct err err = {0};
	struct found found[PARTS_MAX];
	struct parts_answer answer;
	int64_t device;
	if (!look(e, ask, none, found, &answer, &device, &err)) {
		done(ctx, NULL, &err);
		return;
	}
	if (!found[0].need && !found[1].need) {
		note(e, device, ask, found);
		done(ctx, &answer, NULL);
		return;
	}
	struct checking *c = calloc(1, sizeof *c);
	if (!c) {
		err_set(&err, ERR_BUSY, "out of memory");
		done(ctx, NULL, &err);
		return;
	}
	c->engine = e;
	c->done = done;
	c->ctx = ctx;
	c->ask = *ask;
	atomic_flag_clear(&c->failing);
	advance(c);
}

/* --- reports --- */

struct reporting {
	parts_heard *done;
	void *ctx;
	atomic_int waiting;
	atomic_flag failing;
	struct err err;
};

static void part_heard(void *ctx, const struct err *err)
{
	struct reporting *r = ctx;
	if (err && !atomic_flag_test_and_set(&r->failing)) {
		r->err = *err;
	}
	if (atomic_fetch_sub(&r->waiting, 1) == 1) {
		r->done(r->ctx, r->err.kind == ERR_NONE ? NULL : &r->err);
		free(r);
	}
}

/* Who may report: a device that is known and believed. */
static bool find_reporter(struct engine *e, const struct parts_ask *ask, int64_t *out, struct err *err)
{
	struct parts_who who;
	fleet_read(e->fleet);
	bool ok = parts_who_find(e->fleet, ask, &who, err);
	if (ok && !who.device) {
		ok = who.doubted ? err_set(err, ERR_DENIED, "this device's product believes no name")
				 : err_set(err, ERR_NOT_FOUND, "找不到设备");
	}
	*out = ok ? who.device->id : 0;
	fleet_done(e->fleet);
	return ok;
}

void parts_report(struct engine *e, const struct parts_ask *ask, parts_heard *done, void *ctx)
{
	struct err err = {0};
	int64_t device;
	struct reporting *r = calloc(1, sizeof *r);
	if (!r) {
		err_set(&err, ERR_BUSY, "out of memory");
		done(ctx, &err);
		return;
	}
	*r = (struct reporting){.done = done, .ctx = ctx};
	atomic_flag_clear(&r->failing);
	atomic_store(&r->waiting, 1);
	if (!find_reporter(e, ask, &device, &err)) {
		part_heard(r, &err);
		return;
	}
	for (size_t i = 0; i < PARTS_MAX; i++) {
		struct err why = {0};
		if (!*ask->parts[i].version) {
			continue;
		}
		struct report said = report_of(&ask->parts[i]);
		said.announced = true;
		atomic_fetch_add(&r->waiting, 1);
		if (!hear_device(e, device, &said, part_heard, r, &why)) {
			part_heard(r, &why);
		}
	}
	part_heard(r, NULL);
}
