/* A link to the broker: the only code that knows Paho. MQTT 5, reconnects by itself with back-off, subscribes again at every connect, keeps no file.
 *
 * Publishing has a window of its own: link_publish() never blocks and is refused when the window is full or the link is down. Every accepted publish ends in
 * exactly one completion, also when the connection dies (then as a failure) or the link is freed. Completions and messages run on Paho's thread, perhaps under
 * its lock: they may only queue.
 */
#ifndef MQTT_LINK_H
#define MQTT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct link;
struct secret;

struct link_config {
	const char *host;
	int port;
	const char *client_id;
	const char *username; /* "" = none */
	const struct secret *password;
	unsigned window;       /* publishes in flight at most */
	bool persistent;       /* keep the session at the broker while away (session expiry 1 day) */
	const char *const *filters; /* NULL-terminated; subscribed at every connect */
	int qos;                    /* of the subscriptions */
};

struct link_handlers {
	/* A message. topic is NUL-terminated without inner NUL; payload is raw, at most 1 MiB, valid during the call. */
	void (*message)(void *ctx, const char *topic, const void *payload, size_t len, bool retained);
	/* The link came up (and is subscribed) or went down. */
	void (*state)(void *ctx, bool up);
	/* Window space came free: publishing that was refused may be tried again. */
	void (*writable)(void *ctx);
	void *ctx;
};

/* Starts connecting in the background; a broker that is down is not an error. NULL and err only for bad configuration or lack of memory. */
struct link *link_new(const struct link_config *config, const struct link_handlers *handlers, struct err *err);
bool link_is_up(const struct link *link);

typedef void link_done(void *ctx, bool acknowledged);

/* QoS 1 (0 if !reliable), never retained. expiry_s: message expiry interval, 0 = none. Any thread. false: not taken, done will not be called. QoS 0 completes when handed to
 * the socket. */
bool link_publish(struct link *link, const char *topic, const void *payload, size_t len, bool reliable, uint32_t expiry_s, link_done *done, void *ctx);

/* Disconnects cleanly (waits up to 2 s), fails what is in flight, frees. */
void link_free(struct link **link);

#endif
