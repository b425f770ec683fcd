#include "dialect/broker.h"

#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/err.h"
#include "dialect/broker_form.h"
#include "dialect/broker_routes.h"
#include "engine/admission.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"

#define FORM "application/x-www-form-urlencoded"

static void refuse(struct http_request *req, int status, const struct err *err, void *ctx)
{
	(void)ctx;
	char mem[512];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, err->text);
	buf_putc(&out, '\n');
	http_reply(req, status, "text/plain; charset=utf-8", out.data, out.len);
}

/* What the asker presents; NULL = nothing. */
static const char *presented(const struct http_request *req)
{
	static const char scheme[] = "Bearer ";
	const char *secret = http_request_segment(req, "secret");
	if (secret) {
		return secret;
	}
	const char *header = http_request_header(req, "Authorization");
	return header && strncasecmp(header, scheme, sizeof scheme - 1) == 0 ? header + sizeof scheme - 1 : NULL;
}

static bool admit(struct http_request *req, void *ctx)
{
	struct err err = {0};
	switch (admission_asker(ctx, presented(req))) {
	case ADMISSION_BROKER:
		return true;
	case ADMISSION_STRANGER:
		err_set(&err, ERR_DENIED, "This is for the broker, which knows broker_hook_secret.");
		refuse(req, 403, &err, ctx);
		break;
	case ADMISSION_NOBODY:
		err_set(&err, ERR_NOT_FOUND, "There is nothing here.");
		refuse(req, 404, &err, ctx);
		break;
	}
	return false;
}

#define ASKS_JSON(tail, handler)                                                                                               \
	{                                                                                                                      \
		.method = "POST", .path = (tail), .where = HTTP_INLINE, .body = HTTP_BODY_MEMORY, .body_max = BROKER_FORM_MAX, \
		.body_type = "application/json", .handle = (handler)                                                           \
	}
#define EMQX(tail, handler) ASKS_JSON("/broker/emqx/" tail, handler), ASKS_JSON("/broker/{secret}/emqx/" tail, handler)

#define ASKS_FORM(tail, handler)                                                                                               \
	{.method = "GET", .path = (tail), .handle = (handler)},                                                                \
	{                                                                                                                      \
		.method = "POST", .path = (tail), .where = HTTP_INLINE, .body = HTTP_BODY_MEMORY, .body_max = BROKER_FORM_MAX, \
		.body_type = FORM, .handle = (handler)                                                                         \
	}
#define RABBIT(tail, handler) ASKS_FORM("/broker/rabbitmq/" tail, handler), ASKS_FORM("/broker/{secret}/rabbitmq/" tail, handler)

static const struct http_route routes[] = {
	EMQX("login", broker_emqx_login),     EMQX("access", broker_emqx_access),         RABBIT("user", broker_rabbit_user),
	RABBIT("vhost", broker_rabbit_vhost), RABBIT("resource", broker_rabbit_resource), RABBIT("topic", broker_rabbit_topic),
};

void broker_dialect(struct http_dialect *out, struct engine *engine)
{
	*out = (struct http_dialect){
		.prefix = "/broker/",
		.routes = routes,
		.route_count = sizeof routes / sizeof *routes,
		.admit = admit,
		.refuse = refuse,
		.ctx = engine,
		.private_paths = true,
	};
}
