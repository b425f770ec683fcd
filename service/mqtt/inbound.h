/* What devices publish: decoded by the dialect, handed to the engine (which queues), answered after commit. On Paho's thread: never blocks.
 */
#ifndef MQTT_INBOUND_H
#define MQTT_INBOUND_H

#include <stdbool.h>
#include <stddef.h>

struct chunks;
struct engine;
struct message_dialect;
struct message_direct;
struct outbound;

struct inbound {
	struct engine *engine;
	const struct message_dialect *dialect;
	const struct message_direct *direct;
	const char *public_url;
	struct outbound *outbound; /* takes the replies */
	struct chunks *chunks;
};

/* A struct link_handlers.message; ctx is the inbound. */
void inbound_message(void *ctx, const char *topic, const void *payload, size_t len, bool retained);

#endif
