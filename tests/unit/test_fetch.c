/* Transfers, against servers of one thread that say exactly what a test wants and close. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "fetch/fetch.h"

enum { SECOND = 1000, MAX = 1000 };

/* Accepts one connection, reads a request's head, says `answer` and, if told, a byte each pause_ms until the peer goes. */
struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	const char *answer;
	int drip_ms;
	bool keep_open;
	char request[8192];
	size_t request_len;
};

static void read_head(struct server *s, int fd)
{
	while (s->request_len < sizeof s->request - 1 && !strstr(s->request, "\r\n\r\n")) {
		ssize_t n = read(fd, s->request + s->request_len, sizeof s->request - 1 - s->request_len);
		if (n <= 0) {
			return;
		}
		s->request_len += (size_t)n;
		s->request[s->request_len] = '\0';
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->fd, NULL, NULL);
	if (fd < 0) {
		return NULL;
	}
	read_head(s, fd);
	send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
	while (s->drip_ms && send(fd, "x", 1, MSG_NOSIGNAL) == 1) {
		usleep((useconds_t)s->drip_ms * 1000);
	}
	char rest;
	while (s->keep_open && read(fd, &rest, 1) > 0) {
	}
	close(fd);
	return NULL;
}

static void start(struct server *s, const char *answer)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	s->answer = answer;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(s->fd, 4), 0);
	getsockname(s->fd, (struct sockaddr *)&at, &len);
	s->port = ntohs(at.sin_port);
	pthread_create(&s->thread, NULL, serve, s);
}

static void stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static struct fetch_request ask(const struct server *s, char url[64])
{
	snprintf(url, 64, "http://127.0.0.1:%u/a.bin?q=1", s->port);
	return (struct fetch_request){.url = url, .connect_ms = 5 * SECOND, .total_ms = 20 * SECOND, .max_bytes = MAX};
}

static bool collect(void *ctx, const void *data, size_t len, struct err *err)
{
	(void)err;
	buf_put(ctx, data, len);
	return true;
}

/* What an answer becomes. */
static bool get(const char *answer, struct buf *body, struct fetch_answer *out, struct err *err)
{
	struct server s = {0};
	char url[64];
	start(&s, answer);
	const struct fetch_request request = ask(&s, url);
	bool ok = fetch_get(&request, collect, body, out, err);
	stop(&s);
	return ok;
}

static void only_a_whole_200_is_a_success(void **state)
{
	(void)state;
	static const struct {
		const char *answer;
		enum err_kind kind; /* ERR_NONE: the body is "hello" */
		const char *sentence;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ERR_NONE, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", ERR_NONE, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", ERR_NONE, ""},
		{"HTTP/1.0 200 OK\r\n\r\nhello", ERR_NONE, ""},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ERR_NONE, ""},
		{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", ERR_NONE, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", ERR_UNAVAILABLE, "after 5 of 9 bytes"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ERR_UNAVAILABLE, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nhello", ERR_TOO_LARGE, "more than 1000 bytes"},
		{"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 5\r\n\r\nhello", ERR_INVALID,
		 "redirects to another place (301)"},
		{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", ERR_INVALID,
		 "(302), and redirects are never"},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", ERR_INVALID, "answered 404"},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 5000\r\n\r\nhello", ERR_INVALID, "answered 404"},
		{"HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", ERR_INVALID, "answered 401"},
		{"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello", ERR_INVALID, "answered 206"},
		{"HTTP/1.1 204 None\r\n\r\n", ERR_INVALID, "answered 204"},
		{"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", ERR_UNAVAILABLE, "answered 500"},
		{"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhello", ERR_UNAVAILABLE, "answered 503"},
		{"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", ERR_UNAVAILABLE, "answered 429"},
		{"", ERR_UNAVAILABLE, "without an answer"},
		{"hello", ERR_INVALID, "does not speak HTTP"},
		{"SSH-2.0-x\r\n", ERR_INVALID, "does not speak HTTP"},
		{"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", ERR_INVALID, ""},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = {0};
		struct fetch_answer answer;
		struct buf body;
		buf_init(&body, MAX);
		bool ok = get(rows[i].answer, &body, &answer, &err);
		if (ok != (rows[i].kind == ERR_NONE) || err.kind != rows[i].kind || !strstr(err.text, rows[i].sentence)) {
			fail_msg("%s: %s (%s)", rows[i].answer, err.text, err_kind_name(err.kind));
		}
		if (ok) {
			assert_string_equal(buf_cstr(&body), "hello");
			assert_int_equal(answer.bytes, 5);
			assert_int_equal(answer.status, 200);
		}
		buf_free(&body);
	}
}

