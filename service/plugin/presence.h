/* Presence as state: what changes is queued, numbered and told in order. The broker's thread only. */
#ifndef PLUGIN_PRESENCE_H
#define PLUGIN_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct session;
struct sessions;
struct tell;

enum {
	PRESENCE_MESSAGE = 256,   /* events in one message */
	PRESENCE_PENDING = 65536, /* more are dropped, and the listener sees a gap */
};

struct presence {
	struct event *events;
	size_t head; /* the first that is not told yet */
	size_t count;
	size_t cap;
	uint32_t base; /* the number of events[0] */
	bool lost;
};

void presence_init(struct presence *p);
void presence_free(struct presence *p);

/* A connection was let in. */
void presence_connected(struct presence *p, struct session *session);

/* It is ending: told if it is the device's last. Call before sessions_remove(). */
void presence_disconnected(struct presence *p, const struct sessions *sessions, const struct session *session);

/* It may subscribe to its pushes. Several between two tellings are one event. */
void presence_subscribed(struct presence *p, struct session *session, bool resumed);

/* It tried to publish a push; counted up between two tellings. session may be NULL: only the device is known (a will). */
void presence_forged(struct presence *p, struct session *session, const char *device);

/* A message for the device found nobody. */
void presence_absent(struct presence *p, const char *device);

/* Is there anything to tell? */
static inline bool presence_waits(const struct presence *p)
{
	return p->head < p->count || p->lost;
}

/* Tells what is pending, all but what a huge crowd leaves for the next call. */
void presence_flush(struct presence *p, const struct sessions *sessions, struct tell *tell);

#endif
