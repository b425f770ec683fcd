#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "http/tls.h"
#include "test_http_client.h"
#include "test_http_tls_client.h"
#include "unit.h"
#include "work/pool.h"

/* Large enough that the overhead of its records is more than any allowance. */
enum { SIZE = 24 * 1024 * 1024 + 321, PIECE = 64 * 1024 };

static uint8_t *content;
static int file = -1;
static char dir[64];

/* What was reported as delivered. */
static struct {
	pthread_mutex_t lock;
	uint64_t bytes;
	unsigned finals;
	uint8_t *map; /* how often each byte was reported */
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void tell(void *ctx, uint64_t offset, uint64_t len)
{
	(void)ctx;
	pthread_mutex_lock(&told.lock);
	told.finals += len == 0;
	told.bytes += len;
	for (uint64_t i = 0; i < len; i++) {
		told.map[offset + i]++;
	}
	pthread_mutex_unlock(&told.lock);
}

static void told_reset(void)
{
	pthread_mutex_lock(&told.lock);
	memset(told.map, 0, SIZE);
	told.bytes = 0;
	told.finals = 0;
	pthread_mutex_unlock(&told.lock);
}

static uint64_t told_now(unsigned *finals)
{
	pthread_mutex_lock(&told.lock);
	uint64_t bytes = told.bytes;
	if (finals) {
		*finals = told.finals;
	}
	pthread_mutex_unlock(&told.lock);
	return bytes;
}

static uint64_t told_after(unsigned wanted)
{
	unsigned finals = 0;
	for (int64_t end = clock_mono_ms() + 20000; clock_mono_ms() < end; usleep(2000)) {
		uint64_t bytes = told_now(&finals);
		if (finals >= wanted) {
			return bytes;
		}
	}
	fail_msg("the transfer was not reported to be over");
	return 0;
}

static void assert_told_once_each(uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		assert_int_equal(told.map[i], 1);
	}
}

/* --- a server ----------------------------------------------------------------------------------------------------------------------- */

static void give(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	struct http_file f = {
		.fd = file,
		.lent = true,
		.size = SIZE,
		.content_type = "application/octet-stream",
		.etag = "\"v1\"",
		.delivered = tell,
	};
	http_reply_file(req, &f);
}

static void scheme(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	const char *text = http_request_scheme(req);
	http_reply(req, 200, "text/plain", text, strlen(text));
}

static void body(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	size_t len;
	const char *data = http_request_body(req, &len);
	http_reply(req, 200, "text/plain", data, len);
}

static const struct http_route routes[] = {
	{.method = "GET", .path = "/file", .handle = give},
	{.method = "GET", .path = "/worker", .where = HTTP_WORKER, .handle = give},
	{.method = "GET", .path = "/scheme", .handle = scheme},
	{.method = "POST", .path = "/body", .body = HTTP_BODY_MEMORY, .body_max = 300000, .handle = body},
};
static const struct http_dialect dialect = {.prefix = "/", .routes = routes, .route_count = COUNT(routes)};

static struct pool *workers;
static struct http_server *server;
static uint16_t port;

static const char *in_dir(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *out = path[next++ % COUNT(path)];
	snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
	return out;
}

static struct http_server *start(int plain, const char *cert, const char *key, int64_t idle_ms, struct err *err)
{
	const struct http_config config = {
		.address = "127.0.0.1",
		.port = plain,
		.tls_cert_file = cert,
		.tls_key_file = key,
		.loops = 1,
		.max_connections = 1000,
		.idle_timeout_ms = idle_ms,
		.trusted_proxies = "127.0.0.2",
		.workers = workers,
	};
	return http_server_start(&config, &dialect, 1, err);
}

