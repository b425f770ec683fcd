#include "model/decide.h"

#include <string.h>

#include "model/suit.h"
#include "model/version.h"

static struct reason because(enum reason_id id, int64_t number)
{
	return (struct reason){.id = id, .number = number};
}

static bool is(const char *a, const char *b)
{
	return *a && strcmp(a, b) == 0;
}

/* What was thought of one candidate. */
struct opinion {
	struct reason reason;
	bool holds; /* its place: nothing that it wins over is offered */
	bool offered;
	bool force;
};

/* Has the device got there, as far as names and the past tell? */
static bool is_there(const struct device_facts *facts, const struct candidate *c)
{
	if (is(facts->version, c->version) || (c->called && is(facts->version, c->called))) {
		return true;
	}
	/* nothing says that it has left again */
	return c->offers > 0 && c->state == TASK_SUCCEEDED && (!*c->version || !*facts->version);
}

/* A ranked rollout's task may still give way to another one's. */
static bool has_begun(const struct candidate *c)
{
	return c->kind == CANDIDATE_TASK && !task_edge_find(c->state, EVENT_SUPERSEDED);
}

static bool is_open(const struct candidate *c)
{
	return c->ranked && c->kind != CANDIDATE_ASSIGNMENT && !has_begun(c);
}

/* Is a ranked rollout for this device, by its stage and its ranges? NAMED, STANDING, or why not. */
static struct reason judge_place(const struct candidate *c)
{
	struct reason r = because(REASON_STANDING, c->rollout_id);
	if (c->stage == STAGE_INVALID) {
		r.id = REASON_INVALID;
	} else if (c->match) {
		r.id = REASON_NAMED;
		r.has.text = c->match;
	} else if (c->named || c->stage == STAGE_TEST) {
		r.id = REASON_NOT_NAMED;
	}
	return r;
}

/* Does the version of a ranked rollout's firmware keep it from the device? */
static bool is_kept_by_version(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	const char *has = facts->version;
	const char *wants = c->version;
	if (!*has) {
		return false;
	}
	bool comparable = version_is_dotted(has) && version_is_dotted(wants);
	int order = comparable ? version_compare(wants, has) : strcmp(wants, has) != 0;
	bool forced = c->firmware && c->firmware->force && !(c->kind == CANDIDATE_STANDING && c->offers > 0 && c->state == TASK_SUCCEEDED);
	if (order > 0 || (order == 0 && forced) || (order < 0 && c->firmware && c->firmware->allow_downgrade)) {
		return false;
	}
	*why = because(order == 0 ? REASON_ON_TARGET : REASON_NOT_NEWER, c->rollout_id);
	why->has.text = has;
	why->wants.text = wants;
	return true;
}

/* May a standing rollout be offered? The rule is why not, or STANDING. With board facts the image itself was compared. */
static enum reason_id judge_standing(const struct device_facts *facts, const struct candidate *c)
{
	if (!facts->board && !facts->suited && !c->ranked && is_there(facts, c)) {
		return REASON_ON_TARGET;
	}
	if (c->outranked) {
		return REASON_OUTRANKED;
	}
	if (c->offers > 0 && c->state == TASK_CANCELLED) {
		return REASON_WITHDRAWN;
	}
	if (c->offers > 0 && c->state == TASK_FAILED && strcmp(c->code, "rolled_back") == 0) {
		return REASON_ROLLED_BACK;
	}
	if (c->turns >= STANDING_TURNS_MAX) {
		return REASON_TURN_CAP;
	}
	return c->offers >= STANDING_OFFERS_MAX ? REASON_OFFER_CAP : REASON_STANDING;
}

/* A ranked rollout, or its task that has not begun. It holds the place if it is for this device. */
static struct reason judge_ranked(const struct device_facts *facts, const struct candidate *c, bool *holds)
{
	struct reason place = judge_place(c);
	struct reason why;
	*holds = place.id == REASON_NAMED || place.id == REASON_STANDING;
	if (!*holds) {
		return place;
	}
	if (is_kept_by_version(facts, c, &why)) {
		return why;
	}
	if (c->kind == CANDIDATE_TASK) {
		return because(REASON_LIVE_TASK, c->task_id);
	}
	enum reason_id id = judge_standing(facts, c);
	return id == REASON_STANDING ? place : because(id, c->rollout_id);
}

