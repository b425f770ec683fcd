/* Tasks, rollouts and what the group commit writes: each call is one statement for a whole batch. Inside a transaction of the caller's. */
#ifndef STORE_TASK_H
#define STORE_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"
#include "model/task.h"

struct db;
struct err;

/* Which rows a batch may touch: tasks by their ids, and of devices every live task and the three latest. */
struct task_wish {
	const int64_t *devices;
	size_t device_count;
	const int64_t *tasks;
	size_t task_count;
};

/* Locks and reads them, ordered by id so that two replicas cannot deadlock. *out is malloc'd. */
bool store_tasks_lock(struct db *db, const struct task_wish *wish, struct task **out, size_t *count, struct err *err);

/* Of these devices and firmware, those that exist (and are not deleted), ascending; locked against deletion until the end of the
 * transaction. */
struct order_wish {
	const int64_t *devices;
	size_t device_count;
	const int64_t *firmware;
	size_t firmware_count;
};
bool store_orders_lock(struct db *db, const struct order_wish *wish, int64_t *devices, size_t *device_count, int64_t *firmware,
		       size_t *firmware_count, struct err *err);

/* This transaction's commit need not wait for the disk: what it writes is acknowledged to nobody, and comes again if it is lost. */
bool store_commit_relaxed(struct db *db, struct err *err);

/* Fresh ids, n of each. */
bool store_task_ids(struct db *db, size_t n, int64_t *rollouts, int64_t *tasks, struct err *err);

struct rollout_insert {
	struct rollout rollout;
	const char *created_by;
	const char *end_reason; /* static; NULL = active, else rollout.ended_ms says since when */
};
bool store_rollouts_insert(struct db *db, const struct rollout_insert *rows, size_t n, struct err *err);

/* The active passive assignments of these devices, locked. *out is malloc'd. */
bool store_assignments_lock(struct db *db, const int64_t *devices, size_t n, struct rollout **out, size_t *count, struct err *err);

/* Changes what a repeated passive order may change: version name and description. Each rollout once. */
bool store_rollouts_describe(struct db *db, const struct rollout *const *rollouts, size_t n, struct err *err);

/* Ends active rollouts; reason: done | cancelled | superseded | replaced. */
bool store_rollouts_end(struct db *db, const int64_t *ids, size_t n, const char *reason, struct err *err);

bool store_tasks_insert(struct db *db, const struct task *const *tasks, size_t n, struct err *err);

/* Writes state and notes of tasks that are locked. */
bool store_tasks_update(struct db *db, const struct task *const *tasks, size_t n, struct err *err);

struct event_insert {
	int64_t task_id;
	const char *event;
	const char *from; /* "" at the beginning */
	const char *to;
	char detail[TEXT_SIZE];
};
bool store_events_insert(struct db *db, const struct event_insert *rows, size_t n, int64_t now_ms, struct err *err);

struct audit_insert {
	struct actor actor;
	const char *action;
	char target[TEXT_SIZE];
	char detail[TEXT_SIZE];
};
bool store_audits_insert(struct db *db, const struct audit_insert *rows, size_t n, struct err *err);

/* Facts told by devices; at most one row per (device, component). */
struct version_fact {
	int64_t device_id;
	char component[COMPONENT_SIZE];
	char version[VERSION_SIZE];
};
bool store_versions_write(struct db *db, const struct version_fact *facts, size_t n, struct err *err);

/* The version a firmware turned out to have, where it was unknown. */
bool store_firmware_learn(struct db *db, int64_t firmware_id, const char *version, struct err *err);

/* Last-seen times in bulk: seconds since 1970. Never backward. */
bool store_seen_write(struct db *db, const int64_t *devices, const int64_t *seconds, size_t n, struct err *err);

#endif
