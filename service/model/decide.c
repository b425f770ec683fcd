#include "model/decide.h"

#include <string.h>

#include "common/buf.h"

static const struct {
	const char *name;
	const char *en;
	const char *zh;
} sentences[REASON_COUNT] = {
#define R(symbol, name, en, zh) [REASON_##symbol] = {name, en, zh},
	REASON_TABLE(R)
#undef R
};

const char *reason_name(enum reason_id id)
{
	return sentences[id].name;
}

/* The sentences hold at most one %lld. */
void reason_print(const struct reason *reason, bool chinese, struct buf *out)
{
	const char *text = chinese ? sentences[reason->id].zh : sentences[reason->id].en;
	const char *hole = strstr(text, "%lld");
	if (!hole) {
		buf_puts(out, text);
		return;
	}
	buf_put(out, text, (size_t)(hole - text));
	buf_put_i64(out, reason->number);
	buf_puts(out, hole + 4);
}

static struct reason because(enum reason_id id, int64_t number)
{
	return (struct reason){.id = id, .number = number};
}

static bool is(const char *a, const char *b)
{
	return *a && strcmp(a, b) == 0;
}

/* May a standing rollout be offered? The reason is why not, or STANDING. */
static struct reason judge_standing(const struct device_facts *facts, const struct candidate *c)
{
	if (is(facts->version, c->version) || (c->called && is(facts->version, c->called))) {
		return because(REASON_ON_TARGET, c->rollout_id);
	}
	/* it has got there, and nothing says that it has left again */
	if (c->offers > 0 && c->state == TASK_SUCCEEDED && (!*c->version || !*facts->version)) {
		return because(REASON_ON_TARGET, c->rollout_id);
	}
	if (c->outranked) {
		return because(REASON_OUTRANKED, c->rollout_id);
	}
	if (c->offers > 0 && c->state == TASK_CANCELLED) {
		return because(REASON_WITHDRAWN, c->rollout_id);
	}
	if (c->offers > 0 && c->state == TASK_FAILED && strcmp(c->code, "rolled_back") == 0) {
		return because(REASON_ROLLED_BACK, c->rollout_id);
	}
	if (c->offers >= STANDING_OFFERS_MAX) {
		return because(REASON_OFFER_CAP, c->rollout_id);
	}
	return because(REASON_STANDING, c->rollout_id);
}

static struct reason judge(const struct device_facts *facts, const struct candidate *c)
{
	if (facts->blocked) {
		return because(REASON_BLOCKED, 0);
	}
	if (strcmp(c->component, facts->component) != 0) {
		return because(REASON_OTHER_COMPONENT, c->rollout_id);
	}
	switch (c->kind) {
	case CANDIDATE_TASK:
		return because(REASON_LIVE_TASK, c->task_id);
	case CANDIDATE_ASSIGNMENT:
		return c->ended_ms ? because(REASON_ENDED, c->rollout_id) : because(REASON_ASSIGNED, c->rollout_id);
	case CANDIDATE_STANDING:
		return c->ended_ms ? because(REASON_ENDED, c->rollout_id) : judge_standing(facts, c);
	}
	return because(REASON_NO_CANDIDATE, 0);
}

static bool is_offer(enum reason_id id)
{
	return id == REASON_LIVE_TASK || id == REASON_ASSIGNED || id == REASON_STANDING;
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
	for (size_t i = 0; i < count; i++) {
		const struct candidate *c = &candidates[i];
		struct reason reason = judge(facts, c);
		if (trace && trace->count < sizeof trace->reasons / sizeof *trace->reasons) {
			trace->reasons[trace->count++] = reason;
		}
		if (is_offer(reason.id) && (!best.offer || beats(c, best.offer))) {
			best = (struct decision){.offer = c, .reason = reason};
		} else if (!best.offer && best.reason.id == REASON_NO_CANDIDATE) {
			best.reason = reason;
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
