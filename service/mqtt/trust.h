/* TLS to the broker: whom we trust, and what is wrong when we do not. */
#ifndef MQTT_TRUST_H
#define MQTT_TRUST_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Whether the file holds certificates (PEM); the sentence says what is wrong with it. "" = the system's, which is not looked at. */
bool trust_check(const char *ca_file, struct err *err);

/* Paho does not say why it refused a broker: connects once more, as Paho does (the chain by ca_file, the name or address by host), and says
 * in reason what it found and what to do. Blocks for up to 5 s. Any thread. */
void trust_explain(const char *host, int port, const char *ca_file, char *reason, size_t size);

#endif
