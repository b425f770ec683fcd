#include "engine/ranked.h"

#include <string.h>

#include "engine/standing.h"
#include "fleet/fleet.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/front.h"
#include "fleet/ranges.h"
#include "fleet/standings.h"

void ranked_add_id(struct ranked_who *who, const char *identifier)
{
	char *out = who->ids[who->id_count < RANKED_IDS_MAX ? who->id_count : 0];
	char id[RANGE_ID_SIZE];
	if (who->id_count == RANKED_IDS_MAX || range_normalise(identifier, id) == 0) {
		return;
	}
	for (size_t i = 0; i < who->id_count; i++) {
		if (strcmp(who->ids[i], id) == 0) {
			return;
		}
	}
	memcpy(out, id, sizeof id);
	who->id_count++;
}

struct picking {
	const struct fleet *fleet;
	struct ranked_pick *picks;
	size_t n;
};

static bool ranks_above(const struct fleet *f, const struct standing_rollout *a, const struct standing_rollout *b)
{
	const struct fleet_firmware *x = fleet_firmware(f, a->firmware_id);
	const struct fleet_firmware *y = fleet_firmware(f, b->firmware_id);
	return decide_ranks_above(&(struct decide_rank){x ? x->firmware.version : "", a->created_ms, a->id},
				  &(struct decide_rank){y ? y->firmware.version : "", b->created_ms, b->id});
}

static void take(struct picking *p, struct ranked_pick *pick, const struct standing_rollout *s, const struct ranges_hit *hit)
{
	if (pick->task && pick->task->rollout_id == s->id) {
		ranges_hit_text(hit, pick->task_match);
	}
	if (!fleet_firmware(p->fleet, s->firmware_id)) {
		return;
	}
	if (!pick->best || (pick->best != s && ranks_above(p->fleet, s, pick->best))) {
		pick->best = s;
		ranges_hit_text(hit, pick->match);
	}
}

static void visit(void *ctx, const struct ranges_hit *hit)
{
	struct picking *p = ctx;
	const struct standing_rollout *s = standings_get(fleet_standings(p->fleet), hit->rollout_id);
	if (!s || !s->ranked || s->ended_ms || s->stage == STAGE_INVALID) {
		return;
	}
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->picks[i].component, s->component) == 0) {
			take(p, &p->picks[i], s, hit);
		}
	}
}

void ranked_pick(const struct fleet *f, const struct ranked_who *who, struct ranked_pick *picks, size_t n)
{
	struct picking p = {f, picks, n};
	for (size_t i = 0; i < n; i++) {
		picks[i].match[0] = picks[i].task_match[0] = '\0';
		picks[i].best = NULL;
	}
	for (size_t i = 0; i < who->id_count; i++) {
		ranges_match(fleet_ranges(f), who->product_id, who->ids[i], visit, &p);
	}
	for (size_t i = 0; i < n; i++) {
		const struct standing_rollout *open = front_of(f, who->product_id, picks[i].component);
		if (open && (!picks[i].best || ranks_above(f, open, picks[i].best))) {
			picks[i].best = open;
			picks[i].match[0] = '\0';
		}
	}
}

static void describe(const struct standing_rollout *s, const char *match, struct candidate *out)
{
	out->ranked = true;
	out->stage = s->stage;
	out->named = s->named;
	out->match = *match ? match : NULL;
}

void ranked_mark_task(const struct fleet *f, const struct ranked_pick *pick, struct candidate *task)
{
	const struct standing_rollout *s = standings_get(fleet_standings(f), task->rollout_id);
	const struct fleet_firmware *fw = s && s->ranked ? fleet_firmware(f, s->firmware_id) : NULL;
	if (fw) {
		describe(s, pick->task_match, task);
		task->created_ms = s->created_ms;
		task->version = fw->firmware.version;
		task->firmware = &fw->firmware;
	}
}

bool ranked_candidate(const struct fleet *f, const struct ranked_who *who, const struct ranked_pick *pick, struct candidate *out)
{
	if (!pick->best || !standing_candidate(f, pick->best, who->device_id, out)) {
		return false;
	}
	describe(pick->best, pick->match, out);
	return true;
}

struct naming {
	int64_t rollout_id;
	char *match;
};

static void note_name(void *ctx, const struct ranges_hit *hit)
{
	const struct naming *n = ctx;
	if (hit->rollout_id == n->rollout_id) {
		ranges_hit_text(hit, n->match);
	}
}

static bool names(const struct fleet *f, const struct ranked_who *who, int64_t rollout_id, char match[RANGE_TEXT_SIZE])
{
	struct naming n = {rollout_id, match};
	match[0] = '\0';
	for (size_t i = 0; i < who->id_count; i++) {
		ranges_match(fleet_ranges(f), who->product_id, who->ids[i], note_name, &n);
	}
	return *match != '\0';
}

void ranked_others(const struct fleet *f, const struct ranked_who *who, const struct ranked_pick *pick, struct ranked_seen *seen)
{
	const struct standing_rollout *s = standings_ranked(fleet_standings(f), who->product_id, pick->component);
	for (; s && seen->count < CANDIDATES_MAX; s = s->next) {
		struct candidate *c = &seen->at[seen->count];
		char *match = seen->matches[seen->count];
		if (s != pick->best && strcmp(s->component, pick->component) == 0 && standing_candidate(f, s, who->device_id, c)) {
			c->match = names(f, who, s->id, match) ? match : NULL;
			seen->count++;
		}
	}
}
