/* Xiaozhi devices that check: one device's request (tests/fuzz/corpus/xiaozhi_check) told in the names of many, over a few connections that
 * each wait for their answer.
 *
 * bench-checks PORT REQUEST keep|close FIRST COUNT CONNECTIONS NEWS WARM_MS MS WORD: devices FIRST ... FIRST+COUNT-1 in turn; their MAC is
 * 02:00 and the number's four bytes. close: a connection for each check. NEWS: the flash size that the first round tells, one more in each
 * further one (8 digits); 0 = as in the file. Kept connections are there before the first check. MS: how long, and what the first WARM_MS
 * bring is not counted; 0 = one round. Every answer must be a 200. Prints "checks N seconds S without M": how many answers had no WORD, of
 * all.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { REQUEST_SIZE = 8192, ANSWER_SIZE = 8192, SPOTS = 4, MAC_LEN = 17, UUID_LEN = 36, FLASH_LEN = 8, EVENTS = 256, SETTLE_US = 100000 };

/* Where something of the device's own stands in the request. */
struct spots {
	char *at[SPOTS];
	size_t count;
};

struct visit {
	int fd;
	size_t got;
	char answer[ANSWER_SIZE];
};

struct load {
	int port, epoll;
	bool close;
	char request[REQUEST_SIZE];
	size_t len;
	struct spots mac, uuid, flash;
	long first, count, news;
	long sent, answered, without;
	const char *word;
};

/* --- the request --- */

static void find_all(struct load *l, const char *before, size_t len, struct spots *out)
{
	char value[64];
	const char *from = strstr(l->request, before);
	if (!from || len >= sizeof value) {
		bench_die("there is no %s in the request", before);
	}
	memcpy(value, from + strlen(before), len);
	value[len] = '\0';
	for (char *at = l->request; out->count < SPOTS && (at = strstr(at, value)); at += len) {
		out->at[out->count++] = at;
	}
}

/* The file has bare line ends in its head, and neither length nor framing. */
static void read_request(struct load *l, const char *path)
{
	char text[REQUEST_SIZE];
	FILE *file = fopen(path, "r");
	size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
	text[len] = '\0';
	char *body = strstr(text, "\n\n");
	if (!body || fclose(file) != 0) {
		bench_die("cannot read a request from %s", path);
	}
	*body = '\0';
	body += 2;
	size_t at = 0;
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		at += (size_t)snprintf(l->request + at, sizeof l->request - at, "%s\r\n", line);
	}
	int n = snprintf(l->request + at, sizeof l->request - at, "%sContent-Length: %zu\r\n\r\n%s",
			 l->close ? "Connection: close\r\n" : "", strlen(body), body);
	l->len = at + (size_t)n;
	if (l->len >= sizeof l->request) {
		bench_die("the request is too long");
	}
	find_all(l, "Device-Id: ", MAC_LEN, &l->mac);
	find_all(l, "Client-Id: ", UUID_LEN, &l->uuid);
	find_all(l, "\"flash_size\":", FLASH_LEN, &l->flash);
}

static void put(const struct spots *spots, size_t skip, const char *text)
{
	for (size_t i = 0; i < spots->count; i++) {
		memcpy(spots->at[i] + skip, text, strlen(text));
	}
}

static void address(struct load *l, long device)
{
	char text[32];
	snprintf(text, sizeof text, "02:00:%02x:%02x:%02x:%02x", (unsigned)(device >> 24 & 255), (unsigned)(device >> 16 & 255),
		 (unsigned)(device >> 8 & 255), (unsigned)(device & 255));
	put(&l->mac, 0, text);
	snprintf(text, sizeof text, "%012lx", (unsigned long)device);
	put(&l->uuid, UUID_LEN - 12, text);
	if (l->news) {
		snprintf(text, sizeof text, "%08ld", l->news + l->sent / l->count);
		put(&l->flash, 0, text);
	}
}

