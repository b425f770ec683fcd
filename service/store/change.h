/* The change feed and the audit trail: what every write leaves behind, in its own transaction. */
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct actor; /* model/nouns.h */
struct db;
struct err;

/* What replicas must look at again. The names stand in changes.kind. */
enum change_kind {
	CHANGE_PRODUCT,
	CHANGE_DEVICE,
	CHANGE_FIRMWARE,
	CHANGE_RANGES,  /* ids are rollouts': whom they are for */
	CHANGE_ROLLOUT, /* passive assignments, standing rollouts */
	CHANGE_TASK,
	CHANGE_FIX,   /* forced fixes */
	CHANGE_TOKEN, /* ids are operators': their tokens and role */
	CHANGE_KINDS,
};
bool store_change_parse(const char *name, enum change_kind *out); /* false: a kind this program does not know */

/* The last statement before db_commit: appends one row for all of ids (count 0: everything of that kind) and gives its position. `wake`
 * sends the NOTIFY, whose lock is database-wide: for operators' changes, not for what devices cause. pos may be NULL. */
/* In a pipeline (db_pipeline) *pos comes with db_commit. */
bool store_change(struct db *db, enum change_kind kind, const int64_t *ids, size_t count, bool wake, int64_t *pos, struct err *err);

/* Who did what to what. action: "firmware.upload"; target: "product/1/firmware/blink"; detail: a short text or "". */
bool store_audit(struct db *db, const struct actor *actor, const char *action, const char *target, const char *detail, struct err *err);

#endif
