#include "mqtt/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "mqtt/link.h"
#include "mqtt/trust.h"

#define WINDOW_MAX 30000 /* half of the packet ids: messages sent again after a loss use some too */
#define HOST_MAX 255

static bool check(const struct link_config *config, struct err *err)
{
	if (config->host == NULL || config->host[0] == '\0' || strlen(config->host) > HOST_MAX) {
		return err_set(err, ERR_INVALID, "the broker's host name must have 1 to %d bytes", HOST_MAX);
	}
	if (config->port < 1 || config->port > 65535) {
		return err_set(err, ERR_INVALID, "the broker's port must be from 1 to 65535");
	}
	if (config->client_id == NULL || config->client_id[0] == '\0') {
		return err_set(err, ERR_INVALID, "the broker's link needs a client id");
	}
	if (config->window < 1 || config->window > WINDOW_MAX) {
		return err_set(err, ERR_INVALID, "the window of the broker's link must be from 1 to %d", WINDOW_MAX);
	}
	if (config->qos < 0 || config->qos > 2) {
		return err_set(err, ERR_INVALID, "the QoS of the subscriptions must be from 0 to 2");
	}
	if (config->tls && strchr(config->host, ':') != NULL) { /* Paho compares it with its brackets, so no certificate would do */
		return err_set(err, ERR_INVALID,
			       "with TLS the broker's host must be a name or an IPv4 address, which its certificate names");
	}
	return !config->tls || config->ca_file == NULL || trust_check(config->ca_file, err);
}

static bool copy_filters(struct settings *settings, const char *const *filters)
{
	size_t count = 0;
	while (filters != NULL && filters[count] != NULL) {
		count++;
	}
	settings->filters = calloc(count + 1, sizeof(*settings->filters));
	if (settings->filters == NULL) {
		return false;
	}
	while (settings->filter_count < count) {
		char *filter = strdup(filters[settings->filter_count]);
		if (filter == NULL) {
			return false;
		}
		settings->filters[settings->filter_count++] = filter;
	}
	return true;
}

static bool copy(struct settings *settings, const struct link_config *config)
{
	char uri[HOST_MAX + 20];
	bool v6 = strchr(config->host, ':') != NULL;
	snprintf(uri, sizeof(uri), "%s://%s%s%s:%d", config->tls ? "ssl" : "tcp", v6 ? "[" : "", config->host, v6 ? "]" : "", config->port);
	settings->uri = strdup(uri);
	settings->host = strdup(config->host);
	settings->client_id = strdup(config->client_id);
	if (settings->uri == NULL || settings->host == NULL || settings->client_id == NULL) {
		return false;
	}
	if (config->tls && config->ca_file != NULL && config->ca_file[0] != '\0' && (settings->ca_file = strdup(config->ca_file)) == NULL) {
		return false;
	}
	if (config->username != NULL && config->username[0] != '\0' && (settings->username = strdup(config->username)) == NULL) {
		return false;
	}
	const struct secret *password = config->password;
	if (password != NULL && secret_is_set(password) && !secret_set(&settings->password, password->reveal)) {
		return false;
	}
	return copy_filters(settings, config->filters);
}

bool settings_copy(struct settings *settings, const struct link_config *config, struct err *err)
{
	*settings = (struct settings){
		.port = config->port,
		.tls = config->tls,
		.qos = config->qos,
		.deaf_to_itself = config->deaf_to_itself,
		.persistent = config->persistent,
		.window = config->window,
	};
	if (!check(config, err)) {
		return false;
	}
	if (!copy(settings, config)) {
		settings_clear(settings);
		return err_set(err, ERR_INTERNAL, "no memory for the broker's link");
	}
	return true;
}

void settings_clear(struct settings *settings)
{
	for (size_t i = 0; i < settings->filter_count; i++) {
		free(settings->filters[i]);
	}
	free(settings->filters);
	free(settings->uri);
	free(settings->host);
	free(settings->ca_file);
	free(settings->client_id);
	free(settings->username);
	secret_clear(&settings->password);
	*settings = (struct settings){.uri = NULL};
}
