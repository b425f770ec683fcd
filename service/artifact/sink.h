/* Bytes on their way into the database: hashed as they flow, capped, cut into chunks, invisible until sealed.
 *
 * Chunks of 256 KiB go out in short transactions of their own under an unsealed upload id; sink_seal() names them by their SHA-256, or
 * drops them when the same bytes are there already. Memory: one chunk per upload. One thread at a time, but each call may bring another
 * connection, outside a transaction. A failed call ends the stream: what comes after it fails too, whatever the connection.
 */
#ifndef ARTIFACT_SINK_H
#define ARTIFACT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct artifact; /* model/nouns.h */
struct db;
struct err;
struct image; /* model/nouns.h */
struct sink;

/* max: cap in bytes (ERR_TOO_LARGE beyond). Touches no database yet. */
struct sink *sink_new(uint64_t max, struct err *err);
/* Blocks on the database once per chunk; a whole chunk in data is not copied. ERR_TOO_LARGE, ERR_NO_SPACE, ERR_UNAVAILABLE. */
bool sink_write(struct sink *sink, struct db *db, const void *data, size_t len, struct err *err);

/* Are the bytes so far an ESP-IDF app image? As image_finish() says (model/image.h); ERR_EMPTY on 0 bytes. Touches no database. */
bool sink_image(const struct sink *sink, struct image *out, struct err *err);

/* What the bytes so far are, sealed or not. ERR_EMPTY on 0 bytes. Touches no database. */
bool sink_artifact(const struct sink *sink, struct artifact *out, struct err *err);

/* Ends the stream: *out describes the bytes, which are in the database and sealed (own transaction). ERR_EMPTY on 0 bytes. */
bool sink_seal(struct sink *sink, struct db *db, struct artifact *out, struct err *err);

/* Frees it; what was written and not sealed is deleted (db may be NULL: the sweep will). */
void sink_free(struct sink **sink, struct db *db);

#endif
