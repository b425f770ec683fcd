#include <errno.h>
#include <mosquitto.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "sim.h"

/* A broker's listen queue is about a hundred; a SYN that it drops comes again only after a second. */
enum { DIALLING_MAX = 64, DEADLINE_MS = 15000, PAUSE_MIN_MS = 250, PAUSE_MAX_MS = 5000 };

static void dial(struct device *d);

static void dial_next(struct sim *sim)
{
	while (sim->dialling < DIALLING_MAX && !STAILQ_EMPTY(&sim->queue)) {
		struct device *d = STAILQ_FIRST(&sim->queue);
		STAILQ_REMOVE_HEAD(&sim->queue, link.queue);
		sim->dialling++;
		dial(d);
	}
}

static bool dialling(const struct link *link)
{
	return link->state == LINK_CONNECTING || link->state == LINK_SUBSCRIBING;
}

/* Back to the end of the line, after a pause that grows. */
static void lose(struct device *d, const char *why)
{
	struct link *link = &d->link;
	if (link->state == LINK_DOWN || link->state == LINK_QUEUED) {
		return;
	}
	d->sim->dialling -= dialling(link);
	stats_tell(d, dialling(link) ? EVENT_REFUSED : EVENT_DISCONNECTED, NULL, "%s", why);
	link->state = LINK_DOWN;
	link->denied = false;
	loop_forget(d->sim->loop, link->fd);
	link->fd = -1;
	loop_disarm(d->sim->loop, &link->misc);
	int64_t pause = PAUSE_MIN_MS << (link->losses < 5 ? link->losses : 5);
	link->losses++;
	pause = pause > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause;
	loop_arm(d->sim->loop, &link->retry, pause + (int64_t)(text_hash(d->name, strlen(d->name)) % (uint64_t)pause) / 2);
}

static void on_ready(void *ctx, int fd, uint32_t events);

static const char *what_went_wrong(const struct link *link, int rc)
{
	if (link->connack != 0) {
		return mosquitto_connack_string(link->connack);
	}
	return rc == MOSQ_ERR_ERRNO ? strerror(errno) : rc ? mosquitto_strerror(rc) : "the broker closed the connection";
}

/* Looks at the socket after every use of the library: it may be closed, or have something to write. */
static void look_after(struct device *d, int rc)
{
	struct link *link = &d->link;
	int fd = mosquitto_socket(link->client);
	if (rc != MOSQ_ERR_SUCCESS || fd < 0) {
		lose(d, what_went_wrong(link, rc));
	} else if (link->denied) {
		mosquitto_disconnect(link->client);
		lose(d, "the broker denies the subscription");
	} else {
		/* Before a TLS handshake the library does not say that it waits for the TCP connection. */
		bool out = mosquitto_want_write(link->client) || (d->sim->login.tls && !link->dialled);
		uint32_t events = (uint32_t)EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0);
		link->fd = fd;
		if (!loop_watch(d->sim->loop, fd, events, on_ready, d)) {
			lose(d, strerror(errno));
		}
	}
}

static void on_ready(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	struct device *d = ctx;
	int rc = MOSQ_ERR_SUCCESS;
	errno = 0;
	if (events & EPOLLOUT) {
		d->link.dialled = true;
		rc = mosquitto_loop_write(d->link.client, 1);
	}
	if (rc == MOSQ_ERR_SUCCESS && events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		rc = mosquitto_loop_read(d->link.client, 1);
	}
	look_after(d, rc);
	dial_next(d->sim);
}

static void on_connect(struct mosquitto *client, void *ctx, int code)
{
	struct device *d = ctx;
	d->link.connack = code;
	if (code != 0) {
		return; /* the library closes the socket */
	}
	char ota[TOPIC_SIZE];
	char reply[TOPIC_SIZE];
	char *topics[] = {ota, reply};
	topic_make(ota, TOPIC_OTA, d->name);
	topic_make(reply, TOPIC_REPORT_REPLY, d->name);
	stats_tell(d, EVENT_CONNECTED, NULL, "%s:%d", d->sim->opt.mqtt_host, d->sim->opt.mqtt_port);
	d->link.state = LINK_SUBSCRIBING;
	mosquitto_subscribe_multiple(client, NULL, d->sim->opt.reports ? 2 : 1, topics, 1, 0, NULL);
}

