/* The devices of the snapshot: found, noted by readers, put by writers (fleet/fleet.h says who may when). */
#ifndef FLEET_FLEET_DEVICE_H
#define FLEET_FLEET_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet/devices.h"

struct fleet;

/* --- readers --- */
const struct device_entry *fleet_device(const struct fleet *fleet, const char *name);
const struct device_entry *fleet_device_by_id(const struct fleet *fleet, int64_t id);
const struct device_entry *fleet_device_by_mac(const struct fleet *fleet, const char *mac);       /* 12 hex digits */
const struct device_entry *fleet_device_by_serial(const struct fleet *fleet, const char *serial); /* of its licence */
const struct device_entry *fleet_device_at_broker(const struct fleet *fleet, const char *name);   /* devices_at_broker() */
bool fleet_device_mac_name(const struct fleet *fleet, const struct device_entry *e, char out[DEVICES_MAC_NAME_SIZE]);
const char *fleet_device_serial(const struct fleet *fleet, const struct device_entry *e); /* "" = none */
const char *fleet_device_name(const struct fleet *fleet, const struct device_entry *e);
/* What it runs, as far as it has told; "" = unknown. */
const char *fleet_device_version(const struct fleet *fleet, const struct device_entry *e, const char *component);
size_t fleet_device_count(const struct fleet *fleet);

/* --- notes a reader may leave, inside fleet_read(): a device was seen (relaxed stores) --- */
/* The fingerprint of the facts that it has told last (model/told.h); 0 = none ever. What it told now is noted before it is written. */
uint64_t fleet_told(const struct device_entry *e);
void fleet_note_told(const struct device_entry *e, uint64_t told);
/* What it told is still to be written: rows that are read until then do not take it back. At the end of that: was there one that said
 * something else? */
bool fleet_set_noted(const struct device_entry *e, bool noted);
bool fleet_is_noted(const struct device_entry *e);
/* Returns how many seconds it had not been seen (INT64_MAX: never since the start). */
int64_t fleet_seen(const struct device_entry *e, int64_t now_ms);
/* Is it connected to the broker, as far as the broker tells? */
bool fleet_is_online(const struct device_entry *e);
void fleet_set_online(const struct device_entry *e, bool online);

/* A dump of who is connected follows, or the broker is not heard any more: nobody is, as far as we know. Takes the lock itself. */
void fleet_all_offline(struct fleet *fleet);

/* Devices seen since the last call, at most max, as (id, seconds since 1970); *cursor starts at 0 and comes back 0 at the end. Takes the
 * lock itself, in short holds. */
size_t fleet_take_seen(struct fleet *fleet, size_t *cursor, int64_t *ids, int64_t *seconds, size_t max);

/* --- writers --- */
struct fleet_device {
	int64_t id, product_id, epoch;
	uint64_t pin;  /* of the Client-Id by which it was bound: told_pin(); 0 = none */
	uint64_t told; /* told_fingerprint() */
	bool blocked, bound, auto_update;
	const char *name, *mac, *serial, *version; /* mac: 12 hex digits; "" = none */
	const char *parts;                         /* the versions of its other components: versions_find() */
};
bool fleet_put_device_row(struct fleet *fleet, const struct fleet_device *row);
void fleet_drop_device(struct fleet *fleet, int64_t id);
/* Facts told by a device, before they are written behind. */
void fleet_set_version(struct fleet *fleet, int64_t device_id, const char *component, const char *version);

#endif
