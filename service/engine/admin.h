/* What operators do to the nouns: products with their gateway and voice, devices, licences, forced fixes, firmware, rollouts, operators.
 * All run on worker threads, each in one transaction with its audit row and change row, and return when this replica's snapshot shows the
 * effect. Errors: ERR_NOT_FOUND, ERR_EXISTS, ERR_CONFLICT (in use; the sentence says by what), ERR_INVALID, ERR_UNAVAILABLE.
 */
#ifndef ENGINE_ADMIN_H
#define ENGINE_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/listing.h"

struct credential;
struct engine;
struct err;
struct fix;         /* model/fix.h */
struct gateway;     /* model/gateway.h */
struct licence;     /* model/licence.h */
struct licence_new; /* model/licence.h */
struct secret;
struct told;
struct voice; /* model/voice.h */
struct worker;

/* Lists: *out is malloc'd, the caller frees it; *count = rows in it. What page->name means stands with each. */

bool admin_product_create(struct engine *e, struct worker *w, const struct actor *actor, struct product *inout, struct err *err);
/* rev: the row's expected revision, 0 = any; another one is ERR_CONFLICT. */
bool admin_product_update(struct engine *e, struct worker *w, const struct actor *actor, struct product *inout, int64_t rev,
			  struct err *err);
bool admin_product_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err);
bool admin_product_get(struct worker *w, int64_t id, struct product *out, struct err *err);
/* page->name: key */
bool admin_product_list(struct worker *w, const struct page *page, struct product **out, size_t *count, struct err *err);

bool admin_device_create(struct engine *e, struct worker *w, const struct actor *actor, struct device *inout, struct err *err);
bool admin_device_update(struct engine *e, struct worker *w, const struct actor *actor, struct device *inout, int64_t rev, struct err *err);
bool admin_device_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err);
bool admin_device_get(struct worker *w, int64_t id, struct device *out, struct err *err);
bool admin_device_find(struct worker *w, const char *name, struct device *out, struct err *err);
/* What its components run: at most DEVICE_VERSIONS_MAX. */
bool admin_device_versions(struct worker *w, int64_t id, struct device_version *out, size_t *count, struct err *err);
/* What it told of itself, and when that changed last: *updated_ms 0 = it has never told any. */
bool admin_device_facts(struct worker *w, int64_t id, struct told *out, int64_t *updated_ms, struct err *err);
/* page->name: device name */
bool admin_device_list(struct worker *w, const struct page *page, struct device **out, size_t *count, struct err *err);

/* Licences: keys go in and never come out here (engine/licence.h). */
bool admin_licence_create(struct engine *e, struct worker *w, const struct actor *actor, struct licence_new *inout, struct err *err);
/* All n or none. *bad: the index of the row that is refused, n when it is none of them. */
bool admin_licence_import(struct engine *e, struct worker *w, const struct actor *actor, const struct licence_new *rows, size_t n,
			  size_t *bad, struct err *err);
bool admin_licence_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err);
bool admin_licence_get(struct worker *w, int64_t id, struct licence *out, struct err *err);
/* page->name: serial */
bool admin_licence_list(struct worker *w, const struct page *page, struct licence **out, size_t *count, struct err *err);

/* A product's external MQTT gateway: makes or replaces it (inout->rev 1 = made). rev: as above, 0 = any, also none. */
bool admin_gateway_put(struct engine *e, struct worker *w, const struct actor *actor, struct gateway *inout, const struct secret *key,
		       int64_t rev, struct err *err);
bool admin_gateway_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t product_id, int64_t rev, struct err *err);
bool admin_gateway_get(struct worker *w, int64_t product_id, struct gateway *out, struct err *err);

/* The voice back end of a product's devices, likewise. token: unset or "" = none. ERR_CONFLICT: mqtt by a gateway that the product does not
 * have; its gateway is not deleted while its voice goes by it. */
bool admin_voice_put(struct engine *e, struct worker *w, const struct actor *actor, struct voice *inout, const struct secret *token,
		     int64_t rev, struct err *err);
bool admin_voice_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t product_id, int64_t rev, struct err *err);
bool admin_voice_get(struct worker *w, int64_t product_id, struct voice *out, struct err *err);

/* Forced fixes: devices of a version on some boards are updated whatever else stands against it. ERR_CONFLICT: there are FIX_MAX. */
bool admin_fix_create(struct engine *e, struct worker *w, const struct actor *actor, struct fix *inout, struct err *err);
bool admin_fix_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err);
bool admin_fix_get(struct worker *w, int64_t id, struct fix *out, struct err *err);
bool admin_fix_list(struct worker *w, const struct page *page, struct fix **out, size_t *count, struct err *err);

/* Credentials. show: the password of the present epoch, once (ERR_CONFLICT: shown before). rotate: the next epoch. Each answers the device
 * as it is then; *confirmed: the broker has it too (it is told anyway, as soon as it is there). */
