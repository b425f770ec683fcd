#include "dialect/ops.h"

#include <string.h>

#include "common/buf.h"
#include "engine/engine.h"
#include "http/reply.h"
#include "http/server.h"
#include "metrics/metrics.h"

enum { METRICS_MAX = 64 * 1024 };

static void healthz(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	http_reply(req, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

/* The database decides whether we are ready; without the broker we are degraded: pushes wait, everything else works. */
static void readyz(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct engine_health health;
	char mem[1024];
	struct buf out;
	engine_health(ctx, &health);
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"status\":");
	buf_put_json(&out, !health.database ? "unavailable" : health.broker ? "ready" : "degraded");
	buf_puts(&out, ",\"database\":");
	buf_put_json(&out, health.database ? "ok" : health.database_why);
	buf_puts(&out, ",\"broker\":");
	buf_put_json(&out, health.broker ? "ok" : "not connected; pushes wait");
	buf_puts(&out, ",\"plugin\":");
	buf_put_json(&out, health.presence ? "ok" : "not heard; presence is not known");
	buf_puts(&out, "}\n");
	if (!health.database) {
		http_reply_header(req, "Retry-After", "2");
	}
	http_reply(req, health.database ? 200 : 503, "application/json", out.data, out.len);
}

static void metrics(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	struct buf out;
	buf_init(&out, METRICS_MAX);
	metrics_print(&out);
	http_reply(req, buf_ok(&out) ? 200 : 500, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
	buf_free(&out);
}

static const struct http_route routes[] = {
	{.method = "GET", .path = "/healthz", .handle = healthz},
	{.method = "GET", .path = "/readyz", .handle = readyz},
	{.method = "GET", .path = "/metrics", .handle = metrics},
};

void ops_dialect(struct http_dialect *out, struct engine *engine)
{
	*out = (struct http_dialect){
		.prefix = "/",
		.routes = routes,
		.route_count = sizeof routes / sizeof *routes,
		.ctx = engine,
	};
}
