/* The service at the broker: one link for what devices report, one that publishes pushes and hears their echoes (other replicas' pushes:
 * ten thousand of them must not crowd out reports). */
#ifndef MQTT_MQTT_H
#define MQTT_MQTT_H

struct config;
struct engine;
struct err;
struct message_dialect;
struct message_direct;
struct mqtt;

/* Connects in the background. config and dialects must outlive it. */
struct mqtt *mqtt_start(struct engine *engine, const struct message_dialect *dialect, const struct message_direct *direct,
			const struct config *config, struct err *err);

/* Nothing comes in or goes out any more. What the engine still completes may call back until mqtt_stop(), so the engine stops between the
 * two. */
void mqtt_halt(struct mqtt *mqtt);
void mqtt_stop(struct mqtt **mqtt);

#endif
