/* Paho calls back under its one lock, from its send or receive thread, or from whoever destroys the client. Our lock is therefore the
 * inner one: it is never held while calling Paho or the handlers.
 *
 * A keeper thread makes every connection itself: Paho's automatic reconnect looks only every 3 s and does not say why an attempt failed.
 *
 * Paho 1.3.12 has a fault that decides the life of its client: when writing a QoS 1 publish to the socket fails (the broker died just
 * now), it frees topic and payload, but keeps them in its list of unacknowledged messages. Resuming the session then sends freed memory,
 * again at every attempt, and clearing the session frees it twice. So such a client is marked spoilt and never used again, nor destroyed;
 * the keeper goes on with a new one. For the same reason no session expires at the disconnect: Paho would clear it there.
 */
#include "mqtt/link.h"

#include <MQTTAsync.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/err.h"
#include "common/log.h"
#include "metrics/metrics.h"
#include "mqtt/paho.h"
#include "mqtt/settings.h"
#include "mqtt/trust.h"
#include "mqtt/window.h"

#define KEEPALIVE_S 30
#define CONNECT_TIMEOUT_S 10
#define CONNECT_PATIENCE_MS 30000 /* an attempt of which Paho never speaks again is given up */
#define SUBACK_PATIENCE_MS 10000  /* then subscribe again */
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 10000
#define JITTER_MS 200
#define SESSION_S 86400u
#define NO_SESSION_S 1u       /* not 0: see above */
#define RECEIVE_MAXIMUM 10000 /* Mosquitto takes ours instead of its own max_inflight_messages */
#define PAYLOAD_MAX ((size_t)1024 * 1024)
#define PACKET_MAX (PAYLOAD_MAX + 128 * 1024) /* payload, topic and properties */
#define PUBLISH_MAX ((size_t)128 * 1024 * 1024)
#define DRAIN_MS 1000
#define DISCONNECT_MS 1000
#define REFUSAL_LOG_MS 10000

enum phase { DOWN, CONNECTING, SUBSCRIBING, UP };

struct subscription {
	struct link *link;
	const char *filter;
	bool granted; /* on this connection */
};

struct link {
	pthread_mutex_t lock;
	pthread_cond_t wake; /* the keeper; link_free() */
	pthread_t keeper;
	bool has_keeper;
	_Atomic(MQTTAsync) client;
	bool spoilt;

	struct settings set;
	struct subscription *subs; /* one for each of set.filters */
	struct window *window;
	struct link_handlers on;

	atomic_bool up;
	enum phase phase;
	bool closing;
	int64_t due_ms; /* when the keeper acts, unless up */
	int delay_ms;   /* the next back-off */
	int failure;    /* the last connect failure logged; 0 = none since the link was up */
	bool puzzled;   /* a TLS connection failed: the keeper finds out why */
	char told[256]; /* the keeper's: what it found last */
	int64_t refusal_logged_ms;
};

static void warn(const struct link *link, const char *msg, const char *reason)
{
	log_warn(msg, LOG_S("client", link->set.client_id), LOG_S("reason", reason));
}

/* With the lock held: plans the keeper's next step after the present back-off and a little chance, and doubles it. */
static void back_off(struct link *link)
{
	int64_t now = clock_mono_ms();
	link->due_ms = now + link->delay_ms + now % JITTER_MS;
	link->delay_ms = link->delay_ms * 2 < BACKOFF_MAX_MS ? link->delay_ms * 2 : BACKOFF_MAX_MS;
	pthread_cond_broadcast(&link->wake);
}

/* With the lock held: waits for a signal, at most until then (clock_mono_ms()). */
static void wait_until(struct link *link, int64_t then_ms)
{
	cond_wait_until(&link->wake, &link->lock, then_ms);
}

/* ---- publishing */

static void on_writable(void *ctx)
{
	struct link *link = ctx;
	if (link->on.writable != NULL) {
		link->on.writable(link->on.ctx);
	}
}

static void on_published(void *ctx, MQTTAsync_successData5 *data)
{
	(void)data;
	window_verdict(ctx, true);
}

/* A refusal by the broker is a fault of configuration (its ACL, say): told, but not at every message. Runs under Paho's lock. */
static void log_refusal(struct link *link, int code)
{
	int64_t now = clock_mono_ms();
	if (link->refusal_logged_ms == 0 || now - link->refusal_logged_ms >= REFUSAL_LOG_MS) {
		link->refusal_logged_ms = now;
		warn(link, "mqtt_publish_refused", paho_code_name(code));
	}
}

