#include "model/decide.h"

#include <string.h>

#include "model/suit.h"

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

/* May a standing rollout be offered? The rule is why not, or STANDING. With board facts the image itself was compared. */
static enum reason_id judge_standing(const struct device_facts *facts, const struct candidate *c)
{
	if (!facts->board && !facts->suited && is_there(facts, c)) {
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
	return c->offers >= STANDING_OFFERS_MAX ? REASON_OFFER_CAP : REASON_STANDING;
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
	return id == REASON_LIVE_TASK || id == REASON_ASSIGNED || id == REASON_STANDING;
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

/* The kinds are declared in the order of their precedence. */
static bool beats(const struct candidate *a, const struct candidate *b)
{
	if (a->kind != b->kind) {
		return a->kind < b->kind;
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
