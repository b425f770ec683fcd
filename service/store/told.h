/* What devices tell of themselves when they start (model/told.h), as rows. */
#ifndef STORE_TOLD_H
#define STORE_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct told;

struct told_fact {
	int64_t device_id;
	uint64_t fingerprint; /* told_fingerprint() */
	const struct told *told;
};

/* One statement for all; at most one row a device. A device that is gone is ERR_CONFLICT, or passed over with `known`, which costs a
 * look-up each. In a transaction of the caller's. */
bool store_facts_write(struct db *db, const struct told_fact *facts, size_t n, bool known, struct err *err);

/* *updated_ms: when they changed last; 0 = the device has never told any, and *out is all zero. */
bool store_facts_get(struct db *db, int64_t device_id, struct told *out, int64_t *updated_ms, struct err *err);

/* Of these devices (ascending), those that have or had a task, so that a version they tell may matter to it. *out has room for all. */
bool store_devices_tasked(struct db *db, const int64_t *devices, size_t n, int64_t *out, size_t *count, struct err *err);

#endif
