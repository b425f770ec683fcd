#include "fleet/fleet.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "common/text.h"
#include "fleet/fixes.h"
#include "fleet/roster.h"
#include "metrics/metrics.h"

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

static bool new_parts(struct fleet *f)
{
	return (f->devices = devices_new()) && (f->products = products_new()) && (f->fixes = fixes_new()) &&
	       (f->standings = standings_new()) && (f->ranges = ranges_new()) && (f->roster = roster_new());
}

static void free_parts(struct fleet *f)
{
	devices_free(&f->devices);
	products_free(&f->products);
	fixes_free(&f->fixes);
	standings_free(&f->standings);
	ranges_free(&f->ranges);
	roster_free(&f->roster);
}

struct fleet *fleet_new(const struct digest_key *alias_key, int64_t push_ttl_ms)
{
	struct fleet *f = calloc(1, sizeof *f);
	if (!f || !new_parts(f)) {
		if (f) {
			free_parts(f);
		}
		free(f);
		return NULL;
	}
	/* a steady stream of polls must not keep a commit from showing */
	pthread_rwlockattr_t writers_first;
	pthread_rwlockattr_init(&writers_first);
	pthread_rwlockattr_setkind_np(&writers_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&f->lock, &writers_first);
	pthread_rwlockattr_destroy(&writers_first);
	f->alias_key = alias_key;
	f->push_ttl_ms = push_ttl_ms;
	f->generation = 1;
	return f;
}

static void free_values(struct map *m)
{
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(m, &i));) {
		free(slot->value);
	}
	map_free(m);
}

void fleet_free(struct fleet **fp)
{
	struct fleet *f = *fp;
	if (!f) {
		return;
	}
	free_parts(f);
	free_values(&f->firmware);
	free_values(&f->tasks);
	free_values(&f->assignments);
	free_values(&f->tokens);
	map_free(&f->firmware_by_head);
	map_free(&f->firmware_by_name);
	map_free(&f->tasks_by_device);
	map_free(&f->assignments_by_device);
	map_free(&f->revoked);
	map_free(&f->ended);
	pthread_rwlock_destroy(&f->lock);
	free(f);
	*fp = NULL;
}

void fleet_read(struct fleet *f)
{
	pthread_rwlock_rdlock(&f->lock);
}
void fleet_write(struct fleet *f)
{
	pthread_rwlock_wrlock(&f->lock);
}
void fleet_done(struct fleet *f)
{
	pthread_rwlock_unlock(&f->lock);
}

static uint64_t key(int64_t id)
{
	return (uint64_t)id;
}

static uint64_t head_key(const uint8_t *head)
{
	uint64_t k;
	memcpy(&k, head, sizeof k);
	return k | (k == 0);
}

static uint64_t name_key(int64_t product_id, const char *name)
{
	uint64_t k = text_hash(name, strlen(name)) ^ ((uint64_t)product_id * 0x9E3779B97F4A7C15u);
	return k | (k == 0);
}

const struct device_entry *fleet_device(const struct fleet *f, const char *name)
{
	return devices_by_name(f->devices, name, strlen(name));
}
const struct device_entry *fleet_device_by_id(const struct fleet *f, int64_t id)
{
	return devices_by_id(f->devices, id);
}
const struct device_entry *fleet_device_by_mac(const struct fleet *f, const char *mac)
{
	return devices_by_mac(f->devices, mac);
}
const struct device_entry *fleet_device_at_broker(const struct fleet *f, const char *name)
{
	return devices_at_broker(f->devices, name);
}
bool fleet_device_mac_name(const struct fleet *f, const struct device_entry *e, char out[DEVICES_MAC_NAME_SIZE])
{
	return devices_mac_name(f->devices, e, out);
}
const char *fleet_device_name(const struct fleet *f, const struct device_entry *e)
{
	return devices_name(f->devices, e);
}
const char *fleet_device_version(const struct fleet *f, const struct device_entry *e)
{
	return devices_version(f->devices, e);
}
const struct fleet_firmware *fleet_firmware(const struct fleet *f, int64_t id)
{
	return map_get(&f->firmware, key(id));
}
const struct fleet_firmware *fleet_firmware_by_head(const struct fleet *f, const uint8_t head[8])
{
	return map_get(&f->firmware_by_head, head_key(head));
}
const struct fleet_task *fleet_tasks_of(const struct fleet *f, int64_t device_id)
{
	return map_get(&f->tasks_by_device, key(device_id));
}
const struct fleet_task *fleet_task(const struct fleet *f, int64_t id)
{
	return map_get(&f->tasks, key(id));
}
const struct fleet_assignment *fleet_assignments_of(const struct fleet *f, int64_t device_id)
{
	return map_get(&f->assignments_by_device, key(device_id));
}
size_t fleet_product_count(const struct fleet *f)
{
	return products_count(f->products);
}

