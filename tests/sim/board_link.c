/* The device's connection to the broker: made only with what an answer has given, never subscribed to anything. */
#include <errno.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "board.h"
#include "common/buf.h"
#include "common/text.h"
#include "mcp.h"
#include "sim.h"
#include "tls.h"

enum {
	DIALLING_MAX = 64,
	DEADLINE_MS = 15000,
	RECONNECT_MS = 60000,
	PORT_OF_TLS = 8883,
	KEEPALIVE_S = 240,
	REPLY_MAX = 16 * 1024,
	INFO_MAX = 8192
};

static void dial(struct board *b);

static void dial_next(struct sim *sim)
{
	while (sim->dialling < DIALLING_MAX && !STAILQ_EMPTY(&sim->board_queue)) {
		struct board *b = STAILQ_FIRST(&sim->board_queue);
		STAILQ_REMOVE_HEAD(&sim->board_queue, link.queue);
		b->link.queued = false;
		dial(b);
	}
}

static void set_dialling(struct board *b, bool dialling)
{
	b->sim->dialling += dialling;
	b->sim->dialling -= b->link.dialling;
	b->link.dialling = dialling;
}

static void lose(struct board *b, const char *why)
{
	struct board_link *link = &b->link;
	board_tell(b, link->up ? EVENT_DISCONNECTED : EVENT_REFUSED, "%s", why);
	if (!link->up) {
		snprintf(b->why, sizeof b->why, "%s", why);
	}
	set_dialling(b, false);
	link->up = false;
	loop_forget(b->sim->loop, link->fd);
	link->fd = -1;
	loop_disarm(b->sim->loop, &link->misc);
	loop_arm(b->sim->loop, &link->retry, RECONNECT_MS / b->sim->opt.speed);
}

static void on_ready(void *ctx, int fd, uint32_t events);

static void look_after(struct board *b, int rc)
{
	struct board_link *link = &b->link;
	int fd = mosquitto_socket(link->client);
	if (rc != MOSQ_ERR_SUCCESS || fd < 0) {
		lose(b, link->connack          ? mosquitto_connack_string(link->connack)
			: rc == MOSQ_ERR_ERRNO ? strerror(errno)
			: rc                   ? mosquitto_strerror(rc)
					       : "the broker closed the connection");
		return;
	}
	bool out = mosquitto_want_write(link->client) || !link->dialled;
	link->fd = fd;
	if (!loop_watch(b->sim->loop, fd, (uint32_t)EPOLLIN | (out ? (uint32_t)EPOLLOUT : 0), on_ready, b)) {
		lose(b, strerror(errno));
	}
}

static void on_ready(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	struct board *b = ctx;
	int rc = MOSQ_ERR_SUCCESS;
	errno = 0;
	if (events & EPOLLOUT) {
		b->link.dialled = true;
		rc = mosquitto_loop_write(b->link.client, 1);
	}
	if (rc == MOSQ_ERR_SUCCESS && events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		rc = mosquitto_loop_read(b->link.client, 1);
	}
	look_after(b, rc);
	dial_next(b->sim);
}

/* What it says when a user begins to talk: for a voice back end, which the service is not. */
static void on_talk(void *ctx)
{
	static const char HELLO[] = "{\"type\":\"hello\",\"version\":3,\"transport\":\"udp\",\"features\":{\"mcp\":true},"
				    "\"audio_params\":{\"format\":\"opus\",\"sample_rate\":16000,\"channels\":1,\"frame_duration\":60}}";
	struct board *b = ctx;
	board_publish(b, HELLO, sizeof HELLO - 1);
	loop_arm(b->sim->loop, &b->link.talk, b->sim->opt.talk_ms);
}

static void on_connect(struct mosquitto *client, void *ctx, int code)
{
	(void)client;
	struct board *b = ctx;
	b->link.connack = code;
	if (code != 0) {
		return; /* the library closes the socket */
	}
	board_tell(b, EVENT_CONNECTED, "%s as %s", b->kept.endpoint, b->kept.client_id);
	b->link.up = true;
	b->why[0] = '\0';
	set_dialling(b, false);
	loop_disarm(b->sim->loop, &b->link.retry);
	if (b->sim->opt.talk_ms) {
		loop_arm(b->sim->loop, &b->link.talk, b->sim->opt.talk_ms);
	}
	board_judge(b);
}

static void obey(struct board *b, enum mcp_action action, const char *url)
{
	switch (action) {
	case MCP_NOTHING:
		break;
	case MCP_REBOOT:
		board_happen(b, BOARD_TOLD_REBOOT);
		break;
	case MCP_UPGRADE:
		if (b->state == BOARD_RUNNING) {
			free(b->url);
			b->url = strdup(url);
			b->ordered = true;
			board_happen(b, BOARD_TOLD_UPGRADE);
		}
		break;
	}
}

