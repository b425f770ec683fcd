/* Inside engine/ only: of the ranked rollouts of a product's component (many: files), the one that holds the place of all at a device, as
 * a candidate. Under the reader's hold. */
#ifndef ENGINE_RANKED_H
#define ENGINE_RANKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/candidates.h"
#include "model/decide.h"
#include "model/range.h"

struct fleet;
struct fleet_task;
struct standing_rollout;

enum { RANKED_IDS_MAX = 8 };

/* Who asks. Identifiers are normalised (range_normalise()). */
struct ranked_who {
	int64_t product_id;
	int64_t device_id; /* 0 = nobody knows it */
	char ids[RANKED_IDS_MAX][RANGE_ID_SIZE];
	size_t id_count;
};

/* Adds an identifier; "", another one of the same, and more than there is room for: nothing. */
void ranked_add_id(struct ranked_who *who, const char *identifier);

/* The best that a component has for this device, and which range of it names the device. */
struct ranked_pick {
	const char *component;               /* in */
	const struct fleet_task *task;       /* in: its live task of the component, NULL = none */
	const struct standing_rollout *best; /* NULL = none */
	char match[RANGE_TEXT_SIZE];         /* of best; "" = it is for the whole product */
	char task_match[RANGE_TEXT_SIZE];    /* of the task's rollout */
};

/* Picks for some components in one walk over what names the device. */
void ranked_pick(const struct fleet *fleet, const struct ranked_who *who, struct ranked_pick *picks, size_t n);

/* The task's candidate, told of which rollout it is if that is ranked; and best as a candidate. false: there is none. */
void ranked_mark_task(const struct fleet *fleet, const struct ranked_pick *pick, struct candidate *task);
bool ranked_candidate(const struct fleet *fleet, const struct ranked_who *who, const struct ranked_pick *pick, struct candidate *out);

/* For explanations: adds others of the component while there is room. */
struct ranked_seen {
	struct candidate at[CANDIDATES_MAX];
	char matches[CANDIDATES_MAX][RANGE_TEXT_SIZE];
	size_t count;
};
void ranked_others(const struct fleet *fleet, const struct ranked_who *who, const struct ranked_pick *pick, struct ranked_seen *seen);

#endif