static void on_publish_failed(void *ctx, MQTTAsync_failureData5 *data)
{
	struct link *link = window_owner(ctx);
	if (data->code == 0 && data->reasonCode >= MQTTREASONCODE_UNSPECIFIED_ERROR) {
		log_refusal(link, (int)data->reasonCode);
	} else if (data->code == MQTTASYNC_FAILURE) { /* the write failed */
		pthread_mutex_lock(&link->lock);
		link->spoilt = true;
		pthread_mutex_unlock(&link->lock);
	}
	window_verdict(ctx, false);
}

static bool submit(struct link *link, struct ticket *ticket, const char *topic, const MQTTAsync_message *message)
{
	MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
	response.onSuccess5 = on_published;
	response.onFailure5 = on_publish_failed;
	response.context = ticket;
	int rc = MQTTAsync_sendMessage(link->client, topic, message, &response);
	bool accepted = window_handed(ticket, rc == MQTTASYNC_SUCCESS);
	if (rc != MQTTASYNC_SUCCESS && rc != MQTTASYNC_DISCONNECTED) {
		warn(link, "mqtt_publish_rejected", paho_code_name(rc));
	}
	return accepted;
}

bool link_publish(struct link *link, const char *topic, const void *payload, size_t len, bool reliable, uint32_t expiry_s, link_done *done,
		  void *ctx)
{
	struct ticket *ticket = len <= PUBLISH_MAX ? window_reserve(link->window, done, ctx) : NULL;
	if (ticket == NULL) {
		return false;
	}
	MQTTAsync_message message = MQTTAsync_message_initializer;
	message.payload = (void *)(uintptr_t)payload; /* Paho copies it */
	message.payloadlen = (int)len;
	message.qos = reliable ? 1 : 0;
	MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, .value.integer4 = expiry_s};
	if (expiry_s != 0) {
		message.properties = (MQTTProperties){.count = 1, .max_count = 1, .length = 5, .array = &expiry};
	}
	return submit(link, ticket, topic, &message);
}

/* ---- receiving */

static int on_message(void *ctx, char *topic, int topic_len, MQTTAsync_message *message)
{
	struct link *link = ctx;
	bool plain = topic_len == 0 || strlen(topic) == (size_t)topic_len;
	if (!plain || message->payloadlen < 0 || (size_t)message->payloadlen > PAYLOAD_MAX) {
		metrics_add(METRIC_MQTT_REJECTED, 1);
	} else if (link->on.message != NULL) {
		link->on.message(link->on.ctx, topic, message->payload, (size_t)message->payloadlen, message->retained != 0);
	}
	MQTTAsync_freeMessage(&message);
	MQTTAsync_free(topic);
	return 1;
}

/* ---- up and down */

static void came_up(struct link *link)
{
	pthread_mutex_lock(&link->lock);
	bool news = link->phase == SUBSCRIBING && !link->closing;
	if (news) {
		link->phase = UP;
		link->delay_ms = BACKOFF_MIN_MS;
		link->failure = 0;
		window_open(link->window);
		atomic_store(&link->up, true);
	}
	pthread_mutex_unlock(&link->lock);
	if (!news) {
		return;
	}
	log_info("mqtt_up", LOG_S("client", link->set.client_id));
	if (link->on.state != NULL) {
		link->on.state(link->on.ctx, true);
	}
}

static void went_down(struct link *link, const char *reason, int delay_ms)
{
	pthread_mutex_lock(&link->lock);
	bool news = link->phase == SUBSCRIBING || link->phase == UP;
	bool was_up = link->phase == UP;
	if (news) {
		link->phase = DOWN;
		atomic_store(&link->up, false);
		window_close(link->window);
		link->delay_ms = delay_ms > link->delay_ms ? delay_ms : link->delay_ms;
		back_off(link);
	}
	was_up = was_up && !link->closing;
	pthread_mutex_unlock(&link->lock);
	if (!news) {
		return;
	}
	warn(link, "mqtt_down", reason);
	window_fail_all(link->window);
	if (was_up && link->on.state != NULL) {
		link->on.state(link->on.ctx, false);
	}
}

static void on_lost(void *ctx, char *cause)
{
	(void)cause; /* always NULL */
	went_down(ctx, "connection lost", 0);
}

