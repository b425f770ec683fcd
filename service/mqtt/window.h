/* The publishes in flight on one link, at most so many. Knows nothing of Paho.
 *
 * Every accepted publish is a ticket, the context of the library's callback. It is live until its completion was delivered: by the
 * library's verdict, or by window_fail_all() when the connection dies. A ticket failed that way turns stale: the library may still hold
 * it, send the message again in a resumed session and give its verdict much later. So a ticket is freed only when the library lets go of
 * it, or with the window. Thread-safe; never calls out with its lock held.
 */
#ifndef MQTT_WINDOW_H
#define MQTT_WINDOW_H

#include <stdbool.h>

#include "mqtt/link.h"

struct ticket;
struct window;

/* A closed window for limit publishes. writable: a quarter of the window came free after a publish found it full; may be NULL. owner: for
 * writable and window_owner(). NULL: no memory. */
struct window *window_new(unsigned limit, void (*writable)(void *owner), void *owner);
void *window_owner(const struct ticket *ticket);

/* Closed, it accepts nothing; what is in flight stays. */
void window_open(struct window *window);
void window_close(struct window *window);

/* Takes a place, while the caller hands the message to the library. NULL: closed, full, or no memory. Must be followed by
 * window_handed(). done may be NULL. */
struct ticket *window_reserve(struct window *window, link_done *done, void *ctx);

/* The library took the message (its verdict may have been given already), or refused it. False: the message does not count as accepted,
 * and done is not called: refused, or the connection died meanwhile (then the library may still send it some day). */
bool window_handed(struct ticket *ticket, bool taken);

/* The library's verdict, after which it no longer knows the ticket. Completes it if that was not done before. */
void window_verdict(struct ticket *ticket, bool acknowledged);

/* The connection died: completes as failed whatever is live, but for what is being handed over right now. */
void window_fail_all(struct window *window);

/* Waits until nothing is in flight, at most ms milliseconds. */
void window_drain(struct window *window, int ms);

/* When the library is gone: fails what is live, frees all. */
void window_free(struct window **window);

#endif
