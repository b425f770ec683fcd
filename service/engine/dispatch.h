/* Pushes on their way out: the engine says which task is to be told now, a transport (mqtt/outbound) tells it and says what became of it.
 */
#ifndef ENGINE_DISPATCH_H
#define ENGINE_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/poll.h"

struct engine;
struct err;

/* Where freshly ordered tasks go at once, without waiting for a claim (n 0: others have become due, claim now). Called on the commit's
 * thread; must only queue. What it does not take is claimed when its lease ends. */
typedef void dispatch_ready(void *ctx, const int64_t *tasks, size_t n);
void dispatch_attach(struct engine *engine, dispatch_ready *ready, void *ctx);

/* The transport is up or down: while down, orders are not leased to it; when it comes up, everything that waits for a device is sent again
 * soon (a broker that was killed has forgotten what it acknowledged). */
void dispatch_state(struct engine *engine, bool up);

/* Claims due pushes (blocking, on the transport's own thread; uses a connection of the dispatcher's). *next_ms: when nothing is due, how
 * long to sleep at most. */
struct dispatch_item {
	int64_t task_id;
	int64_t attempt;
	int64_t taken_ms; /* monotonic: when its interval began */
	bool granted;     /* dispatch_message()'s own: the database was asked */
};
bool dispatch_claim(struct engine *engine, struct dispatch_item *out, size_t max, size_t *count, int64_t *next_ms, struct err *err);

/* What to tell, from memory; only for what does not go on the device's topic the database is asked (the transport's own thread may block).
 * false: nothing is to be sent now: the task is not live here (ended, or not heard of yet), its device is blocked, or cannot be reached as
 * it is (engine/climb.h). May be asked again of the same item until that is sent. */
struct dispatch_message {
	enum dispatch_how {
		DISPATCH_TOPIC,   /* tell the offer on the device's topic */
		DISPATCH_UPGRADE, /* call its tool to fetch the offer's file */
		DISPATCH_REBOOT,  /* have it boot: it asks then */
	} how;
	int32_t call; /* DISPATCH_UPGRADE: the number of the call */
	struct offer offer;
	char device[NAME_SIZE];
	uint32_t expiry_s; /* how long the broker may keep it */
};
bool dispatch_message(struct engine *engine, struct dispatch_item *item, struct dispatch_message *out);

/* It waits to be published now: whoever begins to listen from here on gets it by that. Any lock of the transport's may be held. */
void dispatch_queued(struct engine *engine, int64_t task_id);

/* The broker took it / did not take it. Never blocks. */
void dispatch_sent(struct engine *engine, int64_t task_id);
void dispatch_failed(struct engine *engine, int64_t task_id);

/* Is this file name one of our offers to this device? (Echo or forgery.) */
bool dispatch_is_ours(struct engine *engine, const char *device, const char *alias);

#endif
