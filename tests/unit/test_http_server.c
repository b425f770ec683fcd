#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "http/reply.h"
#include "http/server.h"
#include "http_scene.h"
#include "metrics/metrics.h"
#include "test_http_client.h"
#include "unit.h"
#include "work/pool.h"

/* --- replies ------------------------------------------------------------------------------------------------------------------------ */

static void a_handler_replies_inline_or_on_a_worker_or_later(void **state)
{
	(void)state;
	get("/api/hello", NULL, 200, "hello");
	get("/", NULL, 200, "hello");
	get("/api/worker", NULL, 200, "hello from a worker");
	get("/api/later", NULL, 200, "later");
	get("/api/worker-later", NULL, 200, "later");
}

static void a_reply_may_overtake_the_handler_that_asked_for_it(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		get("/api/overtaken", NULL, 200, "overtaken");
		get("/api/later", NULL, 200, "later"); /* in the same memory, if that was given free */
	}
}

static void one_connection_serves_many_requests(void **state)
{
	(void)state;
	int fd = client_open(port);
	for (int i = 0; i < 20; i++) {
		struct answer a;
		client_send(fd, i % 3 == 0   ? "GET /api/worker HTTP/1.1\r\nHost: x\r\n\r\n"
				: i % 3 == 1 ? "GET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n"
					     : "GET /api/later HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(client_read(fd, &a, false));
		assert_string_equal(a.body, i % 3 == 0 ? "hello from a worker" : i % 3 == 1 ? "hello" : "later");
		free(a.body);
	}
	close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	(void)state;
	int fd = client_open(port);
	client_send(fd, "GET /api/later HTTP/1.1\r\nHost: x\r\n\r\nGET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n"
			"POST /api/json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
			"GET /api/worker HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	static const char *const wanted[] = {"later", "hello", "{}", "hello from a worker"};
	for (size_t i = 0; i < COUNT(wanted); i++) {
		struct answer a;
		assert_true(client_read(fd, &a, false));
		assert_string_equal(a.body, wanted[i]);
		free(a.body);
	}
	assert_true(client_is_closed(fd));
	close(fd);
}

static void head_has_the_length_and_no_body(void **state)
{
	(void)state;
	int fd = client_open(port);
	for (int i = 0; i < 2; i++) {
		struct answer a;
		client_send(fd, "HEAD /api/hello HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(client_read(fd, &a, true));
		assert_string_equal(client_header(&a, "Content-Length"), "5");
		free(a.body);
	}
	close(fd);
}

static void replies_carry_their_headers(void **state)
{
	(void)state;
	struct answer a;
	client_request(port, "GET", "/api/about", NULL, NULL, &a);
	assert_string_equal(client_header(&a, "X-First"), "1");
	assert_string_equal(client_header(&a, "X-Second"), "two");
	assert_string_equal(client_header(&a, "Content-Type"), "text/plain");
	assert_null(client_header(&a, "X-Injected"));
	free(a.body);
}

/* --- requests ----------------------------------------------------------------------------------------------------------------------- */

static void query_parameters_are_read_strictly(void **state)
{
	(void)state;
	get("/api/query?name=a%20b%2Bc&n=10", NULL, 200, "name=a b+c n=10");
	get("/api/query?name=a+b", NULL, 200, "name=a b n=-1");
	get("/api/query?name=%C3%A9", NULL, 200, "name=\xc3\xa9 n=-1");
	get("/api/query", NULL, 400, "The query parameter name is missing.");
	get("/api/query?name=", NULL, 400, "The query parameter name is empty.");
	get("/api/query?name", NULL, 400, "The query parameter name is empty.");
	get("/api/query?name=a&name=b", NULL, 400, "The query parameter name is given more than once.");
	get("/api/query?name=123456789", NULL, 400, "The query parameter name is longer than 8 bytes.");
	get("/api/query?name=a%0Ab", NULL, 400, "The query parameter name holds control characters.");
	get("/api/query?name=a&n=11", NULL, 400, "The query parameter n must be a whole number from 0 to 10.");
	get("/api/query?name=a&n=1x", NULL, 400, "The query parameter n must be a whole number from 0 to 10.");
	get("/api/query?name=a&other=1", NULL, 400, "There is no query parameter other here.");
}

static void segments_are_decoded_and_named(void **state)
{
	(void)state;
	get("/api/seg/a%20b/of/c%2Fd%25", NULL, 200, "a b|c/d%|-|7");
	get("/api/seg/../of/%2e%2e", NULL, 200, "..|..|-|7");
	char target[600];
	char wanted[600];
	memset(wanted, 'y', 500);
	memcpy(wanted + 500, "|z|-|7", 7);
	snprintf(target, sizeof(target), "/api/seg/%.500s/of/z", wanted);
	get(target, NULL, 200, wanted);
}

static void the_peer_is_who_the_trusted_proxy_says(void **state)
{
	(void)state;
	struct answer a;
	client_request(port, "GET", "/api/about",
		       "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.2.3.4, 127.0.0.9\r\nX-Forwarded-Proto: https\r\n", NULL, &a);
	char wanted[128];
	snprintf(wanted, sizeof(wanted), "GET /api/about 1.2.3.4 https test:%u ", port);
	assert_memory_equal(a.body, wanted, strlen(wanted));
	assert_int_equal(strspn(a.body + strlen(wanted), "0123456789abcdef"), 16);
	free(a.body);
}

static void what_the_server_refuses_goes_through_the_dialect(void **state)
{
	(void)state;
	get("/api/none", NULL, 404, "api 404 not_found");
	get("/none", NULL, 404, "There is nothing here.\n");
	get("/api/hello%00", NULL, 400, "api 400 invalid");
	get("/api/query?name=%", NULL, 400, "api 400 invalid");
	get("/api/%ff", NULL, 400, "api 400 invalid");
	get("/api%00/hello", NULL, 400, "The request is malformed: its framing, or a bad %-escape, a NUL or no UTF-8 in the URI.\n");
	struct answer a;
	client_request(port, "PUT", "/api/about", NULL, NULL, &a);
	assert_int_equal(a.status, 405);
	assert_string_equal(client_header(&a, "Allow"), "GET, HEAD, POST");
	assert_string_equal(a.body, "api 405 invalid");
	free(a.body);
}

static void a_nul_in_the_target_is_refused(void **state)
{
	(void)state;
	int fd = client_open(port);
	static const char text[] = "GET /api/hello\0/x HTTP/1.1\r\nHost: x\r\n\r\n";
	struct answer a;
	client_send_bytes(fd, text, sizeof(text) - 1);
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 400);
	free(a.body);
	close(fd);
}

static void over_long_heads_are_refused(void **state)
{
	(void)state;
	char target[5000] = "/api/hello?";
	memset(target + 11, 'x', 4300);
	get(target, NULL, 414, "api 414 invalid");
	static char line[20000];
	int fd = client_open(port);
	struct answer a;
	memset(line, 'y', 7000);
	client_send(fd, "GET /api/hello HTTP/1.1\r\nHost: x\r\nX-Long: ");
	client_send(fd, line);
	client_send(fd, "\r\n\r\n");
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 200);
	free(a.body);
	memset(line, 'y', 9500);
	client_send(fd, "GET /api/hello HTTP/1.1\r\nHost: x\r\nX-Long: ");
	client_send(fd, line);
	client_send(fd, "\r\n\r\n");
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, 431);
	free(a.body);
	close(fd);
}

