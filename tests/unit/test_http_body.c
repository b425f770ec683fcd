/* Requests with bodies: taken whole, refused early, cut off. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_scene.h"
#include "test_http_client.h"
#include "unit.h"

/* --- bodies ------------------------------------------------------------------------------------------------------------------------- */

static void post(const char *target, const char *extra, const char *text, int status, const char *wanted)
{
	struct answer a;
	client_request(port, "POST", target, extra, text, &a);
	if (a.status != status || strcmp(a.body, wanted) != 0) {
		fail_msg("%s: %d %s instead of %d %s", target, a.status, a.body, status, wanted);
	}
	free(a.body);
}

static void a_body_is_whole_when_the_handler_runs(void **state)
{
	(void)state;
	post("/api/json", "Content-Type: application/json\r\n", "{\"a\":1}", 200, "{\"a\":1}");
	post("/api/json", "Content-Type: APPLICATION/JSON; charset=utf-8\r\n", "{}", 200, "{}");
	post("/api/json", NULL, NULL, 200, "");
	static char big[200001];
	memset(big, 'b', sizeof(big) - 1);
	post("/api/any", NULL, big, 200, big);
}

static void a_chunked_body_is_taken_too(void **state)
{
	(void)state;
	struct answer a;
	int fd = client_open(port);
	client_send(fd, "POST /api/json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 5; i++) {
		client_send(fd, "3\r\nabc\r\n");
		usleep(2000);
	}
	client_send(fd, "0\r\n\r\n");
	assert_true(client_read(fd, &a, false));
	assert_string_equal(a.body, "abcabcabcabcabc");
	free(a.body);
	close(fd);
}

static void the_body_type_must_fit(void **state)
{
	(void)state;
	post("/api/json", "Content-Type: text/plain\r\n", "{}", 415, "api 415 invalid");
	post("/api/json", "Content-Type: application/jsonx\r\n", "{}", 415, "api 415 invalid");
	post("/api/json", NULL, "{}", 415, "api 415 invalid");
}

static void a_refused_short_body_leaves_the_connection_open(void **state)
{
	(void)state;
	struct answer a;
	int fd = client_open(port);
	static char text[1002];
	memset(text, 'x', 1001);
	client_send(fd, "POST /api/json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n\r\n");
	client_send(fd, text);
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 413);
	free(a.body);
	client_send(fd, "POST /api/about HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"); /* a route that wants no body */
	client_send(fd, text);
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 200);
	free(a.body);
	client_send(fd, "GET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 200);
	free(a.body);
	close(fd);
}

static void a_large_body_is_refused_before_it_is_sent(void **state)
{
	(void)state;
	struct answer a;
	int fd = client_open(port);
	client_send(fd, "POST /api/any HTTP/1.1\r\nHost: x\r\nContent-Length: 300001\r\n\r\n");
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 413);
	assert_string_equal(client_header(&a, "Connection"), "close");
	free(a.body);
	close(fd);
	fd = client_open(port);
	client_send(fd, "POST /api/any HTTP/1.1\r\nHost: x\r\nX-Deny: 1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 401);
	assert_true(client_is_closed(fd));
	free(a.body);
	close(fd);
}

static void a_client_that_sends_all_the_same_still_gets_the_refusal(void **state)
{
	(void)state;
	struct answer a;
	static char text[400001];
	memset(text, 'x', 400000);
	int fd = client_open(port);
	client_send(fd, "POST /api/any HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n");
	client_send(fd, text);
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 413);
	free(a.body);
	assert_true(client_is_closed(fd));
	close(fd);
}

