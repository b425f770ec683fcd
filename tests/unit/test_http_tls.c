#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "http/server.h"
#include "http_tls_scene.h"
#include "test_http_client.h"
#include "test_http_tls_client.h"
#include "unit.h"

static void assert_told_once_each(uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		assert_int_equal(told.map[i], 1);
	}
}

/* --- bytes -------------------------------------------------------------------------------------------------------------------------- */

static void every_byte_of_a_download_is_told_once(void **state)
{
	(void)state;
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	for (unsigned i = 0; i < COUNT(versions); i++) {
		struct tls_client c;
		told_reset();
		tls_open(&c, port, versions[i], 0);
		ask(&c, i ? "/worker" : "/file", "", 200);
		read_file(&c, 0, SIZE);
		assert_int_equal(told_after(1), SIZE);
		assert_told_once_each(0, SIZE);
		ask(&c, "/scheme", "", 200); /* the connection lives */
		tls_close(&c);
	}
}

static void ranges_are_told_too(void **state)
{
	(void)state;
	struct tls_client c;
	static char many[400000];
	told_reset();
	tls_open(&c, port, 0, 0);
	ask(&c, "/file", "Range: bytes=100-5000099\r\n", 206);
	read_file(&c, 100, 5000100);
	assert_int_equal(told_after(1), 5000000);
	assert_told_once_each(100, 5000100);
	ask(&c, "/file", "Range: bytes=0-99\r\n", 206);
	read_file(&c, 0, 100);
	assert_int_equal(told_after(2), 5000100);
	tls_close(&c);
	assert_int_equal(tls_get(port, "/file", "Range: bytes=6000000-6099999,7000000-7199999\r\n", many, sizeof(many)), 206);
	assert_int_equal(told_after(3), 5300100);
	assert_told_once_each(6000000, 6100000);
	assert_told_once_each(7000000, 7200000);
}

static void nothing_is_told_that_the_peer_has_not_got(void **state)
{
	(void)state;
	struct tls_client c;
	told_reset();
	tls_open(&c, port, 0, 65536);
	ask(&c, "/file", "", 200);
	for (uint64_t read = 0; read < 20 * 1024 * 1024;) {
		read_file(&c, read, read + 5 * 1024 * 1024);
		read += 5 * 1024 * 1024;
		uint64_t bytes = 0;
		for (int tries = 0; tries < 100 && bytes < read - PIECE; tries++) { /* the loop looks once a second */
			usleep(130000);
			bytes = told_now(NULL);
		}
		int waiting = 0;
		assert_int_equal(ioctl(c.fd, FIONREAD, &waiting), 0);
		assert_true(bytes <= read + (uint64_t)waiting + (uint64_t)SSL_pending(c.ssl));
		assert_true(bytes >= read - PIECE);
		assert_told_once_each(0, bytes);
	}
	client_reset(c.fd);
	SSL_free(c.ssl);
	uint64_t bytes = told_after(1);
	assert_true(bytes < 21 * 1024 * 1024);
	assert_told_once_each(0, bytes);
}

/* --- requests ----------------------------------------------------------------------------------------------------------------------- */

static void the_scheme_is_that_of_the_connection(void **state)
{
	(void)state;
	char text[100];
	struct answer a;
	assert_int_equal(tls_get(port, "/scheme", "X-Forwarded-Proto: http\r\n", text, sizeof(text)), 200);
	assert_string_equal(text, "https"); /* not from a trusted proxy */
	client_request(http_server_port(server), "GET", "/scheme", "X-Forwarded-Proto: https\r\n", NULL, &a);
	assert_string_equal(a.body, "http");
	free(a.body);
}

