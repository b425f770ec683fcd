/* Devices that take pushes: each has a connection of its own, is subscribed to its topic and acknowledges what comes.
 *
 * bench-devices PORT KEYS PREFIX COUNT: PREFIX1 ... PREFIXn, with passwords by the broker's keys_file, or anonymous for "-". Prints
 * "ready"; at every line on stdin forgets what came and prints "again"; when every device has had a message since then, prints "all NS
 * MESSAGES" (CLOCK_MONOTONIC of the last one). Ends with its stdin.
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

struct fleet {
	struct mqtt_peer *peers;
	bool *told;
	size_t count, missing, messages;
};

static void on_packet(void *ctx, struct mqtt_peer *p, const struct mqtt_packet *packet)
{
	struct fleet *f = ctx;
	bool *told = &f->told[p - f->peers];
	if (packet->type != 3) {
		return;
	}
	f->messages++;
	f->missing -= !*told;
	if (!*told && f->missing == 0) {
		printf("all %lld %zu\n", (long long)bench_now(), f->messages);
		fflush(stdout);
	}
	*told = true;
}

static bool on_stdin(struct fleet *f)
{
	char line[64];
	if (read(0, line, sizeof line) <= 0) {
		return false;
	}
	memset(f->told, 0, f->count * sizeof *f->told);
	f->missing = f->count;
	f->messages = 0;
	puts("again");
	fflush(stdout);
	return true;
}

static void watch(int epoll, int fd, struct mqtt_peer *p)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		bench_die("epoll_ctl: %s", strerror(errno));
	}
}

static void open_all(struct fleet *f, int epoll, int port, const char *keys_file, const char *prefix)
{
	struct credential_keys keys = {.count = 0};
	login_keys(&keys, keys_file);
	for (size_t i = 0; i < f->count; i++) {
		char filter[128];
		snprintf(filter, sizeof filter, "/oc/devices/%s%zu/sys/ota", prefix, i + 1);
		struct login login = login_device(&keys, keys.count ? LOGIN_PLAIN : LOGIN_ANONYMOUS, prefix, i + 1, true);
		login_open(&f->peers[i], port, &login);
		free(login.packet);
		mqtt_subscribe(&f->peers[i], filter, 1);
		watch(epoll, f->peers[i].fd, &f->peers[i]);
	}
	credential_keys_clear(&keys);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		bench_die("usage: bench-devices PORT KEYS PREFIX COUNT");
	}
	struct fleet f = {.count = (size_t)bench_number(argv[4])};
	f.peers = calloc(f.count, sizeof *f.peers);
	f.told = calloc(f.count, sizeof *f.told);
	f.missing = f.count;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!f.peers || !f.told || epoll < 0) {
		bench_die("out of memory");
	}
	bench_raise_files();
	open_all(&f, epoll, (int)bench_number(argv[1]), argv[2], argv[3]);
	watch(epoll, 0, NULL);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr) {
				mqtt_receive(events[i].data.ptr, on_packet, &f);
			} else if (!on_stdin(&f)) {
				return 0;
			}
		}
	}
}