const struct fleet_product *fleet_product(const struct fleet *f, int64_t id)
{
	return products_get(f->products, id);
}
const struct fleet_product *fleet_auto_register(const struct fleet *f)
{
	return products_auto_register(f->products);
}

const struct fleet_product *fleet_product_of_board(const struct fleet *f, const char *board_name, const char *board_type)
{
	return products_of_board(f->products, board_name, board_type);
}
bool fleet_is_forced_fix(const struct fleet *f, const char *version, const char *board_name, const char *board_type)
{
	return fixes_match(f->fixes, version, board_name, board_type);
}
const struct standings *fleet_standings(const struct fleet *f)
{
	return f->standings;
}
const struct ranges *fleet_ranges(const struct fleet *f)
{
	return f->ranges;
}
uint64_t fleet_files_stamp(const struct fleet *f)
{
	return f->files_stamp;
}

const struct roster *fleet_roster(const struct fleet *f)
{
	return f->roster;
}
bool fleet_is_revoked(const struct fleet *f, int64_t task_id)
{
	return map_get(&f->revoked, key(task_id)) != NULL;
}
size_t fleet_device_count(const struct fleet *f)
{
	return devices_count(f->devices);
}
size_t fleet_task_count(const struct fleet *f)
{
	return f->tasks.count;
}

const struct fleet_firmware *fleet_firmware_by_name(const struct fleet *f, int64_t product_id, const char *name)
{
	const struct fleet_firmware *fw = map_get(&f->firmware_by_name, name_key(product_id, name));
	return fw && fw->firmware.product_id == product_id && strcmp(fw->firmware.name, name) == 0 ? fw : NULL;
}

const struct fleet_token *fleet_token(const struct fleet *f, const uint8_t hash[32])
{
	const struct fleet_token *t = map_get(&f->tokens, head_key(hash));
	return t && memcmp(t->hash, hash, sizeof t->hash) == 0 ? t : NULL; /* hashes: their comparison may take any time */
}

const struct fleet_task *fleet_task_next(const struct fleet *f, size_t *at)
{
	struct map_slot *slot = map_next(&f->tasks, at);
	return slot ? slot->value : NULL;
}

/* The two notes are single words written by many readers at once; the last one wins, which is what is wanted. */
int64_t fleet_seen(const struct device_entry *e, int64_t now_ms)
{
	struct device_entry *own = (struct device_entry *)(uintptr_t)e;
	uint32_t now_s = (uint32_t)(now_ms / 1000);
	uint32_t before = __atomic_load_n(&own->seen_s, __ATOMIC_RELAXED);
	if (before != now_s) {
		__atomic_store_n(&own->seen_s, now_s, __ATOMIC_RELAXED);
		__atomic_fetch_or(&own->marks, DEVICE_SEEN, __ATOMIC_RELAXED);
	}
	return before ? (int64_t)now_s - before : INT64_MAX;
}

uint64_t fleet_told(const struct device_entry *e)
{
	return __atomic_load_n(&e->told, __ATOMIC_RELAXED);
}

void fleet_note_told(const struct device_entry *e, uint64_t told)
{
	struct device_entry *own = (struct device_entry *)(uintptr_t)e;
	__atomic_store_n(&own->told, told, __ATOMIC_RELAXED);
}

static void set_mark(const struct device_entry *e, uint8_t mark, bool on)
{
	struct device_entry *own = (struct device_entry *)(uintptr_t)e;
	if (on) {
		__atomic_fetch_or(&own->marks, mark, __ATOMIC_RELAXED);
	} else {
		__atomic_fetch_and(&own->marks, (uint8_t)~mark, __ATOMIC_RELAXED);
	}
}

