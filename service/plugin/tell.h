/* The numbered messages on otad/v1/presence. The broker's thread only. */
#ifndef PLUGIN_TELL_H
#define PLUGIN_TELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct tell {
	char boot[17];
	uint64_t seq; /* of the last message */
};

void tell_init(struct tell *t);

/* Begins the next message: what follows are members of its object. A message that cannot be sent leaves a gap in the numbers, by which the
 * listener knows. tell_send() frees the buffer. */
void tell_begin(struct tell *t, struct buf *out);
void tell_send(struct buf *out);

/* Something was lost: the next message comes after a gap. */
void tell_skip(struct tell *t);

/* Publishes to whoever has subscribed, QoS 0, and frees the buffer. The broker sends it on its next round. */
void tell_publish(const char *topic, struct buf *out);

/* Hands a copy of the payload to the broker, for one client (also without a subscription) or, with NULL, for whoever has subscribed. */
bool tell_copy(const char *client_id, const char *topic, const void *payload, size_t len, int qos);

#endif
