#include "fleet/devices.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "fleet/pages.h"
#include "fleet/versions.h"

enum {
	RECORDS_BITS = 17, /* records in a block: three huge pages */
	RECORDS = 1 << RECORDS_BITS,
	NAMES_BITS = 21, /* bytes in a block of names */
	NAMES = 1 << NAMES_BITS,
	INDEX_BITS = 10, /* slots at first */
	BITS_MAX = 31,
	PRODUCT_MAX = (1 << 29) - 1,
	MAC_LEN = 6,
	MAC_NAME_LEN = 17, /* "94_a9_90_2c_84_b8" */
};

/* Open addressing; 0 = free. The low bits of a slot are a record's number + 1, the others bits of its hash: who looks for another one
 * hardly ever has to look at the record. */
struct index {
	uint32_t *slots;
	size_t mask;
	size_t count;
	unsigned bits; /* of the number */
	uint64_t (*hash)(const struct devices *, const struct device_entry *);
};

_Static_assert(RECORDS * sizeof(struct device_entry) % PAGES_UNIT == 0 && NAMES % PAGES_UNIT == 0, "blocks are whole huge pages");

struct devices {
	struct device_entry **records;
	size_t record_blocks;
	size_t used; /* records ever used */
	uint32_t *free_list;
	size_t free_count, free_cap;
	char **names;
	size_t name_blocks;
	size_t name_used; /* in the last block */
	struct index by_name, by_id;
	struct index by_mac;    /* only those that has_mac */
	struct index by_serial; /* only those with a DEVICE_SERIAL */
	struct versions *versions;
};

static struct device_entry *record(const struct devices *d, size_t n)
{
	return &d->records[n >> RECORDS_BITS][n & (RECORDS - 1)];
}

const char *devices_name(const struct devices *d, const struct device_entry *e)
{
	return &d->names[e->name >> NAMES_BITS][e->name & (NAMES - 1)];
}

const char *devices_version(const struct devices *d, const struct device_entry *e, const char *component)
{
	return versions_of(d->versions, e->versions, component);
}

static uint64_t hash_name(const struct devices *d, const struct device_entry *e)
{
	return text_hash(devices_name(d, e), e->name_len);
}

/* Of one that has_mac. */
static char *mac_of(const struct devices *d, const struct device_entry *e)
{
	return &d->names[e->name >> NAMES_BITS][(e->name & (NAMES - 1)) + e->name_len + 1u];
}

static uint64_t hash_mac(const struct devices *d, const struct device_entry *e)
{
	return text_hash(mac_of(d, e), MAC_LEN);
}

/* What lies at its name: that, and its MAC. */
static size_t named_size(const struct device_entry *e)
{
	return e->name_len + 1u + (e->has_mac ? MAC_LEN : 0u);
}

const char *devices_serial(const struct devices *d, const struct device_entry *e)
{
	bool has = __atomic_load_n(&e->marks, __ATOMIC_RELAXED) & DEVICE_SERIAL; /* readers set other marks */
	return has ? devices_name(d, e) + named_size(e) : "";
}

static uint64_t hash_serial(const struct devices *d, const struct device_entry *e)
{
	const char *serial = devices_serial(d, e);
	return text_hash(serial, strlen(serial));
}

static uint64_t hash_of_id(int64_t id)
{
	return ((uint64_t)id * 0x9E3779B97F4A7C15u) >> 20;
}

static uint64_t hash_id(const struct devices *d, const struct device_entry *e)
{
	(void)d;
	return hash_of_id(e->id);
}

static uint32_t *slots_new(size_t slots)
{
	size_t size = slots * sizeof(uint32_t);
	return size < PAGES_UNIT ? calloc(slots, sizeof(uint32_t)) : pages_new(size, true);
}

static void slots_free(struct index *x)
{
	size_t size = x->slots ? (x->mask + 1) * sizeof *x->slots : 0;
	if (size < PAGES_UNIT) {
		free(x->slots);
	} else {
		pages_free(x->slots, size);
	}
}

