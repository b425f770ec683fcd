/* The compact device table: what a poll must know of every device, in about 85 bytes each, found by name, by id or by MAC. Not thread-safe
 * (fleet.c locks).
 *
 * Records and names live in blocks that never move, so nothing is ever copied to grow but the indexes (4 bytes a slot).
 */
#ifndef FLEET_DEVICES_H
#define FLEET_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DEVICE_SEEN = 1,    /* seen_s is newer than the database's */
	DEVICE_ONLINE = 2,  /* the broker says it is connected */
	DEVICE_NOTED = 4,   /* version and told are newer than the database's */
	DEVICE_PASSED = 8,  /* and a row that said something else has been passed over */
	DEVICE_SERIAL = 16, /* it has a serial number, which is kept behind its name and its MAC; only writers set this */
};

/* What every poll reads comes last, so that it is in one line of the cache for three records of four. */
struct device_entry {
	uint64_t pin;  /* told_pin() of the Client-Id it was bound with; 0 = none */
	uint64_t told; /* told_fingerprint() of what it told last; 0 = never any. Readers set it atomically: fleet_told() */
	int64_t id;    /* 0 = free record */
	uint32_t product_id : 29;
	uint32_t bound : 1;
	uint32_t auto_update : 1;
	uint32_t has_mac : 1; /* its MAC is not its name: it is kept behind the name */
	uint32_t name;        /* internal reference */
	uint32_t versions;    /* a number: devices_version() */
	uint32_t seen_s;      /* last sign of life, seconds since 1970; 0 = none since the start */
	uint32_t epoch : 31;  /* of its credentials */
	uint32_t blocked : 1;
	uint16_t generation; /* of the last full load that saw it */
	uint8_t marks;       /* DEVICE_...; readers set and clear them atomically */
	uint8_t name_len;
};

struct devices;
struct devices *devices_new(void);
void devices_free(struct devices **d);
size_t devices_count(const struct devices *d);

struct device_entry *devices_by_name(const struct devices *d, const char *name, size_t len);
struct device_entry *devices_by_id(const struct devices *d, int64_t id);

/* mac: 12 hex digits. Whose MAC that is, or whose name, spelt "94_a9_90_2c_84_b8", unless its MAC is another one. */
struct device_entry *devices_by_mac(const struct devices *d, const char *mac);

/* Its MAC, spelt "94_a9_90_2c_84_b8": by which it logs in as a Xiaozhi device. False (and "") if it is not known. */
enum { DEVICES_MAC_NAME_SIZE = 18 };
bool devices_mac_name(const struct devices *d, const struct device_entry *e, char out[DEVICES_MAC_NAME_SIZE]);
/* As it is called at the broker: by its name, or by its MAC spelt so. */
struct device_entry *devices_at_broker(const struct devices *d, const char *name);

/* Whose licence has this serial number. */
struct device_entry *devices_by_serial(const struct devices *d, const char *serial);
const char *devices_serial(const struct devices *d, const struct device_entry *e); /* "" = none */

/* Inserts or updates (a changed name moves, and the rest is to be set anew). NULL: out of memory or product_id beyond 29 bits. */
struct device_entry *devices_put(struct devices *d, int64_t id, const char *name, int64_t product_id);
/* "" = none. Costs memory only where the name does not say it; another one takes the serial number away. False: out of memory, or no MAC.
 */
bool devices_set_mac(struct devices *d, struct device_entry *e, const char *mac);
/* "" = none, which costs nothing. False: out of memory. */
bool devices_set_serial(struct devices *d, struct device_entry *e, const char *serial);
void devices_remove(struct devices *d, int64_t id);

/* NUL-terminated, valid until the device is removed or renamed / for ever. */
const char *devices_name(const struct devices *d, const struct device_entry *e);
const char *devices_version(const struct devices *d, const struct device_entry *e, const char *component); /* "" = unknown */
/* Of one component; of all of them (versions_find()). False: out of memory. */
bool devices_set_version(struct devices *d, struct device_entry *e, const char *component, const char *version);
bool devices_set_versions(struct devices *d, struct device_entry *e, const char *app, const char *parts);

/* Walks all records in their order; *at starts at 0. NULL at the end. */
struct device_entry *devices_next(const struct devices *d, size_t *at);

#endif