bool fleet_is_online(const struct device_entry *e)
{
	return (__atomic_load_n(&e->marks, __ATOMIC_RELAXED) & DEVICE_ONLINE) != 0;
}

void fleet_set_online(const struct device_entry *e, bool online)
{
	set_mark(e, DEVICE_ONLINE, online);
}

void fleet_set_noted(const struct device_entry *e, bool noted)
{
	set_mark(e, DEVICE_NOTED, noted);
}

void fleet_all_offline(struct fleet *f)
{
	const struct device_entry *e;
	fleet_read(f);
	for (size_t at = 0; (e = devices_next(f->devices, &at));) {
		fleet_set_online(e, false);
	}
	fleet_done(f);
}

void fleet_sent(const struct fleet_task *task, int64_t mono_ms)
{
	struct fleet_task *own = (struct fleet_task *)(uintptr_t)task;
	__atomic_store_n(&own->sent_ms, mono_ms, __ATOMIC_RELAXED);
}

void fleet_handed(const struct fleet_task *task, int64_t mono_ms)
{
	struct fleet_task *own = (struct fleet_task *)(uintptr_t)task;
	__atomic_store_n(&own->handed_ms, mono_ms, __ATOMIC_RELAXED);
}

bool fleet_without_tool(const struct fleet_task *task)
{
	struct fleet_task *own = (struct fleet_task *)(uintptr_t)task;
	return !__atomic_exchange_n(&own->no_tool, true, __ATOMIC_RELAXED);
}

/* --- writers --- */

bool fleet_put_device(struct fleet *f, int64_t id, const char *name, int64_t product_id, const char *version)
{
	struct device_entry *e = devices_put(f->devices, id, name, product_id, version);
	if (e) {
		e->generation = f->generation;
	}
	metrics_set(METRIC_DEVICES, (int64_t)devices_count(f->devices));
	return e != NULL;
}

bool fleet_put_product(struct fleet *f, const struct product *product, const struct voice *voice, const struct voice_means *means)
{
	return products_put(f->products, product, voice, means, f->generation);
}

void fleet_put_ranges(struct fleet *f, struct ranges_edit *edit, const int64_t *rollouts, size_t n)
{
	f->files_stamp++;
	ranges_edit_swap(f->ranges, edit);
	for (size_t i = 0; rollouts && i < n; i++) {
		standings_set_named(f->standings, rollouts[i], ranges_has(f->ranges, rollouts[i]));
	}
}

void fleet_drop_product(struct fleet *f, int64_t id)
{
	products_drop(f->products, id);
}

bool fleet_put_fix(struct fleet *f, const struct fix *fix)
{
	return fixes_put(f->fixes, fix, f->generation);
}

void fleet_drop_fix(struct fleet *f, int64_t id)
{
	fixes_drop(f->fixes, id);
}

static void set_credential(struct device_entry *e, int64_t epoch, bool blocked)
{
	e->epoch = (uint32_t)epoch & 0x7fffffff;
	e->blocked = blocked;
}

static void set_binding(struct device_entry *e, bool bound, bool auto_update, uint64_t pin)
{
	e->bound = bound;
	e->auto_update = auto_update;
	e->pin = pin;
}

void fleet_set_credential(struct fleet *f, int64_t device_id, int64_t epoch, bool blocked)
{
	struct device_entry *e = devices_by_id(f->devices, device_id);
	if (e) {
		set_credential(e, epoch, blocked);
	}
}

void fleet_set_binding(struct fleet *f, int64_t device_id, bool bound, bool auto_update, uint64_t pin)
{
	struct device_entry *e = devices_by_id(f->devices, device_id);
	if (e) {
		set_binding(e, bound, auto_update, pin);
	}
}

bool fleet_set_mac(struct fleet *f, int64_t device_id, const char *mac)
{
	struct device_entry *e = devices_by_id(f->devices, device_id);
	return !e || devices_set_mac(f->devices, e, mac);
}

void fleet_set_told(struct fleet *f, int64_t device_id, uint64_t told)
{
	struct device_entry *e = devices_by_id(f->devices, device_id);
	if (e) {
		fleet_note_told(e, told);
	}
}