/* The broker said goodbye: Paho reports this here and not as a lost connection. */
static void on_goodbye(void *ctx, MQTTProperties *properties, enum MQTTReasonCodes code)
{
	(void)properties;
	/* Another client has our id: coming back at once would only throw it out in turn, without end. */
	went_down(ctx, paho_code_name((int)code), code == MQTTREASONCODE_SESSION_TAKEN_OVER ? BACKOFF_MAX_MS : 0);
}

/* ---- subscribing */

static void on_subscribed(void *ctx, MQTTAsync_successData5 *data)
{
	(void)data;
	struct subscription *sub = ctx;
	struct link *link = sub->link;
	bool all = true;
	pthread_mutex_lock(&link->lock);
	sub->granted = true;
	for (size_t i = 0; i < link->set.filter_count; i++) {
		all = all && link->subs[i].granted;
	}
	pthread_mutex_unlock(&link->lock);
	if (all) {
		came_up(link);
	}
}

/* Only a SUBACK counts: what a lost connection leaves unanswered is subscribed anew on the next one. */
static void on_subscribe_failed(void *ctx, MQTTAsync_failureData5 *data)
{
	struct subscription *sub = ctx;
	struct link *link = sub->link;
	if (data->code != 0 || data->reasonCode < MQTTREASONCODE_UNSPECIFIED_ERROR) {
		return;
	}
	metrics_add(METRIC_MQTT_REFUSED, 1);
	log_error("mqtt_subscribe_refused", LOG_S("client", link->set.client_id), LOG_S("filter", sub->filter),
		  LOG_S("reason", paho_code_name((int)data->reasonCode)));
	pthread_mutex_lock(&link->lock);
	if (link->phase == SUBSCRIBING) {
		back_off(link);
	}
	pthread_mutex_unlock(&link->lock);
}

/* Sends what is not granted yet. One packet a filter: Paho tells a refusal apart only then. */
static void subscribe(struct link *link)
{
	for (size_t i = 0; i < link->set.filter_count; i++) {
		struct subscription *sub = &link->subs[i];
		pthread_mutex_lock(&link->lock);
		bool skip = sub->granted || link->phase != SUBSCRIBING;
		pthread_mutex_unlock(&link->lock);
		if (skip) {
			continue;
		}
		MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
		response.onSuccess5 = on_subscribed;
		response.onFailure5 = on_subscribe_failed;
		response.context = sub;
		response.subscribeOptions.noLocal = link->set.deaf_to_itself;
		int rc = MQTTAsync_subscribe(link->client, sub->filter, link->set.qos, &response);
		if (rc != MQTTASYNC_SUCCESS && rc != MQTTASYNC_DISCONNECTED) {
			log_error("mqtt_subscribe_failed", LOG_S("filter", sub->filter), LOG_S("reason", paho_code_name(rc)));
		}
	}
}

/* ---- connecting */

static void on_connected(void *ctx, MQTTAsync_successData5 *data)
{
	struct link *link = ctx;
	log_debug("mqtt_connected", LOG_S("client", link->set.client_id), LOG_I("session", data->alt.connect.sessionPresent));
	pthread_mutex_lock(&link->lock);
	link->phase = SUBSCRIBING;
	link->due_ms = clock_mono_ms() + SUBACK_PATIENCE_MS;
	for (size_t i = 0; i < link->set.filter_count; i++) {
		link->subs[i].granted = false;
	}
	pthread_cond_broadcast(&link->wake);
	pthread_mutex_unlock(&link->lock);
	if (link->set.filter_count == 0) {
		came_up(link);
	}
	subscribe(link);
}

static void connect_failed(struct link *link, int code)
{
	pthread_mutex_lock(&link->lock);
	bool counts = link->phase == CONNECTING && !link->closing;
	bool tell = counts && link->failure != code;
	if (counts && link->set.tls && code == MQTTASYNC_FAILURE) {
		link->puzzled = true;
		tell = false;
	}
	if (counts) {
		link->phase = DOWN;
		link->failure = link->puzzled ? link->failure : code;
		back_off(link);
	}
	pthread_mutex_unlock(&link->lock);
	if (tell) {
		warn(link, "mqtt_connect_failed", code == MQTTASYNC_FAILURE ? "no connection" : paho_code_name(code));
	}
}

static void on_connect_failed(void *ctx, MQTTAsync_failureData5 *data)
{
	connect_failed(ctx, data->code);
}

