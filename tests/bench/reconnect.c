/* A fleet that comes back at once. Each device has a connection of its own, is subscribed to its pushes and its replies, answers a push by
 * the report that ends its task, and repeats the report until it is answered.
 *
 * bench-reconnect PORT KEYS PREFIX COUNT clean|persistent: PREFIX1 ... PREFIXn. Obeys lines on stdin, each with an answer:
 *   arrive       all connect, as fast as the broker takes them; persistent ones subscribe the first time only -> "arrived NS", all there
 *   serve MS     waits until every device was told and answered, MS without anything new at most
 *                -> "served SERVED answered ANSWERED copies COPIES repeated REPEATED refused REFUSED told_ms MS p50_ms MS p99_ms MS max_ms
 * MS answered_ms MS"; told_ms and answered_ms: the last device's, since the first CONNECT; p50, p99, max: from a device's own CONNACK
 * (persistent) or SUBACK to its message linger MS    goes on for so long -> "lingered once ONCE copies COPIES"; ONCE: devices with one copy
 * and an answer leave        all disconnect -> "left" NS: CLOCK_MONOTONIC.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"
#include "login.h"
#include "mqtt.h"

enum {
	CONNECTING = 64, /* at once: the broker's backlog is 100 */
	EVENTS = 256,
	REPEAT_MS = 5000,
	STEP_MS = 100,
	TOPIC_SIZE = 160,
	CONNACK = 2,
	PUBLISH = 3,
	SUBACK = 9,
};

struct device {
	struct mqtt_peer peer;
	struct login login;
	bool there, subscribed, answered;
	long copies;
	int64_t listening, told, reported; /* ns; 0 = not yet */
	char report[192];
};

struct fleet {
	struct device *at;
	size_t count, asked, there, served, answered;
	long copies, repeated, refused;
	int64_t began, news, last_told, last_answered;
	const char *prefix;
	int port, epoll;
	bool persistent;
};

/* --- one device --- */

static void topic_of(const struct fleet *f, const struct device *d, const char *tail, char topic[TOPIC_SIZE])
{
	snprintf(topic, TOPIC_SIZE, "/oc/devices/%s%td/sys/ota%s", f->prefix, d - f->at + 1, tail);
}

static size_t put_filter(uint8_t *at, const char *filter)
{
	size_t len = strlen(filter);
	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
	memcpy(at + 2, filter, len);
	at[len + 2] = 1; /* QoS */
	return len + 3;
}

/* Both filters in one packet. */
static void subscribe(struct fleet *f, struct device *d)
{
	char topic[TOPIC_SIZE];
	uint8_t packet[2 * TOPIC_SIZE + 16] = {0x82, 0, 0, 0, 1};
	size_t len = 5;
	topic_of(f, d, "", topic);
	len += put_filter(packet + len, topic);
	topic_of(f, d, "/report_reply", topic);
	len += put_filter(packet + len, topic);
	packet[1] = (uint8_t)(((len - 3) & 127) | 128);
	packet[2] = (uint8_t)((len - 3) >> 7);
	bench_send(d->peer.fd, packet, len);
}

static void connect_next(struct fleet *f)
{
	struct device *d = &f->at[f->asked++];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = d};
	d->peer = (struct mqtt_peer){.fd = bench_dial(f->port, 0)};
	if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, d->peer.fd, &event) != 0) {
		bench_die("epoll_ctl: %s", strerror(errno));
	}
	bench_send(d->peer.fd, d->login.packet, d->login.len);
}

static void arrived(struct fleet *f, struct device *d)
{
	d->there = true;
	d->subscribed = true;
	f->there++;
	d->listening = f->news = bench_now();
	if (f->asked < f->count) {
		connect_next(f);
	}
}

static void report(struct fleet *f, struct device *d)
{
	char topic[TOPIC_SIZE];
	topic_of(f, d, "/report", topic);
	mqtt_publish(&d->peer, topic, d->report);
	mqtt_flush(&d->peer);
	free(d->peer.out); /* ten thousand of them are many */
	d->peer.out = NULL;
	d->reported = bench_now();
}

static void copy_value(const struct mqtt_packet *k, const char *key, char *out, size_t size)
{
	const char *at = memmem(k->payload, k->payload_len, key, strlen(key));
	const char *end = at ? memchr(at + strlen(key), '"', k->payload_len - (size_t)(at + strlen(key) - k->payload)) : NULL;
	if (!end || (size_t)(end - at) - strlen(key) >= size) {
		bench_die("not a push: %.*s", (int)k->payload_len, k->payload);
	}
	at += strlen(key);
	memcpy(out, at, (size_t)(end - at));
	out[end - at] = '\0';
}

static void on_push(struct fleet *f, struct device *d, const struct mqtt_packet *k)
{
	f->copies++;
	f->news = bench_now();
	if (d->copies++ > 0) {
		return;
	}
	char version[64];
	char task[32];
	copy_value(k, "\"version\":\"", version, sizeof version);
	copy_value(k, "\"taskId\":\"", task, sizeof task);
	snprintf(d->report, sizeof d->report, "{\"version\":\"%s\",\"taskId\":\"%s\"}", version, task);
	f->served++;
	d->told = f->last_told = f->news;
	report(f, d);
}

static void on_reply(struct fleet *f, struct device *d, const struct mqtt_packet *k)
{
	if (!memmem(k->payload, k->payload_len, "\"200\"", 5)) {
		f->refused++;
	}
	if (!d->answered) {
		d->answered = true;
		f->answered++;
		f->last_answered = f->news = bench_now();
	}
}

