#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "http_tls_scene.h"
#include "test_http_tls_client.h"
#include "unit.h"
#include "work/pool.h"

static uint8_t *content;
static int file = -1;
static char dir[64];
struct delivered told = {.lock = PTHREAD_MUTEX_INITIALIZER};

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

void told_reset(void)
{
	pthread_mutex_lock(&told.lock);
	memset(told.map, 0, SIZE);
	told.bytes = 0;
	told.finals = 0;
	pthread_mutex_unlock(&told.lock);
}

uint64_t told_now(unsigned *finals)
{
	pthread_mutex_lock(&told.lock);
	uint64_t bytes = told.bytes;
	if (finals) {
		*finals = told.finals;
	}
	pthread_mutex_unlock(&told.lock);
	return bytes;
}

uint64_t told_after(unsigned wanted)
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
struct http_server *server;
uint16_t port;

const char *in_dir(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *out = path[next++ % COUNT(path)];
	snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
	return out;
}

struct http_server *start(int plain, const char *cert, const char *key, int64_t idle_ms, struct err *err)
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

int http_tls_scene_setup(void **state)
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

int http_tls_scene_teardown(void **state)
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

void read_file(struct tls_client *c, uint64_t from, uint64_t to)
{
	static uint8_t piece[PIECE];
	while (from < to) {
		size_t len = to - from < PIECE ? (size_t)(to - from) : PIECE;
		assert_int_equal(tls_read(c, piece, len), len);
		assert_memory_equal(piece, content + from, len);
		from += len;
	}
}

void ask(struct tls_client *c, const char *target, const char *extra, int expected)
{
	char text[1024];
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n", target, extra);
	tls_write(c, text);
	assert_int_equal(tls_head(c, text, sizeof(text)), expected);
}

/* --- the certificate ---------------------------------------------------------------------------------------------------------------- */

long shown(void)
{
	struct tls_client c;
	tls_open(&c, port, 0, 0);
	long serial = tls_serial(&c);
	tls_close(&c);
	return serial;
}
