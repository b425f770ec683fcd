/* Which of a component's many ranked rollouts stands above the others, of those that are for a whole product: found once after each change,
 * by whichever reader asks first. Under the reader's hold. */
#ifndef FLEET_FRONT_H
#define FLEET_FRONT_H

#include <stdint.h>

struct fleet;
struct standing_rollout;

/* NULL: none is for the whole product. The answer is online, without ranges, has not ended, and its firmware is known. */
const struct standing_rollout *front_of(const struct fleet *fleet, int64_t product_id, const char *component);

#endif
