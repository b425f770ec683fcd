/* The firmware a check has offered: one bare GET, a plain 200 with its Content-Length, few headers (protocols/xiaozhi.md 3). */
#include "common/buf.h"
#include "common/err.h"
#include "dialect/serve.h"
#include "dialect/xiaozhi_routes.h"
#include "engine/deliver.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/status.h"

static void refuse_file(struct http_request *req, const struct err *err)
{
	char mem[512];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"error\":");
	buf_put_json(&out, err->text);
	buf_putc(&out, '}');
	http_reply(req, http_status(err->kind), "application/json", out.data, out.len);
}

static void opened(void *ctx, int fd, const struct err *err)
{
	struct http_request *req = ctx;
	struct delivery *d = http_request_user(req);
	http_request_set_user(req, NULL, NULL);
	if (err) {
		delivery_free(&d);
		refuse_file(req, err);
		return;
	}
	serve_file(req, d, fd, true);
}

void xiaozhi_file(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct err err = {0};
	struct delivery *d = NULL;
	if (!delivery_open(ctx, http_request_segment(req, "fileName"), &d, &err)) {
		refuse_file(req, &err);
		return;
	}
	http_request_set_user(req, d, NULL);
	delivery_file(ctx, d, opened, req);
}
