#include "plugin/revocations.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

struct entry {
	uint32_t epoch;
	bool blocked;
	char device[];
};

void revocations_clear(struct revocations *r)
{
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&r->by_device, &i));) {
		free(slot->value);
	}
	map_free(&r->by_device);
	r->blocked = 0;
	memset(r->blocked_bits, 0, sizeof r->blocked_bits);
}

static uint64_t *bits_of(struct revocations *r, uint64_t hash)
{
	return &r->blocked_bits[hash >> 6 & (REVOCATIONS_BITS / 64 - 1)];
}

/* Two names of one hash take neighbouring keys; entries are never removed one by one. key: where it is, or would be put. */
static struct entry *find_from(const struct revocations *r, const char *device, uint64_t hash, uint64_t *key)
{
	struct entry *entry;
	uint64_t at = hash | 1; /* 0 is not a key */
	while ((entry = map_get(&r->by_device, at)) && strcmp(entry->device, device) != 0) {
		at += 2;
	}
	*key = at;
	return entry;
}

static uint64_t hash_of(const char *device)
{
	return text_hash(device, strlen(device));
}

static struct entry *find(const struct revocations *r, const char *device, uint64_t *key)
{
	return find_from(r, device, hash_of(device), key);
}

/* An entry that refuses nothing yet. */
static bool prepare(struct revocations *r, const char *device)
{
	uint64_t key;
	if (find(r, device, &key)) {
		return true;
	}
	size_t size = strlen(device) + 1;
	struct entry *entry = malloc(sizeof *entry + size);
	if (!entry) {
		return false;
	}
	*entry = (struct entry){0};
	memcpy(entry->device, device, size);
	if (!map_put(&r->by_device, key, entry)) {
		free(entry);
		return false;
	}
	return true;
}

bool revocations_apply(struct revocations *r, const struct revocation_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!prepare(r, rows[i].device)) {
			return false;
		}
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t key;
		struct entry *entry = find(r, rows[i].device, &key);
		if (!entry) {
			continue; /* never: it has just been prepared */
		}
		r->blocked = r->blocked + rows[i].blocked - entry->blocked;
		entry->blocked = rows[i].blocked;
		if (rows[i].blocked) { /* never cleared: a bit too many costs a look into the table */
			uint64_t hash = hash_of(rows[i].device);
			*bits_of(r, hash) |= UINT64_C(1) << (hash & 63);
		}
		entry->epoch = rows[i].epoch;
	}
	return true;
}

bool revocations_refuses(const struct revocations *r, const char *device, uint32_t epoch)
{
	uint64_t key;
	const struct entry *entry = find(r, device, &key);
	return epoch < 1 || (entry && (entry->blocked || epoch < entry->epoch));
}

bool revocations_is_blocked(const struct revocations *r, const char *device)
{
	if (r->blocked == 0) {
		return false;
	}
	uint64_t key;
	uint64_t hash = hash_of(device);
	if (!(r->blocked_bits[hash >> 6 & (REVOCATIONS_BITS / 64 - 1)] >> (hash & 63) & 1)) {
		return false;
	}
	const struct entry *entry = find_from(r, device, hash, &key);
	return entry && entry->blocked;
}

bool revocations_next(const struct revocations *r, size_t *at, struct revocation_view *out)
{
	const struct map_slot *slot = map_next(&r->by_device, at);
	if (!slot) {
		return false;
	}
	const struct entry *entry = slot->value;
	*out = (struct revocation_view){.device = entry->device, .blocked = entry->blocked, .epoch = entry->epoch};
	return true;
}

bool revocations_matters(const struct revocation_view *row)
{
	return row->blocked || row->epoch > 1;
}
