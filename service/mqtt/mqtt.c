#include "mqtt/mqtt.h"

#include <pthread.h>
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

enum { ASKING_WINDOW = 16, FILTERS_MAX = 8 };

struct mqtt {
	struct inbound inbound;
	struct outbound *outbound;
	struct control *control;
	struct link *reports; /* devices' words, kept by the broker while we are away; asks the plugin */
	struct link *pushes;  /* publishes; hears what may be lost: answers on the push topic, presence */
	pthread_mutex_t lock; /* of the two; held while the outbound is told, nothing that it calls takes it */
	bool reports_up, pushes_up;
	bool halted;
	char pushes_id[160];
};

static void message(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	struct mqtt *m = ctx;
	if (!control_message(m->control, topic, payload, len)) {
		inbound_message(&m->inbound, topic, payload, len, retained);
	}
}

/* One link alone is not enough: pushes whose reports are not heard, or the reverse. With the lock. */
static bool both_up(const struct mqtt *m)
{
	return m->pushes_up && m->reports_up;
}

static void link_state(struct mqtt *m, bool *which, bool up)
{
	pthread_mutex_lock(&m->lock);
	bool before = both_up(m);
	*which = up;
	bool both = both_up(m);
	if (both && !before) {
		log_info("broker connected");
	} else if (before && !both) {
		log_warn("broker not connected; pushes wait in the outbox");
	}
	if (both != before) {
		outbound_state(m->outbound, both); /* with the lock: "up" of one must not overtake "down" of the other */
	}
	pthread_mutex_unlock(&m->lock);
}

static void reports_state(void *ctx, bool up)
{
	struct mqtt *m = ctx;
	control_can_ask(m->control, up);
	link_state(m, &m->reports_up, up);
}

static void pushes_state(void *ctx, bool up)
{
	struct mqtt *m = ctx;
	control_can_hear(m->control, up);
	link_state(m, &m->pushes_up, up);
}

static void pushes_writable(void *ctx)
{
	struct mqtt *m = ctx;
	outbound_wake(m->outbound);
}

static void common_settings(struct link_config *link, const struct config *config)
{
	*link = (struct link_config){
		.host = config->mqtt_host,
		.port = (int)config->mqtt_port,
		.tls = strcmp(config->mqtt_tls, "on") == 0,
		.ca_file = config->mqtt_ca_file,
		.username = config->mqtt_username,
		.password = &config->mqtt_password,
	};
}

static bool start_reports(struct mqtt *m, const struct config *config, struct err *err)
{
	struct link_handlers handlers = {.message = message, .state = reports_state, .ctx = m};
	struct link_config link;
	common_settings(&link, config);
	link.client_id = config->mqtt_client_id;
	link.window = ASKING_WINDOW;
	link.persistent = true;
	link.filters = m->inbound.dialect->report_filters;
	link.qos = 1;
	m->reports = link_new(&link, &handlers, err);
	return m->reports != NULL;
}

/* Its own pushes do not come by here again, those of other replicas do. */
static bool start_pushes(struct mqtt *m, const struct config *config, struct err *err)
{
	struct link_handlers handlers = {.message = message, .state = pushes_state, .writable = pushes_writable, .ctx = m};
	struct link_config link;
	const char *heard[FILTERS_MAX] = {NULL};
	size_t n = 0;
	common_settings(&link, config);
	const char *const *lists[] = {m->inbound.dialect->push_filters, m->inbound.direct->filters, control_filters(m->control)};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		for (const char *const *f = lists[i]; *f && n < FILTERS_MAX - 1; f++) {
			heard[n++] = *f;
		}
	}
	snprintf(m->pushes_id, sizeof m->pushes_id, "%s:push", config->mqtt_client_id);
	link.client_id = m->pushes_id;
	link.window = (unsigned)config->mqtt_window;
	link.filters = heard;
	link.deaf_to_itself = true;
	m->pushes = link_new(&link, &handlers, err);
	return m->pushes != NULL;
}

static bool start_links(struct mqtt *m, const struct config *config, struct err *err)
{
	if (!start_reports(m, config, err)) {
		return false;
	}
	control_attach(m->control, m->reports);
	if (!start_pushes(m, config, err)) {
		return false;
	}
	outbound_attach(m->outbound, m->pushes);
	return true;
}

struct mqtt *mqtt_start(struct engine *engine, const struct message_dialect *dialect, const struct message_direct *direct,
			const struct config *config, struct err *err)
{
	struct mqtt *m = calloc(1, sizeof *m);
	if (!m) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&m->lock, NULL);
	m->inbound.engine = engine;
	m->inbound.dialect = dialect;
	m->inbound.direct = direct;
	m->inbound.public_url = config->public_url;
	m->outbound = outbound_start(engine, dialect, direct, config, err);
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
		link_free(&m->pushes);
		link_free(&m->reports);
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
		pthread_mutex_destroy(&m->lock);
		free(m);
		*mp = NULL;
	}
}
