#include "plugin/plugin.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "plugin/access.h"
#include "plugin/auth.h"
#include "plugin/deliver.h"
#include "plugin/journal.h"

/* What the broker looks up by name; all else is hidden. */
#pragma GCC visibility push(default)
#include "plugin/broker.h"
#pragma GCC visibility pop

enum {
	PULSE_MS = 100,
	GATHER_MS = 25, /* between two tellings, so that a crowd shares messages */
	COUNTERS_MS = 10000,
	NO_TICK_MS = 5000,
};

static bool loaded; /* the state file has one writer */

/* --- telling --- */

static void tell_counters(struct plugin *p, int64_t now_ms)
{
	struct buf out;
	p->counters_ms = now_ms;
	p->counters.at[COUNTER_ONLINE] = p->sessions.devices;
	p->counters.at[COUNTER_REVOCATIONS] = revocations_count(&p->revocations);
	tell_begin(&p->tell, &out);
	buf_puts(&out, "\"counters\":");
	counters_write(&p->counters, &out);
	tell_send(&out);
}

static void pulse(struct plugin *p, int64_t now_ms)
{
	control_step(p);
	bool due = now_ms - p->told_ms >= GATHER_MS || dump_runs(&p->dump); /* a page comes after what it is newer than */
	if (due && presence_waits(&p->presence)) {
		p->told_ms = now_ms;
		bool lost = p->presence.lost;
		presence_flush(&p->presence, &p->sessions, &p->tell);
		if (lost && !p->presence.lost) {
			p->counters_ms = INT64_MIN / 2; /* the next message shows the gap: now */
		}
	}
	dump_step(&p->dump, &p->tell);
	if (now_ms - p->counters_ms >= COUNTERS_MS) {
		tell_counters(p, now_ms);
	}
}

/* At the begin of callbacks in which no connection is half made: with per_listener_settings the broker does not tick. */
static void pulse_without_tick(struct plugin *p)
{
	if (p->ticks > 0) {
		return;
	}
	int64_t now_ms = clock_mono_ms();
	if (now_ms - p->pulse_ms > PULSE_MS) {
		p->pulse_ms = now_ms;
		pulse(p, now_ms);
	}
	if (p->started_ms == 0) {
		p->started_ms = now_ms;
	} else if (now_ms - p->started_ms > NO_TICK_MS && !p->warned) {
		p->warned = true;
		mosquitto_log_printf(MOSQ_LOG_WARNING, "otad: the broker does not tick, so presence and answers come late: set "
						       "per_listener_settings to false");
	}
}

void plugin_forget(struct plugin *p, const struct mosquitto *client)
{
	struct session *session = sessions_get(&p->sessions, client);
	if (!session) {
		return; /* never let in */
	}
	dump_forget(&p->dump, session);
	if (*session->device) {
		presence_disconnected(&p->presence, &p->sessions, session);
	}
	sessions_remove(&p->sessions, session);
}

/* --- callbacks --- */

static int on_auth(int event, void *data, void *userdata)
{
	(void)event;
	pulse_without_tick(userdata);
	return auth_check(userdata, data);
}

static int on_acl(int event, void *data, void *userdata)
{
	(void)event;
	return access_check(userdata, data);
}

static int on_message(int event, void *data, void *userdata)
{
	(void)event;
	pulse_without_tick(userdata);
	return deliver_message(userdata, data);
}

static int on_control(int event, void *data, void *userdata)
{
	(void)event;
	pulse_without_tick(userdata);
	return control_ask(userdata, data);
}

static int on_disconnect(int event, void *data, void *userdata)
{
	(void)event;
	const struct mosquitto_evt_disconnect *ending = data;
	plugin_forget(userdata, ending->client);
	return MOSQ_ERR_SUCCESS;
}

static int on_tick(int event, void *data, void *userdata)
{
	(void)event;
	(void)data;
	struct plugin *p = userdata;
	p->ticks++;
	p->sweeping = false;
	pulse(p, clock_mono_ms());
	return MOSQ_ERR_SUCCESS;
}

