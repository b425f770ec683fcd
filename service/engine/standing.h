/* Inside engine/ only: a standing rollout as something that might be offered to a device. */
#ifndef ENGINE_STANDING_H
#define ENGINE_STANDING_H

#include <stdbool.h>
#include <stdint.h>

struct candidate;
struct fleet;
struct standing_rollout;

/* Under the reader's hold, for as long as it lasts. false: it has ended, or its firmware is not known here (yet). */
bool standing_candidate(const struct fleet *fleet, const struct standing_rollout *standing, int64_t device_id, struct candidate *out);

#endif
