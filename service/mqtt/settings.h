/* A link's own checked copy of its configuration. */
#ifndef MQTT_SETTINGS_H
#define MQTT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/secret.h"

struct err;
struct link_config;

struct settings {
	char *uri; /* as Paho takes it */
	char *host;
	int port;
	bool tls;
	char *ca_file; /* NULL = the system's */
	char *client_id;
	char *username; /* NULL = none */
	struct secret password;
	char **filters;
	size_t filter_count;
	int qos;
	bool deaf_to_itself;
	bool persistent;
	unsigned window;
};

/* On failure settings is empty. */
bool settings_copy(struct settings *settings, const struct link_config *config, struct err *err);
void settings_clear(struct settings *settings);

#endif
