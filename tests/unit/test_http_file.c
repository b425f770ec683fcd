#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "metrics/metrics.h"
#include "test_http_client.h"
#include "unit.h"
#include "work/pool.h"

enum { SIZE = 4 * 1024 * 1024 + 321 };

static uint8_t *content;
static int file = -1;

/* What was reported as delivered, over all transfers since the last reset. */
static struct {
	pthread_mutex_t lock;
	uint64_t bytes;
	uint64_t first, end; /* of the file */
	unsigned calls, finals;
	int64_t final_at;
	uint8_t *map; /* how often each byte was reported */
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void tell(void *ctx, uint64_t offset, uint64_t len)
{
	(void)ctx;
	pthread_mutex_lock(&told.lock);
	if (len == 0) {
		told.finals++;
		told.final_at = clock_mono_ms();
	} else {
		told.calls++;
		told.bytes += len;
		for (uint64_t i = 0; i < len; i++) {
			told.map[offset + i]++;
		}
	}
	pthread_mutex_unlock(&told.lock);
}

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

static void fill(struct http_file *out)
{
	static const uint8_t sha256[32] = {0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0xff, 0xfe};
	*out = (struct http_file){
		.fd = fcntl(file, F_DUPFD_CLOEXEC, 0),
		.size = SIZE,
		.content_type = "application/octet-stream",
		.etag = "\"v1\"",
		.sha256 = sha256,
		.delivered = tell,
	};
}

static void give(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	struct http_file f;
	fill(&f);
	http_reply_header(req, "X-Extra", "1");
	http_reply_file(req, &f);
}

static void named(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	struct http_file f;
	char name[300];
	struct err err;
	fill(&f);
	f.delivered = NULL;
	f.sha256 = NULL;
	f.cache_control = "private, max-age=60";
	f.file_name = http_query_text(req, "name", true, name, sizeof(name), &err) ? name : NULL;
	http_reply_file(req, &f);
}

/* The descriptor is only lent. */
static void lend(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	struct http_file f;
	fill(&f);
	close(f.fd);
	f.fd = file;
	f.lent = true;
	http_reply_file(req, &f);
}

static _Atomic(struct http_request *) parked;

static void park(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	atomic_store(&parked, req);
}

static void *give_soon(void *arg)
{
	usleep(10 * 1000);
	give(arg, NULL, NULL);
	return NULL;
}

static void give_later(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	pthread_t thread;
	pthread_create(&thread, NULL, give_soon, req);
	pthread_detach(thread);
}

static void text(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	http_reply(req, 200, "text/plain", "text", 4);
}

static const struct http_route routes[] = {
	{.method = "GET", .path = "/file", .handle = give},
	{.method = "GET", .path = "/worker", .where = HTTP_WORKER, .handle = give},
	{.method = "GET", .path = "/later", .handle = give_later},
	{.method = "GET", .path = "/lent", .handle = lend},
	{.method = "GET", .path = "/park", .handle = park},
	{.method = "GET", .path = "/named", .handle = named},
	{.method = "GET", .path = "/text", .handle = text},
};
static const struct http_dialect dialect = {.prefix = "/", .routes = routes, .route_count = COUNT(routes)};

static struct pool *workers;
static struct http_server *server;
static uint16_t port;

static struct http_server *start(int64_t idle_ms)
{
	const struct http_config config = {
		.address = "127.0.0.1",
		.loops = 1,
		.max_connections = 1000,
		.idle_timeout_ms = idle_ms,
		.workers = workers,
	};
	struct http_server *s = http_server_start(&config, &dialect, 1, NULL);
	assert_non_null(s);
	return s;
}

static int setup(void **state)
{
	(void)state;
	content = malloc(SIZE);
	told.map = malloc(SIZE);
	file = memfd_create("file", MFD_CLOEXEC);
	assert_true(content && told.map && file >= 0);
	for (size_t i = 0; i < SIZE; i++) {
		content[i] = (uint8_t)(i * 2654435761u >> 13);
	}
	assert_int_equal(write(file, content, SIZE), SIZE);
	workers = pool_new(2, 64, NULL, NULL);
	server = start(20000);
	port = http_server_port(server);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http_server_stop(&server, 0);
	pool_stop(&workers);
	close(file);
	free(content);
	free(told.map);
	return 0;
}

static void get(const char *extra, int status, struct answer *a)
{
	client_request(port, "GET", "/file", extra, NULL, a);
	if (a->status != status) {
		fail_msg("%s: %d instead of %d", extra, a->status, status);
	}
}

/* --- which bytes ---------------------------------------------------------------------------------------------------------------------- */

static void the_whole_file_with_its_headers(void **state)
{
	(void)state;
	static const char *const targets[] = {"/file", "/worker", "/later"};
	for (size_t i = 0; i < COUNT(targets); i++) {
		struct answer a;
		client_request(port, "GET", targets[i], NULL, NULL, &a);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.len, SIZE);
		assert_memory_equal(a.body, content, SIZE);
		assert_string_equal(client_header(&a, "ETag"), "\"v1\"");
		assert_string_equal(client_header(&a, "Accept-Ranges"), "bytes");
		assert_string_equal(client_header(&a, "Content-Type"), "application/octet-stream");
		assert_string_equal(client_header(&a, "X-Extra"), "1");
		assert_string_equal(client_header(&a, "Repr-Digest"), "sha-256=:ABCDEFGH//4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:");
		assert_string_equal(client_header(&a, "Content-Digest"), "sha-256=:ABCDEFGH//4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:");
		assert_null(client_header(&a, "Last-Modified"));
		free(a.body);
	}
}