static void more_than_the_cap_ends_it_also_where_no_length_was_told(void **state)
{
	(void)state;
	char text[4096];
	struct err err = {0};
	struct fetch_answer answer;
	struct buf body;
	int head = snprintf(text, sizeof text, "HTTP/1.0 200 OK\r\n\r\n");
	memset(text + head, 'x', MAX + 1);
	text[head + MAX + 1] = '\0';
	buf_init(&body, 8192);
	assert_false(get(text, &body, &answer, &err));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
	assert_true(body.len <= MAX);
	buf_reset(&body);
	text[head + MAX] = '\0';
	assert_true(get(text, &body, &answer, &err));
	assert_int_equal(body.len, MAX);
	buf_free(&body);
}

static void an_endless_head_ends_it(void **state)
{
	(void)state;
	size_t size = 200 * 1024;
	char *text = malloc(size);
	assert_non_null(text);
	size_t len = (size_t)snprintf(text, size, "HTTP/1.1 200 OK\r\n");
	while (len < size - 100) {
		len += (size_t)snprintf(text + len, size - len, "X-Filler: 0123456789012345678901234567890123456789\r\n");
	}
	struct err err = {0};
	struct fetch_answer answer;
	struct buf body;
	buf_init(&body, MAX);
	assert_false(get(text, &body, &answer, &err));
	assert_non_null(strstr(err.text, "a head of more than 65536 bytes"));
	buf_free(&body);
	free(text);
}

static void fields_are_those_of_the_last_head(void **state)
{
	(void)state;
	struct err err = {0};
	struct fetch_answer answer;
	struct buf body;
	buf_init(&body, MAX);
	assert_true(get(
		"HTTP/1.1 103 Early\r\nContent-Type: a/b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-encoding:  gzip \r\nContent-Length: 0\r\n\r\n",
		&body, &answer, &err));
	assert_string_equal(answer.content_type, "");
	assert_string_equal(answer.content_encoding, "gzip");
	assert_true(get("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Encoding: Identity\r\nContent-Length: "
			"0\r\n\r\n",
			&body, &answer, &err));
	assert_string_equal(answer.content_type, "application/json; charset=utf-8");
	assert_string_equal(answer.content_encoding, "");
	buf_free(&body);
}

static void the_environment_sends_it_nowhere_else(void **state)
{
	(void)state;
	struct server s = {.request_len = 0};
	char url[64];
	struct err err = {0};
	struct fetch_answer answer;
	struct buf body;
	buf_init(&body, MAX);
	start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n");
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	const struct fetch_request request = ask(&s, url);
	assert_true(fetch_get(&request, collect, &body, &answer, &err));
	stop(&s);
	assert_int_equal(strncmp(s.request, "GET /a.bin?q=1 HTTP/1.1\r\nHost: 127.0.0.1:", 41), 0);
	assert_non_null(strstr(s.request, "Accept-Encoding: identity\r\n"));
	assert_null(strstr(s.request, "Authorization"));
	buf_free(&body);
}

