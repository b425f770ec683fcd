/* Inside fleet/ only: the ranges of one product, over all its rollouts, sorted once and never changed: 24 bytes for a range or an exact
 * MAC, 17 and its text for any other entry. A change makes a new table out of the old one.
 *
 * Ranges and MACs lie in an array that is a search tree (the middle of each part is its root), whose nodes know the highest address in
 * their part. Texts are found by a hash for each length there is.
 */
#ifndef FLEET_RANGES_TABLE_H
#define FLEET_RANGES_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/map.h"
#include "fleet/ranges.h"

enum { RANGES_FILES_MAX = 1 << 24 };

struct ranges_span {
	uint64_t first : 48, file_low : 16;
	uint64_t last : 48, file_high : 8, exact : 1;
	uint64_t most : 48; /* the highest `last` of the part whose middle this is */
};

struct ranges_word {
	uint64_t hash;
	uint32_t text; /* where it begins in the texts */
	uint32_t file : 24, len : 7, prefix : 1;
};

_Static_assert(sizeof(struct ranges_span) == 24 && sizeof(struct ranges_word) == 16, "as the comment above says");

/* Sorted: a table. Unsorted: what is to be put into one. */
struct ranges_table {
	int64_t *files; /* rollouts */
	struct ranges_span *spans;
	struct ranges_word *words;
	char *texts;
	size_t file_count, span_count, word_count, text_len;
	size_t file_room, span_room, word_room, text_room; /* of those that grow */
	struct map file_of;                                /* rollout -> its index + 1; only while it grows */
	/* of what is sorted */
	uint32_t *buckets; /* by the highest bits of the hash: the first word */
	unsigned bucket_bits;
	uint64_t lengths; /* bit n - 1: there is a prefix of n characters */
};

/* A growing one: another entry of this rollout. False: out of memory, or too many. Zeroed it is empty. */
bool ranges_table_add(struct ranges_table *t, int64_t rollout_id, const struct range *range);

/* Sorts `more`, and puts it together with what is in `old` (may be NULL) of rollouts for which gone() is false. NULL: out of memory. Empty
 * tables are tables. */
struct ranges_table *ranges_table_merge(const struct ranges_table *old, struct ranges_table *more,
					bool (*gone)(const void *ctx, int64_t rollout_id), const void *ctx);

void ranges_table_match(const struct ranges_table *t, const char *identifier, ranges_visit *visit, void *ctx);
size_t ranges_table_bytes(const struct ranges_table *t);
void ranges_table_clear(struct ranges_table *t); /* frees what it holds */
void ranges_table_free(struct ranges_table **t);

#endif
