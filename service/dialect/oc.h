/* The oc dialect (protocols: seed 003): operators and devices over HTTP at /api/v2, devices over MQTT at /oc/devices/{deviceName}/sys/ota.
 */
#ifndef DIALECT_OC_H
#define DIALECT_OC_H

struct engine;
struct http_dialect;
struct message_dialect;

/* Prefix "/api/v2/". The engine must outlive the server. */
void oc_dialect(struct http_dialect *out, struct engine *engine);

/* Its MQTT side. Static. */
extern const struct message_dialect oc_messages;

#endif