static int setup(void **state)
{
	(void)state;
	struct err err = {0};
	snprintf(dir, sizeof(dir), "/tmp/otad-tls-XXXXXX");
	assert_non_null(mkdtemp(dir));
	tls_make(dir, "one", 1);
	tls_make(dir, "two", 2);
	content = malloc(SIZE);
	told.map = malloc(SIZE);
	file = memfd_create("file", MFD_CLOEXEC);
	assert_true(content && told.map && file >= 0);
	for (size_t i = 0; i < SIZE; i++) {
		content[i] = (uint8_t)(i * 2654435761u >> 13);
	}
	assert_int_equal(write(file, content, SIZE), SIZE);
	workers = pool_new(2, 64, NULL, NULL);
	server = start(0, in_dir("one.pem"), in_dir("one.key"), 20000, &err);
	if (!server) {
		fail_msg("%s", err.text);
	}
	port = http_server_tls_port(server);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char command[128];
	http_server_stop(&server, 0);
	pool_stop(&workers);
	close(file);
	free(content);
	free(told.map);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command); /* NOLINT(cert-env33-c) */
}

/* --- bytes -------------------------------------------------------------------------------------------------------------------------- */

/* Reads so much of the file from where it stands, and compares. */
static void read_file(struct tls_client *c, uint64_t from, uint64_t to)
{
	static uint8_t piece[PIECE];
	while (from < to) {
		size_t len = to - from < PIECE ? (size_t)(to - from) : PIECE;
		assert_int_equal(tls_read(c, piece, len), len);
		assert_memory_equal(piece, content + from, len);
		from += len;
	}
}

static void ask(struct tls_client *c, const char *target, const char *extra, int expected)
{
	char text[1024];
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n", target, extra);
	tls_write(c, text);
	assert_int_equal(tls_head(c, text, sizeof(text)), expected);
}

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

/* --- the certificate ---------------------------------------------------------------------------------------------------------------- */

static long shown(void)
{
	struct tls_client c;
	tls_open(&c, port, 0, 0);
	long serial = tls_serial(&c);
	tls_close(&c);
	return serial;
}

static bool reload(const char *cert, const char *key, struct err *err)
{
	return http_server_reload(server, in_dir(cert), in_dir(key), err);
}

static void a_new_certificate_is_for_new_connections(void **state)
{
	(void)state;
	struct tls_client c;
	struct err err = {0};
	told_reset();
	tls_open(&c, port, 0, 0);
	assert_int_equal(tls_serial(&c), 1);
	ask(&c, "/file", "", 200);
	read_file(&c, 0, 1000000);
	assert_true(reload("two.pem", "two.key", &err));
	assert_int_equal(shown(), 2);
	read_file(&c, 1000000, SIZE);
	assert_int_equal(told_after(1), SIZE);
	ask(&c, "/scheme", "", 200);
	tls_close(&c);
	assert_true(reload("one.pem", "one.key", &err));
	assert_int_equal(shown(), 1);
}

/* The server has taken the certificate and, under TLS 1.2, waits for the client's half. */
static void a_handshake_under_way_keeps_the_certificate_it_began_with(void **state)
{
	(void)state;
	struct tls_client c;
	struct err err = {0};
	tls_connect(&c, port, TLS1_2_VERSION, 0);
	tls_hello(&c);
	int waiting = 0;
	for (int i = 0; i < 1000 && waiting < 500; i++) {
		usleep(2000);
		ioctl(c.fd, FIONREAD, &waiting);
	}
	assert_true(waiting >= 500); /* ServerHello and certificate are here */
	assert_true(reload("two.pem", "two.key", &err));
	assert_true(reload("one.pem", "one.key", &err));
	assert_true(reload("two.pem", "two.key", &err));
	assert_true(tls_shake(&c));
	assert_int_equal(tls_serial(&c), 1);
	ask(&c, "/scheme", "", 200);
	tls_close(&c);
	assert_true(reload("one.pem", "one.key", &err));
}

