#include "fleet/standings.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

enum { COUNT_KEPT = 255 };

struct standings {
	struct map by_id;
	struct map by_product; /* product -> first */
	struct map ranked;     /* product and component -> first, of those that are ranked: they may be many */
};

/* What is kept for a device. */
struct record {
	int64_t task_id;
	uint8_t offers;
	uint8_t turns;
	uint8_t state;
	bool rolled_back;
	bool outranked;
};

size_t standings_count(const struct standings *s)
{
	return s->by_id.count;
}

static uint64_t key(int64_t id)
{
	return (uint64_t)id;
}

struct standings *standings_new(void)
{
	return calloc(1, sizeof(struct standings));
}

static void free_past(struct standing_rollout *own)
{
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&own->past, &i));) {
		free(slot->value);
	}
	map_free(&own->past);
	own->past = (struct map){0};
}

void standings_free(struct standings **sp)
{
	struct standings *s = *sp;
	if (!s) {
		return;
	}
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&s->by_id, &i));) {
		free_past(slot->value);
		free(slot->value);
	}
	map_free(&s->by_id);
	map_free(&s->by_product);
	map_free(&s->ranked);
	free(s);
	*sp = NULL;
}

const struct standing_rollout *standings_of(const struct standings *s, int64_t product_id)
{
	return map_get(&s->by_product, key(product_id));
}

static uint64_t ranked_key(int64_t product_id, const char *component)
{
	uint64_t k = text_hash(component, strlen(component)) ^ key(product_id) * 0x9e3779b97f4a7c15u;
	return k | (k == 0);
}

const struct standing_rollout *standings_ranked(const struct standings *s, int64_t product_id, const char *component)
{
	return map_get(&s->ranked, ranked_key(product_id, component));
}

const struct standing_rollout *standings_get(const struct standings *s, int64_t rollout_id)
{
	return map_get(&s->by_id, key(rollout_id));
}

struct standing_past standings_past(const struct standing_rollout *standing, int64_t device_id)
{
	const struct record *r = map_get(&standing->past, key(device_id));
	if (!r) {
		return (struct standing_past){0};
	}
	return (struct standing_past){.task_id = r->task_id,
				      .offers = r->offers,
				      .turns = r->turns,
				      .state = (enum task_state)r->state,
				      .rolled_back = r->rolled_back,
				      .outranked = r->outranked};
}

/* The list that it belongs to, and that one's key. */
static struct map *list_of(struct standings *s, const struct standing_rollout *own, uint64_t *list_key)
{
	*list_key = own->ranked ? ranked_key(own->product_id, own->component) : key(own->product_id);
	return own->ranked ? &s->ranked : &s->by_product;
}

static struct standing_rollout *add(struct standings *s, const struct rollout *r)
{
	struct standing_rollout *own = calloc(1, sizeof *own);
	if (!own || !map_put(&s->by_id, key(r->id), own)) {
		free(own);
		return NULL;
	}
	own->ranked = r->ranked;
	own->product_id = r->product_id;
	text_copy(own->component, sizeof own->component, r->component);
	uint64_t list_key;
	struct map *list = list_of(s, own, &list_key);
	own->next = map_get(list, list_key);
	if (!map_put(list, list_key, own)) {
		map_remove(&s->by_id, key(r->id));
		free(own);
		return NULL;
	}
	own->id = r->id;
	own->firmware_id = r->firmware_id;
	own->created_ms = r->created_ms;
	text_copy(own->version_name, sizeof own->version_name, r->version_name);
	text_copy(own->description, sizeof own->description, r->description);
	return own;
}

static void change(struct standing_rollout *own, const struct rollout *r)
{
	own->stage = r->stage;
	text_copy(own->description, sizeof own->description, r->description);
	if (r->created_ms > own->created_ms) {
		own->created_ms = r->created_ms;
		free_past(own);
	}
}

bool standings_put(struct standings *s, const struct rollout *r, uint16_t generation)
{
	struct standing_rollout *own = map_get(&s->by_id, key(r->id));
	own = own ? own : add(s, r); /* nothing of it ever changes but its end and whether it has ranges, unless it is ranked */
	if (!own) {
		return false;
	}
	own->named = r->named;
	own->generation = generation;
	if (r->ranked) {
		change(own, r);
	}
	if (r->ended_ms) {
		own->ended_ms = r->ended_ms;
		free_past(own); /* nobody asks any more */
	}
	return true;
}

void standings_drop(struct standings *s, int64_t rollout_id)
{
	struct standing_rollout *own = map_remove(&s->by_id, key(rollout_id));
	if (!own) {
		return;
	}
	uint64_t list_key;
	struct map *list = list_of(s, own, &list_key);
	struct standing_rollout *first = map_get(list, list_key);
	if (first == own && own->next) {
		map_put(list, list_key, own->next);
	} else if (first == own) {
		map_remove(list, list_key);
	}
	while (first && first != own && first->next != own) {
		first = first->next;
	}
	if (first && first != own) {
		first->next = own->next;
	}
	free_past(own);
	free(own);
}

static struct record *record_of(struct standings *s, int64_t rollout_id, int64_t device_id, int64_t made_ms)
{
	struct standing_rollout *own = map_get(&s->by_id, key(rollout_id));
	if (!own || own->ended_ms || (own->ranked && made_ms < own->created_ms)) {
		return NULL;
	}
	struct record *r = map_get(&own->past, key(device_id));
	if (!r) {
		r = calloc(1, sizeof *r);
		if (r && !map_put(&own->past, key(device_id), r)) {
			free(r);
			r = NULL;
		}
	}
	return r;
}

/* How final a state is: what was read earlier may come later. */
static int rank(enum task_state state)
{
	return state == TASK_SUCCEEDED ? 2 : task_state_is_live(state) ? 0 : 1;
}

static uint8_t count(int64_t n)
{
	return (uint8_t)(n < COUNT_KEPT ? n : COUNT_KEPT);
}

bool standings_note(struct standings *s, int64_t rollout_id, int64_t device_id, const struct standing_past *past)
{
	struct record *r = record_of(s, rollout_id, device_id, past->made_ms);
	if (!r) {
		return false;
	}
	if (past->task_id < r->task_id || (past->task_id == r->task_id && rank(past->state) < rank((enum task_state)r->state))) {
		return true;
	}
	*r = (struct record){.task_id = past->task_id,
			     .offers = count(past->offers),
			     .turns = count(past->turns),
			     .state = (uint8_t)past->state,
			     .rolled_back = past->rolled_back,
			     .outranked = r->outranked};
	return true;
}

void standings_outrank(struct standings *s, int64_t rollout_id, int64_t device_id)
{
	struct record *r = record_of(s, rollout_id, device_id, INT64_MAX);
	if (r) {
		r->outranked = true;
	}
}

void standings_sweep(struct standings *s, uint16_t generation)
{
	int64_t stale[64]; /* collected first: a map must not change while it is walked */
	size_t n;
	do {
		struct map_slot *slot;
		n = 0;
		for (size_t i = 0; n < 64 && (slot = map_next(&s->by_id, &i));) {
			const struct standing_rollout *own = slot->value;
			if (own->generation != generation) {
				stale[n++] = own->id;
			}
		}
		for (size_t i = 0; i < n; i++) {
			standings_drop(s, stale[i]);
		}
	} while (n == 64);
}