static void expect_100_continue_is_answered(void **state)
{
	(void)state;
	int fd = client_open(port);
	char line[26] = "";
	client_send(fd, "POST /api/any HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	assert_int_equal(recv(fd, line, 25, MSG_WAITALL), 25);
	assert_string_equal(line, "HTTP/1.1 100 Continue\r\n\r\n");
	client_send(fd, "abc");
	struct answer a;
	assert_true(client_read(fd, &a, false));
	assert_string_equal(a.body, "abc");
	free(a.body);
	close(fd);
}

static void a_chunked_overrun_is_cut_with_a_reply(void **state)
{
	(void)state;
	struct answer a;
	int fd = client_open(port);
	client_send(fd, "POST /api/json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
	static char chunk[0x200 + 8];
	memset(chunk, 'x', sizeof(chunk));
	memcpy(chunk, "200\r\n", 5);
	memcpy(chunk + 5 + 0x200, "\r\n", 3);
	for (int i = 0; i < 4; i++) {
		client_send(fd, chunk);
	}
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 413);
	assert_string_equal(a.body, "api 413 too_large");
	assert_string_equal(client_header(&a, "Connection"), "close");
	free(a.body);
	assert_true(client_is_closed(fd));
	close(fd);
}

/* More than libmicrohttpd's pool holds: it closes without a word; nothing of the request may stay behind (the server's stop would wait for
 * it). */
static void a_head_of_many_small_parts_leaves_nothing_behind(void **state)
{
	(void)state;
	static char head[8000];
	size_t len = (size_t)snprintf(head, sizeof head, "/api/hello?");
	for (int i = 0; i < 300; i++) {
		len += (size_t)snprintf(head + len, sizeof head - len, "a%d=1&", i);
	}
	get(head, NULL, 414, "api 414 invalid");
	len = (size_t)snprintf(head, sizeof head, "GET /api/hello HTTP/1.1\r\nHost: x\r\nCookie: ");
	for (int i = 0; i < 700; i++) {
		len += (size_t)snprintf(head + len, sizeof head - len, "a%d=1;", i);
	}
	snprintf(head + len, sizeof head - len, "\r\n\r\n");
	int fd = client_open(port);
	client_send(fd, head);
	assert_true(client_is_closed(fd));
	close(fd);
}

static void ambiguous_framing_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
		"Content-Length: 3\r\nContent-Length: 4\r\n",
		"Transfer-Encoding: gzip\r\n",
		"Transfer-Encoding: chunked, gzip\r\n",
		"Content-Length : 3\r\n", /* not a length for us, but for somebody in front */
		"Host: y\r\n",
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct answer a;
		int fd = client_open(port);
		client_send(fd, i % 2 ? "POST /api/any HTTP/1.1\r\nHost: x\r\n" : "GET /api/hello HTTP/1.1\r\nHost: x\r\n");
		client_send(fd, bad[i]);
		client_send(fd, "\r\nabc\r\n");
		assert_true(client_read(fd, &a, false));
		assert_int_equal(a.status, 400);
		free(a.body);
		assert_true(client_is_closed(fd));
		close(fd);
	}
}

static void a_body_cut_off_harms_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		int fd = client_open(port);
		client_send(fd, "POST /api/any HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
		if (i % 2) {
			client_reset(fd);
		} else {
			close(fd);
		}
	}
	get("/api/hello", NULL, 200, "hello");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_is_whole_when_the_handler_runs),
		cmocka_unit_test(a_chunked_body_is_taken_too),
		cmocka_unit_test(the_body_type_must_fit),
		cmocka_unit_test(a_refused_short_body_leaves_the_connection_open),
		cmocka_unit_test(a_large_body_is_refused_before_it_is_sent),
		cmocka_unit_test(a_client_that_sends_all_the_same_still_gets_the_refusal),
		cmocka_unit_test(expect_100_continue_is_answered),
		cmocka_unit_test(a_chunked_overrun_is_cut_with_a_reply),
		cmocka_unit_test(a_head_of_many_small_parts_leaves_nothing_behind),
		cmocka_unit_test(ambiguous_framing_is_refused),
		cmocka_unit_test(a_body_cut_off_harms_nobody),
	};
	return cmocka_run_group_tests(tests, http_scene_setup, http_scene_teardown);
}
