/* What operators look at: assignments, tasks with their timelines, the audit trail. Reads only; arrays are malloc'd, the caller frees. */
#ifndef STORE_LISTING_H
#define STORE_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct assignment; /* model/listing.h */
struct audit_row;
struct db;
struct err;
struct page;
struct task_happening;
struct task_row;

/* Active passive assignments, by product and device. */
bool store_assignment_list(struct db *db, const struct page *page, struct assignment **out, size_t *count, struct err *err);
/* One that is active; ERR_NOT_FOUND. */
bool store_assignment_get(struct db *db, int64_t rollout_id, struct assignment *out, struct err *err);

/* page->name is a state. */
bool store_task_list(struct db *db, const struct page *page, struct task_row **out, size_t *count, struct err *err);
bool store_task_get(struct db *db, int64_t id, struct task_row *out, struct err *err);
/* What happened to it, oldest first, the latest 1000 at most. */
bool store_task_timeline(struct db *db, int64_t id, struct task_happening **out, size_t *count, struct err *err);

/* page->name is an actor. */
bool store_audit_list(struct db *db, const struct page *page, struct audit_row **out, size_t *count, struct err *err);

#endif
