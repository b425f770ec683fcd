/* What a server says of the bytes that have arrived. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "http/reply.h"
#include "http/server.h"
#include "http_file_scene.h"
#include "metrics/metrics.h"
#include "test_http_client.h"
#include "unit.h"

static void told_reset(void)
{
	pthread_mutex_lock(&told.lock);
	memset(told.map, 0, SIZE);
	told.bytes = 0;
	told.calls = told.finals = 0;
	told.final_at = 0;
	pthread_mutex_unlock(&told.lock);
}

/* Waits until so many transfers are over; returns the bytes reported. */
static uint64_t told_after(unsigned finals, int64_t wait_ms)
{
	int64_t deadline = clock_mono_ms() + wait_ms;
	for (;;) {
		pthread_mutex_lock(&told.lock);
		bool done = told.finals >= finals;
		uint64_t bytes = told.bytes;
		pthread_mutex_unlock(&told.lock);
		if (done) {
			return bytes;
		}
		if (clock_mono_ms() > deadline) {
			fail_msg("the transfer was not reported to be over");
		}
		usleep(2000);
	}
}

/* --- what arrived --------------------------------------------------------------------------------------------------------------------- */

static void every_byte_is_reported_once(void **state)
{
	(void)state;
	static const char *const extra[] = {NULL, "Connection: close\r\n"};
	for (size_t i = 0; i < COUNT(extra); i++) {
		struct answer a;
		int64_t before = metrics_get(METRIC_HTTP_BYTES);
		told_reset();
		get(extra[i], 200, &a);
		free(a.body);
		assert_int_equal(told_after(1, 3000), SIZE);
		for (size_t b = 0; b < SIZE; b++) {
			assert_int_equal(told.map[b], 1);
		}
		assert_int_equal(told.finals, 1);
		assert_int_equal(metrics_get(METRIC_HTTP_BYTES) - before, SIZE);
	}
}

static void a_client_that_keeps_its_connection_is_reported_soon(void **state)
{
	(void)state;
	int fd = client_open(port);
	for (int i = 0; i < 5; i++) {
		struct answer a;
		told_reset();
		client_send(fd, "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=4096-8191\r\n\r\n");
		assert_true(client_read(fd, &a, false));
		int64_t now = clock_mono_ms();
		free(a.body);
		assert_int_equal(told_after(1, 3000), 4096);
		assert_int_equal(told.map[4096], 1);
		assert_int_equal(told.map[8191], 1);
		assert_true(told.final_at - now < 500); /* 25 to 65 ms: the peer's delayed acknowledgement and our tick */
	}
	close(fd);
}

static void requests_in_a_row_are_all_reported(void **state)
{
	(void)state;
	int fd = client_open(port);
	told_reset();
	for (unsigned i = 0; i < 200; i++) {
		char head[128];
		struct answer a;
		snprintf(head, sizeof(head), "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=%u-%u\r\n\r\n", i * 4096, i * 4096 + 4095);
		client_send(fd, i % 3 == 2 ? "GET /text HTTP/1.1\r\nHost: x\r\n\r\n" : head);
		assert_true(client_read(fd, &a, false));
		free(a.body);
	}
	close(fd);
	assert_int_equal(told_after(134, 3000), 134 * 4096);
	for (unsigned i = 0; i < 200 * 4096; i++) {
		assert_int_equal(told.map[i], i / 4096 % 3 == 2 ? 0 : 1);
	}
}

static void the_parts_of_a_multipart_are_reported(void **state)
{
	(void)state;
	struct answer a;
	told_reset();
	get("Range: bytes=0-9,100-199,-7\r\n", 206, &a);
	free(a.body);
	assert_int_equal(told_after(1, 3000), 117);
	for (size_t i = 0; i < SIZE; i++) {
		assert_int_equal(told.map[i], i < 10 || (i >= 100 && i < 200) || i >= SIZE - 7);
	}
}

static void replies_without_bytes_report_only_their_end(void **state)
{
	(void)state;
	struct answer a;
	told_reset();
	get("If-None-Match: *\r\n", 304, &a);
	free(a.body);
	get("Range: bytes=99999999-\r\n", 416, &a);
	free(a.body);
	client_request(port, "HEAD", "/file", NULL, NULL, &a);
	free(a.body);
	assert_int_equal(told_after(3, 3000), 0);
	assert_int_equal(told.finals, 3);
}

static size_t read_some(int fd, size_t wanted)
{
	static char waste[65536];
	size_t got = 0;
	while (got < wanted) {
		ssize_t n = recv(fd, waste, wanted - got < sizeof(waste) ? wanted - got : sizeof(waste), 0);
		assert_true(n > 0);
		got += (size_t)n;
	}
	return got;
}

