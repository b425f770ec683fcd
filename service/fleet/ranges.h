/* Which devices the rollouts of each product are for, in the snapshot. A question allocates nothing and looks at few entries, however many
 * there are. fleet.c locks: questions and ranges_edit_swap() under its lock, all else off it, on the one thread that writes ranges.
 */
#ifndef FLEET_RANGES_H
#define FLEET_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/range.h"

struct ranges;
struct ranges *ranges_new(void);
void ranges_free(struct ranges **r);

size_t ranges_count(const struct ranges *r); /* entries */
size_t ranges_bytes(const struct ranges *r); /* of memory */

/* Has this rollout any? */
bool ranges_has(const struct ranges *r, int64_t rollout_id);

/* An entry that names the device; the text stands as long as the lock. */
struct ranges_hit {
	int64_t rollout_id;
	enum range_kind kind;
	uint64_t first, last; /* MACS */
	const char *text;     /* EXACT, PREFIX: len characters */
	size_t len;
};
typedef void ranges_visit(void *ctx, const struct ranges_hit *hit);

/* Visits the entries of the product's rollouts that name this identifier (range_normalise()), in no order; a rollout as often as it has
 * such entries. */
void ranges_match(const struct ranges *r, int64_t product_id, const char *identifier, ranges_visit *visit, void *ctx);

/* As range_text(). */
void ranges_hit_text(const struct ranges_hit *hit, char out[RANGE_TEXT_SIZE]);

/* A change: the ranges of these rollouts (NULL: of all) are to be those that are added, of these rollouts only. Begin, add, build, swap,
 * free; only the swap needs the lock. NULL and false: out of memory. `rollouts` must stand until the end. */
struct ranges_edit;
struct ranges_edit *ranges_edit_new(const struct ranges *present, const int64_t *rollouts, size_t n);
bool ranges_edit_add(struct ranges_edit *e, int64_t product_id, int64_t rollout_id, const struct range *range);
bool ranges_edit_build(struct ranges_edit *e);
void ranges_edit_swap(struct ranges *r, struct ranges_edit *e); /* built; r is what it was begun with, and has not changed since */
void ranges_edit_free(struct ranges_edit **e);                  /* with what was swapped out, or has not been swapped in */

#endif