/* --- the talk --- */

static void dial(struct load *l, struct visit *v)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};
	v->fd = bench_dial(l->port, 0);
	epoll_ctl(l->epoll, EPOLL_CTL_ADD, v->fd, &event);
}

static void begin(struct load *l, struct visit *v)
{
	if (l->close) {
		dial(l, v);
	}
	address(l, l->first + l->sent % l->count);
	l->sent++;
	v->got = 0;
	bench_send(v->fd, l->request, l->len);
}

/* The length of the whole answer; 0 = its head is not here yet. */
static size_t whole(const struct visit *v)
{
	static const char key[] = "Content-Length: ";
	const char *body = strstr(v->answer, "\r\n\r\n");
	const char *length = body ? strstr(v->answer, key) : NULL;
	if (body && (!length || length > body || strncmp(v->answer, "HTTP/1.1 200 ", 13) != 0)) {
		bench_die("refused: %s", v->answer);
	}
	return body ? (size_t)(body + 4 - v->answer) + strtoul(length + sizeof key - 1, NULL, 10) : 0;
}

/* True: the answer is here. */
static bool take(struct load *l, struct visit *v)
{
	ssize_t n = recv(v->fd, v->answer + v->got, sizeof v->answer - 1 - v->got, MSG_DONTWAIT);
	if (n <= 0) {
		if (n < 0 && errno == EAGAIN) {
			return false;
		}
		bench_die("a connection ended before its answer");
	}
	v->got += (size_t)n;
	v->answer[v->got] = '\0';
	size_t len = whole(v);
	if (!len || v->got < len) {
		return false;
	}
	l->answered++;
	l->without += !strstr(v->answer, l->word);
	if (l->close) {
		close(v->fd);
	}
	return true;
}

static bool more(const struct load *l, int64_t until)
{
	return until ? bench_now() < until : l->sent < l->count;
}

/* Until the time is over or every device has had its turn. Nobody spins here: the database may be on the load's core, too. */
static void run(struct load *l, struct visit *visits, size_t n, int64_t until)
{
	for (size_t i = 0; i < n && more(l, until); i++) {
		begin(l, &visits[i]);
	}
	while (more(l, until) || l->answered < l->sent) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(l->epoll, events, EVENTS, 10000);
		if (count <= 0) {
			bench_die("nothing comes any more");
		}
		for (int i = 0; i < count; i++) {
			if (take(l, events[i].data.ptr) && more(l, until)) {
				begin(l, events[i].data.ptr);
			}
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 11) {
		bench_die("usage: bench-checks PORT REQUEST keep|close FIRST COUNT CONNECTIONS NEWS WARM_MS MS WORD");
	}
	struct load l = {.port = (int)bench_number(argv[1]), .close = strcmp(argv[3], "close") == 0, .word = argv[10]};
	size_t n = (size_t)bench_number(argv[6]);
	struct visit *visits = calloc(n, sizeof *visits);
	l.first = bench_number(argv[4]);
	l.count = bench_number(argv[5]);
	l.news = bench_number(argv[7]);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!visits || l.epoll < 0 || l.count < (long)n) {
		bench_die("out of memory, or fewer devices than connections");
	}
	read_request(&l, argv[2]);
	bench_raise_files();
	for (size_t i = 0; i < n && !l.close; i++) {
		dial(&l, &visits[i]);
	}
	usleep(SETTLE_US);
	int64_t warm = bench_number(argv[8]) * BENCH_MS;
	int64_t length = bench_number(argv[9]) * BENCH_MS;
	if (warm) {
		run(&l, visits, n, bench_now() + warm);
	}
	long before = l.answered;
	int64_t began = bench_now();
	run(&l, visits, n, length ? began + length : 0);
	printf("checks %ld seconds %.6f without %ld\n", l.answered - before, (double)(bench_now() - began) / 1e9, l.without);
	free(visits);
	return 0;
}
