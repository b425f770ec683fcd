/* A hash map from 64-bit keys to pointers: open addressing, linear probing, no tombstones. Keys are any value but 0. Not thread-safe. */
#ifndef COMMON_MAP_H
#define COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
	struct map_slot {
		uint64_t key; /* 0 = free */
		void *value;
	} * slots;
	size_t mask; /* slots - 1; 0 = no slots yet */
	size_t count;
};

void map_free(struct map *m);                           /* not the values */
void *map_get(const struct map *m, uint64_t key);       /* NULL when absent */
bool map_put(struct map *m, uint64_t key, void *value); /* false: out of memory */
void *map_remove(struct map *m, uint64_t key);          /* the value, or NULL */

/* Walks: for (size_t i = 0; (slot = map_next(m, &i));). The map must not change meanwhile, but for the value of the slot. */
struct map_slot *map_next(const struct map *m, size_t *at);

#endif
