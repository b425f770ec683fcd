/* A link to the broker: the only code that knows Paho. MQTT 5, reconnects by itself with back-off (1 to 10 s), subscribes again at every
 * connect, keeps no file. Several links may live in one process.
 *
 * Publishing has a window of its own: link_publish() never blocks and is refused when the window is full or the link is down. Every
 * accepted publish ends in exactly one completion, also when the connection dies (then as a failure: the message may have arrived, or may
 * still) or the link is freed. Completions and messages run on Paho's thread, perhaps under its lock, and perhaps before link_publish()
 * returns: they may only queue, and no lock that they take may be held while calling link_publish() or link_free().
 */
#ifndef MQTT_LINK_H
#define MQTT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct link;
struct secret;

/* Copied: nothing of it need outlive link_new(). */
struct link_config {
	const char *host; /* name or address; IPv6 too, but not with tls */
	int port;
	bool tls;            /* the certificate must be signed by one in ca_file and name host (as address, if host is one) */
	const char *ca_file; /* PEM, read at every connect; NULL or "" = the system's */
	const char *client_id;
	const char *username;          /* "" = none */
	const struct secret *password; /* NULL or unset = none */
	unsigned window;               /* publishes in flight at most, up to 30000 */
	bool persistent;               /* keep the session at the broker while away (session expiry 1 day) */
	const char *const *filters;    /* NULL-terminated, or NULL; subscribed at every connect */
	int qos;                       /* of the subscriptions */
	bool deaf_to_itself;           /* what it publishes itself does not come by (MQTT 5 no-local) */
};

/* Each may be NULL. */
struct link_handlers {
	/* A message. topic is NUL-terminated without inner NUL; payload is raw, at most 1 MiB, valid during the call. */
	void (*message)(void *ctx, const char *topic, const void *payload, size_t len, bool retained);
	/* The link came up (and every filter is subscribed: while the broker refuses one, the link stays down and asks again) or went down.
	 * Not called for link_free(). */
	void (*state)(void *ctx, bool up);
	/* A quarter of the window is free after a publish found it full: publishing may be tried again. Coming up says the same. */
	void (*writable)(void *ctx);
	void *ctx;
};

/* Starts connecting in the background; a broker that is down is not an error. NULL and err only for bad configuration or lack of memory. */
struct link *link_new(const struct link_config *config, const struct link_handlers *handlers, struct err *err);
bool link_is_up(const struct link *link);

typedef void link_done(void *ctx, bool acknowledged);

/* QoS 1 (0 if !reliable), never retained. topic: UTF-8 without wildcards; payload is copied. expiry_s: message expiry interval, 0 = none.
 * done may be NULL. Any thread. false: not taken, done will not be called. QoS 0 completes when handed to the socket. */
bool link_publish(struct link *link, const char *topic, const void *payload, size_t len, bool reliable, uint32_t expiry_s, link_done *done,
		  void *ctx);

/* Waits up to 1 s for what is in flight, disconnects cleanly (waits up to 1 s), fails what is left, frees. Up to 1 s more for the last link
 * of the process, whose threads end. No call of the other functions may run. */
void link_free(struct link **link);

#endif
