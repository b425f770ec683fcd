#include "mqtt/mqtt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "config/config.h"
#include "engine/message.h"
#include "mqtt/chunk.h"
#include "mqtt/control.h"
#include "mqtt/inbound.h"
#include "mqtt/link.h"
#include "mqtt/outbound.h"

enum { ECHO_WINDOW = 16, FILTERS_MAX = 8 };

struct mqtt {
	struct inbound inbound;
	struct outbound *outbound;
	struct control *control;
	struct link *main;
	struct link *echo;
	bool halted;
	char echo_id[160];
};

static void message(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	struct mqtt *m = ctx;
	if (!control_message(m->control, topic, payload, len)) {
		inbound_message(&m->inbound, topic, payload, len, retained);
	}
}

static void state(void *ctx, bool up)
{
	struct mqtt *m = ctx;
	if (up) {
		log_info("broker connected");
	} else {
		log_warn("broker not connected; pushes wait in the outbox");
	}
	outbound_state(m->outbound, up);
	control_can_ask(m->control, up);
}

static void writable(void *ctx)
{
	struct mqtt *m = ctx;
	outbound_wake(m->outbound);
}

static void echo_state(void *ctx, bool up)
{
	struct mqtt *m = ctx;
	control_can_hear(m->control, up);
	log_debug(up ? "echo link connected" : "echo link not connected");
}

static void echo_writable(void *ctx)
{
	(void)ctx;
}

static bool start_links(struct mqtt *m, const struct config *config, struct err *err)
{
	const struct message_dialect *dialect = m->inbound.dialect;
	struct link_config main = {
		.host = config->mqtt_host,
		.port = (int)config->mqtt_port,
		.tls = strcmp(config->mqtt_tls, "on") == 0,
		.ca_file = config->mqtt_ca_file,
		.client_id = config->mqtt_client_id,
		.username = config->mqtt_username,
		.password = &config->mqtt_password,
		.window = (unsigned)config->mqtt_window,
		.persistent = true,
		.filters = dialect->report_filters,
		.qos = 1,
	};
	struct link_config echo = main;
	snprintf(m->echo_id, sizeof m->echo_id, "%s:echo", config->mqtt_client_id);
	echo.client_id = m->echo_id;
	echo.window = ECHO_WINDOW;
	echo.persistent = false;
	const char *heard[FILTERS_MAX] = {NULL};
	size_t n = 0;
	for (const char *const *f = dialect->echo_filters; *f && n < FILTERS_MAX - 3; f++) {
		heard[n++] = *f;
	}
	for (const char *const *f = control_filters(m->control); *f; f++) {
		heard[n++] = *f;
	}
	echo.filters = heard;
	echo.qos = 0;
	struct link_handlers handlers = {.message = message, .state = state, .writable = writable, .ctx = m};
	struct link_handlers echo_handlers = {.message = message, .state = echo_state, .writable = echo_writable, .ctx = m};
	m->main = link_new(&main, &handlers, err);
	if (!m->main) {
		return false;
	}
	outbound_attach(m->outbound, m->main);
	control_attach(m->control, m->main);
	m->echo = link_new(&echo, &echo_handlers, err);
	return m->echo != NULL;
}

struct mqtt *mqtt_start(struct engine *engine, const struct message_dialect *dialect, const struct config *config, struct err *err)
{
	struct mqtt *m = calloc(1, sizeof *m);
	if (!m) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	m->inbound.engine = engine;
	m->inbound.dialect = dialect;
	m->inbound.public_url = config->public_url;
	m->outbound = outbound_start(engine, dialect, config, err);
	m->inbound.outbound = m->outbound;
	m->inbound.chunks = m->outbound ? chunk_start(engine, dialect, m->outbound, config, err) : NULL;
	m->control = m->inbound.chunks ? control_start(engine, config->mqtt_client_id, err) : NULL;
	if (!m->control || !start_links(m, config, err)) {
		mqtt_stop(&m);
	}
	return m;
}

void mqtt_halt(struct mqtt *m)
{
	if (m && m->outbound && !m->halted) {
		m->halted = true;
		if (m->inbound.chunks) {
			chunk_halt(m->inbound.chunks);
		}
		if (m->control) {
			control_halt(m->control);
		}
		outbound_halt(m->outbound);
		link_free(&m->echo);
		link_free(&m->main);
	}
}

void mqtt_stop(struct mqtt **mp)
{
	struct mqtt *m = *mp;
	if (m) {
		mqtt_halt(m);
		control_stop(&m->control);
		chunk_stop(&m->inbound.chunks);
		outbound_stop(&m->outbound);
		free(m);
		*mp = NULL;
	}
}