static int create_client(struct link *link)
{
	paho_prepare();
	MQTTAsync client = NULL;
	MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer5;
	options.sendWhileDisconnected = 0;
	options.maxBufferedMessages = (int)link->set.window * 2 + 64; /* it limits while connected too; a loss may leave a window behind */
	int rc = MQTTAsync_createWithOptions(&client, link->set.uri, link->set.client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &options);
	if (rc == MQTTASYNC_SUCCESS) {
		MQTTAsync_setCallbacks(client, link, on_lost, on_message, NULL);
		MQTTAsync_setDisconnected(client, link, on_goodbye);
		atomic_store(&link->client, client);
	}
	return rc;
}

/* Leaves a spoilt client behind, disconnected and deaf: a few hundred bytes for each message it holds. */
static int replace_client(struct link *link)
{
	MQTTAsync old = atomic_load(&link->client);
	int rc = create_client(link);
	if (rc == MQTTASYNC_SUCCESS) {
		MQTTAsync_setConnectionLostCallback(old, NULL, NULL);
		MQTTAsync_setDisconnected(old, NULL, NULL);
		link->spoilt = false;
		warn(link, "mqtt_client_replaced", "a write failed");
	}
	return rc;
}

/* Without the lock: the first failure of its kind is told. */
static void explain_failure(struct link *link)
{
	char reason[sizeof(link->told)];
	trust_explain(link->set.host, link->set.port, link->set.ca_file ? link->set.ca_file : "", reason, sizeof(reason));
	pthread_mutex_lock(&link->lock);
	bool news = link->failure == 0 || strcmp(reason, link->told) != 0;
	link->failure = MQTTASYNC_FAILURE;
	pthread_mutex_unlock(&link->lock);
	if (news) {
		memcpy(link->told, reason, sizeof(reason));
		warn(link, "mqtt_connect_failed", reason);
	}
}

static int connect_with(struct link *link, MQTTProperties *properties)
{
	unsigned expiry = link->set.persistent ? SESSION_S : NO_SESSION_S;
	MQTTProperty session = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = expiry};
	MQTTProperty receive = {.identifier = MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, .value.integer2 = RECEIVE_MAXIMUM};
	MQTTProperty packet = {.identifier = MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, .value.integer4 = PACKET_MAX};
	MQTTProperties_add(properties, &receive);
	MQTTProperties_add(properties, &packet);
	MQTTProperties_add(properties, &session);
	MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer5;
	options.keepAliveInterval = KEEPALIVE_S;
	options.connectTimeout = CONNECT_TIMEOUT_S;
	options.cleanstart = !link->set.persistent;
	options.username = link->set.username;
	options.password = link->set.password.reveal;
	options.connectProperties = properties;
	options.onSuccess5 = on_connected;
	options.onFailure5 = on_connect_failed;
	options.context = link;
	MQTTAsync_SSLOptions tls = paho_tls(link->set.ca_file); /* Paho copies it */
	if (link->set.tls) {
		options.ssl = &tls;
	}
	return MQTTAsync_connect(link->client, &options);
}

/* Called with the lock held; lets go of it meanwhile. */
static void connect_now(struct link *link)
{
	link->phase = CONNECTING;
	link->due_ms = clock_mono_ms() + CONNECT_PATIENCE_MS;
	bool puzzled = link->puzzled;
	link->puzzled = false;
	pthread_mutex_unlock(&link->lock);
	if (puzzled) {
		explain_failure(link);
	}
	MQTTProperties properties = MQTTProperties_initializer;
	int rc = link->spoilt ? replace_client(link) : MQTTASYNC_SUCCESS; /* nothing is written while down: no lock needed */
	if (rc == MQTTASYNC_SUCCESS) {
		rc = connect_with(link, &properties);
	}
	MQTTProperties_free(&properties);
	if (rc != MQTTASYNC_SUCCESS && rc != MQTTASYNC_COMMAND_IGNORED) {
		connect_failed(link, rc);
	}
	pthread_mutex_lock(&link->lock);
}