/* What a slot of a record of that hash says besides the number. */
static uint32_t tag_of(const struct index *x, uint64_t hash)
{
	return (uint32_t)(hash >> 32) << x->bits;
}

static size_t number_in(const struct index *x, uint32_t slot)
{
	return (slot & ((1u << x->bits) - 1)) - 1;
}

static bool may_be(const struct index *x, uint32_t slot, uint64_t hash)
{
	return (slot ^ tag_of(x, hash)) >> x->bits == 0;
}

static void index_add(const struct devices *d, struct index *x, size_t n)
{
	uint64_t hash = x->hash(d, record(d, n));
	size_t at = hash & x->mask;
	while (x->slots[at]) {
		at = (at + 1) & x->mask;
	}
	x->slots[at] = tag_of(x, hash) | ((uint32_t)n + 1);
	x->count++;
}

static bool index_resize(const struct devices *d, struct index *x, size_t slots, unsigned bits)
{
	struct index fresh = {.slots = slots_new(slots), .mask = slots - 1, .bits = bits, .hash = x->hash};
	if (!fresh.slots) {
		return false;
	}
	for (size_t i = 0; x->slots && i <= x->mask; i++) {
		if (x->slots[i]) {
			index_add(d, &fresh, number_in(x, x->slots[i]));
		}
	}
	slots_free(x);
	*x = fresh;
	return true;
}

/* Room for one more, whatever its number. */
static bool index_reserve(const struct devices *d, struct index *x)
{
	bool full = (x->count + 1) * 5 > (x->mask + 1) * 4;
	size_t slots = full ? (x->mask + 1) * 2 : x->mask + 1;
	unsigned bits = x->bits;
	while (bits < BITS_MAX && (d->used + 1 >= (size_t)1 << bits || slots > (size_t)1 << bits)) {
		bits++;
	}
	return d->used + 1 < (size_t)1 << bits && ((!full && bits == x->bits) || index_resize(d, x, slots, bits));
}

static void index_remove(const struct devices *d, struct index *x, size_t n)
{
	size_t hole = x->hash(d, record(d, n)) & x->mask;
	while (number_in(x, x->slots[hole]) != n) {
		hole = (hole + 1) & x->mask;
	}
	for (size_t i = (hole + 1) & x->mask; x->slots[i]; i = (i + 1) & x->mask) {
		size_t want = x->hash(d, record(d, number_in(x, x->slots[i]))) & x->mask;
		if (((i - want) & x->mask) >= ((i - hole) & x->mask)) {
			x->slots[hole] = x->slots[i];
			hole = i;
		}
	}
	x->slots[hole] = 0;
	x->count--;
}

struct devices *devices_new(void)
{
	struct devices *d = calloc(1, sizeof *d);
	if (!d) {
		return NULL;
	}
	d->by_name.hash = hash_name;
	d->by_id.hash = hash_id;
	d->by_mac.hash = hash_mac;
	d->by_serial.hash = hash_serial;
	d->versions = versions_new();
	if (!d->versions || !index_resize(d, &d->by_name, 1u << INDEX_BITS, INDEX_BITS) ||
	    !index_resize(d, &d->by_id, 1u << INDEX_BITS, INDEX_BITS) || !index_resize(d, &d->by_mac, 1u << INDEX_BITS, INDEX_BITS) ||
	    !index_resize(d, &d->by_serial, 1u << INDEX_BITS, INDEX_BITS)) {
		devices_free(&d);
		return NULL;
	}
	return d;
}

void devices_free(struct devices **dp)
{
	struct devices *d = *dp;
	if (!d) {
		return;
	}
	for (size_t i = 0; i < d->record_blocks; i++) {
		pages_free(d->records[i], RECORDS * sizeof **d->records);
	}
	for (size_t i = 0; i < d->name_blocks; i++) {
		pages_free(d->names[i], NAMES);
	}
	free(d->records);
	free(d->names);
	versions_free(&d->versions);
	free(d->free_list);
	slots_free(&d->by_name);
	slots_free(&d->by_id);
	slots_free(&d->by_mac);
	slots_free(&d->by_serial);
	free(d);
	*dp = NULL;
}