static void head_tells_the_same_without_the_bytes(void **state)
{
	(void)state;
	struct answer a;
	client_request(port, "HEAD", "/file", "Range: bytes=0-9\r\n", NULL, &a);
	assert_int_equal(a.status, 200);
	char size[16];
	snprintf(size, sizeof(size), "%d", SIZE);
	assert_string_equal(client_header(&a, "Content-Length"), size);
	assert_null(client_header(&a, "Content-Range"));
	free(a.body);
}

static void one_range(void **state)
{
	(void)state;
	struct answer a;
	get("Range: bytes=1000-1099\r\n", 206, &a);
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "bytes 1000-1099/%d", SIZE);
	assert_string_equal(client_header(&a, "Content-Range"), wanted);
	assert_int_equal(a.len, 100);
	assert_memory_equal(a.body, content + 1000, 100);
	assert_null(client_header(&a, "Repr-Digest"));
	free(a.body);
	get("Range: bytes=-5\r\n", 206, &a);
	assert_memory_equal(a.body, content + SIZE - 5, 5);
	free(a.body);
	get("Range: bytes=0-9,10-19\r\n", 206, &a); /* merged: no multipart */
	assert_int_equal(a.len, 20);
	assert_memory_equal(a.body, content, 20);
	free(a.body);
}

static void a_range_outside_is_416(void **state)
{
	(void)state;
	struct answer a;
	get("Range: bytes=99999999-\r\n", 416, &a);
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "bytes */%d", SIZE);
	assert_string_equal(client_header(&a, "Content-Range"), wanted);
	free(a.body);
}

static void a_range_not_understood_is_ignored(void **state)
{
	(void)state;
	struct answer a;
	get("Range: bytes=9-5\r\n", 200, &a);
	free(a.body);
	get("Range: bytes=0-4\r\nRange: bytes=10-14\r\n", 200, &a);
	free(a.body);
	get("Range: bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32\r\n", 200, &a);
	assert_int_equal(a.len, SIZE);
	free(a.body);
}

/* Takes a multipart/byteranges body apart by hand and compares each part with the file. */
static unsigned check_parts(const struct answer *a)
{
	char mark[128];
	const char *type = client_header(a, "Content-Type");
	static const char kind[] = "multipart/byteranges; boundary=";
	assert_memory_equal(type, kind, sizeof(kind) - 1);
	snprintf(mark, sizeof(mark), "--%s", type + sizeof(kind) - 1);
	const char *at = a->body;
	unsigned parts = 0;
	for (;; parts++) {
		assert_memory_equal(at, mark, strlen(mark));
		at += strlen(mark);
		if (memcmp(at, "--\r\n", 4) == 0) {
			assert_ptr_equal(at + 4, a->body + a->len);
			return parts;
		}
		char *range = strstr(at, "\r\nContent-Range: bytes ");
		assert_non_null(range);
		unsigned long long first = strtoull(range + 23, &range, 10);
		unsigned long long last = strtoull(range + 1, &range, 10);
		assert_int_equal(strtoull(range + 1, NULL, 10), SIZE);
		at = strstr(at, "\r\n\r\n") + 4;
		assert_memory_equal(at, content + first, last - first + 1);
		at += last - first + 1;
		assert_memory_equal(at, "\r\n", 2);
		at += 2;
	}
}

