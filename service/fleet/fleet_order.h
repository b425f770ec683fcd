/* The orders of the snapshot: live tasks, assignments, what standing rollouts made of a device (fleet/fleet.h says who may read and write
 * when). */
#ifndef FLEET_FLEET_ORDER_H
#define FLEET_FLEET_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alias.h"
#include "model/nouns.h"
#include "model/task.h"

struct fleet;

/* A live task, without what only the group commit needs. */
struct fleet_task {
	int64_t id, rollout_id, device_id, firmware_id;
	int64_t rev, created_ms, updated_ms;
	int64_t handed_ms; /* monotonic: when this replica last handed a push to the broker; 0 = none */
	int64_t sent_ms;   /* when the broker acknowledged it, or FLEET_SENDING until then; 0 = none */
	uint64_t told;     /* text_hash() of the version it told last: see `heard`; 0 = none */
	enum rollout_way way;
	enum task_state state;
	bool fetched;
	bool reports; /* the device has told a version */
	bool heard;   /* it has told one since the task began; since it has all bytes, once it has */
	bool no_tool; /* this replica has heard that the device does not know the tool that updates it */
	uint16_t generation;
	char component[COMPONENT_SIZE];
	char token[UUID_SIZE];
	char alias[ALIAS_SIZE];
	struct fleet_task *next; /* of the same device */
};

/* An active passive assignment. */
struct fleet_assignment {
	int64_t id, device_id, firmware_id, created_ms;
	uint16_t generation;
	char component[COMPONENT_SIZE];
	char alias[ALIAS_SIZE];
	char version_name[VERSION_SIZE];
	char description[DESCRIPTION_SIZE];
	struct fleet_assignment *next; /* of the same device */
};

/* --- readers --- */
const struct fleet_task *fleet_tasks_of(const struct fleet *fleet, int64_t device_id); /* list by ->next */
const struct fleet_task *fleet_task(const struct fleet *fleet, int64_t id);
/* Walks the live tasks. */
const struct fleet_task *fleet_task_next(const struct fleet *fleet, size_t *at);
size_t fleet_task_count(const struct fleet *fleet);
bool fleet_is_revoked(const struct fleet *fleet, int64_t task_id);
const struct fleet_assignment *fleet_assignments_of(const struct fleet *fleet, int64_t device_id);

/* --- notes a reader may leave, inside fleet_read() (relaxed stores) --- */
#define FLEET_SENDING INT64_MAX /* it will be handed to the broker any moment */
void fleet_sent(const struct fleet_task *task, int64_t mono_ms);
void fleet_handed(const struct fleet_task *task, int64_t mono_ms);
bool fleet_without_tool(const struct fleet_task *task); /* notes it; was it news? */

/* --- writers --- */
bool fleet_put_task(struct fleet *fleet, const struct task *task); /* live: kept; ended: removed, and revoked if need be */
void fleet_drop_task(struct fleet *fleet, int64_t id);             /* its row is gone */
void fleet_revoke(struct fleet *fleet, int64_t task_id);
bool fleet_put_assignment(struct fleet *fleet, const struct rollout *rollout); /* ended: removed */
/* The same for a standing rollout; an ended one is kept for the tasks of it that go on. */
bool fleet_put_standing(struct fleet *fleet, const struct rollout *rollout);
/* fleet_put_task() notes it too; of tasks that have ended this is all there is. */
void fleet_note_past(struct fleet *fleet, const struct task *task);
void fleet_outrank(struct fleet *fleet, int64_t rollout_id, int64_t device_id);
void fleet_drop_rollout(struct fleet *fleet, int64_t rollout_id); /* of either way */

#endif