enum admin_credential_verb { CREDENTIAL_SHOW, CREDENTIAL_ROTATE, CREDENTIAL_BLOCK, CREDENTIAL_UNBLOCK };
struct admin_credential_order {
	enum admin_credential_verb verb;
	int64_t device_id;
};
bool admin_credential(struct engine *e, struct worker *w, const struct actor *actor, struct admin_credential_order order,
		      struct device *out, bool *confirmed, struct err *err);
/* User name and password of the device's present epoch, for the answer to whoever may see it. ERR_CONFLICT: its client id is none. */
bool admin_credential_issue(struct engine *e, const struct device *device, struct credential *out, struct err *err);

/* Firmware from bytes that are sealed already (artifact/sink.h through engine/upload.h). inout->artifact names them; id, rev and times come
 * back. */
bool admin_firmware_create(struct engine *e, struct worker *w, const struct actor *actor, struct firmware *inout, struct err *err);
/* Is that name still free in an existing product? Asked before the bytes come. */
bool admin_firmware_check(struct engine *e, struct worker *w, int64_t product_id, const char *name, struct err *err);
/* ERR_CONFLICT while a live task or an active rollout uses it. */
bool admin_firmware_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err);
bool admin_firmware_get(struct worker *w, int64_t id, struct firmware *out, struct err *err);
/* page->name: firmware name */
bool admin_firmware_list(struct worker *w, const struct page *page, struct firmware **out, size_t *count, struct err *err);

/* Passive assignments that are active, with the names a list shows. */
bool admin_assignment_list(struct worker *w, const struct page *page, struct assignment **out, size_t *count, struct err *err);
bool admin_assignment_get(struct worker *w, int64_t rollout_id, struct assignment *out, struct err *err);

/* Standing rollouts: whoever of the product comes and is eligible. Ordering takes product_id, firmware_id, version_name and description,
 * and replaces the one of the same product and component: tasks of the same firmware go on and their offers count anew, of another one
 * those that have not begun are superseded. ERR_INVALID: the firmware is another product's. Cancelling ends its live tasks. */
bool admin_rollout_order(struct engine *e, struct worker *w, const struct actor *actor, struct standing_row *inout, struct err *err);
bool admin_rollout_cancel(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err);
bool admin_rollout_get(struct worker *w, int64_t id, struct standing_row *out, struct err *err);
bool admin_rollout_list(struct worker *w, const struct page *page, struct standing_row **out, size_t *count, struct err *err);

/* Which devices the ranked rollout of a file is for. An import adds at the end of the list or replaces it, all or nothing. ERR_NOT_FOUND:
 * it is no active one of a file. */
struct admin_range_import {
	int64_t rollout_id;
	bool replace;
};
bool admin_range_import(struct engine *e, struct worker *w, const struct actor *actor, const struct admin_range_import *import,
			const struct range_source *source, int64_t *count, struct err *err);
bool admin_range_clear(struct engine *e, struct worker *w, const struct actor *actor, int64_t rollout_id, struct err *err);
/* page: after = a place in the list, limit. *total: all of them. */
bool admin_range_list(struct worker *w, int64_t rollout_id, const struct page *page, struct range_row **out, size_t *count, int64_t *total,
		      struct err *err);
/* The entries of all rollouts (of page->product_id) that name this identifier (range_normalise()), at most page->limit. */
bool admin_range_naming(struct worker *w, const char *identifier, const struct page *page, struct range_row **out, size_t *count,
			struct err *err);

bool admin_task_get(struct worker *w, int64_t id, struct task_row *out, struct err *err);
/* page->name: state */
bool admin_task_list(struct worker *w, const struct page *page, struct task_row **out, size_t *count, struct err *err);
bool admin_task_timeline(struct worker *w, int64_t id, struct task_happening **out, size_t *count, struct err *err);

/* page->name: actor */
bool admin_audit_list(struct worker *w, const struct page *page, struct audit_row **out, size_t *count, struct err *err);

/* Name and password -> a fresh token good for login_ttl. ERR_NOT_FOUND: no such operator; ERR_DENIED: wrong password or disabled; ERR_BUSY:
 * too many failures from this address (10 in 5 minutes). Unknown names cost the same time as wrong passwords. token holds 64 bytes. */
bool admin_login(struct engine *e, struct worker *w, const struct actor *actor, const char *password, char token[64], struct err *err);

/* An Idempotency-Key: finds the earlier answer to the same request (status not 0, body), or else claims the key for this request, which
 * then ends with _store (status and body set) or _drop. The same key with another request, or while the first one is running: ERR_CONFLICT.
 * Answers are kept for a day, sealed. */
bool admin_idempotency_find(struct engine *e, struct worker *w, struct idempotency *inout, struct err *err);
bool admin_idempotency_store(struct engine *e, struct worker *w, const struct idempotency *answer, struct err *err);
/* The request failed: it may come again under the same key. */
bool admin_idempotency_drop(struct worker *w, const struct idempotency *claim, struct err *err);

#endif
