/* Firmware bytes on their way in. Worker threads only. */
#ifndef ENGINE_UPLOAD_H
#define ENGINE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

struct artifact; /* model/nouns.h */
struct engine;
struct err;
struct firmware; /* model/nouns.h */
struct upload;
struct worker;

struct upload *upload_new(struct engine *engine, struct err *err);
bool upload_write(struct upload *upload, struct worker *worker, const void *data, size_t len, struct err *err);
/* What the bytes so far are. ERR_EMPTY: there were none. */
bool upload_artifact(const struct upload *upload, struct artifact *out, struct err *err);
/* All bytes are there, for a firmware of inout->product_id: they are in the database, inout->artifact names them, inout->image is what an
 * ESP-IDF app image says of itself. Where the product's images are such, the version is the image's: one that inout had must be the same
 * (ERR_INVALID), and any other file is refused by a sentence that says what to upload (ERR_INVALID). ERR_EMPTY: there were no bytes. */
bool upload_seal(struct upload *upload, struct worker *worker, struct firmware *inout, struct err *err);
/* The same of bytes that are nobody's firmware yet. */
bool upload_seal_bytes(struct upload *upload, struct worker *worker, struct artifact *out, struct err *err);
/* What was not sealed is removed. */
void upload_free(struct upload **upload, struct worker *worker);

#endif