bool fleet_put_device_row(struct fleet *f, const struct fleet_device *row)
{
	const struct device_entry *known = devices_by_id(f->devices, row->id);
	bool noted = known && __atomic_load_n(&known->marks, __ATOMIC_RELAXED) & DEVICE_NOTED;
	const char *version = noted ? devices_version(f->devices, known) : row->version;
	struct device_entry *e = devices_put(f->devices, row->id, row->name, row->product_id, version);
	if (e) {
		e->generation = f->generation;
		set_credential(e, row->epoch, row->blocked);
		set_binding(e, row->bound, row->auto_update, row->pin);
		if (!noted) {
			fleet_note_told(e, row->told);
		}
	}
	metrics_set(METRIC_DEVICES, (int64_t)devices_count(f->devices));
	return e && devices_set_mac(f->devices, e, row->mac);
}

void fleet_drop_device(struct fleet *f, int64_t id)
{
	devices_remove(f->devices, id);
	for (struct fleet_task *t = map_remove(&f->tasks_by_device, key(id)), *next; t; t = next) {
		next = t->next;
		fleet_revoke(f, t->id);
		map_remove(&f->tasks, key(t->id));
		free(t);
	}
	for (struct fleet_assignment *a = map_remove(&f->assignments_by_device, key(id)), *next; a; a = next) {
		next = a->next;
		map_remove(&f->assignments, key(a->id));
		free(a);
	}
	metrics_set(METRIC_DEVICES, (int64_t)devices_count(f->devices));
}

void fleet_set_version(struct fleet *f, int64_t device_id, const char *version)
{
	struct device_entry *e = devices_by_id(f->devices, device_id);
	if (e) {
		devices_set_version(f->devices, e, version);
	}
}

/* Drops what the secondary maps hold of this firmware (another one with the same bytes may take its place there: re-put on demand). */
static void unlink_firmware(struct fleet *f, const struct fleet_firmware *fw)
{
	uint64_t name = name_key(fw->firmware.product_id, fw->firmware.name);
	uint64_t head = head_key(fw->firmware.artifact.sha256);
	if (map_get(&f->firmware_by_name, name) == fw) {
		map_remove(&f->firmware_by_name, name);
	}
	if (*fw->firmware.url) {
		roster_drop(f->roster, fw->firmware.product_id, fw->firmware.id);
	}
	if (fw->firmware.external || map_get(&f->firmware_by_head, head) != fw) {
		return;
	}
	map_remove(&f->firmware_by_head, head);
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&f->firmware, &i));) {
		const struct fleet_firmware *other = slot->value;
		if (other != fw && !other->firmware.external && head_key(other->firmware.artifact.sha256) == head) {
			map_put(&f->firmware_by_head, head, slot->value);
			return;
		}
	}
}

/* Takes the row over and makes it found by all that it has: no hash where the bytes are not ours. */
static bool link_firmware(struct fleet *f, struct fleet_firmware *fw, const struct firmware *row)
{
	fw->firmware = *row;
	fw->md5[0] = fw->sha256[0] = '\0';
	if (!row->external) {
		text_hex(fw->md5, row->artifact.md5, sizeof row->artifact.md5);
		text_hex(fw->sha256, row->artifact.sha256, sizeof row->artifact.sha256);
	}
	return (row->external || map_put(&f->firmware_by_head, head_key(row->artifact.sha256), fw)) &&
	       (!*row->url || roster_put(f->roster, row->product_id, row->id)) &&
	       map_put(&f->firmware_by_name, name_key(row->product_id, row->name), fw);
}

bool fleet_put_firmware(struct fleet *f, const struct firmware *firmware)
{
	f->files_stamp++;
	struct fleet_firmware *fw = map_get(&f->firmware, key(firmware->id));
	if (fw) {
		fw->generation = f->generation;
		if (firmware->rev < fw->firmware.rev) {
			return true;
		}
		if (!*firmware->url) { /* nothing else of it ever changes */
			text_copy(fw->firmware.version, sizeof fw->firmware.version, firmware->version);
			fw->firmware.rev = firmware->rev;
			return true;
		}
		unlink_firmware(f, fw);
		return link_firmware(f, fw, firmware);
	}
	fw = calloc(1, sizeof *fw);
	if (!fw || !map_put(&f->firmware, key(firmware->id), fw)) {
		free(fw);
		return false;
	}
	fw->generation = f->generation;
	return link_firmware(f, fw, firmware);
}