size_t devices_count(const struct devices *d)
{
	return d->by_id.count;
}

struct device_entry *devices_by_name(const struct devices *d, const char *name, size_t len)
{
	const struct index *x = &d->by_name;
	uint64_t hash = text_hash(name, len);
	for (size_t at = hash & x->mask; x->slots[at]; at = (at + 1) & x->mask) {
		struct device_entry *e = record(d, number_in(x, x->slots[at]));
		if (may_be(x, x->slots[at], hash) && e->name_len == len && memcmp(devices_name(d, e), name, len) == 0) {
			return e;
		}
	}
	return NULL;
}

/* The record number of an id, or -1. */
static int64_t number_of(const struct devices *d, int64_t id)
{
	const struct index *x = &d->by_id;
	uint64_t hash = hash_of_id(id);
	for (size_t at = hash & x->mask; x->slots[at]; at = (at + 1) & x->mask) {
		size_t n = number_in(x, x->slots[at]);
		if (may_be(x, x->slots[at], hash) && record(d, n)->id == id) {
			return (int64_t)n;
		}
	}
	return -1;
}

struct device_entry *devices_by_id(const struct devices *d, int64_t id)
{
	int64_t n = number_of(d, id);
	return n < 0 ? NULL : record(d, (size_t)n);
}

