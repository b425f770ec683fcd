/* The snapshot: what a poll, a download or a token check must know, in memory, kept true by the change feed (fleet/feed.h) and by this
 * replica's own commits.
 *
 * Readers take fleet_read() and may keep the pointers they get until fleet_done(); they must be short and must not block. One writer at a
 * time (the feed's thread, or the group commit right after its commit). Rows carry a revision: an older one never overwrites a newer one,
 * and what has ended does not come back.
 */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alias.h"
#include "fleet/devices.h"
#include "fleet/products.h"
#include "fleet/ranges.h"
#include "fleet/standings.h"
#include "model/nouns.h"
#include "model/task.h"

struct digest_key;
struct roster; /* fleet/roster.h */
struct fix;    /* model/fix.h */
struct fleet;

struct fleet_firmware {
	struct firmware firmware;
	char md5[33];
	char sha256[65];
	uint16_t generation;
};

/* A live task, without what only the group commit needs. */
struct fleet_task {
	int64_t id, rollout_id, device_id, firmware_id;
	int64_t rev, created_ms, updated_ms;
	int64_t handed_ms; /* monotonic: when this replica last handed a push to the broker; 0 = none */
	int64_t sent_ms;   /* when the broker acknowledged it, or FLEET_SENDING until then; 0 = none */
	enum rollout_way way;
	enum task_state state;
	bool fetched;
	bool reports;   /* the device has told a version */
	bool heard;     /* it has told one since the task began; since it has all bytes, once it has */
	bool on_source; /* the version it told last is its source version */
	bool no_tool;   /* this replica has heard that the device does not know the tool that updates it */
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

/* A bearer token's hash and whose it is. */
struct fleet_token {
	uint8_t hash[32];
	int64_t operator_id;
	int64_t expires_ms; /* 0 = never */
	enum role role;
	uint16_t generation;
	char name[NAME_SIZE];
};

/* alias_key signs the file names of offers; push_ttl_ms bounds how long the alias of a push lives. Both must outlive the fleet. */
struct fleet *fleet_new(const struct digest_key *alias_key, int64_t push_ttl_ms);
void fleet_free(struct fleet **fleet);

/* --- readers --- */
void fleet_read(struct fleet *fleet);
void fleet_done(struct fleet *fleet);
const struct device_entry *fleet_device(const struct fleet *fleet, const char *name);
const struct device_entry *fleet_device_by_id(const struct fleet *fleet, int64_t id);
const struct device_entry *fleet_device_by_mac(const struct fleet *fleet, const char *mac);     /* 12 hex digits */
const struct device_entry *fleet_device_at_broker(const struct fleet *fleet, const char *name); /* devices_at_broker() */
bool fleet_device_mac_name(const struct fleet *fleet, const struct device_entry *e, char out[DEVICES_MAC_NAME_SIZE]);
const char *fleet_device_name(const struct fleet *fleet, const struct device_entry *e);
const char *fleet_device_version(const struct fleet *fleet, const struct device_entry *e);
const struct fleet_firmware *fleet_firmware(const struct fleet *fleet, int64_t id);
/* Any firmware whose artifact's SHA-256 begins so: the head an alias carries. */
const struct fleet_firmware *fleet_firmware_by_head(const struct fleet *fleet, const uint8_t head[8]);
const struct fleet_firmware *fleet_firmware_by_name(const struct fleet *fleet, int64_t product_id, const char *name);
const struct fleet_task *fleet_tasks_of(const struct fleet *fleet, int64_t device_id); /* list by ->next */
const struct fleet_task *fleet_task(const struct fleet *fleet, int64_t id);
const struct fleet_assignment *fleet_assignments_of(const struct fleet *fleet, int64_t device_id);
const struct fleet_token *fleet_token(const struct fleet *fleet, const uint8_t hash[32]);
size_t fleet_product_count(const struct fleet *fleet);
const struct fleet_product *fleet_product(const struct fleet *fleet, int64_t id);
/* products_auto_register() */
const struct fleet_product *fleet_auto_register(const struct fleet *fleet);
/* Whose board is it, by its name or else its type ("" = not told)? NULL: nobody's. */
const struct fleet_product *fleet_product_of_board(const struct fleet *fleet, const char *board_name, const char *board_type);
/* Must this firmware go, whatever else stands against an update? */
bool fleet_is_forced_fix(const struct fleet *fleet, const char *version, const char *board_name, const char *board_type);
const struct standings *fleet_standings(const struct fleet *fleet);
/* Which devices the rollouts are for. A rollout is for the whole product only where neither these nor its `named` say otherwise. */
const struct ranges *fleet_ranges(const struct fleet *fleet);
/* Changes with whatever decides which ranked rollout stands above the others. */
uint64_t fleet_files_stamp(const struct fleet *fleet);
const struct roster *fleet_roster(const struct fleet *fleet);
bool fleet_is_revoked(const struct fleet *fleet, int64_t task_id);
/* Walks the live tasks. */
const struct fleet_task *fleet_task_next(const struct fleet *fleet, size_t *at);
size_t fleet_device_count(const struct fleet *fleet);
size_t fleet_task_count(const struct fleet *fleet);

/* --- notes a reader may leave, inside fleet_read(): a device was seen (relaxed stores) --- */
/* The fingerprint of the facts that it has told last (model/told.h); 0 = none ever. What it told now is noted before it is written. */
uint64_t fleet_told(const struct device_entry *e);
void fleet_note_told(const struct device_entry *e, uint64_t told);
/* What it told is still to be written: rows that are read until then do not take it back. */
void fleet_set_noted(const struct device_entry *e, bool noted);
/* Returns how many seconds it had not been seen (INT64_MAX: never since the start). */
int64_t fleet_seen(const struct device_entry *e, int64_t now_ms);
#define FLEET_SENDING INT64_MAX /* it will be handed to the broker any moment */
void fleet_sent(const struct fleet_task *task, int64_t mono_ms);
void fleet_handed(const struct fleet_task *task, int64_t mono_ms);
bool fleet_without_tool(const struct fleet_task *task); /* notes it; was it news? */
/* Is it connected to the broker, as far as the broker tells? */
bool fleet_is_online(const struct device_entry *e);
void fleet_set_online(const struct device_entry *e, bool online);

/* A dump of who is connected follows, or the broker is not heard any more: nobody is, as far as we know. Takes the lock itself. */
void fleet_all_offline(struct fleet *fleet);

/* --- writers: each between fleet_write() and fleet_done() --- */
void fleet_write(struct fleet *fleet);
bool fleet_put_device(struct fleet *fleet, int64_t id, const char *name, int64_t product_id, const char *version);
void fleet_set_credential(struct fleet *fleet, int64_t device_id, int64_t epoch, bool blocked);
/* Is it activated, does it want updates, by which Client-Id was it bound (told_pin(); 0 = none)? */
void fleet_set_binding(struct fleet *fleet, int64_t device_id, bool bound, bool auto_update, uint64_t pin);
bool fleet_set_mac(struct fleet *fleet, int64_t device_id, const char *mac); /* 12 hex digits, "" = none */
void fleet_set_told(struct fleet *fleet, int64_t device_id, uint64_t told);
/* All of these at once: a device's row. */
struct fleet_device {
	int64_t id, product_id, epoch;
	uint64_t pin, told;
	bool blocked, bound, auto_update;
	const char *name, *mac, *version;
};
bool fleet_put_device_row(struct fleet *fleet, const struct fleet_device *row);
void fleet_drop_device(struct fleet *fleet, int64_t id);
/* Facts told by a device, before they are written behind. */
void fleet_set_version(struct fleet *fleet, int64_t device_id, const char *version);
bool fleet_put_product(struct fleet *fleet, const struct product *product, const struct voice *voice, const struct voice_means *means);
void fleet_drop_product(struct fleet *fleet, int64_t id);
bool fleet_put_fix(struct fleet *fleet, const struct fix *fix);
void fleet_drop_fix(struct fleet *fleet, int64_t id);
bool fleet_put_firmware(struct fleet *fleet, const struct firmware *firmware);
void fleet_drop_firmware(struct fleet *fleet, int64_t id);
void fleet_learn_version(struct fleet *fleet, int64_t firmware_id, const char *version);
bool fleet_put_task(struct fleet *fleet, const struct task *task); /* live: kept; ended: removed, and revoked if need be */
void fleet_revoke(struct fleet *fleet, int64_t task_id);
bool fleet_put_assignment(struct fleet *fleet, const struct rollout *rollout); /* ended: removed */
/* The same for a standing rollout; an ended one is kept for the tasks of it that go on. */
bool fleet_put_standing(struct fleet *fleet, const struct rollout *rollout);
/* The edit that was made of fleet_ranges(), on this thread and off the lock. rollouts: those that it named; NULL = all. */
void fleet_put_ranges(struct fleet *fleet, struct ranges_edit *edit, const int64_t *rollouts, size_t n);
/* fleet_put_task() notes it too; of tasks that have ended this is all there is. */
void fleet_note_past(struct fleet *fleet, const struct task *task);
void fleet_outrank(struct fleet *fleet, int64_t rollout_id, int64_t device_id);
void fleet_drop_rollout(struct fleet *fleet, int64_t rollout_id); /* of either way */
/* Tokens come as the whole set of an operator (0 = of all): begin, put each, end drops those that did not come. */
void fleet_tokens_begin(struct fleet *fleet);
bool fleet_put_token(struct fleet *fleet, const struct fleet_token *token);
void fleet_tokens_end(struct fleet *fleet, int64_t operator_id);
void fleet_drop_task(struct fleet *fleet, int64_t id); /* its row is gone */

/* Forgets all but devices and tokens, also revisions and what was revoked: the database has another history (a restored backup). A full
 * load follows. */
void fleet_forget(struct fleet *fleet);

/* A full load: begin starts a new generation; everything put from then on is kept, end drops the rest. */
void fleet_load_begin(struct fleet *fleet);
void fleet_load_end(struct fleet *fleet);

/* Devices seen since the last call, at most max, as (id, seconds since 1970); *cursor starts at 0 and comes back 0 at the end. Takes the
 * lock itself, in short holds. */
size_t fleet_take_seen(struct fleet *fleet, size_t *cursor, int64_t *ids, int64_t *seconds, size_t max);

#endif
