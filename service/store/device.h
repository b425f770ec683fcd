/* Devices. Writes run inside the caller's transaction; none of them audits or appends to the change feed. */
#ifndef STORE_DEVICE_H
#define STORE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct device;
struct device_version;
struct err;
struct page;

/* name, product_id, client_id, mac ("" = none), nick_name, auto_update and registered go in; id, epoch (its password counts as shown), rev
 * and times come back. ERR_EXISTS names which of name, clientId and mac is taken; ERR_INVALID: no such product. */
bool store_device_create(struct db *db, struct device *inout, struct err *err);
/* The same for a device that registers itself, counted in its product's row: others that do wait for the end of this transaction. *full: it
 * registers none, or has as many as it may (ERR_CONFLICT). */
bool store_device_register(struct db *db, struct device *inout, bool *full, struct err *err);
/* Sets the same fields of inout->id, but for registered. rev: the expected revision, 0 = any; another one is ERR_CONFLICT. While a task of
 * it is live, name and product stay as they are (ERR_CONFLICT). Another name or client id takes the next epoch and revokes what was issued
 * before: *revoked is the last revocation's revision, 0 = none. */
bool store_device_update(struct db *db, struct device *inout, int64_t rev, int64_t *revoked, struct err *err);
/* With its tasks and rollouts, revoking its credentials: rollouts (malloc'd, the caller frees) are the active ones among them.
 * ERR_CONFLICT while a task is live. */
struct device_deletion {
	int64_t *rollouts;
	size_t rollout_count;
	int64_t revoked;
};
bool store_device_delete(struct db *db, int64_t id, struct device_deletion *out, struct err *err);
bool store_device_get(struct db *db, int64_t id, struct device *out, struct err *err);
/* What its components run, by their names: at most DEVICE_VERSIONS_MAX. */
bool store_device_versions(struct db *db, int64_t id, struct device_version *out, size_t *count, struct err *err);
bool store_device_find(struct db *db, const char *name, struct device *out, struct err *err);
/* Is there one of this name, or of this MAC ("" = none)? */
bool store_device_is_there(struct db *db, const char *name, const char *mac, bool *out, struct err *err);
/* *out is malloc'd, the caller frees it. */
bool store_device_list(struct db *db, const struct page *page, struct device **out, size_t *count, struct err *err);

#endif
