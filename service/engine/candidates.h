/* Inside engine/ only: what might be offered to a device, out of the snapshot, and how it is offered. All under the reader's hold. */
#ifndef ENGINE_CANDIDATES_H
#define ENGINE_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/poll.h"

struct candidate;
struct device_entry;
struct digest_key;
struct fleet;

enum { CANDIDATES_MAX = 16 };

/* A product's standing rollouts, after the n that are there; device_id 0: for a device that nobody knows. Answers how many there are then.
 */
size_t candidates_standing(const struct fleet *fleet, int64_t product_id, int64_t device_id, struct candidate *out, size_t n);

/* The device's live tasks and its assignments, then (standing) its product's rollouts; the first CANDIDATES_MAX of them. */
size_t candidates_gather(const struct fleet *fleet, const struct device_entry *device, bool standing, struct candidate *out);

/* A live task, or an assignment. An assignment of the same firmware as the task speaks for it. false: its firmware is not known here (yet).
 */
bool candidates_offer(const struct fleet *fleet, int64_t device_id, const struct candidate *candidate, struct offer *out);

/* For a device that nobody knows: no task, an alias of the rollout's that names no device. false: out of memory. */
bool candidates_alias(const struct fleet *fleet, const struct digest_key *key, const struct candidate *candidate, char out[ALIAS_SIZE]);

#endif
