/* The service at the broker: one link for pushes and reports, one of its own, at QoS 0, for the echoes of pushes and for requests for
 * chunks (ten thousand of them must not crowd out reports, and none should wait at the broker while the service is away). */
#ifndef MQTT_MQTT_H
#define MQTT_MQTT_H

struct config;
struct engine;
struct err;
struct message_dialect;
struct mqtt;

/* Connects in the background. config and dialect must outlive it. */
struct mqtt *mqtt_start(struct engine *engine, const struct message_dialect *dialect, const struct config *config, struct err *err);

/* Nothing comes in or goes out any more. What the engine still completes may call back until mqtt_stop(), so the engine stops between the
 * two. */
void mqtt_halt(struct mqtt *mqtt);
void mqtt_stop(struct mqtt **mqtt);

#endif
