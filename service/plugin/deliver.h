/* MESSAGE: what the service publishes on devices/p2p/{deviceName} goes to the connections of that device. */
#ifndef PLUGIN_DELIVER_H
#define PLUGIN_DELIVER_H

struct mosquitto_evt_message;
struct plugin;

/* Always MOSQ_ERR_SUCCESS. Runs for every message of everyone. */
int deliver_message(struct plugin *p, struct mosquitto_evt_message *event);

#endif
