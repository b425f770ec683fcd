/* A table of what lies on disk, the few descriptors kept open, and the fills under way. One mutex: held for a look-up and an fstat, never
 * while reading or waiting for the database. */
#include "artifact/cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "artifact/cache_file.h"
#include "common/err.h"
#include "common/scoped.h"
#include "model/nouns.h"

enum {
	BUCKETS = 4096,
	ENTRIES_MAX = 65536,
	OPEN_MAX = 256, /* descriptors kept */
};

/* Ticks of use start above any time in seconds, which is what files of an earlier run bring along. */
#define FIRST_TICK ((uint64_t)1 << 40)

/* A file believed to be on disk. */
struct entry {
	struct entry *next;
	uint8_t sha256[32];
	uint64_t size;
	uint64_t used;
	bool verified; /* id is that of the right bytes */
	int fd;        /* or -1 */
	int slot;      /* in cache.open, if fd is open */
	struct cache_id id;
};

/* A fill under way; freed by the last who looked at it. */
struct flight {
	struct flight *next;
	uint8_t sha256[32];
	int refs;
	bool done;
	bool ok;
	struct err err;
	pthread_cond_t landed;
};

struct cache {
	pthread_mutex_t lock;
	char *dir;
	uint64_t max_bytes;
	uint64_t bytes;
	uint64_t tick;
	size_t entries;
	struct entry *buckets[BUCKETS];
	struct flight *flights;
	int open_count;
	struct entry *open[OPEN_MAX];
};

/* --- the table; all with the lock held --- */

static struct entry **bucket_of(struct cache *cache, const uint8_t sha256[32])
{
	return &cache->buckets[((size_t)sha256[0] << 8 | sha256[1]) % BUCKETS];
}

static struct entry *find(struct cache *cache, const uint8_t sha256[32])
{
	struct entry *entry = *bucket_of(cache, sha256);
	while (entry && memcmp(entry->sha256, sha256, sizeof entry->sha256) != 0) {
		entry = entry->next;
	}
	return entry;
}

static void close_entry(struct cache *cache, struct entry *entry)
{
	if (entry->fd >= 0) {
		close(entry->fd);
		entry->fd = -1;
		struct entry *last = cache->open[--cache->open_count];
		cache->open[entry->slot] = last;
		last->slot = entry->slot;
	}
}

/* Keeps fd, in exchange for the one used longest ago if there are too many. */
static void keep_open(struct cache *cache, struct entry *entry, int fd)
{
	if (cache->open_count == OPEN_MAX) {
		struct entry *oldest = cache->open[0];
		for (int i = 1; i < OPEN_MAX; i++) {
			oldest = cache->open[i]->used < oldest->used ? cache->open[i] : oldest;
		}
		close_entry(cache, oldest);
	}
	entry->fd = fd;
	entry->slot = cache->open_count++;
	cache->open[entry->slot] = entry;
}

static void forget(struct cache *cache, struct entry *entry)
{
	close_entry(cache, entry);
	struct entry **link = bucket_of(cache, entry->sha256);
	while (*link != entry) {
		link = &(*link)->next;
	}
	*link = entry->next;
	cache->bytes -= entry->size;
	cache->entries--;
	free(entry);
}

/* Finds or adds; NULL when memory is out. */
static struct entry *know(struct cache *cache, const uint8_t sha256[32], uint64_t size)
{
	struct entry *entry = find(cache, sha256);
	if (!entry) {
		entry = calloc(1, sizeof *entry);
		if (!entry) {
			return NULL;
		}
		memcpy(entry->sha256, sha256, sizeof entry->sha256);
		entry->fd = -1;
		struct entry **bucket = bucket_of(cache, sha256);
		entry->next = *bucket;
		*bucket = entry;
		cache->entries++;
	}
	cache->bytes += size - entry->size;
	entry->size = size;
	return entry;
}

static struct flight *find_flight(struct cache *cache, const uint8_t sha256[32])
{
	struct flight *flight = cache->flights;
	while (flight && memcmp(flight->sha256, sha256, sizeof flight->sha256) != 0) {
		flight = flight->next;
	}
	return flight;
}

/* The file used longest ago that nobody is filling. */
static struct entry *find_oldest(struct cache *cache)
{
	struct entry *oldest = NULL;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct entry *entry = cache->buckets[i]; entry; entry = entry->next) {
			if ((!oldest || entry->used < oldest->used) && !find_flight(cache, entry->sha256)) {
				oldest = entry;
			}
		}
	}
	return oldest;
}

static void shrink(struct cache *cache, uint64_t max_bytes)
{
	while (cache->bytes > max_bytes || cache->entries > ENTRIES_MAX) {
		struct entry *oldest = find_oldest(cache);
		if (!oldest) {
			return;
		}
		cache_file_remove(cache->dir, oldest->sha256);
		forget(cache, oldest);
	}
}

/* Is it warm? Then its descriptor, the cache's own. */
static int warm_fd(struct cache *cache, const uint8_t sha256[32])
{
	struct entry *entry = find(cache, sha256);
	if (!entry || !entry->verified) {
		return -1;
	}
	entry->used = ++cache->tick;
	if (entry->fd < 0) {
		int fd = cache_file_open(cache->dir, sha256);
		if (fd < 0) {
			return -1;
		}
		keep_open(cache, entry, fd);
	}
	if (!cache_file_same(entry->fd, &entry->id)) {
		close_entry(cache, entry);
		entry->verified = false;
		return -1;
	}
	return entry->fd;
}

/* --- coming and going --- */

