/* Inside fleet/ only: what the files of the snapshot share. */
#ifndef FLEET_INSIDE_H
#define FLEET_INSIDE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/map.h"

enum { MS_PER_HOUR = 3600 * 1000, ENDED_RING = 4096, WALK = 4096 };

struct fleet {
	pthread_rwlock_t lock;
	const struct digest_key *alias_key;
	int64_t push_ttl_ms;
	uint16_t generation;
	uint16_t token_generation;
	uint64_t files_stamp; /* fleet_files_stamp(), from 1 */
	struct devices *devices;
	struct products *products;
	struct fixes *fixes;
	struct standings *standings;
	struct ranges *ranges;
	struct roster *roster;
	struct map firmware;         /* id -> fleet_firmware */
	struct map firmware_by_head; /* first 8 bytes of the hash -> one of them */
	struct map firmware_by_name; /* hash(product, name) -> one of them */
	struct map tasks;            /* id -> fleet_task */
	struct map tasks_by_device;  /* device -> first */
	struct map assignments;      /* rollout -> fleet_assignment */
	struct map assignments_by_device;
	struct map tokens;              /* first 8 bytes of the hash -> fleet_token */
	struct map revoked;             /* task -> itself */
	struct map ended;               /* task -> its last revision: an older row must not bring back what ended lately */
	int64_t ended_ring[ENDED_RING]; /* the same tasks, in the order of their ends */
	size_t ended_at;
};

static inline uint64_t fleet_key(int64_t id)
{
	return (uint64_t)id;
}

/* The first 8 bytes of a hash; never 0. */
static inline uint64_t fleet_head_key(const uint8_t *head)
{
	uint64_t k;
	memcpy(&k, head, sizeof k);
	return k | (k == 0);
}

/* The bytes of this firmware have become ours: live tasks of it get the name that is downloaded by. */
void fleet_name_tasks(struct fleet *fleet, int64_t firmware_id);
void fleet_drop_assignment(struct fleet *fleet, int64_t rollout_id);

#endif