static void *keep(void *ctx)
{
	struct link *link = ctx;
	pthread_mutex_lock(&link->lock);
	while (!link->closing) {
		if (link->phase == UP) {
			pthread_cond_wait(&link->wake, &link->lock);
		} else if (link->due_ms > clock_mono_ms()) {
			wait_until(link, link->due_ms);
		} else if (link->phase == SUBSCRIBING) {
			link->due_ms = clock_mono_ms() + SUBACK_PATIENCE_MS;
			pthread_mutex_unlock(&link->lock);
			subscribe(link);
			pthread_mutex_lock(&link->lock);
		} else {
			connect_now(link);
		}
	}
	pthread_mutex_unlock(&link->lock);
	return NULL;
}

/* ---- life */

/* Paho's threads are started from this one and inherit its mask: signals stay with the caller's threads. */
static bool start_keeper(struct link *link, struct err *err)
{
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	link->has_keeper = pthread_create(&link->keeper, NULL, keep, link) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return link->has_keeper || err_set(err, ERR_INTERNAL, "no thread for the broker's link");
}

static bool build(struct link *link, const struct link_config *config, struct err *err)
{
	if (!settings_copy(&link->set, config, err)) {
		return false;
	}
	link->window = window_new(link->set.window, on_writable, link);
	link->subs = calloc(link->set.filter_count + 1, sizeof(*link->subs));
	if (link->window == NULL || link->subs == NULL) {
		return err_set(err, ERR_INTERNAL, "no memory for the broker's link");
	}
	for (size_t i = 0; i < link->set.filter_count; i++) {
		link->subs[i] = (struct subscription){.link = link, .filter = link->set.filters[i]};
	}
	int rc = create_client(link);
	if (rc != MQTTASYNC_SUCCESS) {
		return err_set(err, ERR_INVALID, "no MQTT client for %s as %s: %s", link->set.uri, link->set.client_id, paho_code_name(rc));
	}
	return start_keeper(link, err);
}

struct link *link_new(const struct link_config *config, const struct link_handlers *handlers, struct err *err)
{
	struct link *link = calloc(1, sizeof(*link));
	if (link == NULL) {
		err_set(err, ERR_INTERNAL, "no memory for the broker's link");
		return NULL;
	}
	link->on = *handlers;
	link->delay_ms = BACKOFF_MIN_MS;
	pthread_mutex_init(&link->lock, NULL);
	cond_init(&link->wake);
	if (!build(link, config, err)) {
		link_free(&link);
	}
	return link;
}

bool link_is_up(const struct link *link)
{
	return atomic_load(&link->up);
}

static void on_disconnected(void *ctx, MQTTAsync_successData5 *data)
{
	(void)data;
	struct link *link = ctx;
	pthread_mutex_lock(&link->lock);
	link->phase = DOWN;
	pthread_cond_broadcast(&link->wake);
	pthread_mutex_unlock(&link->lock);
}

/* Stops the keeper, lets the last acknowledgements in, takes leave of the broker. */
static void leave(struct link *link)
{
	pthread_mutex_lock(&link->lock);
	link->closing = true;
	atomic_store(&link->up, false);
	window_close(link->window);
	pthread_cond_broadcast(&link->wake);
	pthread_mutex_unlock(&link->lock);
	if (link->has_keeper) {
		pthread_join(link->keeper, NULL);
	}
	pthread_mutex_lock(&link->lock);
	bool connected = link->phase == UP || link->phase == SUBSCRIBING;
	pthread_mutex_unlock(&link->lock);
	if (connected) {
		window_drain(link->window, DRAIN_MS);
	}
	MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer5;
	options.onSuccess5 = on_disconnected;
	options.context = link;
	if (!connected || MQTTAsync_disconnect(link->client, &options) != MQTTASYNC_SUCCESS) {
		return;
	}
	int64_t end = clock_mono_ms() + DISCONNECT_MS;
	pthread_mutex_lock(&link->lock);
	while (link->phase != DOWN && clock_mono_ms() < end) {
		wait_until(link, end);
	}
	pthread_mutex_unlock(&link->lock);
}

void link_free(struct link **linkp)
{
	struct link *link = *linkp;
	*linkp = NULL;
	if (link == NULL) {
		return;
	}
	MQTTAsync client = atomic_load(&link->client);
	if (client != NULL) {
		leave(link);
		if (!link->spoilt) {
			MQTTAsync_destroy(&client); /* after it, no callback */
		} else {
			MQTTAsync_setConnectionLostCallback(client, NULL, NULL);
		}
	}
	window_free(&link->window);
	free(link->subs);
	settings_clear(&link->set);
	pthread_cond_destroy(&link->wake);
	pthread_mutex_destroy(&link->lock);
	free(link);
}
