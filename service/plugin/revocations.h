/* Which passwords are dead: device -> lowest good epoch, and whether it is blocked. Pure; one thread at a time. */
#ifndef PLUGIN_REVOCATIONS_H
#define PLUGIN_REVOCATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/credential.h"
#include "common/map.h"

struct revocation_row {
	char device[CREDENTIAL_DEVICE_SIZE];
	bool blocked;
	uint32_t epoch;
};

enum { REVOCATIONS_BITS = 1 << 20 };

struct revocations {
	struct map by_device;
	size_t blocked;                               /* how many of them */
	uint64_t blocked_bits[REVOCATIONS_BITS / 64]; /* by hash: who is certainly not blocked, in a table that stays in the cache */
};

void revocations_clear(struct revocations *r);

/* Sets what the rows say, the later row of a device counting. False: out of memory, and nothing has changed. */
bool revocations_apply(struct revocations *r, const struct revocation_row *rows, size_t count);

/* Is a password of that epoch dead? The lowest epoch that is ever good is 1. */
bool revocations_refuses(const struct revocations *r, const char *device, uint32_t epoch);
bool revocations_is_blocked(const struct revocations *r, const char *device);

static inline size_t revocations_count(const struct revocations *r)
{
	return r->by_device.count;
}

/* Walks in no particular order: for (size_t i = 0; revocations_next(r, &i, &row);). */
struct revocation_view {
	const char *device;
	bool blocked;
	uint32_t epoch;
};
bool revocations_next(const struct revocations *r, size_t *at, struct revocation_view *out);

/* Does it refuse anything? Others need not be kept. */
bool revocations_matters(const struct revocation_view *row);

#endif
