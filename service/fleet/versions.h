/* What devices run, each different set of versions once: that of the component "app" and, of devices of several components, those of the
 * others. A device holds the number of its set, whatever it runs. Not thread-safe (fleet.c locks).
 */
#ifndef FLEET_VERSIONS_H
#define FLEET_VERSIONS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	VERSIONS_MAX = 65536, /* different sets; what comes beyond is held as unknown, so that odd devices can not fill memory */
	VERSIONS_PARTS = 4,   /* components of a set besides "app"; the same */
};

struct versions;
struct versions *versions_new(void);
void versions_free(struct versions **v);

/* "" = unknown, as all is in set 0. Valid for ever. */
const char *versions_of(const struct versions *v, uint32_t set, const char *component);

/* The set with this one changed. False: out of memory. */
bool versions_with(struct versions *v, uint32_t set, const char *component, const char *version, uint32_t *out);

/* The set of these. parts: components and their versions by turns, with a unit separator (0x1f) between any two; "" = none. False: out of
 * memory. */
bool versions_find(struct versions *v, const char *app, const char *parts, uint32_t *out);

#endif
