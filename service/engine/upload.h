/* Firmware bytes on their way in. Worker threads only. */
#ifndef ENGINE_UPLOAD_H
#define ENGINE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

struct artifact; /* model/nouns.h */
struct engine;
struct err;
struct upload;
struct worker;

struct upload *upload_new(struct engine *engine, struct err *err);
bool upload_write(struct upload *upload, struct worker *worker, const void *data, size_t len, struct err *err);
/* All bytes are there: they are in the database, named by their digest. ERR_EMPTY: there were none. */
bool upload_seal(struct upload *upload, struct worker *worker, struct artifact *out, struct err *err);
/* What was not sealed is removed. */
void upload_free(struct upload **upload, struct worker *worker);

#endif