static void on_packet(void *ctx, struct mqtt_peer *p, const struct mqtt_packet *k)
{
	static const char reply[] = "report_reply";
	struct fleet *f = ctx;
	struct device *d = (struct device *)p;
	if (k->type == CONNACK) {
		if (d->subscribed && f->persistent) {
			arrived(f, d);
		} else {
			subscribe(f, d);
		}
	} else if (k->type == SUBACK) {
		arrived(f, d);
	} else if (k->type == PUBLISH) {
		bool is_reply = memmem(k->topic, k->topic_len, reply, sizeof reply - 1) != NULL;
		(is_reply ? on_reply : on_push)(f, d, k);
	}
}

/* --- the fleet --- */

static void listen_ms(struct fleet *f, int ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(f->epoll, events, EVENTS, ms);
	for (int i = 0; i < n; i++) {
		struct device *d = events[i].data.ptr;
		mqtt_receive(&d->peer, on_packet, f);
	}
}

static void arrive(struct fleet *f)
{
	f->asked = f->there = f->served = f->answered = 0;
	f->copies = f->repeated = f->refused = 0;
	for (size_t i = 0; i < f->count; i++) {
		struct device *d = &f->at[i];
		d->there = d->answered = false;
		d->copies = 0;
		d->listening = d->told = d->reported = 0;
	}
	f->began = f->news = bench_now();
	while (f->asked < f->count && f->asked < CONNECTING) {
		connect_next(f);
	}
	while (f->there < f->count) {
		listen_ms(f, STEP_MS);
		if (bench_now() - f->news > 20 * BENCH_S) {
			bench_die("%zu of %zu devices arrived", f->there, f->count);
		}
	}
	printf("arrived %lld\n", (long long)bench_now());
}

static void repeat_unanswered(struct fleet *f, int64_t now)
{
	for (size_t i = 0; i < f->count; i++) {
		struct device *d = &f->at[i];
		if (d->reported != 0 && !d->answered && now - d->reported > REPEAT_MS * BENCH_MS) {
			f->repeated++;
			report(f, d);
		}
	}
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void print_served(const struct fleet *f)
{
	int64_t *waits = calloc(f->served + 1, sizeof *waits);
	size_t n = 0;
	if (!waits) {
		bench_die("out of memory");
	}
	for (size_t i = 0; i < f->count; i++) {
		const struct device *d = &f->at[i];
		if (d->told != 0) {
			waits[n++] = d->listening < d->told ? d->told - d->listening : 0;
		}
	}
	qsort(waits, n, sizeof *waits, by_size);
	const double ms = BENCH_MS;
	const size_t middle = n / 2;
	const size_t late = n * 99 / 100;
	printf("served %zu answered %zu copies %ld repeated %ld refused %ld told_ms %.0f p50_ms %.0f p99_ms %.0f max_ms %.0f answered_ms "
	       "%.0f\n",
	       f->served, f->answered, f->copies, f->repeated, f->refused, (double)(f->last_told - f->began) / ms,
	       n ? (double)waits[middle] / ms : -1, n ? (double)waits[late] / ms : -1, n ? (double)waits[n - 1] / ms : -1,
	       (double)(f->last_answered - f->began) / ms);
	free(waits);
}

static void serve(struct fleet *f, long patience_ms)
{
	int64_t looked = bench_now();
	while ((f->served < f->count || f->answered < f->count) && bench_now() - f->news < patience_ms * BENCH_MS) {
		listen_ms(f, STEP_MS);
		if (bench_now() - looked > STEP_MS * BENCH_MS) {
			looked = bench_now();
			repeat_unanswered(f, looked);
		}
	}
	print_served(f);
}

static void linger(struct fleet *f, long ms)
{
	int64_t until = bench_now() + ms * BENCH_MS;
	while (bench_now() < until) {
		listen_ms(f, STEP_MS);
	}
	size_t once = 0;
	for (size_t i = 0; i < f->count; i++) {
		once += f->at[i].copies == 1 && f->at[i].answered;
	}
	printf("lingered once %zu copies %ld\n", once, f->copies);
}

static void leave(struct fleet *f)
{
	static const uint8_t disconnect[] = {0xe0, 0};
	for (size_t i = 0; i < f->count; i++) {
		struct mqtt_peer *p = &f->at[i].peer;
		bench_send(p->fd, disconnect, sizeof disconnect);
		close(p->fd);
	}
	puts("left");
}

static void obey(struct fleet *f)
{
	char line[64];
	while (fgets(line, sizeof line, stdin)) {
		const char *space = strchr(line, ' ');
		long ms = space ? strtol(space, NULL, 10) : 0;
		char word[32] = "";
		memcpy(word, line, strcspn(line, " \n") % sizeof word);
		if (strcmp(word, "arrive") == 0) {
			arrive(f);
		} else if (strcmp(word, "serve") == 0) {
			serve(f, ms);
		} else if (strcmp(word, "linger") == 0) {
			linger(f, ms);
		} else if (strcmp(word, "leave") == 0) {
			leave(f);
		} else {
			bench_die("what is %s?", word);
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		bench_die("usage: bench-reconnect PORT KEYS PREFIX COUNT clean|persistent");
	}
	struct credential_keys keys = {.count = 0};
	struct fleet f = {.port = (int)bench_number(argv[1]),
			  .prefix = argv[3],
			  .count = (size_t)bench_number(argv[4]),
			  .persistent = strcmp(argv[5], "persistent") == 0};
	f.at = calloc(f.count, sizeof *f.at);
	f.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!f.at || f.epoll < 0) {
		bench_die("out of memory");
	}
	bench_raise_files();
	login_keys(&keys, argv[2]);
	for (size_t i = 0; i < f.count; i++) {
		f.at[i].login = login_device(&keys, LOGIN_PLAIN, f.prefix, i + 1, !f.persistent);
	}
	credential_keys_clear(&keys);
	obey(&f);
	return 0;
}
