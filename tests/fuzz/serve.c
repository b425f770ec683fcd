#include "serve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/scoped.h"
#include "fuzz.h"
#include "http/server.h"
#include "work/pool.h"

enum { ANSWER_MAX = 16 << 20, BLOCK = 64 * 1024, PATIENCE_MS = 20000, GRACE_MS = 2000, MOMENT_MS = 2 };

static struct pool *workers;
static struct http_server *server;

static void stop(void)
{
	http_server_stop(&server, GRACE_MS);
	pool_stop(&workers);
}

void serve_start(const struct http_dialect *dialects, size_t count)
{
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	workers = pool_new(1, 64, NULL, NULL);
	const struct http_config config = {
		.address = "127.0.0.1",
		.loops = 1,
		.max_connections = 64,
		.idle_timeout_ms = 60000,
		.upload_max = SERVE_UPLOAD_MAX,
		.trusted_proxies = "127.0.0.0/8",
		.workers = workers,
	};
	server = http_server_start(&config, dialects, count, NULL);
	CHECK(workers && server);
	atexit(stop);
}

union address {
	struct sockaddr any;
	struct sockaddr_in in;
};

/* From another address of 127.0.0.0/8 each time: the ports of one would soon be used up by closed connections. */
static int open_connection(void)
{
	static uint32_t count;
	union address from = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + count++ % 60000)}};
	union address to = {
		.in = {.sin_family = AF_INET, .sin_port = htons(http_server_port(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0 && bind(fd, &from.any, sizeof from.in) == 0 && connect(fd, &to.any, sizeof to.in) == 0);
	return fd;
}

/* Sends what the socket takes, then the end of the stream: a little later, because libmicrohttpd looks for an end that came together with
 * the last bytes only in the loop's next round, up to a second later. A server that has closed takes no more. */
static void send_some(int fd, const char **at, size_t *left)
{
	ssize_t n = *left ? send(fd, *at, *left, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	*at += n > 0 ? n : 0;
	*left = n < 0 ? 0 : *left - (size_t)n;
	if (*left == 0) {
		struct pollfd answered = {.fd = fd, .events = POLLIN};
		poll(&answered, 1, MOMENT_MS);
		shutdown(fd, SHUT_WR);
	}
}

/* False at the end of the stream. */
static bool receive_some(int fd, char *answer, size_t *len)
{
	CHECK(*len + BLOCK < ANSWER_MAX);
	ssize_t n = recv(fd, answer + *len, BLOCK, MSG_DONTWAIT);
	*len += n > 0 ? (size_t)n : 0;
	return n > 0;
}

const char *serve_exchange(const void *bytes, size_t len, size_t *answer_len)
{
	static char answer[ANSWER_MAX];
	scoped_close int fd = open_connection();
	const char *at = bytes;
	int64_t deadline = clock_mono_ms() + PATIENCE_MS;
	bool sent = false;
	*answer_len = 0;
	for (;;) {
		struct pollfd wait = {.fd = fd, .events = (short)(sent ? POLLIN : POLLIN | POLLOUT)};
		CHECK(clock_mono_ms() < deadline); /* neither answered nor closed */
		poll(&wait, 1, 1000);
		if (wait.revents & (POLLIN | POLLERR | POLLHUP) && !receive_some(fd, answer, answer_len)) {
			break;
		}
		if (!sent && wait.revents & POLLOUT) {
			send_some(fd, &at, &len);
			sent = len == 0;
		}
	}
	answer[*answer_len] = '\0';
	return answer;
}

int serve_status(const char *answer)
{
	static const char version[] = "HTTP/1.";
	size_t at = sizeof version - 1;
	if (strncmp(answer, version, at) != 0 || (answer[at] != '0' && answer[at] != '1') || answer[at + 1] != ' ') {
		return 0;
	}
	char *end;
	long status = strtol(answer + at + 2, &end, 10);
	return end == answer + at + 5 && *end == ' ' ? (int)status : 0;
}
