/* A device's link to the broker: connects in turn with the others, subscribes, hands on what arrives, and comes back when it is lost. */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "common/topic.h"
#include "loop.h"

struct device;
struct err;
struct mosquitto;
struct sim;

enum { LINK_PATTERN_SIZE = 256 };

enum link_state { LINK_DOWN, LINK_QUEUED, LINK_CONNECTING, LINK_SUBSCRIBING, LINK_UP };

struct link {
	struct mosquitto *client; /* NULL until the first connect */
	enum link_state state;
	int fd;
	int losses;  /* in a row: the pause before the next try grows */
	int connack; /* 0 = accepted, or no answer */
	bool denied;
	bool was_up;
	bool dialled;            /* the TCP connection of this attempt is there */
	struct loop_timer retry; /* next connect, or the deadline of the present one */
	struct loop_timer misc;
	STAILQ_ENTRY(device) queue;
};

/* Finds an address of the broker that answers (else the first). False if the name does not resolve. */
bool link_resolve(struct sim *sim, struct err *err);
void link_start(struct device *d);
void link_stop(struct device *d);
/* Puts the name where the pattern says {device}. */
void link_fill_in(char *out, size_t size, const char *pattern, const char *name);

/* A client that has not connected yet: mosquitto_reconnect_async() does that. It costs one descriptor, and that only while it is connected.
 * NULL: the library refuses the id. */
struct mosquitto *link_client(const char *id, bool clean, void *ctx, const char *host, int port, int keepalive_s);

/* QoS 1. Returns the message id, or 0 if the link is not up: the caller repeats. */
int link_publish(struct device *d, enum topic_kind kind, const char *text);

#endif
