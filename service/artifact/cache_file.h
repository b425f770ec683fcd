/* Inside artifact/: one cached file on disk, without memory of others. Safe from any thread for different artifacts. */
#ifndef ARTIFACT_CACHE_FILE_H
#define ARTIFACT_CACHE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct artifact; /* model/nouns.h */
struct db;
struct err;

/* What a file looked like when its bytes were known. A write sets mtime, which verification has set into the past, so that no write hides
 * in the clock's granularity; whoever sets mtime back changes ctime. */
struct cache_id {
	uint64_t device;
	uint64_t inode;
	int64_t size;
	struct timespec modified;
	struct timespec changed;
};

/* Does fd still look like that, and is it still reachable under its name (not deleted, not replaced)? */
bool cache_file_same(int fd, const struct cache_id *id);

/* A read-only descriptor, or -1 with errno. Reads nothing. */
int cache_file_open(const char *dir, const uint8_t sha256[32]);

/* Reads and hashes the file. A descriptor and *id, or -1: not there, or not these bytes, which are counted, logged and removed. */
int cache_file_verify(const char *dir, const struct artifact *artifact, struct cache_id *id);

/* Fetches it from the database. A descriptor and *id, or -1 and err; no temporary file is left. If the directory vanishes meanwhile: once
 * more from the start. */
int cache_file_fetch(const char *dir, struct db *db, const struct artifact *artifact, struct cache_id *id, struct err *err);

/* Bytes free on the disk. */
uint64_t cache_file_room(const char *dir);

void cache_file_remove(const char *dir, const uint8_t sha256[32]);

/* Makes the directory and empties its tmp/. dir is at most CACHE_DIR_MAX long. */
enum { CACHE_DIR_MAX = 3900 };
bool cache_file_prepare(const char *dir, struct err *err);

/* Calls found() for each file that bears an artifact's name. */
struct cache_found {
	uint8_t sha256[32];
	int64_t size;
	int64_t modified_s;
};
void cache_file_scan(const char *dir, void (*found)(void *context, const struct cache_found *file), void *context);

#endif