static void spell_mac(const uint8_t mac[MAC_LEN], char out[MAC_NAME_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	for (int i = 0; i < MAC_LEN; i++) {
		out[i * 3] = hex[mac[i] >> 4];
		out[i * 3 + 1] = hex[mac[i] & 15];
		out[i * 3 + 2] = i == MAC_LEN - 1 ? '\0' : '_';
	}
}

struct device_entry *devices_by_mac(const struct devices *d, const char *text)
{
	uint8_t mac[MAC_LEN];
	char name[MAC_NAME_LEN + 1];
	if (!text_unhex(text, mac, sizeof mac)) {
		return NULL;
	}
	const struct index *x = &d->by_mac;
	uint64_t hash = text_hash((const char *)mac, MAC_LEN);
	for (size_t at = hash & x->mask; x->slots[at]; at = (at + 1) & x->mask) {
		struct device_entry *e = record(d, number_in(x, x->slots[at]));
		if (may_be(x, x->slots[at], hash) && memcmp(mac_of(d, e), mac, MAC_LEN) == 0) {
			return e;
		}
	}
	spell_mac(mac, name);
	struct device_entry *named = devices_by_name(d, name, MAC_NAME_LEN);
	return named && !named->has_mac ? named : NULL;
}

/* Strictly: another spelling is no MAC's. */
static bool read_mac_name(const char *name, size_t len, uint8_t mac[MAC_LEN])
{
	char hex[2 * MAC_LEN + 1] = "";
	char spelt[MAC_NAME_LEN + 1];
	for (size_t i = 0; i < MAC_LEN && len == MAC_NAME_LEN; i++) {
		memcpy(hex + 2 * i, name + 3 * i, 2);
	}
	if (!text_unhex(hex, mac, MAC_LEN)) {
		return false;
	}
	spell_mac(mac, spelt);
	return memcmp(spelt, name, MAC_NAME_LEN) == 0;
}

bool devices_mac_name(const struct devices *d, const struct device_entry *e, char out[DEVICES_MAC_NAME_SIZE])
{
	uint8_t mac[MAC_LEN];
	bool named = !e->has_mac && read_mac_name(devices_name(d, e), e->name_len, mac);
	out[0] = '\0';
	if (e->has_mac || named) {
		spell_mac(named ? mac : (const uint8_t *)mac_of(d, e), out);
	}
	return e->has_mac || named;
}

struct device_entry *devices_at_broker(const struct devices *d, const char *name)
{
	uint8_t mac[MAC_LEN];
	char hex[2 * MAC_LEN + 1];
	struct device_entry *e = devices_by_name(d, name, strlen(name));
	if (e || !read_mac_name(name, strlen(name), mac)) {
		return e;
	}
	text_hex(hex, mac, MAC_LEN);
	return devices_by_mac(d, hex);
}

/* Grows a list of blocks by one of `size` bytes. The first one is resident only as far as it is used: most fleets are small. */
static bool add_block(void ***blocks, size_t *count, size_t size)
{
	void **more = realloc(*blocks, (*count + 1) * sizeof **blocks);
	if (!more) {
		return false;
	}
	*blocks = more;
	more[*count] = pages_new(size, *count > 0);
	if (!more[*count]) {
		return false;
	}
	(*count)++;
	return true;
}

/* A block of names with room for so many bytes is the last one. */
static bool reserve_names(struct devices *d, size_t bytes)
{
	if (d->name_blocks > 0 && d->name_used + bytes <= NAMES) {
		return true;
	}
	void **blocks = (void **)d->names;
	bool ok = add_block(&blocks, &d->name_blocks, NAMES);
	d->names = (char **)blocks;
	d->name_used = ok ? 0 : d->name_used;
	return ok;
}

static bool store_name(struct devices *d, struct device_entry *e, const char *name, size_t len)
{
	if (!reserve_names(d, len + 1)) {
		return false;
	}
	size_t ref = ((d->name_blocks - 1) << NAMES_BITS) + d->name_used;
	memcpy(&d->names[d->name_blocks - 1][d->name_used], name, len + 1);
	d->name_used += len + 1;
	e->name = (uint32_t)ref;
	e->name_len = (uint8_t)len;
	return true;
}

/* Makes room for so much more behind its name: there, if that is the last one, else at a new place. NULL: out of memory. */
static char *extend(struct devices *d, struct device_entry *e, size_t more)
{
	size_t has = named_size(e);
	size_t end = ((d->name_blocks - 1) << NAMES_BITS) + d->name_used;
	bool last = e->name + has == end && d->name_used + more <= NAMES;
	if (!last) {
		const char *old = devices_name(d, e);
		if (!reserve_names(d, has + more)) {
			return NULL;
		}
		e->name = (uint32_t)(((d->name_blocks - 1) << NAMES_BITS) + d->name_used);
		memcpy(&d->names[d->name_blocks - 1][d->name_used], old, has);
		d->name_used += has;
	}
	char *room = &d->names[d->name_blocks - 1][d->name_used];
	d->name_used += more;
	return room;
}

bool devices_set_version(struct devices *d, struct device_entry *e, const char *component, const char *version)
{
	return versions_with(d->versions, e->versions, component, version, &e->versions);
}

bool devices_set_versions(struct devices *d, struct device_entry *e, const char *app, const char *parts)
{
	return versions_find(d->versions, app, parts, &e->versions);
}

static bool take_record(struct devices *d, size_t *out)
{
	if (d->free_count > 0) {
		*out = d->free_list[--d->free_count];
		return true;
	}
	if (d->used == d->record_blocks << RECORDS_BITS) {
		void **blocks = (void **)d->records;
		bool ok = add_block(&blocks, &d->record_blocks, RECORDS * sizeof(struct device_entry));
		d->records = (struct device_entry **)blocks;
		if (!ok) {
			return false;
		}
	}
	*out = d->used++;
	return true;
}

static void give_record(struct devices *d, size_t n)
{
	*record(d, n) = (struct device_entry){0};
	if (d->free_count == d->free_cap) {
		size_t cap = d->free_cap ? d->free_cap * 2 : 64;
		uint32_t *more = realloc(d->free_list, cap * sizeof *more);
		if (!more) {
			return; /* the record is lost until the next start; nothing breaks */
		}
		d->free_list = more;
		d->free_cap = cap;
	}
	d->free_list[d->free_count++] = (uint32_t)n;
}

static void forget_mac(struct devices *d, struct device_entry *e, size_t n)
{
	if (e->has_mac) {
		index_remove(d, &d->by_mac, n);
		e->has_mac = 0;
	}
}

static void forget_serial(struct devices *d, struct device_entry *e, size_t n)
{
	if (e->marks & DEVICE_SERIAL) {
		index_remove(d, &d->by_serial, n);
		e->marks &= (uint8_t)~DEVICE_SERIAL;
	}
}

bool devices_set_serial(struct devices *d, struct device_entry *e, const char *serial)
{
	size_t n = (size_t)number_of(d, e->id);
	size_t size = strlen(serial) + 1;
	if (strcmp(serial, devices_serial(d, e)) == 0) {
		return true;
	}
	forget_serial(d, e, n);
	char *room = size == 1 || !index_reserve(d, &d->by_serial) ? NULL : extend(d, e, size);
	if (room) {
		memcpy(room, serial, size);
		e->marks |= DEVICE_SERIAL;
		index_add(d, &d->by_serial, n);
	}
	return room || size == 1;
}

struct device_entry *devices_by_serial(const struct devices *d, const char *serial)
{
	const struct index *x = &d->by_serial;
	uint64_t hash = x->count ? text_hash(serial, strlen(serial)) : 0;
	for (size_t at = hash & x->mask; x->count && x->slots[at]; at = (at + 1) & x->mask) {
		struct device_entry *e = record(d, number_in(x, x->slots[at]));
		if (may_be(x, x->slots[at], hash) && strcmp(devices_serial(d, e), serial) == 0) {
			return e;
		}
	}
	return NULL;
}

bool devices_set_mac(struct devices *d, struct device_entry *e, const char *text)
{
	uint8_t mac[MAC_LEN];
	char name[MAC_NAME_LEN + 1] = "";
	size_t n = (size_t)number_of(d, e->id);
	if (*text && !text_unhex(text, mac, sizeof mac)) {
		return false;
	}
	if (*text) {
		spell_mac(mac, name);
	}
	bool none = !*text || strcmp(name, devices_name(d, e)) == 0;
	bool had = e->has_mac;
	if (none ? !had : had && memcmp(mac_of(d, e), mac, MAC_LEN) == 0) {
		return true;
	}
	forget_serial(d, e, n);
	forget_mac(d, e, n); /* first: it is found by the old one */
	if (none) {
		return true;
	}
	if (!index_reserve(d, &d->by_mac) || (!had && !extend(d, e, MAC_LEN))) {
		return false;
	}
	e->has_mac = 1;
	memcpy(mac_of(d, e), mac, MAC_LEN);
	index_add(d, &d->by_mac, n);
	return true;
}

struct device_entry *devices_put(struct devices *d, int64_t id, const char *name, int64_t product_id)
{
	size_t len = strlen(name);
	int64_t known = number_of(d, id);
	if (product_id > PRODUCT_MAX) {
		return NULL;
	}
	if (known >= 0) {
		struct device_entry *e = record(d, (size_t)known);
		if (strcmp(devices_name(d, e), name) != 0) {
			devices_remove(d, id);
			return devices_put(d, id, name, product_id);
		}
		e->product_id = (uint32_t)product_id & PRODUCT_MAX;
		return e;
	}
	size_t n;
	if (len == 0 || len > UINT8_MAX || !index_reserve(d, &d->by_name) || !index_reserve(d, &d->by_id) || !take_record(d, &n)) {
		return NULL;
	}
	struct device_entry *e = record(d, n);
	*e = (struct device_entry){.id = id, .product_id = (uint32_t)product_id & PRODUCT_MAX};
	if (!store_name(d, e, name, len)) {
		give_record(d, n);
		return NULL;
	}
	index_add(d, &d->by_name, n);
	index_add(d, &d->by_id, n);
	return e;
}

void devices_remove(struct devices *d, int64_t id)
{
	int64_t n = number_of(d, id);
	if (n >= 0) {
		forget_serial(d, record(d, (size_t)n), (size_t)n);
		forget_mac(d, record(d, (size_t)n), (size_t)n);
		index_remove(d, &d->by_name, (size_t)n);
		index_remove(d, &d->by_id, (size_t)n);
		give_record(d, (size_t)n);
	}
}

struct device_entry *devices_next(const struct devices *d, size_t *at)
{
	while (*at < d->used) {
		struct device_entry *e = record(d, (*at)++);
		if (e->id != 0) {
			return e;
		}
	}
	return NULL;
}