void fleet_drop_firmware(struct fleet *f, int64_t id)
{
	f->files_stamp++;
	struct fleet_firmware *fw = map_remove(&f->firmware, key(id));
	if (fw) {
		unlink_firmware(f, fw);
		free(fw);
	}
}

void fleet_learn_version(struct fleet *f, int64_t firmware_id, const char *version)
{
	f->files_stamp++;
	struct fleet_firmware *fw = map_get(&f->firmware, key(firmware_id));
	if (fw && !*fw->firmware.version) {
		text_copy(fw->firmware.version, sizeof fw->firmware.version, version);
		fw->firmware.rev++; /* as in its row: an older one must not take it back */
	}
}

/* The file name of an offer of this firmware; "" if it is not known here (yet). */
static void make_alias(const struct fleet *f, struct alias a, int64_t firmware_id, char out[ALIAS_SIZE])
{
	const struct fleet_firmware *fw = fleet_firmware(f, firmware_id);
	out[0] = '\0';
	if (fw && !fw->firmware.external) {
		memcpy(a.sha_head, fw->firmware.artifact.sha256, sizeof a.sha_head);
		alias_make(f->alias_key, &a, out);
	}
}

/* A task's name dies a day after the task's time to live; an assignment's lasts as long as the assignment does. */
static void name_task(const struct fleet *f, struct fleet_task *own)
{
	int64_t until_h = (own->created_ms + f->push_ttl_ms) / MS_PER_HOUR + 24;
	struct alias a = {.kind = ALIAS_TASK, .id = (uint64_t)own->id, .device = (uint64_t)own->device_id, .expires_h = (uint32_t)until_h};
	make_alias(f, a, own->firmware_id, own->alias);
}

static void name_assignment(const struct fleet *f, struct fleet_assignment *own)
{
	struct alias a = {.kind = ALIAS_ROLLOUT, .id = (uint64_t)own->id, .device = (uint64_t)own->device_id};
	make_alias(f, a, own->firmware_id, own->alias);
}

static int64_t ended_rev(const struct fleet *f, int64_t id)
{
	return (int64_t)(uintptr_t)map_get(&f->ended, key(id));
}

static void remember_end(struct fleet *f, int64_t id, int64_t rev)
{
	int64_t *oldest = &f->ended_ring[f->ended_at];
	if (*oldest) {
		map_remove(&f->ended, key(*oldest));
	}
	*oldest = id;
	f->ended_at = (f->ended_at + 1) % ENDED_RING;
	map_put(&f->ended, key(id), (void *)(uintptr_t)rev);
}

/* Takes a task out of its device's list. */
static void unlink_task(struct fleet *f, struct fleet_task *task)
{
	struct fleet_task *first = map_get(&f->tasks_by_device, key(task->device_id));
	if (first == task) {
		if (task->next) {
			map_put(&f->tasks_by_device, key(task->device_id), task->next);
		} else {
			map_remove(&f->tasks_by_device, key(task->device_id));
		}
		return;
	}
	while (first && first->next != task) {
		first = first->next;
	}
	if (first) {
		first->next = task->next;
	}
}

static void end_task(struct fleet *f, const struct task *t)
{
	struct fleet_task *own = map_remove(&f->tasks, key(t->id));
	if (own) {
		unlink_task(f, own);
		free(own);
	}
	remember_end(f, t->id, t->rev);
	if (t->state == TASK_CANCELLED || t->state == TASK_SUPERSEDED || t->state == TASK_REJECTED) {
		fleet_revoke(f, t->id);
	}
	metrics_set(METRIC_TASKS_LIVE, (int64_t)f->tasks.count);
}

static struct fleet_task *new_task(struct fleet *f, const struct task *t)
{
	struct fleet_task *own = calloc(1, sizeof *own);
	if (!own || !map_put(&f->tasks, key(t->id), own)) {
		free(own);
		return NULL;
	}
	own->id = t->id;
	own->rollout_id = t->rollout_id;
	own->device_id = t->device_id;
	own->firmware_id = t->firmware_id;
	own->way = t->way;
	own->created_ms = t->created_ms;
	text_copy(own->component, sizeof own->component, t->component);
	text_copy(own->token, sizeof own->token, t->token);
	name_task(f, own);
	own->next = map_get(&f->tasks_by_device, key(t->device_id));
	if (!map_put(&f->tasks_by_device, key(t->device_id), own)) {
		map_remove(&f->tasks, key(t->id));
		free(own);
		return NULL;
	}
	metrics_set(METRIC_TASKS_LIVE, (int64_t)f->tasks.count);
	return own;
}

