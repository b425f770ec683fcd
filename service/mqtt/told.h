/* What the broker's plugin tells, in numbered messages: who connects, subscribes and goes, forged pushes, counters. A gap in the numbers
 * means that something was lost, then a dump is needed.
 */
#ifndef MQTT_TOLD_H
#define MQTT_TOLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cJSON;
struct engine;

/* All zero: nothing was heard yet. One thread takes; the flags are for any. */
struct told {
	char boot[24];
	int64_t seq;
	unsigned dumps;          /* coming in: other replicas ask for theirs */
	bool gap;                /* since the first page of the dump that is coming in */
	_Atomic(bool) forgotten; /* the thread that takes is to begin anew */
	_Atomic(bool) incomplete;
	_Atomic(bool) new_boot;
};

/* Takes one message; true if the caller is to look at the flags. */
bool told_take(struct told *told, struct engine *engine, const struct cJSON *json);

/* A new connection: what was heard before does not count. Any thread. */
void told_forget(struct told *told);

/* Is a dump needed? Any thread. */
bool told_wants_dump(struct told *told);

/* Did the broker start anew since the last call? Any thread. */
bool told_new_boot(struct told *told);

#endif
