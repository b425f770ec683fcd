#include "fleet/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "fleet/ranges_table.h"

struct ranges {
	struct map tables;   /* product -> its table */
	struct map products; /* rollout that has ranges -> its product */
};

static uint64_t key(int64_t id)
{
	return (uint64_t)id;
}

struct ranges *ranges_new(void)
{
	return calloc(1, sizeof(struct ranges));
}

void ranges_free(struct ranges **rp)
{
	struct ranges *r = *rp;
	if (!r) {
		return;
	}
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&r->tables, &i));) {
		struct ranges_table *t = slot->value;
		ranges_table_free(&t);
	}
	map_free(&r->tables);
	map_free(&r->products);
	free(r);
	*rp = NULL;
}

size_t ranges_count(const struct ranges *r)
{
	size_t n = 0;
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&r->tables, &i));) {
		const struct ranges_table *t = slot->value;
		n += t->span_count + t->word_count;
	}
	return n;
}

size_t ranges_bytes(const struct ranges *r)
{
	size_t n = 0;
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&r->tables, &i));) {
		n += ranges_table_bytes(slot->value);
	}
	return n;
}

bool ranges_has(const struct ranges *r, int64_t rollout_id)
{
	return map_get(&r->products, key(rollout_id)) != NULL;
}

void ranges_match(const struct ranges *r, int64_t product_id, const char *identifier, ranges_visit *visit, void *ctx)
{
	const struct ranges_table *t = map_get(&r->tables, key(product_id));
	if (t) {
		ranges_table_match(t, identifier, visit, ctx);
	}
}

void ranges_hit_text(const struct ranges_hit *hit, char out[RANGE_TEXT_SIZE])
{
	static const char digits[] = "0123456789ABCDEF";
	if (hit->kind != RANGE_MACS) {
		memcpy(out, hit->text, hit->len);
		memcpy(out + hit->len, "*", 2);
		out[hit->len + (hit->kind == RANGE_PREFIX)] = '\0';
		return;
	}
	for (unsigned i = 0; i < 12; i++) {
		out[i] = digits[hit->first >> (44 - 4 * i) & 15];
		out[13 + i] = digits[hit->last >> (44 - 4 * i) & 15];
	}
	out[12] = '~';
	out[25] = '\0';
}

/* --- changes --- */

/* A product whose table is made anew. */
struct remake {
	int64_t product_id;
	struct ranges_table more;
	struct ranges_table *old;   /* until the swap the snapshot's */
	struct ranges_table *fresh; /* from the swap on the snapshot's */
	struct remake *next;
};

struct ranges_edit {
	const struct ranges *present;
	const int64_t *rollouts;
	size_t rollout_count;
	struct map named;     /* rollouts -> themselves */
	struct map remakes;   /* product -> its remake */
	struct remake *first; /* all of them */
	struct ranges next;   /* what is swapped in; then what was swapped out */
	bool swapped;
};

static struct remake *remake_of(struct ranges_edit *e, int64_t product_id)
{
	struct remake *m = map_get(&e->remakes, key(product_id));
	if (m) {
		return m;
	}
	m = calloc(1, sizeof *m);
	if (!m || !map_put(&e->remakes, key(product_id), m)) {
		free(m);
		return NULL;
	}
	*m = (struct remake){.product_id = product_id, .old = map_get(&e->present->tables, key(product_id)), .next = e->first};
	e->first = m;
	return m;
}

/* The products that lose what they have of these rollouts. */
static bool name_rollouts(struct ranges_edit *e)
{
	struct map_slot *slot;
	for (size_t i = 0; !e->rollouts && (slot = map_next(&e->present->tables, &i));) {
		if (!remake_of(e, (int64_t)slot->key)) {
			return false;
		}
	}
	for (size_t i = 0; e->rollouts && i < e->rollout_count; i++) {
		uintptr_t product = (uintptr_t)map_get(&e->present->products, key(e->rollouts[i]));
		if (!map_put(&e->named, key(e->rollouts[i]), e) || (product && !remake_of(e, (int64_t)product))) {
			return false;
		}
	}
	return true;
}

struct ranges_edit *ranges_edit_new(const struct ranges *present, const int64_t *rollouts, size_t n)
{
	struct ranges_edit *e = calloc(1, sizeof *e);
	if (e) {
		e->present = present;
		e->rollouts = rollouts;
		e->rollout_count = n;
		if (!name_rollouts(e)) {
			ranges_edit_free(&e);
		}
	}
	return e;
}

bool ranges_edit_add(struct ranges_edit *e, int64_t product_id, int64_t rollout_id, const struct range *range)
{
	struct remake *m = remake_of(e, product_id);
	return m && ranges_table_add(&m->more, rollout_id, range);
}

static bool is_gone(const void *ctx, int64_t rollout_id)
{
	const struct ranges_edit *e = ctx;
	return map_get(&e->named, key(rollout_id)) != NULL;
}

/* Which rollouts have ranges, of which product. */
static bool list_rollouts(struct map *products, int64_t product_id, const struct ranges_table *t)
{
	for (size_t i = 0; i < t->file_count; i++) {
		if (!map_put(products, key(t->files[i]), (void *)(uintptr_t)product_id)) {
			return false;
		}
	}
	return true;
}

static bool keep_others(struct ranges_edit *e)
{
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&e->present->tables, &i));) {
		if (map_get(&e->remakes, slot->key)) {
			continue;
		}
		if (!map_put(&e->next.tables, slot->key, slot->value) ||
		    !list_rollouts(&e->next.products, (int64_t)slot->key, slot->value)) {
			return false;
		}
	}
	return true;
}

bool ranges_edit_build(struct ranges_edit *e)
{
	for (struct remake *m = e->first; m; m = m->next) {
		m->fresh = ranges_table_merge(e->rollouts ? m->old : NULL, &m->more, is_gone, e);
		ranges_table_clear(&m->more);
		if (!m->fresh) {
			return false;
		}
		if (m->fresh->file_count == 0) {
			ranges_table_free(&m->fresh);
		} else if (!map_put(&e->next.tables, key(m->product_id), m->fresh) ||
			   !list_rollouts(&e->next.products, m->product_id, m->fresh)) {
			return false;
		}
	}
	return keep_others(e);
}

void ranges_edit_swap(struct ranges *r, struct ranges_edit *e)
{
	struct ranges before = *r;
	*r = e->next;
	e->next = before;
	e->swapped = true;
}

void ranges_edit_free(struct ranges_edit **ep)
{
	struct ranges_edit *e = *ep;
	if (!e) {
		return;
	}
	for (struct remake *m = e->first, *next; m; m = next) {
		next = m->next;
		ranges_table_clear(&m->more);
		ranges_table_free(e->swapped ? &m->old : &m->fresh);
		free(m);
	}
	map_free(&e->named);
	map_free(&e->remakes);
	map_free(&e->next.tables);
	map_free(&e->next.products);
	free(e);
	*ep = NULL;
}
