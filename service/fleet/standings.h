/* The standing rollouts in the snapshot, and what became of each at the devices that have had it: about 60 bytes for each of those, nothing
 * for the others. Not thread-safe (fleet.c locks).
 */
#ifndef FLEET_STANDINGS_H
#define FLEET_STANDINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/map.h"
#include "model/nouns.h"
#include "model/task.h"

struct standing_rollout {
	int64_t id, product_id, firmware_id, created_ms;
	int64_t ended_ms; /* not 0: replaced, but tasks of it go on */
	bool ranked;
	enum rollout_stage stage;
	uint16_t generation;
	bool named; /* it has ranges, of the same moment as its stage: for nobody else than whom they name, whatever ranges are here (yet)
		     */
	char component[COMPONENT_SIZE];
	char version_name[VERSION_SIZE]; /* what the operator calls the image; "" = as its firmware says */
	char description[DESCRIPTION_SIZE];
	/* of the first of a list of ranked ones: the best of those that are for the whole product (fleet/front.h) */
	struct standing_front {
		_Atomic(uint64_t) stamp; /* as of this change; 0 = never */
		_Atomic(const struct standing_rollout *) best;
	} front;
	struct map past;               /* device -> its record, read by standings_past() */
	struct standing_rollout *next; /* of the same product; ranked: and component */
};

/* A device's latest task of a standing rollout. */
struct standing_past {
	int64_t task_id; /* 0 = none yet */
	int64_t made_ms; /* noted, not kept */
	int64_t offers;  /* tasks of it the device has had, this one included */
	int64_t turns;   /* those before it that gave way */
	enum task_state state;
	bool rolled_back;
	bool outranked; /* a newer order for the device alone has brought it elsewhere */
};

struct standings;
struct standings *standings_new(void);
void standings_free(struct standings **s);

size_t standings_count(const struct standings *s);
const struct standing_rollout *standings_of(const struct standings *s, int64_t product_id); /* list by ->next, ended ones among them */
/* The same of those that are ranked, of this component; others may be among them. */
const struct standing_rollout *standings_ranked(const struct standings *s, int64_t product_id, const char *component);
const struct standing_rollout *standings_get(const struct standings *s, int64_t rollout_id);
/* All zero where the device has had no task of it. */
struct standing_past standings_past(const struct standing_rollout *standing, int64_t device_id);

/* Of a ranked one that is ordered again (a newer created_ms) what became of it before is forgotten. */
bool standings_put(struct standings *s, const struct rollout *rollout, uint16_t generation);
void standings_drop(struct standings *s, int64_t rollout_id);
/* A later task replaces an earlier one; of the same task what has ended stays ended, and success stays success. Of a rollout that is not
 * here or has ended, or a task made at made_ms before a ranked one was ordered (again): nothing is kept. */
bool standings_note(struct standings *s, int64_t rollout_id, int64_t device_id, const struct standing_past *past);
void standings_outrank(struct standings *s, int64_t rollout_id, int64_t device_id);
/* Drops those of another generation. */
void standings_sweep(struct standings *s, uint16_t generation);

#endif