static int on_reload(int event, void *data, void *userdata)
{
	(void)event;
	(void)data;
	struct plugin *p = userdata;
	struct err err = {0};
	p->sweeping = p->ticks > 0; /* until the next one */
	if (options_reload(&p->options, &err)) {
		mosquitto_log_printf(MOSQ_LOG_NOTICE, "otad: keys and secret read again");
	} else {
		mosquitto_log_printf(MOSQ_LOG_ERR, "otad: keys and secret stay as they were: %s", err.text);
	}
	return MOSQ_ERR_SUCCESS;
}

static const struct {
	int event;
	MOSQ_FUNC_generic_callback call;
	const char *topic;
} callbacks[] = {
	{MOSQ_EVT_RELOAD, on_reload, NULL},
	{MOSQ_EVT_BASIC_AUTH, on_auth, NULL},
	{MOSQ_EVT_ACL_CHECK, on_acl, NULL},
	{MOSQ_EVT_MESSAGE, on_message, NULL},
	{MOSQ_EVT_DISCONNECT, on_disconnect, NULL},
	{MOSQ_EVT_TICK, on_tick, NULL},
	{MOSQ_EVT_CONTROL, on_control, CONTROL_TOPIC},
};

/* --- life --- */

static void destroy(struct plugin *p)
{
	for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
		mosquitto_callback_unregister(p->id, callbacks[i].event, callbacks[i].call, callbacks[i].topic);
	}
	journal_close(&p->journal);
	revocations_clear(&p->revocations);
	presence_free(&p->presence);
	sessions_clear(&p->sessions);
	options_clear(&p->options);
	free(p);
}

static bool register_all(struct plugin *p, struct err *err)
{
	for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
		int rc = mosquitto_callback_register(p->id, callbacks[i].event, callbacks[i].call, callbacks[i].topic, p);
		if (rc != MOSQ_ERR_SUCCESS) {
			return err_set(err, ERR_INTERNAL, "the broker refuses callback %d (error %d)", callbacks[i].event, rc);
		}
	}
	return true;
}

static bool prepare(struct plugin *p, const struct mosquitto_opt *options, int count, struct err *err)
{
	presence_init(&p->presence);
	tell_init(&p->tell);
	p->counters_ms = clock_mono_ms();
	if (!options_read(&p->options, options, count, err)) {
		return false;
	}
	p->journal = journal_open(p->options.state_file, &p->revocations, &p->control.revision, err);
	p->control.durable = p->control.revision;
	if (!p->journal) {
		mosquitto_log_printf(MOSQ_LOG_ERR,
				     "otad: the list of revocations cannot be used. Restore the file or move it away: then the "
				     "service sends all of them again, and until then revoked devices get in");
	}
	return p->journal != NULL;
}

int mosquitto_plugin_version(int supported_version_count, const int *supported_versions)
{
	for (int i = 0; i < supported_version_count; i++) {
		if (supported_versions[i] == MOSQ_PLUGIN_VERSION) {
			return MOSQ_PLUGIN_VERSION;
		}
	}
	return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **userdata, struct mosquitto_opt *options, int option_count)
{
	struct err err = {0};
	*userdata = NULL;
	if (loaded) {
		mosquitto_log_printf(MOSQ_LOG_ERR,
				     "otad: the plugin is loaded twice; with per_listener_settings only one listener can have it");
		return MOSQ_ERR_INVAL;
	}
	struct plugin *p = calloc(1, sizeof *p);
	if (!p) {
		return MOSQ_ERR_NOMEM;
	}
	p->id = identifier;
	if (!prepare(p, options, option_count, &err) || !register_all(p, &err)) {
		mosquitto_log_printf(MOSQ_LOG_ERR, "otad: %s", err.text);
		destroy(p);
		return MOSQ_ERR_INVAL;
	}
	loaded = true;
	*userdata = p;
	mosquitto_log_printf(MOSQ_LOG_NOTICE, "otad: %zu revocations, revision %llu", revocations_count(&p->revocations),
			     (unsigned long long)p->control.revision);
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *options, int option_count)
{
	(void)options;
	(void)option_count;
	struct plugin *p = userdata;
	if (p) {
		destroy(p);
		loaded = false;
	}
	return MOSQ_ERR_SUCCESS;
}
