/* Downloads: from an alias to a file, and from acknowledged bytes to evidence. */
#ifndef ENGINE_DELIVER_H
#define ENGINE_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"

struct delivery;
struct engine;
struct err;
struct worker;

/* What an alias stands for. Memory only. ERR_NOT_FOUND: not one of ours; ERR_GONE: revoked, expired or its firmware deleted. On success
 * *out is to be freed with delivery_free, on any thread. */
bool delivery_open(struct engine *engine, const char *alias, struct delivery **out, struct err *err);
/* The same for a device that names its task, or (alias not "") a file name it was offered: never another device's. A task that lives, or an
 * alias that stands: what has ended is had by its alias alone. */
bool delivery_open_task(struct engine *engine, const char *device, int64_t task_id, const char *alias, struct delivery **out,
			struct err *err);
/* A firmware by its id, for operators: no task, no evidence. */
bool delivery_open_firmware(struct engine *engine, int64_t firmware_id, struct delivery **out, struct err *err);
/* Bytes that are ours by what they are: no task, no evidence. */
bool delivery_open_artifact(struct engine *engine, const struct artifact *artifact, struct delivery **out, struct err *err);
const struct artifact *delivery_artifact(const struct delivery *d);
const char *delivery_etag(const struct delivery *d); /* strong, quoted */
void delivery_free(struct delivery **d);

/* The file, as a descriptor of the caller's own. Warm: done at once on this thread; cold: later on a worker, after the cache was filled. fd
 * -1: err says why (ERR_BUSY, ERR_UNAVAILABLE, ERR_NO_SPACE ...). */
typedef void delivery_done(void *ctx, int fd, const struct err *err);
void delivery_file(struct engine *engine, struct delivery *d, delivery_done *done, void *ctx);

/* The same at once, on a worker. A descriptor of the caller's own, or -1 and err. */
int delivery_open_file(const struct delivery *d, struct worker *worker, struct err *err);

/* Reads [offset, offset + len), which lies within the file, into out on a worker, after filling the cache if it is cold. err NULL: it is
 * there. false: no worker free (ERR_BUSY), done is not called. One read at a time; the delivery and out must live until done. */
typedef void delivery_read_done(void *ctx, const struct err *err);
bool delivery_read(struct delivery *d, uint64_t offset, size_t len, void *out, delivery_read_done *done, void *ctx);

/* Would a read find the file in the cache? A hint; memory only. */
bool delivery_is_warm(const struct delivery *d);

/* The device has begun to fetch. */
void delivery_begun(struct delivery *d);

/* The device's TCP (or, of a chunk over MQTT, the broker) has acknowledged these bytes of the file. Never blocks. */
void delivery_bytes(struct delivery *d, uint64_t offset, uint64_t len);

#endif
