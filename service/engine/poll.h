/* "Is there something for me?": a device's poll, whatever its dialect. Answered from memory; only what moves a task waits for the group
 * commit. */
#ifndef ENGINE_POLL_H
#define ENGINE_POLL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/alias.h"
#include "model/nouns.h"

struct engine;
struct err;

struct poll {
	const char *device;
	const char *component; /* NULL = app */
	const char *version;   /* "" = not told */
	bool by_name;          /* nothing but the name says that it is the device */
};

/* What a device is offered. */
struct offer {
	int64_t task_id; /* 0: an assignment whose task has ended */
	int64_t rollout_id;
	int64_t size;
	char alias[ALIAS_SIZE];
	char version[VERSION_SIZE];       /* as the device shall call it */
	char image_version[VERSION_SIZE]; /* as the image calls itself; "" = it is none */
	char md5[33];
	char sha256[65];
	char component[COMPONENT_SIZE];
	char description[DESCRIPTION_SIZE];
	bool passive;
};

/* offer NULL: nothing for it. err not NULL: ERR_NOT_FOUND (no such device), ERR_DENIED (an activated device, whose
 * product asks for more than the name), ERR_UNAVAILABLE, ERR_BUSY. On the caller's thread at once, or
 * later on the commit's. */
typedef void poll_done(void *ctx, const struct offer *offer, const struct err *err);
void poll_device(struct engine *engine, const struct poll *poll, poll_done *done, void *ctx);

#endif
