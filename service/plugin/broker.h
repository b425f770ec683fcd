/* The broker's side, as the plugin sees it: Mosquitto's headers in the order they need. */
#ifndef PLUGIN_BROKER_H
#define PLUGIN_BROKER_H

#include <mosquitto.h>
#include <mosquitto_broker.h>
/* Behind mosquitto_broker.h: it takes types from there. */
#include <mosquitto_plugin.h>

#endif
