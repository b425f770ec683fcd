#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "http_file_scene.h"
#include "test_http_client.h"
#include "unit.h"
#include "work/pool.h"

uint8_t *content;
int file = -1;
struct delivered told = {.lock = PTHREAD_MUTEX_INITIALIZER};

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

void fill(struct http_file *out)
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

_Atomic(struct http_request *) parked;

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
uint16_t port;

struct http_server *start(int64_t idle_ms)
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

int http_file_scene_setup(void **state)
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

int http_file_scene_teardown(void **state)
{
	(void)state;
	http_server_stop(&server, 0);
	pool_stop(&workers);
	close(file);
	free(content);
	free(told.map);
	return 0;
}

void get(const char *extra, int status, struct answer *a)
{
	client_request(port, "GET", "/file", extra, NULL, a);
	if (a->status != status) {
		fail_msg("%s: %d instead of %d", extra, a->status, status);
	}
}