static void absolute_targets_are_accepted(void **state)
{
	(void)state;
	get("http://somewhere/api/hello", NULL, 200, "hello");
}

static void a_dialect_admits_or_answers(void **state)
{
	(void)state;
	get("/api/hello", "X-Deny: 1\r\n", 401, "who are you?");
	get("/", "X-Deny: 1\r\n", 200, "hello");
}

/* --- many at once ------------------------------------------------------------------------------------------------------------------- */

static unsigned count_answers(int epoll, unsigned count, int64_t deadline)
{
	unsigned done = 0;
	while (done < count && clock_mono_ms() < deadline) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, 100);
		for (int i = 0; i < n; i++) {
			char text[512];
			ssize_t got = recv(events[i].data.fd, text, sizeof(text) - 1, MSG_DONTWAIT);
			if (got > 0) {
				text[got] = '\0';
				assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
				done++;
				epoll_ctl(epoll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
			}
		}
	}
	return done;
}

static void burst(unsigned count, const char *target)
{
	int *fd = calloc(count, sizeof(*fd));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	char text[128];
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target);
	assert_non_null(fd);
	for (unsigned i = 0; i < count; i++) {
		fd[i] = client_open(port);
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd[i]};
		assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd[i], &event), 0);
	}
	for (unsigned i = 0; i < count; i++) {
		client_send(fd[i], text);
	}
	assert_int_equal(count_answers(epoll, count, clock_mono_ms() + 10000), count);
	for (unsigned i = 0; i < count; i++) {
		close(fd[i]);
	}
	close(epoll);
	free(fd);
}

static void simultaneous_one_shot_requests_are_all_answered(void **state)
{
	(void)state;
	static const unsigned counts[] = {1, 127, 128, 129, 256, 384, 1024};
	for (size_t i = 0; i < COUNT(counts); i++) {
		burst(counts[i], "/api/hello");
	}
	burst(64, "/api/worker");
	burst(128, "/api/later");
}