void fleet_note_past(struct fleet *f, const struct task *t)
{
	if (t->way == WAY_STANDING) {
		struct standing_past past = {.task_id = t->id,
					     .made_ms = t->created_ms,
					     .offers = t->offers,
					     .state = t->state,
					     .rolled_back = t->state == TASK_FAILED && strcmp(t->code, "rolled_back") == 0};
		standings_note(f->standings, t->rollout_id, t->device_id, &past);
	}
}

void fleet_outrank(struct fleet *f, int64_t rollout_id, int64_t device_id)
{
	standings_outrank(f->standings, rollout_id, device_id);
}

bool fleet_put_task(struct fleet *f, const struct task *t)
{
	struct fleet_task *own = map_get(&f->tasks, key(t->id));
	fleet_note_past(f, t);
	if (own && own->rev > t->rev) {
		own->generation = f->generation;
		return true;
	}
	if (!task_state_is_live(t->state)) {
		end_task(f, t);
		return true;
	}
	if (!own) {
		if (ended_rev(f, t->id) >= t->rev) {
			return true;
		}
		own = new_task(f, t);
		if (!own) {
			return false;
		}
	}
	own->rev = t->rev;
	own->rollout_id = t->rollout_id; /* a standing rollout ordered again takes its tasks along */
	own->state = t->state;
	own->updated_ms = t->updated_ms;
	own->fetched = t->fetched;
	own->heard = *t->seen_version != '\0';
	own->reports = *t->source_version || *t->seen_version;
	own->on_source = *t->seen_version && strcmp(t->seen_version, t->source_version) == 0;
	own->generation = f->generation;
	return true;
}

void fleet_revoke(struct fleet *f, int64_t task_id)
{
	map_put(&f->revoked, key(task_id), f);
}

static void drop_assignment(struct fleet *f, int64_t rollout_id)
{
	struct fleet_assignment *own = map_remove(&f->assignments, key(rollout_id));
	if (!own) {
		return;
	}
	struct fleet_assignment *first = map_get(&f->assignments_by_device, key(own->device_id));
	if (first == own && own->next) {
		map_put(&f->assignments_by_device, key(own->device_id), own->next);
	} else if (first == own) {
		map_remove(&f->assignments_by_device, key(own->device_id));
	}
	while (first && first != own && first->next != own) {
		first = first->next;
	}
	if (first && first != own) {
		first->next = own->next;
	}
	free(own);
}

void fleet_drop_rollout(struct fleet *f, int64_t rollout_id)
{
	f->files_stamp++;
	drop_assignment(f, rollout_id);
	standings_drop(f->standings, rollout_id);
}

bool fleet_put_standing(struct fleet *f, const struct rollout *r)
{
	f->files_stamp++;
	return standings_put(f->standings, r, f->generation);
}

bool fleet_put_assignment(struct fleet *f, const struct rollout *r)
{
	if (r->ended_ms) {
		drop_assignment(f, r->id);
		return true;
	}
	struct fleet_assignment *own = map_get(&f->assignments, key(r->id));
	if (!own) {
		own = calloc(1, sizeof *own);
		if (!own || !map_put(&f->assignments, key(r->id), own)) {
			free(own);
			return false;
		}
		own->id = r->id;
		own->device_id = r->device_id;
		own->next = map_get(&f->assignments_by_device, key(r->device_id));
		map_put(&f->assignments_by_device, key(r->device_id), own);
	}
	own->firmware_id = r->firmware_id;
	own->created_ms = r->created_ms;
	own->generation = f->generation;
	text_copy(own->component, sizeof own->component, r->component);
	text_copy(own->version_name, sizeof own->version_name, r->version_name);
	text_copy(own->description, sizeof own->description, r->description);
	name_assignment(f, own);
	return true;
}

bool fleet_put_token(struct fleet *f, const struct fleet_token *token)
{
	struct fleet_token *own = map_get(&f->tokens, head_key(token->hash));
	if (!own) {
		own = calloc(1, sizeof *own);
		if (!own || !map_put(&f->tokens, head_key(token->hash), own)) {
			free(own);
			return false;
		}
	}
	*own = *token;
	own->generation = f->token_generation;
	return true;
}

