/* The ceiling of the polls and checks: libmicrohttpd with an empty handler, in the same kind of loop and with the same options as
 * service/http (loop.c, intake.c), but nothing else: one prebuilt response, no callbacks.
 *
 * bench-empty BODY_BYTES: prints its port, serves until it is killed.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "bench.h"

enum { POOL_SIZE = 16 * 1024, CONNECTIONS = 16384, IDLE_S = 60 };

static enum MHD_Result handle(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
			      const char *data, size_t *size, void **ctx)
{
	static char seen;
	(void)url;
	(void)method;
	(void)version;
	(void)data;
	if (!*ctx || *size > 0) {
		*ctx = &seen;
		*size = 0; /* a body is read and dropped */
		return MHD_YES;
	}
	return MHD_queue_response(conn, 200, cls);
}

static struct MHD_Response *make_response(long len)
{
	char *body = malloc((size_t)len);
	if (!body) {
		bench_die("out of memory");
	}
	memset(body, 'x', (size_t)len);
	struct MHD_Response *response = MHD_create_response_from_buffer((size_t)len, body, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(body);
		bench_die("no response");
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	return response;
}

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		bench_die("epoll_ctl: %s", strerror(errno));
	}
}

_Noreturn static void serve(struct MHD_Daemon *daemon)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	watch(epoll, MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN);
	watch(epoll, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN | EPOLLET);
	for (;;) {
		struct epoll_event events[2];
		MHD_UNSIGNED_LONG_LONG wait;
		if (MHD_get_timeout(daemon, &wait) != MHD_YES || wait > 0) {
			epoll_wait(epoll, events, 2, 1000);
		}
		MHD_run(daemon);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		bench_die("usage: bench-empty BODY_BYTES");
	}
	int port = 0;
	int listener = bench_listen(&port);
	struct MHD_Response *response = make_response(bench_number(argv[1]));
	struct MHD_Daemon *daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO, 0, NULL, NULL, handle, response, MHD_OPTION_LISTEN_SOCKET,
		listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT, 0u,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_SIZE, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	if (!daemon) {
		bench_die("libmicrohttpd does not start");
	}
	printf("port %d\n", port);
	fflush(stdout);
	serve(daemon);
}