static void a_full_queue_is_busy(void **state)
{
	(void)state;
	struct pool *small = pool_new(1, 1, NULL, NULL);
	struct http_server *other = start(small, 1, 100);
	uint16_t old = port;
	port = http_server_port(other);
	atomic_store(&blocked, true);
	int fd[2];
	for (int i = 0; i < 2; i++) { /* one runs, one waits */
		atomic_store(&parked, NULL);
		fd[i] = client_open(port);
		client_send(fd[i], "GET /api/block HTTP/1.1\r\nHost: x\r\n\r\n");
		for (int ms = 0; i == 0 && !atomic_load(&parked) && ms < 5000; ms++) {
			usleep(1000);
		}
	}
	usleep(100 * 1000);
	struct answer a;
	client_request(port, "GET", "/api/worker", NULL, NULL, &a);
	assert_int_equal(a.status, 503);
	assert_string_equal(client_header(&a, "Retry-After"), "1");
	assert_string_equal(a.body, "api 503 busy");
	free(a.body);
	atomic_store(&blocked, false);
	for (int i = 0; i < 2; i++) {
		assert_true(client_read(fd[i], &a, false));
		assert_string_equal(a.body, "unblocked");
		free(a.body);
		close(fd[i]);
	}
	port = old;
	http_server_stop(&other, 1000);
	pool_stop(&small);
}