static void copy(const char *from, const char *to, const char *cut)
{
	char command[512];
	snprintf(command, sizeof(command), "%s %s >%s && chmod 600 %s", cut, in_dir(from), in_dir(to), in_dir(to));
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

static void bad_files_are_refused_with_what_to_do_and_the_old_certificate_stays(void **state)
{
	(void)state;
	copy("one.key", "open.key", "cat");
	chmod(in_dir("open.key"), 0644);
	copy("one.key", "half.key", "head -c 100");
	copy("one.pem", "half.pem", "head -c 300");
	copy("one.pem", "empty.pem", "head -c 0");
	copy("one.key", "locked.key", "openssl pkey -aes128 -passout pass:x -in");
	copy("one.pem", "mixed.pem", "cat /tmp/does-not-exist 2>/dev/null;cat");
	static const char *const rows[][3] = {
		{"none.pem", "one.key", "tls_cert_file: "},
		{"one.pem", "none.key", "tls_key_file: "},
		{"one.pem", "open.key", "run: chmod o= "},
		{"one.pem", "two.key", "is not the key of the first certificate"},
		{"one.pem", "half.key", "holds no private key in PEM form"},
		{"one.pem", "one.pem", "chmod o= "},
		{"half.pem", "one.key", "holds no certificate in PEM form"},
		{"empty.pem", "one.key", "holds no certificate in PEM form"},
		{"one.pem", "locked.key", "is protected by a password"},
		{"one.key", "one.key", "holds no certificate in PEM form"},
	};
	for (unsigned i = 0; i < COUNT(rows); i++) {
		struct err err = {0};
		assert_false(reload(rows[i][0], rows[i][1], &err));
		if (!strstr(err.text, rows[i][2])) {
			fail_msg("%s does not say: %s", err.text, rows[i][2]);
		}
		assert_false(http_tls_check(in_dir(rows[i][0]), in_dir(rows[i][1]), NULL));
	}
	assert_int_equal(shown(), 1);
	assert_true(http_tls_check(in_dir("one.pem"), in_dir("one.key"), NULL));
}

static void a_server_does_not_start_without_a_listener_or_with_bad_files(void **state)
{
	(void)state;
	struct err err = {0};
	assert_null(start(-1, NULL, NULL, 20000, &err));
	assert_non_null(strstr(err.text, "no port to listen on"));
	assert_null(start(0, in_dir("one.pem"), in_dir("two.key"), 20000, &err));
	assert_non_null(strstr(err.text, "belongs together"));
}

static void https_may_be_all_there_is(void **state)
{
	(void)state;
	struct err err = {0};
	char text[100];
	struct http_server *s = start(-1, in_dir("one.pem"), in_dir("one.key"), 20000, &err);
	assert_non_null(s);
	assert_int_equal(http_server_port(s), 0);
	assert_int_equal(tls_get(http_server_tls_port(s), "/scheme", "", text, sizeof(text)), 200);
	assert_string_equal(text, "https");
	http_server_stop(&s, 0);
}

static void https_is_switched_on_and_off_by_a_restart_only(void **state)
{
	(void)state;
	struct err err = {0};
	assert_false(http_server_reload(server, "", "", &err));
	assert_non_null(strstr(err.text, "by a restart only"));
	struct http_server *s = start(0, "", "", 20000, &err);
	assert_non_null(s);
	assert_int_equal(http_server_tls_port(s), 0);
	assert_true(http_server_reload(s, "", "", &err));
	assert_false(http_server_reload(s, in_dir("one.pem"), in_dir("one.key"), &err));
	http_server_stop(&s, 0);
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
		cmocka_unit_test(a_new_certificate_is_for_new_connections),
		cmocka_unit_test(a_handshake_under_way_keeps_the_certificate_it_began_with),
		cmocka_unit_test(bad_files_are_refused_with_what_to_do_and_the_old_certificate_stays),
		cmocka_unit_test(a_server_does_not_start_without_a_listener_or_with_bad_files),
		cmocka_unit_test(https_may_be_all_there_is),
		cmocka_unit_test(https_is_switched_on_and_off_by_a_restart_only),
		cmocka_unit_test(the_scheme_is_that_of_the_connection),
		cmocka_unit_test(bodies_come_whole_in_records_of_any_size),
		cmocka_unit_test(a_body_that_grows_too_large_is_answered_in_the_middle),
		cmocka_unit_test(plain_text_on_the_tls_port_and_the_reverse_are_dropped),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(a_handshake_that_does_not_go_on_is_dropped_but_a_pause_after_it_is_none),
		cmocka_unit_test(waiting_for_clients_costs_nothing),
		cmocka_unit_test(stopping_ends_handshakes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