void fleet_tokens_begin(struct fleet *f)
{
	f->token_generation++;
}

void fleet_tokens_end(struct fleet *f, int64_t operator_id)
{
	uint64_t keys[256]; /* collected first: a map must not change while it is walked */
	size_t n;
	do {
		struct map_slot *slot;
		n = 0;
		for (size_t i = 0; n < 256 && (slot = map_next(&f->tokens, &i));) {
			const struct fleet_token *t = slot->value;
			if (t->generation != f->token_generation && (operator_id == 0 || t->operator_id == operator_id)) {
				keys[n++] = slot->key;
			}
		}
		for (size_t i = 0; i < n; i++) {
			free(map_remove(&f->tokens, keys[i]));
		}
	} while (n == 256);
}

void fleet_load_begin(struct fleet *f)
{
	f->generation++;
}

static void end_load_devices(struct fleet *f)
{
	const struct device_entry *e;
	for (size_t at = 0; (e = devices_next(f->devices, &at));) {
		if (e->generation != f->generation) {
			fleet_drop_device(f, e->id);
		}
	}
}

/* Ids of what the last load did not see, at most max. `generation_at` is where a value keeps its generation. */
static size_t stale_ids(const struct fleet *f, const struct map *m, size_t generation_at, int64_t *ids, size_t max)
{
	size_t n = 0;
	struct map_slot *slot;
	for (size_t i = 0; n < max && (slot = map_next(m, &i));) {
		uint16_t generation;
		memcpy(&generation, (const char *)slot->value + generation_at, sizeof generation);
		if (generation != f->generation) {
			ids[n++] = (int64_t)slot->key;
		}
	}
	return n;
}

void fleet_drop_task(struct fleet *f, int64_t id)
{
	struct fleet_task *own = map_remove(&f->tasks, key(id));
	if (own) {
		unlink_task(f, own);
		free(own);
	}
}

static void drop_stale(struct fleet *f, const struct map *m, size_t generation_at, void (*drop)(struct fleet *, int64_t))
{
	int64_t ids[256];
	size_t n;
	while ((n = stale_ids(f, m, generation_at, ids, 256)) > 0) {
		for (size_t i = 0; i < n; i++) {
			drop(f, ids[i]);
		}
	}
}

/* Of all but devices. */
static void sweep(struct fleet *f)
{
	products_sweep(f->products, f->generation);
	fixes_sweep(f->fixes, f->generation);
	standings_sweep(f->standings, f->generation);
	drop_stale(f, &f->tasks, offsetof(struct fleet_task, generation), fleet_drop_task);
	drop_stale(f, &f->assignments, offsetof(struct fleet_assignment, generation), drop_assignment);
	drop_stale(f, &f->firmware, offsetof(struct fleet_firmware, generation), fleet_drop_firmware);
}

void fleet_load_end(struct fleet *f)
{
	f->files_stamp++;
	end_load_devices(f);
	sweep(f);
}

void fleet_forget(struct fleet *f)
{
	f->files_stamp++;
	struct device_entry *e;
	for (size_t at = 0; (e = devices_next(f->devices, &at));) {
		fleet_note_told(e, 0);
	}
	f->generation++;
	sweep(f);
	map_free(&f->revoked);
	map_free(&f->ended);
	memset(f->ended_ring, 0, sizeof f->ended_ring);
}

size_t fleet_take_seen(struct fleet *f, size_t *cursor, int64_t *ids, int64_t *seconds, size_t max)
{
	size_t n = 0;
	struct device_entry *e = NULL;
	fleet_read(f);
	for (size_t walked = 0; n < max && walked < WALK && (e = devices_next(f->devices, cursor)); walked++) {
		if (__atomic_fetch_and(&e->marks, (uint8_t)~DEVICE_SEEN, __ATOMIC_RELAXED) & DEVICE_SEEN) {
			ids[n] = e->id;
			seconds[n++] = __atomic_load_n(&e->seen_s, __ATOMIC_RELAXED);
		}
	}
	fleet_done(f);
	if (!e) {
		*cursor = 0;
	}
	return n;
}
