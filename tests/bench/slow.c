/* Slow readers: many downloads at once, each taking a few KiB a second, as devices on a bad line do.
 *
 * bench-slow PORT COUNT BYTES_PER_S PATH...: the n-th connection asks for the n-th path (going round). Prints "flowing" when every
 * connection has had bytes, then reads on until its stdin ends.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bench.h"

enum { TICKS = 10, RCVBUF = 16 * 1024, PATIENCE_S = 30 };

struct reader {
	int fd;
	bool begun;
};

static void ask(struct reader *r, int port, const char *path)
{
	char head[1024];
	int len = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
	*r = (struct reader){.fd = bench_dial(port, RCVBUF)};
	bench_send(r->fd, head, (size_t)len);
}

/* A bite of each; returns how many have begun. */
static size_t bite(struct reader *readers, size_t count, size_t len)
{
	static char bytes[1 << 16];
	size_t begun = 0;
	for (size_t i = 0; i < count; i++) {
		ssize_t n = recv(readers[i].fd, bytes, len, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			bench_die("the server ended download %zu: %s", i, n ? strerror(errno) : "closed");
		}
		if (n > 0 && !readers[i].begun && strncmp(bytes, "HTTP/1.1 200", 12) != 0) {
			bench_die("download %zu was refused: %.60s", i, bytes);
		}
		readers[i].begun |= n > 0;
		begun += readers[i].begun;
	}
	return begun;
}

static bool stdin_ended(int ms)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};
	return poll(&in, 1, ms) > 0;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		bench_die("usage: bench-slow PORT COUNT BYTES_PER_S PATH...");
	}
	int port = (int)bench_number(argv[1]);
	size_t count = (size_t)bench_number(argv[2]);
	size_t len = (size_t)bench_number(argv[3]) / TICKS;
	size_t paths = (size_t)(argc - 4);
	struct reader *readers = calloc(count, sizeof *readers);
	bench_raise_files();
	if (!readers || len == 0 || len > 1 << 16) {
		bench_die("not with these numbers");
	}
	for (size_t i = 0; i < count; i++) {
		ask(&readers[i], port, argv[4 + i % paths]);
	}
	int64_t deadline = bench_now() + PATIENCE_S * BENCH_S;
	bool told = false;
	do {
		size_t begun = bite(readers, count, len);
		if (begun < count && bench_now() > deadline) {
			bench_die("only %zu of %zu downloads began", begun, count);
		}
		if (begun == count && !told) {
			told = true;
			puts("flowing");
			fflush(stdout);
		}
	} while (!stdin_ended(1000 / TICKS));
	return 0;
}
