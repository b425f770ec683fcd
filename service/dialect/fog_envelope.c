#include "dialect/fog_envelope.h"

#include <string.h>

#include "common/buf.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/status.h"

void fog_begin(struct buf *out, enum fog_order order, const char *message)
{
	buf_puts(out, order == FOG_CODE_FIRST ? "{\"meta\":{\"code\":0,\"message\":" : "{\"meta\":{\"message\":");
	buf_put_json(out, message);
	buf_puts(out, order == FOG_CODE_FIRST ? "},\"data\":" : ",\"code\":0},\"data\":");
}

void fog_send(struct http_request *req, struct buf *out)
{
	buf_putc(out, '}');
	if (buf_ok(out)) {
		http_reply(req, 200, "application/json", out->data, out->len);
	} else {
		struct err err = {.kind = ERR_INTERNAL, .text = "the answer is too large"};
		fog_refuse_err(req, &err);
	}
	buf_free(out);
}

static void reply(struct http_request *req, int status, int code, const char *message)
{
	char mem[1024];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"meta\":{\"code\":");
	buf_put_i64(&out, code);
	buf_puts(&out, ",\"message\":");
	buf_put_json(&out, message);
	buf_puts(&out, "},\"data\":{}}");
	if (status == 503) {
		http_reply_header(req, "Retry-After", "2");
	}
	http_reply(req, status, "application/json", out.data, out.len);
}

void fog_refuse(struct http_request *req, int code, const char *message)
{
	reply(req, 200, code, message);
}

/* What the client can do something about is told by the code, under 200; a token, and our own faults, by the status. */
static int status_of(enum err_kind kind)
{
	int status = http_status(kind);
	return kind == ERR_UNAUTHENTICATED || kind == ERR_DENIED || status >= 500 ? status : 200;
}

void fog_refuse_status(struct http_request *req, int status, const struct err *err)
{
	char text[400];
	struct buf message;
	bool missing = err->kind == ERR_MISSING;
	bool ours = status == 401 || status == 403 || status >= 500;
	buf_init_fixed(&message, text, sizeof text);
	buf_puts(&message, ours ? "" : missing ? "参数错误:缺少" : "参数错误:");
	buf_puts(&message, err->text);
	buf_puts(&message, missing ? "参数" : "");
	reply(req, status, ours ? status : FOG_BAD, buf_cstr(&message));
}

void fog_refuse_err(struct http_request *req, const struct err *err)
{
	fog_refuse_status(req, status_of(err->kind), err);
}

void fog_cors(struct http_request *req)
{
	if (http_request_header(req, "Origin")) {
		http_reply_header(req, "Access-Control-Allow-Origin", "*");
	}
}

void fog_preflight(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	http_reply_header(req, "Access-Control-Allow-Origin", "*");
	http_reply_header(req, "Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE");
	http_reply_header(req, "Access-Control-Allow-Headers", "Authorization, Content-Type"); /* a * would not mean Authorization */
	http_reply_header(req, "Access-Control-Max-Age", "3600");
	http_reply(req, 200, "text/plain", "", 0);
}
