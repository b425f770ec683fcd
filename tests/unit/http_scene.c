#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/err.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "http_scene.h"
#include "test_http_client.h"
#include "unit.h"
#include "work/pool.h"

void reply_text(struct http_request *req, const char *text)
{
	http_reply(req, 200, "text/plain", text, strlen(text));
}

static void hello(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)ctx;
	reply_text(req, worker ? "hello from a worker" : "hello");
}

static void query(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	char name[9];
	int64_t n = -1;
	struct err err;
	static const char *const known[] = {"name", "n", NULL};
	char text[64];
	if (http_query_only(req, known, &err) && http_query_text(req, "name", true, name, sizeof(name), &err) &&
	    http_query_int(req, "n", false, 0, 10, &n, &err)) {
		snprintf(text, sizeof(text), "name=%s n=%d", name, (int)n);
		reply_text(req, text);
	} else {
		http_reply(req, 400, err_kind_name(err.kind), err.text, strlen(err.text));
	}
}

static void segments(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	char text[6000];
	snprintf(text, sizeof(text), "%s|%s|%s|%u", http_request_segment(req, "name"), http_request_segment(req, "part"),
		 http_request_segment(req, "nam") ? "?" : "-", http_request_route(req)->flags);
	reply_text(req, text);
}

static void about(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	char text[256];
	const char *host = http_request_host(req);
	snprintf(text, sizeof(text), "%s %s %s %s %s %s", http_request_method(req), http_request_path(req), http_request_peer(req),
		 http_request_scheme(req), host ? host : "(none)", http_request_id(req));
	http_reply_header(req, "X-First", "1");
	http_reply_header(req, "X-Second", "two");
	http_reply_header(req, "X-Evil", "a\r\nX-Injected: 1");
	reply_text(req, text);
}

static void body(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	size_t len;
	const char *text = http_request_body(req, &len);
	http_reply(req, 200, "text/plain", text, len);
}

static void *reply_soon(void *arg)
{
	usleep(20 * 1000);
	reply_text(arg, "later");
	return NULL;
}

/* Hands the request to a thread of its own, which replies some time later. */
static void later(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	pthread_t thread;
	pthread_create(&thread, NULL, reply_soon, req);
	pthread_detach(thread);
}

static void *reply_at_once(void *arg)
{
	reply_text(arg, "overtaken");
	return NULL;
}

/* The same, and is itself the later one. */
static void overtaken(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	pthread_t thread;
	pthread_create(&thread, NULL, reply_at_once, req);
	pthread_join(thread, NULL);
	usleep(10 * 1000);
}

_Atomic(struct http_request *) parked;

static void unpark(void *user)
{
	atomic_fetch_add((atomic_int *)user, 1);
}

atomic_int freed;

static void park(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	http_request_set_user(req, &freed, unpark);
	atomic_store(&parked, req);
}

atomic_bool blocked;

static void block(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	atomic_store(&parked, req);
	while (atomic_load(&blocked)) {
		usleep(1000);
	}
	char name[16];
	http_query_text(req, "x", false, name, sizeof(name), NULL); /* still readable, whatever became of the peer */
	reply_text(req, "unblocked");
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

static void refuse(struct http_request *req, int status, const struct err *err, void *ctx)
{
	char text[512];
	snprintf(text, sizeof(text), "%s %d %s", (const char *)ctx, status, err_kind_name(err->kind));
	http_reply(req, status, "application/x-refusal", text, strlen(text));
}

static const struct http_route api[] = {
	{.method = "GET", .path = "/api/hello", .handle = hello},
	{.method = "GET", .path = "/api/worker", .where = HTTP_WORKER, .handle = hello},
	{.method = "GET", .path = "/api/query", .handle = query},
	{.method = "GET", .path = "/api/seg/{name}/of/{part}", .handle = segments, .flags = 7},
	{.method = "GET", .path = "/api/about", .handle = about},
	{.method = "POST", .path = "/api/about", .handle = about},
	{.method = "GET", .path = "/api/later", .handle = later},
	{.method = "GET", .path = "/api/worker-later", .where = HTTP_WORKER, .handle = later},
	{.method = "GET", .path = "/api/overtaken", .where = HTTP_WORKER, .handle = overtaken},
	{.method = "GET", .path = "/api/park", .handle = park},
	{.method = "GET", .path = "/api/block", .where = HTTP_WORKER, .handle = block},
	{.method = "POST",
	 .path = "/api/json",
	 .body = HTTP_BODY_MEMORY,
	 .body_max = 1000,
	 .body_type = "application/json",
	 .handle = body},
	{.method = "POST", .path = "/api/any", .body = HTTP_BODY_MEMORY, .body_max = 300000, .where = HTTP_WORKER, .handle = body},
};

static const struct http_route root[] = {{.method = "GET", .path = "/", .handle = hello}};
static char api_name[] = "api";

const struct http_dialect dialects[] = {
	{.prefix = "/api/", .routes = api, .route_count = COUNT(api), .admit = admit, .refuse = refuse, .ctx = api_name},
	{.prefix = "/", .routes = root, .route_count = COUNT(root)},
};

struct pool *workers;
static struct http_server *server;
uint16_t port;

struct http_server *start(struct pool *pool, unsigned loops, unsigned connections)
{
	const struct http_config config = {
		.address = "127.0.0.1",
		.loops = loops,
		.max_connections = connections,
		.idle_timeout_ms = 30000,
		.upload_max = 1000000,
		.trusted_proxies = "127.0.0.0/8",
		.workers = pool,
	};
	struct err err = {0};
	struct http_server *s = http_server_start(&config, dialects, COUNT(dialects), &err);
	if (!s) {
		fail_msg("%s", err.text);
	}
	return s;
}

int http_scene_setup(void **state)
{
	(void)state;
	struct rlimit files = {.rlim_cur = 8192, .rlim_max = 8192};
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
	setrlimit(RLIMIT_NOFILE, &files);
	static const struct db_config *no_database;
	workers = pool_new(2, 64, no_database, NULL);
	assert_non_null(workers);
	server = start(workers, 2, 4000);
	port = http_server_port(server);
	return 0;
}

int http_scene_teardown(void **state)
{
	(void)state;
	http_server_stop(&server, 1000);
	assert_null(server);
	pool_stop(&workers);
	return 0;
}

void get(const char *target, const char *extra, int status, const char *text)
{
	struct answer a;
	client_request(port, "GET", target, extra, NULL, &a);
	if (a.status != status || strcmp(a.body, text) != 0) {
		fail_msg("%s: %d %s instead of %d %s", target, a.status, a.body, status, text);
	}
	free(a.body);
}
