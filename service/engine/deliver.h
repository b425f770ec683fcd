/* Downloads: from an alias to a file, and from acknowledged bytes to evidence. */
#ifndef ENGINE_DELIVER_H
#define ENGINE_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "model/nouns.h"

struct delivery;
struct engine;
struct err;

/* What an alias stands for. Memory only. ERR_NOT_FOUND: not one of ours; ERR_GONE: revoked, expired or its firmware deleted. On success
 * *out is to be freed with delivery_free, on any thread. */
bool delivery_open(struct engine *engine, const char *alias, struct delivery **out, struct err *err);
/* A firmware by its id, for operators: no task, no evidence. */
bool delivery_open_firmware(struct engine *engine, int64_t firmware_id, struct delivery **out, struct err *err);
const struct artifact *delivery_artifact(const struct delivery *d);
const char *delivery_etag(const struct delivery *d); /* strong, quoted */
void delivery_free(struct delivery **d);

/* The file, as a descriptor of the caller's own. Warm: done at once on this thread; cold: later on a worker, after the cache was filled. fd
 * -1: err says why (ERR_BUSY, ERR_UNAVAILABLE, ERR_NO_SPACE ...). */
typedef void delivery_done(void *ctx, int fd, const struct err *err);
void delivery_file(struct engine *engine, struct delivery *d, delivery_done *done, void *ctx);

/* The device has begun to fetch. */
void delivery_begun(struct delivery *d);

/* The device's TCP has acknowledged these bytes of the file. Never blocks. */
void delivery_bytes(struct delivery *d, uint64_t offset, uint64_t len);

#endif
