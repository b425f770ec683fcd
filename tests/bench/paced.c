/* Requests at a fixed pace, whether or not the answers come (open loop): a server that stands still for a while pays with every request of
 * that while.
 *
 * bench-paced PORT FILE RATE MS CONNECTIONS: the file has a path a line. Prints "paced N p50-us T p99-us T max-us T", from the moment a
 * request was due to its whole answer; each must be a 200 with Content-Length.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

enum { ANSWER_SIZE = 16384, EVENTS = 64 };

struct link {
	int fd;
	int64_t due; /* of the request it carries; 0 = none */
	size_t got;
	char answer[ANSWER_SIZE];
};

struct load {
	int epoll;
	char **paths;
	size_t path_count, sent;
	struct link *links;
	size_t link_count;
	int64_t *taken;
	size_t answered, room;
};

static void read_paths(struct load *l, const char *name)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(name, "r");
	if (!file) {
		bench_die("cannot open %s", name);
	}
	for (ssize_t n; (n = getline(&line, &size, file)) > 0;) {
		line[n - (line[n - 1] == '\n')] = '\0';
		char **more = realloc(l->paths, (l->path_count + 1) * sizeof *more);
		if (!more) {
			bench_die("out of memory");
		}
		l->paths = more;
		l->paths[l->path_count++] = strdup(line);
	}
	free(line);
	fclose(file);
}

static void open_links(struct load *l, int port)
{
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < l->link_count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->links[i]};
		l->links[i].fd = bench_dial(port, 0);
		if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->links[i].fd, &event) != 0) {
			bench_die("epoll_ctl: %s", strerror(errno));
		}
	}
}

static bool send_on(struct load *l, int64_t due)
{
	for (size_t i = 0; i < l->link_count; i++) {
		if (l->links[i].due == 0) {
			char request[1024];
			int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n",
					 l->paths[l->sent++ % l->path_count]);
			l->links[i].due = due;
			l->links[i].got = 0;
			bench_send(l->links[i].fd, request, (size_t)n);
			return true;
		}
	}
	return false;
}

static bool is_whole(struct link *k)
{
	k->answer[k->got] = '\0';
	const char *end = strstr(k->answer, "\r\n\r\n");
	if (!end) {
		return false;
	}
	const char *length = strstr(k->answer, "Content-Length: ");
	if (strncmp(k->answer, "HTTP/1.1 200", 12) != 0 || !length || length > end) {
		bench_die("an answer is no 200: %.300s", k->answer);
	}
	return k->got >= (size_t)(end + 4 - k->answer) + strtoul(length + 16, NULL, 10);
}

static void hear(struct load *l, struct link *k)
{
	ssize_t n = read(k->fd, k->answer + k->got, ANSWER_SIZE - 1 - k->got);
	if (n <= 0) {
		bench_die("a connection has ended");
	}
	k->got += (size_t)n;
	if (is_whole(k)) {
		if (l->answered < l->room) {
			l->taken[l->answered++] = bench_now() - k->due;
		}
		k->due = 0;
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void run(struct load *l, int64_t step, int64_t length)
{
	int64_t due = bench_now();
	int64_t end = due + length;
	while (due < end || l->answered < l->sent) {
		struct epoll_event events[EVENTS];
		while (due < end && due <= bench_now() && send_on(l, due)) {
			due += step;
		}
		int n = epoll_wait(l->epoll, events, EVENTS, 0);
		for (int i = 0; i < n; i++) {
			hear(l, events[i].data.ptr);
		}
		if (bench_now() > end + 20 * BENCH_S) {
			bench_die("answers do not come");
		}
	}
}

int main(int argc, char **argv)
{
	struct load l = {0};
	if (argc != 6) {
		bench_die("usage: bench-paced PORT FILE RATE MS CONNECTIONS");
	}
	int64_t step = BENCH_S / bench_number(argv[3]);
	int64_t length = bench_number(argv[4]) * BENCH_MS;
	read_paths(&l, argv[2]);
	l.link_count = (size_t)bench_number(argv[5]);
	l.links = calloc(l.link_count, sizeof *l.links);
	l.room = (size_t)(length / step) + 1;
	l.taken = calloc(l.room, sizeof *l.taken);
	if (!l.links || !l.taken || l.path_count == 0) {
		bench_die("out of memory, or no paths");
	}
	open_links(&l, (int)bench_number(argv[1]));
	run(&l, step, length);
	qsort(l.taken, l.answered, sizeof *l.taken, compare);
	size_t half = l.answered / 2;
	size_t most = l.answered * 99 / 100;
	printf("paced %zu p50-us %.1f p99-us %.1f max-us %.1f\n", l.answered, (double)l.taken[half] / 1e3, (double)l.taken[most] / 1e3,
	       (double)l.taken[l.answered - 1] / 1e3);
	return 0;
}
