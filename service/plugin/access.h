/* ACL_CHECK: who may read, write and subscribe to what. */
#ifndef PLUGIN_ACCESS_H
#define PLUGIN_ACCESS_H

#include <stdbool.h>

struct mosquitto;
struct mosquitto_evt_acl_check;
struct plugin;

/* MOSQ_ERR_SUCCESS or MOSQ_ERR_ACL_DENIED. */
int access_check(struct plugin *p, const struct mosquitto_evt_acl_check *event);

/* Is it a connection of the service's? By client id and user name, which nobody else can have. */
bool access_is_service(const struct plugin *p, const struct mosquitto *client);

#endif