static void on_message(struct mosquitto *client, void *ctx, const struct mosquitto_message *message)
{
	(void)client;
	struct board *b = ctx;
	char info_mem[INFO_MAX];
	char reply_mem[REPLY_MAX];
	struct buf info;
	struct buf reply;
	struct mcp_heard heard;
	buf_init_fixed(&info, info_mem, sizeof info_mem);
	buf_init_fixed(&reply, reply_mem, sizeof reply_mem);
	board_describe(b, &info);
	struct mcp_device device = {b->traits, board_sku(b), flash_running(&b->flash)->version, buf_cstr(&info)};
	enum mcp_action action = mcp_hear(&device, message->payload ? message->payload : "", (size_t)message->payloadlen, &heard, &reply);
	if (heard.what[0]) {
		board_tell(b, EVENT_CALLED, "%s", heard.what);
	}
	if (reply.len) {
		board_publish(b, reply.data, reply.len);
	}
	obey(b, action, heard.url);
}

void board_publish(struct board *b, const char *text, size_t len)
{
	if (b->link.up && b->kept.publish_topic && *b->kept.publish_topic) {
		mosquitto_publish(b->link.client, NULL, b->kept.publish_topic, (int)len, text, 0, false);
	}
}

/* "host" or "host:port"; survived, so it can be read. */
static int split_endpoint(struct board *b)
{
	const char *endpoint = b->kept.endpoint;
	size_t len = strcspn(endpoint, ":");
	snprintf(b->link.host, sizeof b->link.host, "%.*s", (int)len, endpoint);
	return endpoint[len] ? (int)strtol(endpoint + len + 1, NULL, 10) : PORT_OF_TLS;
}

static bool make_client(struct board *b)
{
	const struct board_kept *k = &b->kept;
	int port = split_endpoint(b);
	int keepalive = k->keepalive >= 5 ? k->keepalive : KEEPALIVE_S;
	struct mosquitto *client = link_client(k->client_id ? k->client_id : "", true, b, b->link.host, port, keepalive);
	SSL_CTX *tls = port == PORT_OF_TLS ? tls_for(b->sim->tls, b->link.host) : NULL;
	if (!client || (port == PORT_OF_TLS && !tls) || mosquitto_username_pw_set(client, k->username, k->password) != MOSQ_ERR_SUCCESS ||
	    (tls && (mosquitto_void_option(client, MOSQ_OPT_SSL_CTX, tls) != MOSQ_ERR_SUCCESS ||
		     mosquitto_int_option(client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) != MOSQ_ERR_SUCCESS))) {
		mosquitto_destroy(client);
		return false;
	}
	mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
	mosquitto_connect_callback_set(client, on_connect);
	mosquitto_message_callback_set(client, on_message);
	b->link.client = client;
	return true;
}

static void dial(struct board *b)
{
	set_dialling(b, true);
	b->link.connack = 0;
	b->link.dialled = false;
	loop_arm(b->sim->loop, &b->link.retry, DEADLINE_MS);
	loop_arm(b->sim->loop, &b->link.misc, 5000);
	errno = 0;
	look_after(b, mosquitto_reconnect_async(b->link.client));
}

static void wait_in_line(struct board *b)
{
	b->link.queued = true;
	STAILQ_INSERT_TAIL(&b->sim->board_queue, b, link.queue);
	dial_next(b->sim);
}

/* Time to connect, or the deadline of the present attempt. */
static void on_retry(void *ctx)
{
	struct board *b = ctx;
	if (b->link.dialling) {
		mosquitto_disconnect(b->link.client);
		lose(b, "the broker does not answer");
	} else {
		wait_in_line(b);
	}
}

static void on_misc(void *ctx)
{
	struct board *b = ctx;
	loop_arm(b->sim->loop, &b->link.misc, 5000);
	errno = 0;
	look_after(b, mosquitto_loop_misc(b->link.client));
}

void board_connect(struct board *b)
{
	struct board_link *link = &b->link;
	if (b->by_websocket || !b->kept.endpoint || !*b->kept.endpoint || link->client) {
		return;
	}
	link->retry = (struct loop_timer){.fn = on_retry, .ctx = b};
	link->misc = (struct loop_timer){.fn = on_misc, .ctx = b};
	link->talk = (struct loop_timer){.fn = on_talk, .ctx = b};
	if (!make_client(b)) {
		board_because(b, BOARD_HURT, "no connection can be made with these credentials");
		return;
	}
	wait_in_line(b);
}

/* As a reset does it: without a word to the broker. */
void board_disconnect(struct board *b)
{
	struct board_link *link = &b->link;
	if (!link->client) {
		return;
	}
	if (link->queued) {
		STAILQ_REMOVE(&b->sim->board_queue, b, board, link.queue);
		link->queued = false;
	}
	set_dialling(b, false);
	loop_disarm(b->sim->loop, &link->retry);
	loop_disarm(b->sim->loop, &link->misc);
	loop_disarm(b->sim->loop, &link->talk);
	loop_forget(b->sim->loop, link->fd);
	mosquitto_destroy(link->client);
	link->client = NULL;
	link->fd = -1;
	link->up = false;
}