static void an_address_is_judged_when_it_is_connected_to(void **state)
{
	(void)state;
	static const char *const hosts[] = {"127.0.0.1", "localhost",          "127.1",          "0x7f.1", "2130706433", "0.0.0.0",
					    "[::1]",     "[::ffff:127.0.0.1]", "169.254.169.254"};
	struct server s = {0};
	start(&s, "");
	for (size_t i = 0; i < COUNT(hosts); i++) {
		char url[64];
		struct err err = {0};
		struct fetch_answer answer;
		struct buf body;
		buf_init(&body, MAX);
		struct fetch_request request = ask(&s, url);
		snprintf(url, sizeof url, "http://%s:%u/", hosts[i], s.port);
		request.public_only = true;
		if (fetch_get(&request, collect, &body, &answer, &err) || err.kind != ERR_DENIED) {
			fail_msg("%s: %s", hosts[i], err.text);
		}
	}
	stop(&s);
	assert_int_equal(s.request_len, 0); /* nobody connected */
}

static void a_dripping_server_is_left(void **state)
{
	(void)state;
	struct server s = {.drip_ms = 100};
	char url[64];
	struct err err = {0};
	struct fetch_answer answer;
	struct buf body;
	buf_init(&body, MAX);
	start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n");
	struct fetch_request request = ask(&s, url);
	request.slow_bytes = 500;
	request.slow_ms = SECOND;
	assert_false(fetch_get(&request, collect, &body, &answer, &err));
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.text, "fewer than 500 bytes a second for 1 s"));
	stop(&s);
	buf_free(&body);
}

static void a_transfer_has_an_end(void **state)
{
	(void)state;
	struct server s = {.keep_open = true};
	char url[64];
	struct err err = {0};
	struct fetch_answer answer;
	struct buf body;
	buf_init(&body, MAX);
	start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhello");
	struct fetch_request request = ask(&s, url);
	request.total_ms = SECOND;
	assert_false(fetch_get(&request, collect, &body, &answer, &err));
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_string_equal(err.text, "not done within 1 s, after 5 bytes");
	stop(&s);
	buf_free(&body);
}

struct later {
	atomic_bool flag;
};

static void *cancel_later(void *arg)
{
	struct later *l = arg;
	usleep(300 * 1000);
	l->flag = true;
	return NULL;
}

static void a_cancelled_transfer_ends_soon(void **state)
{
	(void)state;
	struct server s = {.keep_open = true};
	struct later later = {false};
	char url[64];
	struct err err = {0};
	struct fetch_answer answer;
	struct buf body;
	pthread_t thread;
	buf_init(&body, MAX);
	start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhello");
	struct fetch_request request = ask(&s, url);
	request.cancelled = &later.flag;
	int64_t began = clock_mono_ms();
	pthread_create(&thread, NULL, cancel_later, &later);
	assert_false(fetch_get(&request, collect, &body, &answer, &err));
	assert_true(clock_mono_ms() - began < 3 * SECOND);
	assert_string_equal(err.text, "cancelled");
	pthread_join(thread, NULL);
	stop(&s);
	buf_free(&body);
}

static bool refuse_all(void *ctx, const void *data, size_t len, struct err *err)
{
	(void)ctx;
	(void)data;
	(void)len;
	return err_set(err, ERR_NO_SPACE, "the disk is full");
}

static void a_sink_that_refuses_ends_it_with_its_own_sentence(void **state)
{
	(void)state;
	struct server s = {0};
	char url[64];
	struct err err = {0};
	struct fetch_answer answer;
	start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	const struct fetch_request request = ask(&s, url);
	assert_false(fetch_get(&request, refuse_all, NULL, &answer, &err));
	assert_int_equal(err.kind, ERR_NO_SPACE);
	assert_string_equal(err.text, "the disk is full");
	stop(&s);
}

static void nobody_there_and_no_such_name_are_said(void **state)
{
	(void)state;
	struct server s = {0};
	char url[64];
	struct err err = {0};
	struct fetch_answer answer;
	start(&s, "");
	struct fetch_request request = ask(&s, url);
	stop(&s);
	assert_false(fetch_get(&request, refuse_all, NULL, &answer, &err));
	assert_string_equal(err.text, "nothing answers at the host's address and port");
	request.url = "http://nobody.invalid/";
	assert_false(fetch_get(&request, refuse_all, NULL, &answer, &err));
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	request.url = "http://user@127.0.0.1/";
	assert_false(fetch_get(&request, refuse_all, NULL, &answer, &err));
	assert_string_equal(err.text, "the URL has a user in it");
	request.url = "file:///etc/passwd";
	assert_false(fetch_get(&request, refuse_all, NULL, &answer, &err));
	assert_int_equal(err.kind, ERR_INVALID);
}

