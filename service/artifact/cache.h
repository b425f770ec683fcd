/* Local copies of artifacts for serving: verified before the first byte is served, and never trusted again once the file was touched.
 *
 *   {dir}/{first 2 hex}/{64 hex}       complete and renamed into place; {dir}/tmp/... on the way
 *
 * cache_open_file() is for the request path: memory and an fstat, no reading, no database. A file counts as verified only in this process,
 * with the inode, size, mtime and ctime it had when its SHA-256 was computed; anything else (deleted, replaced, a flipped bit, a restart)
 * makes it cold and cache_fill() looks at it again. Downloads that run when a file is deleted end with the bytes they began with; later
 * ones fill anew, so that deleting the cache gives the disk back. The directory may be deleted at any time. One process per directory.
 * Thread-safe.
 */
#ifndef ARTIFACT_CACHE_H
#define ARTIFACT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

struct artifact; /* model/nouns.h */
struct cache;
struct db;
struct err;

/* Creates dir if need be; removes left-over temporary files. max_bytes: least recently used files go when the sum exceeds it (checked after
 * each fill; the file just filled stays, however large). */
struct cache *cache_new(const char *dir, uint64_t max_bytes, struct err *err);
/* Nobody may be inside a call. Descriptors handed out stay good. */
void cache_free(struct cache **cache);

/* A read-only file descriptor of the caller's own (to close), or -1: cold, or no descriptor to be had. It shares its position with others:
 * read by offset only (sendfile and pread with one). */
int cache_open_file(struct cache *cache, const struct artifact *artifact);

/* Makes it warm, once however many threads ask at the same time (the others wait for the first and share its outcome): verifies the file on
 * disk, or else reads the chunks from the database into a temporary file while hashing, and renames it. ERR_NO_SPACE (as much of the cache
 * has been given up by then), ERR_UNAVAILABLE, ERR_NOT_FOUND, ERR_INTERNAL (the database's bytes do not match their name: never served).
 * Worker threads only. */
bool cache_fill(struct cache *cache, struct db *db, const struct artifact *artifact, struct err *err);

#endif
