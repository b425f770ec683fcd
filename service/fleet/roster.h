/* Which files (firmware with a URL) each product has, by ascending id, so that any page of a list is found at once and its length is known:
 * 8 bytes a file. Not thread-safe (fleet.c locks). */
#ifndef FLEET_ROSTER_H
#define FLEET_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct roster;

struct roster *roster_new(void);
void roster_free(struct roster **roster);

/* One that is there already stays. false: out of memory. */
bool roster_put(struct roster *roster, int64_t product_id, int64_t id);
void roster_drop(struct roster *roster, int64_t product_id, int64_t id);

size_t roster_count(const struct roster *roster, int64_t product_id);
/* Those from the offset-th on (from 0), at most max; how many. */
size_t roster_page(const struct roster *roster, int64_t product_id, size_t offset, int64_t *out, size_t max);

#endif