static void connections_over_the_limit_are_closed(void **state)
{
	(void)state;
	struct http_server *other = start(workers, 1, 3);
	int fd[4];
	struct answer a;
	for (int i = 0; i < 4; i++) {
		fd[i] = client_open(http_server_port(other));
		client_send(fd[i], "GET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_int_equal(client_read(fd[i], &a, false), i < 3);
		free(a.body);
	}
	close(fd[0]);
	usleep(50 * 1000);
	int again = client_open(http_server_port(other));
	client_send(again, "GET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(client_read(again, &a, false));
	free(a.body);
	for (int i = 1; i < 4; i++) {
		close(fd[i]);
	}
	close(again);
	http_server_stop(&other, 0);
}

static void dripping_clients_are_closed(void **state)
{
	(void)state;
	static const char *const text[] = {
		"GET /api/hello-hello-hello-hello HTTP/1.1\r\nHost: x\r\n\r\n",   /* the request line */
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", /* a header field */
		"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", /* a body */
	};
	int fd[3];
	for (int i = 0; i < 3; i++) {
		fd[i] = client_open(port);
	}
	client_send(fd[1], "GET /api/hello HTTP/1.1\r\nHost: x\r\nX-Drip: ");
	client_send(fd[2], "POST /api/any HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
	bool closed[3] = {false};
	char reply[3][512] = {""};
	for (int i = 0; i < 45 && !(closed[0] && closed[1] && closed[2]); i++) {
		for (int c = 0; c < 3; c++) {
			size_t have = strlen(reply[c]);
			ssize_t n = closed[c] ? 0 : recv(fd[c], reply[c] + have, sizeof(reply[c]) - have - 1, MSG_DONTWAIT);
			closed[c] |= n == 0;
			client_send_bytes(fd[c], text[c] + i, 1);
		}
		usleep(300 * 1000);
	}
	for (int c = 0; c < 3; c++) {
		assert_true(closed[c]);
		assert_memory_equal(reply[c], "HTTP/1.1 408 ", 13);
		close(fd[c]);
	}
	assert_non_null(strstr(reply[2], "api 408 invalid"));
}

/* --- stopping ----------------------------------------------------------------------------------------------------------------------- */

static struct http_request *wait_parked(void)
{
	for (int ms = 0; !atomic_load(&parked) && ms < 5000; ms++) {
		usleep(1000);
	}
	assert_non_null(atomic_load(&parked));
	return atomic_load(&parked);
}

struct stopping {
	struct http_server *server;
	int64_t grace;
	atomic_bool done;
};

static void *stop(void *arg)
{
	struct stopping *s = arg;
	http_server_stop(&s->server, s->grace);
	atomic_store(&s->done, true);
	return NULL;
}

static void stopping_waits_for_what_runs(void **state)
{
	(void)state;
	struct stopping s = {.server = start(workers, 2, 100), .grace = 5000};
	int fd = client_open(http_server_port(s.server));
	atomic_store(&parked, NULL);
	client_send(fd, "GET /api/park HTTP/1.1\r\nHost: x\r\n\r\n");
	struct http_request *req = wait_parked();
	pthread_t thread;
	pthread_create(&thread, NULL, stop, &s);
	usleep(200 * 1000);
	assert_false(atomic_load(&s.done));
	reply_text(req, "in time");
	struct answer a;
	assert_true(client_read(fd, &a, false));
	assert_string_equal(a.body, "in time");
	assert_string_equal(client_header(&a, "Connection"), "close");
	free(a.body);
	pthread_join(thread, NULL);
	close(fd);
}

static void a_reply_after_the_stop_is_harmless(void **state)
{
	(void)state;
	struct http_server *s = start(workers, 1, 100);
	int fd = client_open(http_server_port(s));
	atomic_store(&parked, NULL);
	atomic_store(&freed, 0);
	client_send(fd, "GET /api/park HTTP/1.1\r\nHost: x\r\n\r\n");
	struct http_request *req = wait_parked();
	http_server_stop(&s, 50);
	assert_true(client_is_closed(fd));
	assert_int_equal(atomic_load(&freed), 0);
	http_reply_header(req, "X-Late", "yes");
	reply_text(req, "too late");
	assert_int_equal(atomic_load(&freed), 1);
	close(fd);
}

static void stopping_waits_for_workers_beyond_the_grace(void **state)
{
	(void)state;
	struct stopping s = {.server = start(workers, 1, 100), .grace = 10};
	int fd = client_open(http_server_port(s.server));
	atomic_store(&parked, NULL);
	atomic_store(&blocked, true);
	client_send(fd, "GET /api/block?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_parked();
	pthread_t thread;
	pthread_create(&thread, NULL, stop, &s);
	usleep(200 * 1000);
	assert_false(atomic_load(&s.done));
	atomic_store(&blocked, false);
	pthread_join(thread, NULL);
	close(fd);
}

static void idle_connections_do_not_delay_the_stop(void **state)
{
	(void)state;
	struct http_server *s = start(workers, 2, 100);
	int fd = client_open(http_server_port(s));
	struct answer a;
	client_send(fd, "GET /api/hello HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(client_read(fd, &a, false));
	free(a.body);
	int64_t before = clock_mono_ms();
	http_server_stop(&s, 10000);
	assert_true(clock_mono_ms() - before < 3000);
	assert_true(client_is_closed(fd));
	close(fd);
}

static void a_port_in_use_is_named(void **state)
{
	(void)state;
	struct http_config config = {
		.address = "127.0.0.1", .port = port, .loops = 1, .max_connections = 10, .idle_timeout_ms = 1000, .workers = workers};
	struct err err = {0};
	assert_null(http_server_start(&config, dialects, COUNT(dialects), &err));
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "127.0.0.1 port %u", port);
	assert_non_null(strstr(err.text, wanted));
	config.address = "localhost";
	assert_null(http_server_start(&config, dialects, COUNT(dialects), &err));
	assert_int_equal(err.kind, ERR_INVALID);
}

static void requests_are_counted(void **state)
{
	(void)state;
	int64_t before = metrics_get(METRIC_HTTP_REQUESTS);
	get("/api/hello", NULL, 200, "hello");
	assert_int_equal(metrics_get(METRIC_HTTP_REQUESTS), before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handler_replies_inline_or_on_a_worker_or_later),
		cmocka_unit_test(a_reply_may_overtake_the_handler_that_asked_for_it),
		cmocka_unit_test(one_connection_serves_many_requests),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(head_has_the_length_and_no_body),
		cmocka_unit_test(replies_carry_their_headers),
		cmocka_unit_test(query_parameters_are_read_strictly),
		cmocka_unit_test(segments_are_decoded_and_named),
		cmocka_unit_test(the_peer_is_who_the_trusted_proxy_says),
		cmocka_unit_test(what_the_server_refuses_goes_through_the_dialect),
		cmocka_unit_test(a_nul_in_the_target_is_refused),
		cmocka_unit_test(over_long_heads_are_refused),
		cmocka_unit_test(absolute_targets_are_accepted),
		cmocka_unit_test(a_dialect_admits_or_answers),
		cmocka_unit_test(simultaneous_one_shot_requests_are_all_answered),
		cmocka_unit_test(a_full_queue_is_busy),
		cmocka_unit_test(connections_over_the_limit_are_closed),
		cmocka_unit_test(dripping_clients_are_closed),
		cmocka_unit_test(stopping_waits_for_what_runs),
		cmocka_unit_test(a_reply_after_the_stop_is_harmless),
		cmocka_unit_test(stopping_waits_for_workers_beyond_the_grace),
		cmocka_unit_test(idle_connections_do_not_delay_the_stop),
		cmocka_unit_test(a_port_in_use_is_named),
		cmocka_unit_test(requests_are_counted),
	};
	return cmocka_run_group_tests(tests, http_scene_setup, http_scene_teardown);
}
