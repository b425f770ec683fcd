/* Pushes to the broker: takes what the engine has ready or claims what is due, publishes at QoS 1 within the link's window, and says what
 * became of it. A broker that is down means delay, never loss: what is not acknowledged stays in the outbox.
 */
#ifndef MQTT_OUTBOUND_H
#define MQTT_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct engine;
struct err;
struct link;
struct message_dialect;
struct outbound;

struct outbound *outbound_start(struct engine *engine, const struct message_dialect *dialect, const struct config *config, struct err *err);

/* The link it publishes on; once, before the first state. */
void outbound_attach(struct outbound *outbound, struct link *link);

/* Queues a reply to a device, at most once (QoS 0), before any push. Never blocks. A full queue (65,536) drops and counts it: the device
 * repeats. */
void outbound_reply(struct outbound *outbound, const char *topic, const void *payload, size_t len);

/* For the link's handlers: never block. */
void outbound_wake(struct outbound *outbound);
void outbound_state(struct outbound *outbound, bool up);

/* Before the link is freed: nothing is published from then on. */
void outbound_halt(struct outbound *outbound);
/* After the link was freed. */
void outbound_stop(struct outbound **outbound);

#endif