static struct reason judge_kind(const struct device_facts *facts, const struct candidate *c)
{
	switch (c->kind) {
	case CANDIDATE_TASK:
		return because(REASON_LIVE_TASK, c->task_id);
	case CANDIDATE_ASSIGNMENT:
		return because(REASON_ASSIGNED, c->rollout_id);
	case CANDIDATE_STANDING:
		return because(judge_standing(facts, c), c->rollout_id);
	}
	return because(REASON_NO_CANDIDATE, 0);
}

static bool is_offer(enum reason_id id)
{
	return id == REASON_LIVE_TASK || id == REASON_ASSIGNED || id == REASON_STANDING || id == REASON_NAMED;
}

static struct opinion judge(const struct device_facts *facts, const struct candidate *c)
{
	struct opinion o = {0};
	if (facts->blocked) {
		o.reason = because(REASON_BLOCKED, 0);
	} else if (strcmp(c->component, facts->component) != 0) {
		o.reason = because(REASON_OTHER_COMPONENT, c->rollout_id);
	} else if (c->kind != CANDIDATE_TASK && c->ended_ms) {
		o.reason = because(REASON_ENDED, c->rollout_id);
	} else if (is_open(c) && !facts->board) {
		o.reason = judge_ranked(facts, c, &o.holds);
		o.offered = is_offer(o.reason.id);
	} else {
		enum suit suit = facts->board ? suit_judge(facts, c, &o.reason) : SUIT_OFFER;
		if (suit != SUIT_REFUSED) {
			o.reason = judge_kind(facts, c);
		}
		o.offered = is_offer(o.reason.id);
		o.holds = o.offered || c->kind != CANDIDATE_STANDING;
		o.force = suit == SUIT_FORCE;
	}
	return o;
}

bool decide_ranks_above(const struct decide_rank *a, const struct decide_rank *b)
{
	bool dotted = version_is_dotted(a->version);
	int order = (int)dotted - (int)version_is_dotted(b->version);
	if (order == 0 && dotted) {
		order = version_compare(a->version, b->version);
	}
	if (order != 0) {
		return order > 0;
	}
	return a->created_ms != b->created_ms ? a->created_ms > b->created_ms : a->rollout_id > b->rollout_id;
}

/* A rollout's task speaks for it. */
static bool ranks_above(const struct candidate *a, const struct candidate *b)
{
	if (a->rollout_id == b->rollout_id) {
		return a->kind < b->kind;
	}
	return decide_ranks_above(&(struct decide_rank){a->version, a->created_ms, a->rollout_id},
				  &(struct decide_rank){b->version, b->created_ms, b->rollout_id});
}

/* The kinds are declared in the order of their precedence. */
static bool beats(const struct candidate *a, const struct candidate *b)
{
	enum candidate_kind kind_a = is_open(a) ? CANDIDATE_STANDING : a->kind;
	enum candidate_kind kind_b = is_open(b) ? CANDIDATE_STANDING : b->kind;
	if (is_open(a) && is_open(b)) {
		return ranks_above(a, b);
	}
	if (kind_a == kind_b && is_open(a) != is_open(b)) {
		return !is_open(a); /* an order of its own stands above files */
	}
	if (kind_a != kind_b) {
		return kind_a < kind_b;
	}
	return a->created_ms > b->created_ms || (a->created_ms == b->created_ms && a->rollout_id > b->rollout_id);
}

struct decision decide(const struct device_facts *facts, const struct candidate *candidates, size_t count, int64_t now_ms,
		       struct decision_trace *trace)
{
	(void)now_ms; /* waves and windows will ask it */
	struct decision best = {.reason = because(facts->blocked ? REASON_BLOCKED : REASON_NO_CANDIDATE, 0)};
	const struct candidate *holder = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct candidate *c = &candidates[i];
		struct opinion o = judge(facts, c);
		if (trace && trace->count < sizeof trace->reasons / sizeof *trace->reasons) {
			trace->reasons[trace->count++] = o.reason;
		}
		if (o.holds && (!holder || beats(c, holder))) {
			holder = c;
			best = (struct decision){.offer = o.offered ? c : NULL, .reason = o.reason, .force = o.force};
		} else if (!holder && best.reason.id == REASON_NO_CANDIDATE) {
			best.reason = o.reason;
		}
	}
	return best;
}

enum order_outcome decide_order(const struct task *live, int64_t firmware_id)
{
	if (!live) {
		return ORDER_NEW;
	}
	if (live->firmware_id == firmware_id) {
		return ORDER_SAME;
	}
	return task_edge_find(live->state, EVENT_SUPERSEDED) ? ORDER_SUPERSEDE : ORDER_REFUSE;
}
