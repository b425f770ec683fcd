/* Devices that report: progress 0 of the tasks FIRST ... FIRST+COUNT-1, each of the device PREFIX(id of the task), over a few connections;
 * at most WINDOW reports are unanswered at a time, and what is not answered for long is told again, as devices do. The connections are the
 * service's (SECRET: the file of its password), which alone may speak for many devices.
 *
 * bench-reports PORT SECRET PREFIX FIRST COUNT WINDOW: prints "seconds S repeated N", from the first report to the last first reply.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "login.h"
#include "mqtt.h"

enum { PUBLISHERS = 4, REPEAT_MS = 3000, BURST = 64, ROUNDS = 10 };

struct load {
	struct mqtt_peer peers[PUBLISHERS + 1]; /* the last one takes the replies */
	const char *prefix;
	bool *answered;
	long first, count, window, sent, replies, repeated;
};

static void on_reply(struct load *l, const struct mqtt_packet *k)
{
	static const char root[] = "/oc/devices/";
	size_t skip = sizeof root - 1 + strlen(l->prefix);
	long i = k->topic_len > skip ? strtol(k->topic + skip, NULL, 10) - l->first : -1;
	if (i < 0 || i >= l->count || !memmem(k->payload, k->payload_len, "\"200\"", 5)) {
		bench_die("refused: %.*s %.*s", (int)k->topic_len, k->topic, (int)k->payload_len, k->payload);
	}
	l->replies += !l->answered[i];
	l->answered[i] = true;
}

static void on_packet(void *ctx, struct mqtt_peer *p, const struct mqtt_packet *packet)
{
	struct load *l = ctx;
	if (packet->type == 3 && p == &l->peers[PUBLISHERS]) {
		on_reply(l, packet);
	}
}

static void report(struct load *l, long i)
{
	char topic[160];
	char payload[160];
	snprintf(topic, sizeof topic, "/oc/devices/%s%ld/sys/ota/progress", l->prefix, l->first + i);
	snprintf(payload, sizeof payload, "{\"taskId\":\"%ld\",\"step\":0,\"desc\":\"accepted\"}", l->first + i);
	mqtt_publish(&l->peers[i % PUBLISHERS], topic, payload);
}

static void flush(struct load *l)
{
	for (size_t i = 0; i < PUBLISHERS; i++) {
		mqtt_flush(&l->peers[i]);
	}
}

static void repeat_unanswered(struct load *l)
{
	for (long i = 0; i < l->sent; i++) {
		if (!l->answered[i]) {
			report(l, i);
			l->repeated++;
		}
	}
	flush(l);
	if (l->repeated > l->count * ROUNDS) {
		bench_die("%ld of %ld reports are never answered", l->count - l->replies, l->count);
	}
}

static void run(struct load *l)
{
	struct pollfd fds[PUBLISHERS + 1];
	for (size_t i = 0; i <= PUBLISHERS; i++) {
		fds[i] = (struct pollfd){.fd = l->peers[i].fd, .events = POLLIN};
	}
	while (l->replies < l->count) {
		for (int burst = 0; burst < BURST && l->sent < l->count && l->sent - l->replies < l->window; burst++) {
			report(l, l->sent++);
		}
		flush(l);
		bool full = l->sent == l->count || l->sent - l->replies >= l->window;
		if (poll(fds, PUBLISHERS + 1, full ? REPEAT_MS : 0) == 0 && full) {
			repeat_unanswered(l);
		}
		for (size_t i = 0; i <= PUBLISHERS; i++) {
			if (fds[i].revents) {
				mqtt_receive(&l->peers[i], on_packet, l);
			}
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		bench_die("usage: bench-reports PORT SECRET PREFIX FIRST COUNT WINDOW");
	}
	static struct load l;
	int port = (int)bench_number(argv[1]);
	l.prefix = argv[3];
	l.first = bench_number(argv[4]);
	l.count = bench_number(argv[5]);
	l.window = bench_number(argv[6]);
	l.answered = calloc((size_t)l.count, sizeof *l.answered);
	if (!l.answered) {
		bench_die("out of memory");
	}
	for (int i = 0; i <= PUBLISHERS; i++) {
		char name[32];
		snprintf(name, sizeof name, "otad:bench-reports-%d", i);
		struct login login = login_service(name, argv[2]);
		login_open(&l.peers[i], port, &login);
		free(login.packet);
	}
	mqtt_subscribe(&l.peers[PUBLISHERS], "/oc/devices/+/sys/ota/report_reply", 0);
	int64_t begin = bench_now();
	run(&l);
	printf("seconds %.6f repeated %ld\n", (double)(bench_now() - begin) / 1e9, l.repeated);
	free(l.answered);
	return 0;
}