static void on_subscribe(struct mosquitto *client, void *ctx, int mid, int count, const int *granted)
{
	(void)client;
	(void)mid;
	struct device *d = ctx;
	struct link *link = &d->link;
	for (int i = 0; i < count; i++) {
		link->denied = link->denied || granted[i] > 2;
	}
	if (link->denied || link->state != LINK_SUBSCRIBING) {
		return;
	}
	char topic[TOPIC_SIZE];
	topic_make(topic, TOPIC_OTA, d->name);
	stats_tell(d, EVENT_SUBSCRIBED, NULL, "%s", topic);
	d->sim->dialling--;
	link->state = LINK_UP;
	link->was_up = true;
	link->losses = 0;
	loop_disarm(d->sim->loop, &link->retry);
	device_judge(d);
	device_happen(d, DEVICE_LINK_UP);
}

static bool read_size(const struct cJSON *json, struct offer *offer, struct err *err)
{
	char size[24];
	if (!json_text(json, "size", false, size, sizeof size, err)) {
		return false;
	}
	return !size[0] || text_to_u64(size, &offer->size) || err_set(err, ERR_INVALID, "size is not a number in text");
}

static bool read_push(const struct device *d, const struct cJSON *json, struct offer *offer, struct err *err)
{
	*offer = (struct offer){0};
	bool minimal = d->sim->opt.minimal;
	return json_text(json, "fileName", true, offer->file, sizeof offer->file, err) &&
	       json_text(json, "version", true, offer->version, sizeof offer->version, err) &&
	       json_text(json, "md5", true, offer->md5, sizeof offer->md5, err) &&
	       (minimal ||
		(json_text(json, "taskId", false, offer->task, sizeof offer->task, err) &&
		 json_text(json, "url", false, offer->url, sizeof offer->url, err) &&
		 json_text(json, "sha256", false, offer->sha256, sizeof offer->sha256, err) &&
		 json_text(json, "component", false, offer->component, sizeof offer->component, err) && read_size(json, offer, err)));
}

static void on_push(struct device *d, const char *text, size_t len)
{
	struct err err = {0};
	struct offer offer;
	scoped_json struct cJSON *json = json_parse_object(text, len, &err);
	if (json && !json_has(json, "fileName") && !json_has(json, "url")) {
		return; /* an answer of a device on the same topic, not a push */
	}
	if (!json || !read_push(d, json, &offer, &err)) {
		stats_tell(d, EVENT_BAD_PUSH, NULL, "%s", err.text);
	} else {
		device_offer(d, &offer);
	}
}

static void on_message(struct mosquitto *client, void *ctx, const struct mosquitto_message *message)
{
	(void)client;
	struct device *d = ctx;
	char name[TOPIC_DEVICE_SIZE];
	enum topic_kind kind = topic_parse(message->topic, strlen(message->topic), name);
	const char *text = message->payload ? message->payload : "";
	if (kind == TOPIC_OTA) {
		on_push(d, text, (size_t)message->payloadlen);
	} else if (kind == TOPIC_REPORT_REPLY) {
		report_reply(d, text, (size_t)message->payloadlen);
	}
}

static void on_publish(struct mosquitto *client, void *ctx, int mid)
{
	(void)client;
	struct device *d = ctx;
	if (d->sent_mid == mid) {
		device_happen(d, DEVICE_SENT);
	}
}

void link_fill_in(char *out, size_t size, const char *pattern, const char *name)
{
	const char *mark = strstr(pattern, "{device}");
	if (mark) {
		snprintf(out, size, "%.*s%s%s", (int)(mark - pattern), pattern, name, mark + strlen("{device}"));
	} else {
		snprintf(out, size, "%s", pattern);
	}
}

/* The library gives every client a pair of sockets to wake a loop of its own, which we do not have; ten thousand devices would need thirty
 * thousand descriptors. It does without them when there are none to be had, so for that moment there are none. */
struct mosquitto *link_client(const char *id, bool clean, void *ctx, const char *host, int port, int keepalive_s)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	struct mosquitto *client = mosquitto_new(id, clean, ctx);
	if (client) { /* fails, but remembers where to connect to: from then on "reconnect" is enough */
		mosquitto_connect_async(client, host, port, keepalive_s);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	return client;
}

