/* Devices in the snapshot: found, marked by readers, changed by writers. */
#include "fleet/fleet_device.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "fleet/fleet.h"
#include "fleet/fleet_order.h"
#include "fleet/inside.h"
#include "metrics/metrics.h"

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

const struct device_entry *fleet_device_by_serial(const struct fleet *f, const char *serial)
{
	return devices_by_serial(f->devices, serial);
}

const char *fleet_device_serial(const struct fleet *f, const struct device_entry *e)
{
	return devices_serial(f->devices, e);
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

const char *fleet_device_version(const struct fleet *f, const struct device_entry *e, const char *component)
{
	return devices_version(f->devices, e, component);
}

size_t fleet_device_count(const struct fleet *f)
{
	return devices_count(f->devices);
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

/* Returns the marks before. */
static uint8_t set_mark(const struct device_entry *e, uint8_t mark, bool on)
{
	struct device_entry *own = (struct device_entry *)(uintptr_t)e;
	return on ? __atomic_fetch_or(&own->marks, mark, __ATOMIC_RELAXED)
		  : __atomic_fetch_and(&own->marks, (uint8_t)~mark, __ATOMIC_RELAXED);
}

bool fleet_is_online(const struct device_entry *e)
{
	return (__atomic_load_n(&e->marks, __ATOMIC_RELAXED) & DEVICE_ONLINE) != 0;
}

void fleet_set_online(const struct device_entry *e, bool online)
{
	set_mark(e, DEVICE_ONLINE, online);
}

bool fleet_is_noted(const struct device_entry *e)
{
	return (__atomic_load_n(&e->marks, __ATOMIC_RELAXED) & DEVICE_NOTED) != 0;
}

bool fleet_set_noted(const struct device_entry *e, bool noted)
{
	return set_mark(e, noted ? DEVICE_NOTED : DEVICE_NOTED | DEVICE_PASSED, noted) & DEVICE_PASSED;
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

/* --- writers --- */

bool fleet_put_device_row(struct fleet *f, const struct fleet_device *row)
{
	const struct device_entry *known = devices_by_id(f->devices, row->id);
	bool noted = known && __atomic_load_n(&known->marks, __ATOMIC_RELAXED) & DEVICE_NOTED;
	uint32_t versions = known ? known->versions : 0;
	struct device_entry *e = devices_put(f->devices, row->id, row->name, row->product_id);
	bool whole = e != NULL;
	if (e) {
		e->generation = f->generation;
		e->epoch = (uint32_t)row->epoch & 0x7fffffff;
		e->blocked = row->blocked;
		e->bound = row->bound;
		e->auto_update = row->auto_update;
		e->pin = row->pin;
		whole = devices_set_versions(f->devices, e, row->version, row->parts);
		if (!noted) {
			fleet_note_told(e, row->told);
		} else if (e->versions != versions || fleet_told(e) != row->told) {
			e->versions = versions;
			set_mark(e, DEVICE_PASSED, true);
		}
	}
	metrics_set(METRIC_DEVICES, (int64_t)devices_count(f->devices));
	return whole && devices_set_mac(f->devices, e, row->mac) && devices_set_serial(f->devices, e, row->serial);
}

void fleet_drop_device(struct fleet *f, int64_t id)
{
	devices_remove(f->devices, id);
	for (struct fleet_task *t = map_remove(&f->tasks_by_device, fleet_key(id)), *next; t; t = next) {
		next = t->next;
		fleet_revoke(f, t->id);
		map_remove(&f->tasks, fleet_key(t->id));
		free(t);
	}
	for (struct fleet_assignment *a = map_remove(&f->assignments_by_device, fleet_key(id)), *next; a; a = next) {
		next = a->next;
		map_remove(&f->assignments, fleet_key(a->id));
		free(a);
	}
	metrics_set(METRIC_DEVICES, (int64_t)devices_count(f->devices));
}

void fleet_set_version(struct fleet *f, int64_t device_id, const char *component, const char *version)
{
	struct device_entry *e = devices_by_id(f->devices, device_id);
	if (e) {
		devices_set_version(f->devices, e, component, version);
	}
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
