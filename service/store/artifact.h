/* The bytes in PostgreSQL: uploads, chunks, artifacts. Each call is one transaction of its own: not inside db_begin(). */
#ifndef STORE_ARTIFACT_H
#define STORE_ARTIFACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct artifact; /* model/nouns.h */
struct db;
struct err;

enum { STORE_CHUNK_SIZE = 256 * 1024 };

/* A new unsealed upload. */
bool store_upload_begin(struct db *db, int64_t *upload, struct err *err);
/* One chunk, seq from 0; all but the last are STORE_CHUNK_SIZE long. Also touches the upload, so that the sweep leaves it alone. Repeating
 * a seq with the same data is harmless. Not flushed to disk before the seal: a crash of the database in between may lose chunks, and the
 * seal then refuses. ERR_CONFLICT: the upload was swept. */
bool store_upload_chunk(struct db *db, int64_t upload, int seq, const void *data, size_t len, struct err *err);
/* Seals: the artifact row; if one with these bytes exists, the upload is dropped and that one is touched. Durable when it returns. May be
 * repeated. ERR_UNAVAILABLE: chunks are missing. */
bool store_upload_seal(struct db *db, int64_t upload, const struct artifact *artifact, struct err *err);
/* Deletes an unsealed upload; a sealed one stays. */
bool store_upload_drop(struct db *db, int64_t upload, struct err *err);

/* Reads chunk seq of an artifact: out holds STORE_CHUNK_SIZE bytes; *len = 0 past the end. ERR_NOT_FOUND if there is no such artifact. */
bool store_chunk_read(struct db *db, const uint8_t sha256[32], int seq, void *out, size_t *len, struct err *err);

/* Deletes uploads untouched for an hour and artifacts no firmware or object names and nobody sealed or touched for an hour (since they were
 * last sealed), a few at a time. *count = rows gone: call again while it is not 0. */
bool store_artifact_sweep(struct db *db, int64_t *count, struct err *err);

#endif