/* --- post --- */

static bool post(struct server *s, const char *answer, struct buf *body, struct fetch_answer *out, struct err *err)
{
	static const char *const headers[] = {"X-One: 1", "Authorization: abc", NULL};
	char url[64];
	start(s, answer);
	struct fetch_request request = ask(s, url);
	request.headers = headers;
	const struct fetch_body said = {"application/x-www-form-urlencoded", "a=b\0c", 5};
	bool ok = fetch_post(&request, &said, body, out, err);
	stop(s);
	return ok;
}

static void a_post_brings_any_answer_but_a_redirect(void **state)
{
	(void)state;
	struct server s = {0};
	struct err err = {0};
	struct fetch_answer answer;
	struct buf body;
	buf_init(&body, 64);
	assert_true(post(&s, "HTTP/1.1 400 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", &body, &answer, &err));
	assert_int_equal(answer.status, 400);
	assert_string_equal(answer.content_type, "application/json");
	assert_string_equal(buf_cstr(&body), "{}");
	assert_int_equal(strncmp(s.request, "POST /a.bin?q=1 HTTP/1.1\r\n", 26), 0);
	assert_non_null(strstr(s.request, "Content-Type: application/x-www-form-urlencoded\r\n"));
	assert_non_null(strstr(s.request, "Content-Length: 5\r\n"));
	assert_non_null(strstr(s.request, "X-One: 1\r\n"));
	assert_null(strstr(s.request, "Expect"));
	struct server other = {0};
	assert_false(post(&other, "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", &body, &answer, &err));
	assert_int_equal(err.kind, ERR_INVALID);
	assert_int_equal(answer.status, 307);
	buf_free(&body);
}

static void a_post_s_answer_is_bounded_by_its_buffer_too(void **state)
{
	(void)state;
	struct server s = {0};
	struct err err = {0};
	struct fetch_answer answer;
	char mem[4];
	struct buf body;
	buf_init_fixed(&body, mem, sizeof mem);
	assert_false(post(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", &body, &answer, &err));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
}

/* The last: nothing can be fetched after it. */
static void who_stops_the_process_ends_them_all(void **state)
{
	(void)state;
	struct server s = {0};
	char url[64];
	struct err err = {0};
	struct fetch_answer answer;
	start(&s, "");
	const struct fetch_request request = ask(&s, url);
	fetch_halt();
	assert_false(fetch_get(&request, refuse_all, NULL, &answer, &err));
	assert_string_equal(err.text, "the service is stopping");
	stop(&s);
	assert_int_equal(s.request_len, 0);
}

static int start_all(void **state)
{
	(void)state;
	return fetch_start(NULL) ? 0 : -1;
}

static int end_all(void **state)
{
	(void)state;
	fetch_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_whole_200_is_a_success),
		cmocka_unit_test(more_than_the_cap_ends_it_also_where_no_length_was_told),
		cmocka_unit_test(an_endless_head_ends_it),
		cmocka_unit_test(fields_are_those_of_the_last_head),
		cmocka_unit_test(the_environment_sends_it_nowhere_else),
		cmocka_unit_test(an_address_is_judged_when_it_is_connected_to),
		cmocka_unit_test(a_dripping_server_is_left),
		cmocka_unit_test(a_transfer_has_an_end),
		cmocka_unit_test(a_cancelled_transfer_ends_soon),
		cmocka_unit_test(a_sink_that_refuses_ends_it_with_its_own_sentence),
		cmocka_unit_test(nobody_there_and_no_such_name_are_said),
		cmocka_unit_test(a_post_brings_any_answer_but_a_redirect),
		cmocka_unit_test(a_post_s_answer_is_bounded_by_its_buffer_too),
		cmocka_unit_test(who_stops_the_process_ends_them_all),
	};
	return cmocka_run_group_tests(tests, start_all, end_all);
}
