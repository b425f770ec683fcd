/* Which bytes of a file a device has: a sorted set of disjoint intervals, merged as they come, whatever the order of its ranges.
 *
 * Bounded: a device that asks for scattered crumbs is remembered with COVERAGE_MAX intervals; what does not fit is forgotten (it will look
 * as if not fetched, never the other way round). Pure.
 */
#ifndef MODEL_COVERAGE_H
#define MODEL_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COVERAGE_MAX = 32, COVERAGE_TEXT_SIZE = COVERAGE_MAX * 42 };

struct coverage {
	unsigned count;
	struct interval {
		uint64_t first; /* inclusive */
		uint64_t last;  /* inclusive */
	} at[COVERAGE_MAX];
};

/* Adds [offset, offset + len); true if it told something new. */
bool coverage_add(struct coverage *c, uint64_t offset, uint64_t len);
uint64_t coverage_bytes(const struct coverage *c);
bool coverage_complete(const struct coverage *c, uint64_t size);
void coverage_merge(struct coverage *into, const struct coverage *from);

/* "0-4095,8192-9000" and back. parse refuses what is not sorted and disjoint. */
void coverage_print(const struct coverage *c, char out[COVERAGE_TEXT_SIZE]);
bool coverage_parse(struct coverage *c, const char *text);

#endif
