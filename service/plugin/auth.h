/* BASIC_AUTH: who may connect. */
#ifndef PLUGIN_AUTH_H
#define PLUGIN_AUTH_H

struct mosquitto_evt_basic_auth;
struct plugin;

/* MOSQ_ERR_SUCCESS or MOSQ_ERR_AUTH; never "let another decide". */
int auth_check(struct plugin *p, const struct mosquitto_evt_basic_auth *event);

#endif
