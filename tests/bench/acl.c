/* Messages through the broker at QoS 1 between one service and DEVICES devices, each with a connection of its own.
 *
 * bench-acl PORT deliver|publish KEYS SECRET PREFIX DEVICES MESSAGES WINDOW      ("-" for both files: anonymous)
 * deliver: the service publishes pushes to the devices' topics, WINDOW unacknowledged at a time.
 * publish: the devices publish reports, WINDOW unacknowledged at a time over all, to a service that listens to all of them.
 * Prints "ready" when all are connected; at every line on stdin sends MESSAGES and prints "messages N seconds S", from the first publish to
 * the last receipt and the last PUBACK. Ends with its stdin.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench.h"
#include "login.h"

enum { EVENTS = 256, TOPIC_SIZE = 160 };

/* As long as what the service sends. */
#define PUSH                                                                                                                    \
	"{\"fileName\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bin\",\"version\":\"0b6f6f0e-8a3c-4c39-9d0b-" \
	"2f1c5a7d9e10\","                                                                                                       \
	"\"md5\":\"d41d8cd98f00b204e9800998ecf8427e\",\"taskId\":\"1000000\",\"url\":\"http://127.0.0.1:8080/api/v2/micro/"     \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bin\",\"size\":\"262144\",\"sha256\":\""                      \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"component\":\"app\"}"
#define REPORT "{\"version\":\"0b6f6f0e-8a3c-4c39-9d0b-2f1c5a7d9e10\",\"taskId\":\"1000000\"}"

struct load {
	struct mqtt_peer *devices, service;
	const char *prefix, *payload;
	const char *tail; /* of the topics */
	bool deliver;
	size_t count;
	size_t *idle, idle_count; /* devices that may publish */
	long messages, window, sent, acknowledged, received;
};

static void watch(int epoll, struct mqtt_peer *p)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd, &event) != 0) {
		bench_die("epoll_ctl: %s", strerror(errno));
	}
}

static void topic_of(const struct load *l, size_t i, char topic[TOPIC_SIZE])
{
	snprintf(topic, TOPIC_SIZE, "/oc/devices/%s%zu/%s", l->prefix, i + 1, l->tail);
}

static void open_all(struct load *l, int epoll, int port, const char *keys_file, const char *secret_file)
{
	struct credential_keys keys = {.count = 0};
	login_keys(&keys, keys_file);
	for (size_t i = 0; i < l->count; i++) {
		char filter[TOPIC_SIZE];
		struct mqtt_peer *p = &l->devices[i];
		struct login login = login_device(&keys, keys.count ? LOGIN_PLAIN : LOGIN_ANONYMOUS, l->prefix, i + 1, true);
		login_open(p, port, &login);
		free(login.packet);
		topic_of(l, i, filter);
		if (l->deliver) {
			mqtt_subscribe(p, filter, 1);
		}
		watch(epoll, p);
	}
	struct login login = login_service("otad:bench", secret_file);
	login_open(&l->service, port, &login);
	free(login.packet);
	if (!l->deliver) {
		mqtt_subscribe(&l->service, "/oc/devices/+/sys/ota/report", 1);
	}
	watch(epoll, &l->service);
	credential_keys_clear(&keys);
}

static void on_packet(void *ctx, struct mqtt_peer *p, const struct mqtt_packet *packet)
{
	struct load *l = ctx;
	l->received += packet->type == 3;
	l->acknowledged += packet->type == 4;
	if (packet->type == 4 && p != &l->service) {
		l->idle[l->idle_count++] = (size_t)(p - l->devices);
	}
}

static void push_some(struct load *l)
{
	char topic[TOPIC_SIZE];
	while (l->sent < l->messages && l->sent - l->acknowledged < l->window) {
		topic_of(l, (size_t)l->sent++ % l->count, topic);
		mqtt_publish(&l->service, topic, l->payload);
	}
	if (l->service.waiting > 0) {
		mqtt_flush(&l->service);
	}
}

/* A device has one report under way. */
static void report_some(struct load *l)
{
	char topic[TOPIC_SIZE];
	while (l->sent < l->messages && l->sent - l->acknowledged < l->window && l->idle_count > 0) {
		size_t i = l->idle[--l->idle_count];
		l->sent++;
		topic_of(l, i, topic);
		mqtt_publish(&l->devices[i], topic, l->payload);
		mqtt_flush(&l->devices[i]);
	}
}

static void run(struct load *l, int epoll)
{
	struct epoll_event events[EVENTS];
	while (l->received < l->messages || l->acknowledged < l->messages) {
		if (l->deliver) {
			push_some(l);
		} else {
			report_some(l);
		}
		int n = bench_spin(epoll, events, EVENTS);
		for (int i = 0; i < n; i++) {
			mqtt_receive(events[i].data.ptr, on_packet, l);
		}
	}
	if (l->received > l->messages) {
		bench_die("%ld messages came of %ld", l->received, l->messages);
	}
}

int main(int argc, char **argv)
{
	if (argc != 9) {
		bench_die("usage: bench-acl PORT deliver|publish KEYS SECRET PREFIX DEVICES MESSAGES WINDOW");
	}
	static struct load l;
	l.deliver = strcmp(argv[2], "deliver") == 0;
	l.payload = l.deliver ? PUSH : REPORT;
	l.tail = l.deliver ? "sys/ota" : "sys/ota/report";
	l.prefix = argv[5];
	l.count = (size_t)bench_number(argv[6]);
	l.messages = bench_number(argv[7]);
	l.window = bench_number(argv[8]);
	l.devices = calloc(l.count, sizeof *l.devices);
	l.idle = calloc(l.count, sizeof *l.idle);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!l.devices || !l.idle || epoll < 0) {
		bench_die("out of memory");
	}
	bench_raise_files();
	for (size_t i = 0; i < l.count; i++) {
		l.idle[l.idle_count++] = l.count - 1 - i;
	}
	open_all(&l, epoll, (int)bench_number(argv[1]), argv[3], argv[4]);
	puts("ready");
	fflush(stdout);
	for (char line[64]; fgets(line, sizeof line, stdin);) {
		l.sent = l.acknowledged = l.received = 0;
		int64_t begin = bench_now();
		run(&l, epoll);
		printf("messages %ld seconds %.6f\n", l.messages, (double)(bench_now() - begin) / 1e9);
		fflush(stdout);
	}
	return 0;
}