static void several_ranges_are_multipart(void **state)
{
	(void)state;
	struct answer a;
	get("Range: bytes=0-9,100-199,-7\r\n", 206, &a);
	assert_int_equal(check_parts(&a), 3);
	assert_null(client_header(&a, "Content-Range"));
	free(a.body);
	get("Range: bytes=100000-300000,0-0,1000000-1500000\r\n", 206, &a);
	assert_int_equal(check_parts(&a), 3);
	free(a.body);
}

static void a_lent_descriptor_stays_open(void **state)
{
	(void)state;
	static const char *const ranges[] = {"",
					     "Range: bytes=5-99\r\n",
					     "Range: bytes=0-99999\r\n",
					     "Range: bytes=0-9,20-29\r\n",
					     "If-None-Match: *\r\n",
					     "Range: bytes=99999999-\r\n",
					     "If-Match: \"v0\"\r\n"};
	for (size_t i = 0; i < COUNT(ranges); i++) {
		struct answer a;
		client_request(port, "GET", "/lent", ranges[i], NULL, &a);
		free(a.body);
		assert_true(fcntl(file, F_GETFD) >= 0);
	}
	struct answer a;
	client_request(port, "GET", "/lent", NULL, NULL, &a);
	assert_memory_equal(a.body, content, SIZE);
	free(a.body);
}

static void conditions(void **state)
{
	(void)state;
	static const struct {
		const char *extra;
		int status;
	} cases[] = {
		{"If-None-Match: \"v1\"\r\n", 304},
		{"If-None-Match: \"v0\"\r\nIf-None-Match: W/\"v1\"\r\n", 304},
		{"If-None-Match: \"v0\"\r\n", 200},
		{"If-Match: \"v0\"\r\n", 412},
		{"If-Match: *\r\n", 200},
		{"If-Match: W/\"v1\"\r\n", 412},
		{"If-Match: \"v0\"\r\nIf-None-Match: \"v1\"\r\n", 412},
		{"Range: bytes=0-9\r\nIf-Range: \"v1\"\r\n", 206},
		{"Range: bytes=0-9\r\nIf-Range: \"v0\"\r\n", 200},
		{"Range: bytes=0-9\r\nIf-Range: W/\"v1\"\r\n", 200},
		{"Range: bytes=0-9\r\nIf-Range: Sat, 21 Nov 2026 14:00:00 GMT\r\n", 200},
		{"Range: bytes=99999999-\r\nIf-Range: \"v0\"\r\n", 200},
		{"Range: bytes=99999999-\r\nIf-None-Match: \"v1\"\r\n", 304},
		{"Range: bytes=0-9\r\nIf-Match: \"v0\"\r\n", 412},
		{"If-Modified-Since: Sat, 21 Nov 2036 14:00:00 GMT\r\n", 200},
		{"If-Unmodified-Since: Sat, 21 Nov 2016 14:00:00 GMT\r\n", 200},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct answer a;
		get(cases[i].extra, cases[i].status, &a);
		free(a.body);
	}
	struct answer a;
	get("If-None-Match: \"v1\"\r\n", 304, &a);
	assert_string_equal(client_header(&a, "ETag"), "\"v1\"");
	assert_int_equal(strtol(client_header(&a, "Content-Length"), NULL, 10), SIZE); /* what a 200 would have */
	free(a.body);
}

static void names_are_given_to_old_and_new_clients(void **state)
{
	(void)state;
	struct answer a;
	client_request(port, "HEAD", "/named?name=app-1.2.bin", NULL, NULL, &a);
	assert_string_equal(client_header(&a, "Content-Disposition"), "attachment; filename=\"app-1.2.bin\"");
	assert_string_equal(client_header(&a, "Cache-Control"), "private, max-age=60");
	free(a.body);
	client_request(port, "HEAD", "/named?name=a%22b%20%C3%A9", NULL, NULL, &a);
	assert_string_equal(client_header(&a, "Content-Disposition"), "attachment; filename=\"a_b __\"; filename*=UTF-8''a%22b%20%C3%A9");
	free(a.body);
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
		cmocka_unit_test(the_whole_file_with_its_headers),
		cmocka_unit_test(head_tells_the_same_without_the_bytes),
		cmocka_unit_test(one_range),
		cmocka_unit_test(a_range_outside_is_416),
		cmocka_unit_test(a_range_not_understood_is_ignored),
		cmocka_unit_test(several_ranges_are_multipart),
		cmocka_unit_test(a_lent_descriptor_stays_open),
		cmocka_unit_test(conditions),
		cmocka_unit_test(names_are_given_to_old_and_new_clients),
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
	return cmocka_run_group_tests(tests, setup, teardown);
}
