/* How RabbitMQ's MQTT plugin maps MQTT to AMQP: queues of a client, and routing keys. Pure. */
#ifndef DIALECT_BROKER_RABBIT_RULE_H
#define DIALECT_BROKER_RABBIT_RULE_H

#include <stdbool.h>
#include <stddef.h>

/* What the plugin itself needs on behalf of a client, and nothing else: to declare, fill and read the queues
 * mqtt-subscription-{client_id}qos0 and ...qos1, and to read and write the exchange amq.topic (what goes through it is asked by topic). */
bool broker_rabbit_rule_resource(const char *client_id, const char *kind, const char *name, const char *permission);

/* The topic or filter that a routing key stands for: '.' is '/', and a level that is "*" is "+". A '.' in the client's own topic becomes a
 * '/', as it does for whoever receives it. False: longer than size. */
bool broker_rabbit_rule_topic(const char *routing_key, char *out, size_t size);

#endif