static bool make_client(struct device *d)
{
	char id[LINK_PATTERN_SIZE];
	const struct options *opt = &d->sim->opt;
	link_fill_in(id, sizeof id, opt->client_id, d->name);
	struct mosquitto *client = link_client(id, !opt->persistent, d, d->sim->broker, opt->mqtt_port, (int)opt->keepalive_s);
	if (!client) {
		return false;
	}
	if (!login_apply(d, client, id)) {
		mosquitto_destroy(client);
		return false;
	}
	d->link.client = client;
	mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
	mosquitto_connect_callback_set(client, on_connect);
	mosquitto_subscribe_callback_set(client, on_subscribe);
	mosquitto_message_callback_set(client, on_message);
	mosquitto_publish_callback_set(client, on_publish);
	return true;
}

static void dial(struct device *d)
{
	d->link.state = LINK_CONNECTING;
	if (!d->link.client && !make_client(d)) {
		lose(d, "no client of that id can be made");
		return;
	}
	d->link.connack = 0;
	d->link.dialled = false;
	loop_arm(d->sim->loop, &d->link.retry, DEADLINE_MS);
	loop_arm(d->sim->loop, &d->link.misc, d->sim->opt.keepalive_s * 250);
	errno = 0;
	look_after(d, mosquitto_reconnect_async(d->link.client));
}

/* Time to connect, or the deadline of the present attempt. */
static void on_retry(void *ctx)
{
	struct device *d = ctx;
	if (d->link.state == LINK_DOWN) {
		d->link.state = LINK_QUEUED;
		STAILQ_INSERT_TAIL(&d->sim->queue, d, link.queue);
	} else if (dialling(&d->link)) {
		mosquitto_disconnect(d->link.client);
		lose(d, "the broker does not answer");
	}
	dial_next(d->sim);
}

static void on_misc(void *ctx)
{
	struct device *d = ctx;
	loop_arm(d->sim->loop, &d->link.misc, d->sim->opt.keepalive_s * 250);
	errno = 0;
	look_after(d, mosquitto_loop_misc(d->link.client));
}

int link_publish(struct device *d, enum topic_kind kind, const char *text)
{
	if (d->link.state != LINK_UP) {
		return 0;
	}
	char topic[TOPIC_SIZE];
	int mid = 0;
	topic_make(topic, kind, d->name);
	int rc = mosquitto_publish(d->link.client, &mid, topic, (int)strlen(text), text, 1, false);
	if (rc != MOSQ_ERR_SUCCESS) {
		return 0; /* the socket tells the loop that it is gone */
	}
	if (mosquitto_want_write(d->link.client)) {
		loop_watch(d->sim->loop, d->link.fd, EPOLLIN | EPOLLOUT, on_ready, d);
	}
	return mid;
}

void link_start(struct device *d)
{
	d->link.fd = -1;
	d->link.retry = (struct loop_timer){.fn = on_retry, .ctx = d};
	d->link.misc = (struct loop_timer){.fn = on_misc, .ctx = d};
	if (d->sim->opt.mqtt_host[0]) {
		loop_arm(d->sim->loop, &d->link.retry, d->sim->opt.offline_ms);
	}
}

void link_stop(struct device *d)
{
	loop_disarm(d->sim->loop, &d->link.retry);
	loop_disarm(d->sim->loop, &d->link.misc);
	if (d->link.client) {
		if (d->link.state == LINK_UP) {
			mosquitto_disconnect(d->link.client);
		}
		loop_forget(d->sim->loop, d->link.fd);
		mosquitto_destroy(d->link.client);
		d->link.client = NULL;
	}
}

static bool answers(const struct addrinfo *a)
{
	scoped_close int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0;
}

bool link_resolve(struct sim *sim, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char port[8];
	snprintf(port, sizeof port, "%d", sim->opt.mqtt_port);
	int rc = getaddrinfo(sim->opt.mqtt_host, port, &hints, &list);
	if (rc != 0 || !list) {
		return err_set(err, ERR_UNAVAILABLE, "broker %s: %s", sim->opt.mqtt_host, gai_strerror(rc));
	}
	const struct addrinfo *chosen = list;
	for (const struct addrinfo *a = list; a && list->ai_next; a = a->ai_next) {
		if (answers(a)) {
			chosen = a;
			break;
		}
	}
	rc = getnameinfo(chosen->ai_addr, chosen->ai_addrlen, sim->broker, sizeof sim->broker, NULL, 0, NI_NUMERICHOST);
	freeaddrinfo(list);
	return rc == 0 || err_set(err, ERR_UNAVAILABLE, "broker %s: %s", sim->opt.mqtt_host, gai_strerror(rc));
}