static void a_client_that_breaks_off_is_not_credited_with_more_than_it_has(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		told_reset();
		int fd = client_open_narrow(port, 32 * 1024);
		client_send(fd, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
		read_some(fd, SIZE / 2);
		int buffered = 0;
		socklen_t len = sizeof(buffered);
		getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffered, &len);
		client_reset(fd);
		uint64_t bytes = told_after(1, 5000);
		assert_true(bytes <= SIZE / 2 + (uint64_t)buffered);
		assert_true(bytes >= SIZE / 2 - 64 * 1024);
		assert_int_equal(told.map[0], 1);
		assert_int_equal(told.map[bytes - 1], 1);
		assert_int_equal(told.map[bytes], 0);
	}
}

static void a_client_that_stops_reading_is_not_credited_with_what_waits_in_the_kernel(void **state)
{
	(void)state;
	struct http_server *short_idle = start(1000);
	told_reset();
	int fd = client_open_narrow(http_server_port(short_idle), 8 * 1024);
	client_send(
		fd,
		"GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=0-99999\r\nConnection: close\r\n\r\n"); /* fits into the server's buffers */
	usleep(1500 * 1000);
	pthread_mutex_lock(&told.lock);
	uint64_t bytes = told.bytes;
	unsigned finals = told.finals;
	pthread_mutex_unlock(&told.lock);
	assert_true(bytes < 60000);
	assert_int_equal(finals, 0); /* libmicrohttpd is done with it, the peer is not */
	struct answer a;
	assert_true(client_read(fd, &a, false));
	free(a.body);
	assert_int_equal(told_after(1, 3000), 100000);
	close(fd);

	told_reset();
	fd = client_open_narrow(http_server_port(short_idle), 8 * 1024);
	client_send(fd, "GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	bytes = told_after(1, 10000); /* the idle timeout cuts it */
	assert_true(bytes < 60000);
	close(fd);
	http_server_stop(&short_idle, 0);
}

static void a_long_transfer_is_reported_while_it_lasts(void **state)
{
	(void)state;
	told_reset();
	int fd = client_open_narrow(port, 16 * 1024);
	client_send(fd, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
	read_some(fd, SIZE / 2);
	usleep(1200 * 1000);
	pthread_mutex_lock(&told.lock);
	uint64_t bytes = told.bytes;
	pthread_mutex_unlock(&told.lock);
	assert_true(bytes > SIZE / 4 && bytes < SIZE / 2 + 256 * 1024);
	read_some(fd, SIZE / 2);
	assert_int_equal(told_after(1, 3000), SIZE);
	close(fd);
}

static void stopping_ends_every_report(void **state)
{
	(void)state;
	struct http_server *other = start(20000);
	told_reset();
	int fd[3];
	for (int i = 0; i < 3; i++) {
		fd[i] = client_open_narrow(http_server_port(other), 8 * 1024);
		client_send(fd[i], i == 0 ? "GET /file HTTP/1.1\r\nHost: x\r\n\r\n"
					  : "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=0-99999\r\n\r\n");
	}
	usleep(200 * 1000);
	http_server_stop(&other, 100);
	assert_int_equal(told.finals, 3);
	assert_true(told.bytes < 3 * 100000);
	for (int i = 0; i < 3; i++) {
		close(fd[i]);
	}
}

static void a_file_that_comes_after_the_stop_is_dropped(void **state)
{
	(void)state;
	struct http_server *other = start(20000);
	int fd = client_open(http_server_port(other));
	atomic_store(&parked, NULL);
	client_send(fd, "GET /park HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\n\r\n");
	for (int ms = 0; !atomic_load(&parked) && ms < 5000; ms++) {
		usleep(1000);
	}
	http_server_stop(&other, 20);
	struct http_file f;
	fill(&f);
	told_reset();
	http_reply_file(atomic_load(&parked), &f);
	assert_int_equal(told.finals, 1);
	assert_int_equal(told.bytes, 0);
	assert_int_equal(fcntl(f.fd, F_GETFD), -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_is_reported_once),
		cmocka_unit_test(a_client_that_keeps_its_connection_is_reported_soon),
		cmocka_unit_test(requests_in_a_row_are_all_reported),
		cmocka_unit_test(the_parts_of_a_multipart_are_reported),
		cmocka_unit_test(replies_without_bytes_report_only_their_end),
		cmocka_unit_test(a_client_that_breaks_off_is_not_credited_with_more_than_it_has),
		cmocka_unit_test(a_client_that_stops_reading_is_not_credited_with_what_waits_in_the_kernel),
		cmocka_unit_test(a_long_transfer_is_reported_while_it_lasts),
		cmocka_unit_test(stopping_ends_every_report),
		cmocka_unit_test(a_file_that_comes_after_the_stop_is_dropped),
	};
	return cmocka_run_group_tests(tests, http_file_scene_setup, http_file_scene_teardown);
}
