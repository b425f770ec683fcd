#include "mqtt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"

enum { PUBLISH = 3, PUBACK = 4, SUBSCRIBE = 8, SUBACK = 9, PACKET_MAX = 2048 };

/* A packet in the making: the variable part first, the header is put before it. */
struct out {
	size_t len;
	uint8_t at[PACKET_MAX];
};

static void put_u16(struct out *o, size_t n)
{
	o->at[o->len++] = (uint8_t)(n >> 8);
	o->at[o->len++] = (uint8_t)n;
}

static void put(struct out *o, const char *text)
{
	size_t len = strlen(text);
	if (o->len + len > PACKET_MAX) {
		bench_die("a packet too large");
	}
	memcpy(o->at + o->len, text, len);
	o->len += len;
}

static void put_text(struct out *o, const char *text)
{
	put_u16(o, strlen(text));
	put(o, text);
}

static size_t finish(uint8_t packet[PACKET_MAX + 5], uint8_t first, const struct out *o)
{
	size_t at = 0;
	packet[at++] = first;
	for (size_t left = o->len; at == 1 || left > 0; left >>= 7) {
		packet[at++] = (uint8_t)((left & 127) | (left > 127 ? 128 : 0));
	}
	memcpy(packet + at, o->at, o->len);
	return at + o->len;
}

static void send_now(const struct mqtt_peer *p, uint8_t first, const struct out *o)
{
	uint8_t packet[PACKET_MAX + 5];
	bench_send(p->fd, packet, finish(packet, first, o));
}

/* The answer to a SUBSCRIBE: nothing else can come now. */
static void await(const struct mqtt_peer *p, uint8_t type, size_t len, size_t code_at)
{
	uint8_t answer[8];
	if (recv(p->fd, answer, len, MSG_WAITALL) != (ssize_t)len || answer[0] >> 4 != type || answer[code_at] > 2) {
		bench_die("the broker refuses (packet type %d)", type);
	}
}

void mqtt_subscribe(struct mqtt_peer *p, const char *filter, int qos)
{
	struct out o = {0};
	put_u16(&o, 1);
	put_text(&o, filter);
	o.at[o.len++] = (uint8_t)qos;
	send_now(p, SUBSCRIBE << 4 | 2, &o);
	await(p, SUBACK, 5, 4);
}

void mqtt_publish(struct mqtt_peer *p, const char *topic, const char *payload)
{
	struct out o = {0};
	p->last_id = (uint16_t)(p->last_id % 65535 + 1);
	put_text(&o, topic);
	put_u16(&o, p->last_id);
	put(&o, payload);
	p->out = p->out ? p->out : malloc(MQTT_OUT_SIZE);
	if (!p->out) {
		bench_die("out of memory");
	}
	if (p->waiting + PACKET_MAX + 5 > MQTT_OUT_SIZE) {
		mqtt_flush(p);
	}
	p->waiting += finish(p->out + p->waiting, PUBLISH << 4 | 2, &o);
}

void mqtt_flush(struct mqtt_peer *p)
{
	bench_send(p->fd, p->out, p->waiting);
	p->waiting = 0;
}

/* The length of the packet at the beginning, 0 if it is not whole. *body: where its variable part begins. */
static size_t whole(const uint8_t *in, size_t len, size_t *body)
{
	size_t rest = 0;
	for (size_t i = 1; i < len && i < 5; i++) {
		rest |= (size_t)(in[i] & 127) << (7 * (i - 1));
		if (in[i] < 128) {
			*body = i + 1;
			return rest + i + 1 <= len ? rest + i + 1 : 0;
		}
	}
	return 0;
}

static struct mqtt_packet parse(const uint8_t *in, size_t body, size_t end)
{
	struct mqtt_packet k = {.type = in[0] >> 4};
	if (k.type != PUBLISH) {
		if (end - body >= 2) {
			k.id = (uint16_t)(in[body] << 8 | in[body + 1]);
		}
		return k;
	}
	k.topic_len = (size_t)in[body] << 8 | in[body + 1];
	k.topic = (const char *)in + body + 2;
	size_t at = body + 2 + k.topic_len;
	if (in[0] & 6) {
		k.id = (uint16_t)(in[at] << 8 | in[at + 1]);
		at += 2;
	}
	k.payload = (const char *)in + at;
	k.payload_len = end - at;
	return k;
}

static void acknowledge(const struct mqtt_peer *p, uint16_t id)
{
	const uint8_t ack[] = {PUBACK << 4, 2, (uint8_t)(id >> 8), (uint8_t)id};
	bench_send(p->fd, ack, sizeof ack);
}

void mqtt_receive(struct mqtt_peer *p, mqtt_told *told, void *ctx)
{
	for (;;) {
		ssize_t n = recv(p->fd, p->in + p->len, sizeof p->in - p->len, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			return;
		}
		if (n <= 0) {
			bench_die("the broker ended a connection");
		}
		p->len += (size_t)n;
		size_t at = 0;
		size_t body = 0;
		for (size_t size; (size = whole(p->in + at, p->len - at, &body)) > 0; at += size) {
			struct mqtt_packet packet = parse(p->in + at, body, size);
			if (packet.type == PUBLISH && packet.id) {
				acknowledge(p, packet.id);
			}
			told(ctx, p, &packet);
		}
		p->len -= at;
		memmove(p->in, p->in + at, p->len);
	}
}
