/* A device that tells what board it is and what it may be offered, for tests that then change one thing. */
#ifndef TESTS_SUIT_SCENE_H
#define TESTS_SUIT_SCENE_H

#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/text.h"
#include "model/decide.h"
#include "model/told.h"

enum { ROLLOUT = 9, TASK = 4, MB = 1024 * 1024, SLOT_SIZE = 4128768, USUAL_PARTITIONS = 6 };

/* A device, what it may be offered, and what its product asks. */
struct scene {
	struct told told;
	struct board_facts board;
	struct device_facts facts;
	struct firmware firmware;
	struct product_needs needs;
	struct candidate candidate;
};

/* The 4G board of the captures, bound, with 2.0.4; 2.4.2 may be offered to it. The same memory each time. */
struct scene *scene_fresh(void);
void scene_set_partitions(struct scene *s, const struct told_partition *partitions, size_t count);

/* As what it may be offered: each kind of candidate, and a task of a push order. */
enum { KIND_PUSH = CANDIDATE_STANDING + 1, KINDS };
struct decision scene_decide(struct scene *s, int kind);

#endif