static void bodies_come_whole_in_records_of_any_size(void **state)
{
	(void)state;
	struct tls_client c;
	char text[1024];
	static char data[200001];
	static char back[200001];
	for (size_t i = 0; i < sizeof(data) - 1; i++) {
		data[i] = (char)('a' + i % 23);
	}
	tls_open(&c, port, 0, 0);
	for (int step = 1000; step <= 200000; step *= 20) {
		tls_write(&c, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
		for (int at = 0; at < 200000; at += step) {
			assert_true(SSL_write(c.ssl, data + at, step < 200000 - at ? step : 200000 - at) > 0);
		}
		assert_int_equal(tls_head(&c, text, sizeof(text)), 200);
		assert_int_equal(tls_read(&c, back, 200000), 200000);
		assert_string_equal(back, data);
	}
	tls_close(&c);
}

static void a_body_that_grows_too_large_is_answered_in_the_middle(void **state)
{
	(void)state;
	struct tls_client c;
	char text[1024];
	static char chunk[10020];
	snprintf(chunk, sizeof(chunk), "2710\r\n%010000d\r\n", 0);
	tls_open(&c, port, 0, 0);
	tls_write(&c, "POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 40; i++) {
		tls_write(&c, chunk);
	}
	assert_int_equal(tls_head(&c, text, sizeof(text)), 413);
	tls_close(&c);
}

/* --- bad company -------------------------------------------------------------------------------------------------------------------- */

/* At its end, in whatever way; an alert may come before it. */
static bool gone(int fd, int flags)
{
	char c;
	ssize_t n;
	while ((n = recv(fd, &c, 1, flags)) == 1) {
	}
	return n == 0 || errno == ECONNRESET;
}

static void plain_text_on_the_tls_port_and_the_reverse_are_dropped(void **state)
{
	(void)state;
	struct tls_client c;
	int fd = client_open(port);
	client_send(fd, "GET /scheme HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(gone(fd, 0));
	close(fd);
	tls_connect(&c, http_server_port(server), 0, 0);
	assert_false(tls_shake(&c));
	tls_close(&c);
	assert_int_equal(shown(), 1);
}

static void old_versions_are_refused(void **state)
{
	(void)state;
	struct tls_client c;
	tls_connect(&c, port, TLS1_1_VERSION, 0);
	SSL_set_cipher_list(c.ssl, "ALL:@SECLEVEL=0");
	assert_false(tls_shake(&c));
	tls_close(&c);
}

static void a_handshake_that_does_not_go_on_is_dropped_but_a_pause_after_it_is_none(void **state)
{
	(void)state;
	struct err err = {0};
	struct http_server *quick = start(-1, in_dir("one.pem"), in_dir("one.key"), 2000, &err);
	assert_non_null(quick);
	int silent = client_open(http_server_tls_port(quick));
	int dripping = client_open(port);
	struct tls_client pausing;
	tls_open(&pausing, port, 0, 0);
	static const char hello[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01};
	client_send_bytes(dripping, hello, sizeof(hello));
	for (int i = 0; i < 13; i++) {
		sleep(1);
		client_send(dripping, "\1");
		assert_true(i > 7 || !gone(dripping, MSG_DONTWAIT));
		assert_true(i < 5 || gone(silent, MSG_DONTWAIT));
	}
	assert_true(gone(dripping, MSG_DONTWAIT));
	ask(&pausing, "/scheme", "", 200);
	tls_close(&pausing);
	close(silent);
	close(dripping);
	http_server_stop(&quick, 0);
}

static int64_t cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void waiting_for_clients_costs_nothing(void **state)
{
	(void)state;
	struct tls_client idle;
	struct tls_client slow;
	struct tls_client half;
	int silent = client_open(port);
	int begun = client_open(port);
	client_send_bytes(begun, "\x16\x03", 2);
	tls_open(&idle, port, 0, 0);
	ask(&idle, "/scheme", "", 200);
	tls_open(&slow, port, 0, 16384);
	ask(&slow, "/file", "", 200);
	tls_connect(&half, port, TLS1_2_VERSION, 0);
	tls_hello(&half);
	usleep(500000);
	int64_t before = cpu_ms();
	sleep(2);
	assert_true(cpu_ms() - before < 100);
	tls_close(&idle);
	tls_close(&slow);
	tls_close(&half);
	close(silent);
	close(begun);
}

static void stopping_ends_handshakes(void **state)
{
	(void)state;
	struct err err = {0};
	struct http_server *s = start(-1, in_dir("one.pem"), in_dir("one.key"), 20000, &err);
	assert_non_null(s);
	int silent = client_open(http_server_tls_port(s));
	int begun = client_open(http_server_tls_port(s));
	client_send_bytes(begun, "\x16\x03", 2);
	usleep(100000);
	int64_t before = clock_mono_ms();
	http_server_stop(&s, 10000);
	assert_true(clock_mono_ms() - before < 2000);
	assert_true(gone(silent, 0) && gone(begun, 0));
	close(silent);
	close(begun);
}

/* An argument selects tests by a pattern. */
int main(int argc, char **argv)
{
	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_a_download_is_told_once),
		cmocka_unit_test(ranges_are_told_too),
		cmocka_unit_test(nothing_is_told_that_the_peer_has_not_got),
		cmocka_unit_test(the_scheme_is_that_of_the_connection),
		cmocka_unit_test(bodies_come_whole_in_records_of_any_size),
		cmocka_unit_test(a_body_that_grows_too_large_is_answered_in_the_middle),
		cmocka_unit_test(plain_text_on_the_tls_port_and_the_reverse_are_dropped),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(a_handshake_that_does_not_go_on_is_dropped_but_a_pause_after_it_is_none),
		cmocka_unit_test(waiting_for_clients_costs_nothing),
		cmocka_unit_test(stopping_ends_handshakes),
	};
	return cmocka_run_group_tests(tests, http_tls_scene_setup, http_tls_scene_teardown);
}
