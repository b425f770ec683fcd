/* Devices that log in and leave: CONNECT, CONNACK, DISCONNECT, the broker's end of the connection, over SOCKETS connections at a time, each
 * time as the next of IDENTITIES devices.
 *
 * bench-connects PORT FORM KEYS SECRET PREFIX IDENTITIES SOCKETS MS
 * FORM: anonymous, plain or xiaozhi. With a SECRET (or "-") somebody listens to what the plugin tells, as the service does.
 * Prints "connects N seconds S". A refusal ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "login.h"

enum { EVENTS = 64 };

struct visitor {
	int fd;
	bool admitted;
};

struct load {
	struct login *logins;
	size_t identities, next;
	struct visitor *visitors;
	struct mqtt_peer service;
	int port, epoll;
	long connects;
};

static void watch(int epoll, int fd, void *who)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		bench_die("epoll_ctl: %s", strerror(errno));
	}
}

/* Once the broker has ended the connection, a reset leaves no TIME_WAIT: their number would be the limit otherwise. */
static void visit(struct load *l, struct visitor *v)
{
	const struct login *login = &l->logins[l->next++ % l->identities];
	v->fd = bench_dial(l->port, 0);
	v->admitted = false;
	setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
	bench_send(v->fd, login->packet, login->len);
	watch(l->epoll, v->fd, v);
}

static void on_readable(struct load *l, struct visitor *v)
{
	static const uint8_t disconnect[] = {0xe0, 0};
	uint8_t answer[8];
	ssize_t n = recv(v->fd, answer, sizeof answer, 0);
	if (!v->admitted) {
		if (n != 4 || answer[0] != 0x20 || answer[3] != 0) {
			bench_die("login refused: %zd bytes, code %d", n, n == 4 ? answer[3] : -1);
		}
		v->admitted = true;
		bench_send(v->fd, disconnect, sizeof disconnect);
		return;
	}
	if (n > 0) {
		bench_die("more than a CONNACK");
	}
	close(v->fd);
	l->connects++;
	visit(l, v);
}

/* QoS 0, and longer than a peer keeps: nothing to answer, nothing to read. */
static void drain(const struct mqtt_peer *service)
{
	char told[65536];
	if (recv(service->fd, told, sizeof told, 0) <= 0) {
		bench_die("the broker ended the service's connection");
	}
}

static void run(struct load *l, int64_t until)
{
	struct epoll_event events[EVENTS];
	while (bench_now() < until) {
		int n = bench_spin(l->epoll, events, EVENTS);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &l->service) {
				drain(&l->service);
			} else {
				on_readable(l, events[i].data.ptr);
			}
		}
	}
}

static void listen_as_service(struct load *l, const char *secret)
{
	if (strcmp(secret, "-") == 0) {
		return;
	}
	struct login login = login_service("otad:bench", secret);
	login_open(&l->service, l->port, &login);
	mqtt_subscribe(&l->service, "otad/v1/presence", 0);
	watch(l->epoll, l->service.fd, &l->service);
	free(login.packet);
}

int main(int argc, char **argv)
{
	if (argc != 9) {
		bench_die("usage: bench-connects PORT FORM KEYS SECRET PREFIX IDENTITIES SOCKETS MS");
	}
	static struct load l;
	struct credential_keys keys = {.count = 0};
	enum login_form form = login_form_named(argv[2]);
	long sockets = bench_number(argv[7]);
	l.port = (int)bench_number(argv[1]);
	l.identities = (size_t)bench_number(argv[6]);
	l.logins = calloc(l.identities, sizeof *l.logins);
	l.visitors = calloc((size_t)sockets, sizeof *l.visitors);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!l.logins || !l.visitors || l.epoll < 0) {
		bench_die("out of memory");
	}
	login_keys(&keys, argv[3]);
	for (size_t i = 0; i < l.identities; i++) {
		l.logins[i] = login_device(&keys, form, argv[5], i + 1, true);
	}
	listen_as_service(&l, argv[4]);
	int64_t begin = bench_now();
	for (long i = 0; i < sockets; i++) {
		visit(&l, &l.visitors[i]);
	}
	run(&l, begin + bench_number(argv[8]) * BENCH_MS);
	printf("connects %ld seconds %.6f\n", l.connects, (double)(bench_now() - begin) / 1e9);
	credential_keys_clear(&keys);
	return 0;
}
