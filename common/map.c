#include "common/map.h"

#include <stdlib.h>

/* Fibonacci hashing: ids are sequential, hashes are not; both spread. */
static size_t home(const struct map *m, uint64_t key)
{
	return (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & m->mask;
}

void map_free(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}

static struct map_slot *find(const struct map *m, uint64_t key)
{
	size_t i = home(m, key);
	while (m->slots[i].key != 0 && m->slots[i].key != key) {
		i = (i + 1) & m->mask;
	}
	return &m->slots[i];
}

void *map_get(const struct map *m, uint64_t key)
{
	if (m->count == 0) {
		return NULL;
	}
	return find(m, key)->value;
}

static bool resize(struct map *m, size_t slots)
{
	struct map bigger = {.slots = calloc(slots, sizeof *bigger.slots), .mask = slots - 1, .count = m->count};
	if (!bigger.slots) {
		return false;
	}
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(m, &i));) {
		*find(&bigger, slot->key) = *slot;
	}
	free(m->slots);
	*m = bigger;
	return true;
}

bool map_put(struct map *m, uint64_t key, void *value)
{
	if (!m->slots && !resize(m, 16)) {
		return false;
	}
	if ((m->count + 1) * 4 > (m->mask + 1) * 3 && !resize(m, (m->mask + 1) * 2)) {
		return false;
	}
	struct map_slot *slot = find(m, key);
	m->count += slot->key == 0;
	*slot = (struct map_slot){key, value};
	return true;
}

void *map_remove(struct map *m, uint64_t key)
{
	if (m->count == 0) {
		return NULL;
	}
	struct map_slot *slot = find(m, key);
	if (slot->key == 0) {
		return NULL;
	}
	void *value = slot->value;
	size_t hole = (size_t)(slot - m->slots);
	for (size_t i = (hole + 1) & m->mask; m->slots[i].key != 0; i = (i + 1) & m->mask) {
		size_t want = home(m, m->slots[i].key);
		/* may the entry at i move into the hole? only if its home is not between them */
		if (((i - want) & m->mask) >= ((i - hole) & m->mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){0};
	m->count--;
	return value;
}

struct map_slot *map_next(const struct map *m, size_t *at)
{
	while (m->slots && *at <= m->mask) {
		struct map_slot *slot = &m->slots[(*at)++];
		if (slot->key != 0) {
			return slot;
		}
	}
	return NULL;
}