static void found_on_disk(void *context, const struct cache_found *file)
{
	struct entry *entry = know(context, file->sha256, (uint64_t)file->size);
	if (entry) {
		entry->used = file->modified_s > 0 ? (uint64_t)file->modified_s : 0;
	}
}

struct cache *cache_new(const char *dir, uint64_t max_bytes, struct err *err)
{
	if (!*dir || strlen(dir) > CACHE_DIR_MAX) {
		err_set(err, ERR_INVALID, "the cache directory's name is empty or too long");
		return NULL;
	}
	struct cache *cache = calloc(1, sizeof *cache);
	if (!cache || !(cache->dir = strdup(dir))) {
		free(cache);
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&cache->lock, NULL);
	cache->max_bytes = max_bytes;
	cache->tick = FIRST_TICK;
	if (!cache_file_prepare(dir, err)) {
		cache_free(&cache);
		return NULL;
	}
	cache_file_scan(dir, found_on_disk, cache);
	return cache;
}

void cache_free(struct cache **cache)
{
	struct cache *c = *cache;
	if (!c) {
		return;
	}
	for (size_t i = 0; i < BUCKETS; i++) {
		while (c->buckets[i]) {
			forget(c, c->buckets[i]);
		}
	}
	pthread_mutex_destroy(&c->lock);
	free(c->dir);
	free(c);
	*cache = NULL;
}

int cache_open_file(struct cache *cache, const struct artifact *artifact)
{
	pthread_mutex_lock(&cache->lock);
	int fd = warm_fd(cache, artifact->sha256);
	if (fd >= 0) {
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	pthread_mutex_unlock(&cache->lock);
	return fd;
}

/* --- filling --- */

/* After a disk full of other things too: gives up as much as is asked for, if that can be enough. Few would thank us for an emptied cache.
 */
static bool make_room(struct cache *cache, uint64_t size)
{
	uint64_t room = cache_file_room(cache->dir);
	pthread_mutex_lock(&cache->lock);
	bool enough = size <= cache->bytes + room;
	if (enough) {
		shrink(cache, cache->bytes > size ? cache->bytes - size : 0);
	}
	pthread_mutex_unlock(&cache->lock);
	return enough;
}

/* The leader's part, without the lock. */
static int obtain(struct cache *cache, struct db *db, const struct artifact *artifact, struct cache_id *id, struct err *err)
{
	int fd = cache_file_verify(cache->dir, artifact, id);
	if (fd >= 0) {
		return fd;
	}
	fd = cache_file_fetch(cache->dir, db, artifact, id, err);
	if (fd < 0 && err->kind == ERR_NO_SPACE && make_room(cache, (uint64_t)artifact->size)) {
		fd = cache_file_fetch(cache->dir, db, artifact, id, err);
	}
	return fd;
}

static void take_in(struct cache *cache, const struct artifact *artifact, int fd, const struct cache_id *id, struct err *err)
{
	struct entry *entry = know(cache, artifact->sha256, (uint64_t)artifact->size);
	if (!entry) {
		close(fd);
		err_set(err, ERR_INTERNAL, "out of memory");
		return;
	}
	close_entry(cache, entry);
	entry->verified = true;
	entry->id = *id;
	entry->used = ++cache->tick;
	keep_open(cache, entry, fd);
	shrink(cache, cache->max_bytes);
}

static struct flight *take_off(struct cache *cache, const uint8_t sha256[32])
{
	struct flight *flight = calloc(1, sizeof *flight);
	if (flight) {
		memcpy(flight->sha256, sha256, sizeof flight->sha256);
		pthread_cond_init(&flight->landed, NULL);
		flight->next = cache->flights;
		cache->flights = flight;
	}
	return flight;
}

static void lead(struct cache *cache, struct flight *flight, struct db *db, const struct artifact *artifact)
{
	struct cache_id id;
	pthread_mutex_unlock(&cache->lock);
	int fd = obtain(cache, db, artifact, &id, &flight->err);
	pthread_mutex_lock(&cache->lock);
	if (fd >= 0) {
		flight->err.kind = ERR_NONE;
		take_in(cache, artifact, fd, &id, &flight->err);
	}
	flight->ok = fd >= 0 && flight->err.kind == ERR_NONE;
	flight->done = true;
	struct flight **link = &cache->flights;
	while (*link != flight) {
		link = &(*link)->next;
	}
	*link = flight->next;
	pthread_cond_broadcast(&flight->landed);
}

static bool leave(struct flight *flight, struct err *err)
{
	bool ok = flight->ok;
	if (!ok && err) {
		*err = flight->err;
	}
	if (--flight->refs == 0) {
		pthread_cond_destroy(&flight->landed);
		free(flight);
	}
	return ok;
}

static bool fill_locked(struct cache *cache, struct db *db, const struct artifact *artifact, struct err *err)
{
	struct flight *flight = find_flight(cache, artifact->sha256);
	if (flight) {
		flight->refs++;
		while (!flight->done) {
			pthread_cond_wait(&flight->landed, &cache->lock);
		}
		return leave(flight, err);
	}
	if (warm_fd(cache, artifact->sha256) >= 0) {
		return true;
	}
	flight = take_off(cache, artifact->sha256);
	if (!flight) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	flight->refs++;
	lead(cache, flight, db, artifact);
	return leave(flight, err);
}

bool cache_fill(struct cache *cache, struct db *db, const struct artifact *artifact, struct err *err)
{
	pthread_mutex_lock(&cache->lock);
	bool ok = fill_locked(cache, db, artifact, err);
	pthread_mutex_unlock(&cache->lock);
	return ok;
}
