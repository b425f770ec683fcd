#include "fleet/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "fleet/devices.h"
#include "fleet/fixes.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/inside.h"
#include "fleet/products.h"
#include "fleet/ranges.h"
#include "fleet/roster.h"
#include "fleet/standings.h"

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

bool fleet_put_product(struct fleet *f, const struct product *product, const struct voice *voice, const struct voice_means *means)
{
	return products_put(f->products, product, voice, means, f->generation);
}

void fleet_put_ranges(struct fleet *f, struct ranges_edit *edit)
{
	f->files_stamp++;
	ranges_edit_swap(f->ranges, edit);
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
	drop_stale(f, &f->assignments, offsetof(struct fleet_assignment, generation), fleet_drop_assignment);
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
