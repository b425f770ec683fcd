/* Pushes to the broker: takes what the engine has ready or claims what is due, publishes at QoS 1 within the link's window, and says what
 * became of it. A broker that is down means delay, never loss: what is not acknowledged stays in the outbox.
 */
#ifndef MQTT_OUTBOUND_H
#define MQTT_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/topic.h"
#include "mqtt/link.h"

struct config;
struct engine;
struct err;
struct message_dialect;
struct message_direct;
struct outbound;

struct outbound *outbound_start(struct engine *engine, const struct message_dialect *dialect, const struct message_direct *direct,
				const struct config *config, struct err *err);

/* The link it publishes on; once, before the first state. */
void outbound_attach(struct outbound *outbound, struct link *link);

/* Queues a reply to a device, at most once (QoS 0), before any push. Never blocks. A full queue (65,536) drops and counts it: the device
 * repeats. */
void outbound_reply(struct outbound *outbound, const char *topic, const void *payload, size_t len);

/* A message of the caller's to be published at QoS 1; it must live until done. */
struct outbound_parcel {
	struct outbound_parcel *next; /* outbound's */
	char topic[TOPIC_SIZE];
	const void *payload;
	size_t len;
	uint32_t expiry_s; /* how long the broker keeps it for a device that is away; 0 = for ever */
	link_done *done;   /* exactly once, on any thread, perhaps at once: only queues */
	void *ctx;
};

/* Queues it behind replies, in turn with pushes. Not acknowledged if the link is down or goes down first. Never blocks. The queue has no
 * bound of its own. */
void outbound_send(struct outbound *outbound, struct outbound_parcel *parcel);

/* For the link's handlers: never block. */
void outbound_wake(struct outbound *outbound);
void outbound_state(struct outbound *outbound, bool up);

/* Before the link is freed: nothing is published from then on. */
void outbound_halt(struct outbound *outbound);
/* After the link was freed. */
void outbound_stop(struct outbound **outbound);

#endif
