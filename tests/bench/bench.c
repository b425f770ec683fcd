#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

int64_t bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * BENCH_S + t.tv_nsec;
}

void bench_die(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(1);
}

long bench_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);
	if (end == text || *end) {
		bench_die("not a number: %s", text);
	}
	return n;
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int bench_dial(int port, int rcvbuf)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && rcvbuf) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		bench_die("cannot connect to port %d: %s", port, strerror(errno));
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return fd;
}

void bench_send(int fd, const void *data, size_t len)
{
	const char *at = data;
	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
		if (n <= 0) {
			bench_die("send: %s", strerror(errno));
		}
		at += n;
		len -= (size_t)n;
	}
}

int bench_listen(int *port)
{
	struct sockaddr_in address = loopback(*port);
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		bench_die("cannot listen on port %d: %s", *port, strerror(errno));
	}
	*port = ntohs(address.sin_port);
	return fd;
}

int bench_spin(int epoll, struct epoll_event *events, int max)
{
	int64_t until = bench_now() + 10 * BENCH_S;
	for (;;) {
		int n = epoll_wait(epoll, events, max, 0);
		if (n > 0) {
			return n;
		}
		if (n < 0 || bench_now() > until) {
			bench_die("nothing comes any more");
		}
	}
}

void bench_raise_files(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
