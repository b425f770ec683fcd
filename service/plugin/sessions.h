/* Who is connected: one session a connection, found by the broker's client pointer and by device. About 140 bytes each. The broker's
 * thread only. */
#ifndef PLUGIN_SESSIONS_H
#define PLUGIN_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/map.h"

struct mosquitto;

struct session {
	struct session *same_hash;
	struct session *older; /* in the order of arrival */
	struct session *newer;
	struct mosquitto *client;
	uint32_t epoch;
	uint32_t connected; /* the number of its newest event of that kind (presence.h); 0 = none */
	uint32_t subscribed;
	uint32_t forged;
	/* Its subscriptions before the first SUBSCRIBE of this connection; -1 = none came yet. As the broker counts them: one that was
	 * given back by UNSUBSCRIBE counts until the broker restarts. */
	int16_t subs_before;
	char device[]; /* "" = a connection of the service */
};

struct sessions {
	struct map by_client;
	struct map by_device;
	struct session *oldest;
	struct session *newest;
	size_t devices; /* online, each once */
};

void sessions_clear(struct sessions *s);

/* The client must not have one. NULL: out of memory. */
struct session *sessions_add(struct sessions *s, struct mosquitto *client, const char *device, uint32_t epoch);
struct session *sessions_get(const struct sessions *s, const struct mosquitto *client);
void sessions_remove(struct sessions *s, struct session *session); /* frees it */

/* The connections of a device: for (session = sessions_of(s, device); session; session = sessions_next_of(session)). */
struct session *sessions_of(const struct sessions *s, const char *device);
struct session *sessions_next_of(const struct session *session);

#endif
