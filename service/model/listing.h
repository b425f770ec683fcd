/* What lists show: pages, and rows joined with the names of what they refer to. Plain values, shared by store, engine and dialects. */
#ifndef MODEL_LISTING_H
#define MODEL_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "model/nouns.h"
#include "model/product.h"
#include "model/range.h"
#include "model/task.h"

/* Ascending ids after `after` (0 = from the start), at most `limit`. Ids of 0 and an empty name: any. */
struct page {
	int64_t after;
	int64_t limit;
	int64_t product_id;
	int64_t device_id;             /* tasks, assignments */
	bool bound;                    /* devices: activated ones only */
	bool held;                     /* firmware: only that whose bytes are ours */
	char name[FIRMWARE_NAME_SIZE]; /* exact: product key, device name, firmware name, task state */
};

/* A passive assignment. */
struct assignment {
	struct rollout rollout;
	char device_name[NAME_SIZE];
	char firmware_name[FIRMWARE_NAME_SIZE];
	enum task_state state;
};

/* An active standing rollout. */
struct standing_row {
	struct rollout rollout;
	char firmware_name[FIRMWARE_NAME_SIZE];
	char product_name[TEXT_SIZE];
	char created_by[NAME_SIZE];
};

/* An entry of a rollout's list of ranges. */
struct range_row {
	int64_t rollout_id;
	int64_t place; /* in the list, from 1 */
	struct range range;
	char said[RANGE_SAID_MAX + 1]; /* as it was written */
};

struct task_row {
	struct task task;
	char device_name[NAME_SIZE];
	char firmware_name[FIRMWARE_NAME_SIZE];
	int64_t size; /* 0 once the firmware was deleted */
};

struct task_happening { /* a line of the timeline */
	int64_t at_ms;
	char event[32];
	char from[16]; /* "" at the beginning */
	char to[16];
	char detail[TEXT_SIZE];
};

struct audit_row {
	int64_t id;
	int64_t at_ms;
	struct actor actor;
	char action[64];
	char target[TEXT_SIZE];
	char detail[TEXT_SIZE];
};

/* A POST that may be repeated: the same actor, key and request (SHA-256 of method, path and body) have one answer. */
struct idempotency {
	const char *actor;
	const char *key;
	uint8_t request[32];
	int status; /* of the earlier answer; 0 = there is none */
	char *body; /* malloc'd, the caller frees it; NULL = there is none */
};

#endif
