#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/err.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "http_upload_scene.h"
#include "test_http_client.h"
#include "unit.h"
#include "work/pool.h"

struct sink {
	struct digest *digest;
	uint64_t bytes;
	uint64_t fail_at; /* data() refuses here */
	bool slow;
	atomic_flag busy;
	char name[256];
};

atomic_int begun, ended, aborted;
static atomic_int collisions;

atomic_bool blocked; /* jobs wait */

static void enter(struct sink *s)
{
	while (atomic_load(&blocked)) {
		usleep(1000);
	}
	if (atomic_flag_test_and_set(&s->busy)) {
		atomic_fetch_add(&collisions, 1);
	}
}

static void leave(struct sink *s)
{
	atomic_flag_clear(&s->busy);
}

static void *sink_begin(struct http_request *req, struct worker *worker, void *ctx, struct err *err)
{
	(void)ctx;
	if (!worker) {
		err_set(err, ERR_INTERNAL, "Not on a worker.");
		return NULL;
	}
	char mode[16];
	int64_t fail_at = -1;
	http_query_text(req, "mode", false, mode, sizeof(mode), NULL);
	http_query_int(req, "fail", false, 0, 1 << 30, &fail_at, NULL);
	if (strcmp(mode, "refuse") == 0) {
		err_set(err, ERR_EXISTS, "There is such a firmware.");
		return NULL;
	}
	if (strcmp(mode, "down") == 0) {
		err_set(err, ERR_UNAVAILABLE, "The database is down.");
		return NULL;
	}
	struct sink *s = calloc(1, sizeof(*s));
	s->digest = digest_new();
	s->fail_at = fail_at < 0 ? UINT64_MAX : (uint64_t)fail_at;
	s->slow = strcmp(mode, "slow") == 0;
	atomic_fetch_add(&begun, 1);
	return s;
}

static bool sink_name(void *state, const char *file_name, struct err *err)
{
	struct sink *s = state;
	enter(s);
	bool ok = s->bytes == 0 && !s->name[0] && strcmp(file_name, "bad name") != 0;
	snprintf(s->name, sizeof(s->name), "%s", file_name);
	leave(s);
	return ok || err_set(err, ERR_INVALID, "The file name is not fit.");
}

static bool sink_data(void *state, struct worker *worker, const void *data, size_t len, struct err *err)
{
	struct sink *s = state;
	enter(s);
	digest_update(s->digest, data, len);
	s->bytes += len;
	if (s->slow) {
		usleep(1000);
	}
	bool ok = s->bytes <= s->fail_at && worker;
	leave(s);
	return ok || err_set(err, ERR_NO_SPACE, "The disk is full.");
}

static void sink_free(struct sink *s)
{
	digest_free(&s->digest);
	free(s);
}

static void sink_end(void *state, struct worker *worker, struct http_request *req, bool file)
{
	struct sink *s = state;
	uint8_t md5[DIGEST_MD5_LEN];
	uint8_t sha256[DIGEST_SHA256_LEN];
	char text[400];
	enter(s);
	digest_final(s->digest, md5, sha256);
	snprintf(text, sizeof(text), "%s %llu %s %02x%02x%02x%02x%s", file ? "file" : "none", (unsigned long long)s->bytes, s->name,
		 sha256[0], sha256[1], sha256[2], sha256[3], worker ? "" : " no worker");
	leave(s);
	sink_free(s);
	atomic_fetch_add(&ended, 1);
	http_reply(req, 200, "text/plain", text, strlen(text));
}

static void sink_abort(void *state, struct worker *worker)
{
	struct sink *s = state;
	enter(s);
	sink_free(s);
	if (worker) {
		atomic_fetch_add(&aborted, 1);
	}
}

static void hello(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	http_reply(req, 200, "text/plain", "hello", 5);
}

static bool admit(struct http_request *req, void *ctx)
{
	(void)ctx;
	if (http_request_header(req, "X-Deny")) {
		http_reply(req, 401, "text/plain", "who are you?", 12);
		return false;
	}
	return true;
}

static const struct http_upload sink = {.begin = sink_begin, .name = sink_name, .data = sink_data, .end = sink_end, .abort = sink_abort};

static const struct http_route routes[] = {
	{.method = "POST", .path = "/up", .body = HTTP_BODY_FILE, .upload = &sink},
	{.method = "POST", .path = "/small", .body = HTTP_BODY_FILE, .upload = &sink, .body_max = 100000},
	{.method = "GET", .path = "/hello", .handle = hello},
	{.method = "GET", .path = "/worker", .where = HTTP_WORKER, .handle = hello},
};

static const struct http_dialect dialect = {.prefix = "/", .routes = routes, .route_count = COUNT(routes), .admit = admit};
struct pool *workers;
static struct http_server *server;
uint16_t port;
char *content;

struct http_server *start(struct pool *pool)
{
	const struct http_config config = {
		.address = "127.0.0.1",
		.loops = 2,
		.max_connections = 200,
		.idle_timeout_ms = 20000,
		.upload_max = MAX,
		.workers = pool,
	};
	struct http_server *s = http_server_start(&config, &dialect, 1, NULL);
	assert_non_null(s);
	return s;
}

int http_upload_scene_setup(void **state)
{
	(void)state;
	curl_global_init(CURL_GLOBAL_ALL);
	content = malloc(MAX + 1);
	assert_non_null(content);
	/* many line ends and dashes, so that almost-boundaries occur */
	for (size_t i = 0; i <= MAX; i++) {
		content[i] = "\r\n-ab\0"[(i * 2654435761u >> 16) % 6];
	}
	workers = pool_new(3, 64, NULL, NULL);
	server = start(workers);
	port = http_server_port(server);
	return 0;
}

int http_upload_scene_teardown(void **state)
{
	(void)state;
	http_server_stop(&server, 1000);
	pool_stop(&workers);
	free(content);
	curl_global_cleanup();
	return 0;
}

int http_upload_scene_reset(void **state)
{
	(void)state;
	atomic_store(&begun, 0);
	atomic_store(&ended, 0);
	atomic_store(&aborted, 0);
	return 0;
}

int http_upload_scene_settled(void **state)
{
	(void)state;
	for (int ms = 0; ms < 5000 && atomic_load(&begun) != atomic_load(&ended) + atomic_load(&aborted); ms++) {
		usleep(1000);
	}
	assert_int_equal(atomic_load(&begun), atomic_load(&ended) + atomic_load(&aborted));
	assert_int_equal(atomic_load(&collisions), 0);
	return 0;
}
