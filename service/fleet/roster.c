#include "fleet/roster.h"

#include <stdlib.h>
#include <string.h>

#include "common/map.h"

struct roster {
	struct map by_product; /* product -> struct ids */
};

struct ids {
	size_t count, room;
	int64_t *at;
};

struct roster *roster_new(void)
{
	return calloc(1, sizeof(struct roster));
}

void roster_free(struct roster **fp)
{
	struct roster *f = *fp;
	if (!f) {
		return;
	}
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&f->by_product, &i));) {
		struct ids *ids = slot->value;
		free(ids->at);
		free(ids);
	}
	map_free(&f->by_product);
	free(f);
	*fp = NULL;
}

static uint64_t key(int64_t id)
{
	return (uint64_t)id;
}

/* Where it is, or belongs. */
static size_t find(const struct ids *ids, int64_t id)
{
	size_t low = 0;
	for (size_t high = ids->count; low < high;) {
		size_t middle = low + (high - low) / 2;
		if (ids->at[middle] < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static struct ids *ids_of(struct roster *f, int64_t product_id)
{
	struct ids *ids = map_get(&f->by_product, key(product_id));
	if (!ids) {
		ids = calloc(1, sizeof *ids);
		if (ids && !map_put(&f->by_product, key(product_id), ids)) {
			free(ids);
			ids = NULL;
		}
	}
	return ids;
}

static bool make_room(struct ids *ids)
{
	if (ids->count < ids->room) {
		return true;
	}
	size_t room = ids->room ? 2 * ids->room : 4;
	int64_t *at = realloc(ids->at, room * sizeof *at);
	if (at) {
		ids->at = at;
		ids->room = room;
	}
	return at != NULL;
}

bool roster_put(struct roster *f, int64_t product_id, int64_t id)
{
	struct ids *ids = ids_of(f, product_id);
	size_t i = ids ? find(ids, id) : 0;
	if (ids && i < ids->count && ids->at[i] == id) {
		return true;
	}
	if (!ids || !make_room(ids)) {
		return false;
	}
	memmove(&ids->at[i + 1], &ids->at[i], (ids->count - i) * sizeof *ids->at);
	ids->at[i] = id;
	ids->count++;
	return true;
}

void roster_drop(struct roster *f, int64_t product_id, int64_t id)
{
	struct ids *ids = map_get(&f->by_product, key(product_id));
	size_t i = ids ? find(ids, id) : 0;
	if (!ids || i == ids->count || ids->at[i] != id) {
		return;
	}
	memmove(&ids->at[i], &ids->at[i + 1], (ids->count - i - 1) * sizeof *ids->at);
	ids->count--;
	if (ids->count == 0) {
		map_remove(&f->by_product, key(product_id));
		free(ids->at);
		free(ids);
	}
}

size_t roster_count(const struct roster *f, int64_t product_id)
{
	const struct ids *ids = map_get(&f->by_product, key(product_id));
	return ids ? ids->count : 0;
}

size_t roster_page(const struct roster *f, int64_t product_id, size_t offset, int64_t *out, size_t max)
{
	const struct ids *ids = map_get(&f->by_product, key(product_id));
	size_t left = ids && offset < ids->count ? ids->count - offset : 0;
	size_t n = left < max ? left : max;
	if (n) {
		memcpy(out, ids->at + offset, n * sizeof *out);
	}
	return n;
}
