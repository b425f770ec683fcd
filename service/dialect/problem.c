#include "dialect/problem.h"

#include <stddef.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/scoped.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/status.h"

enum { BODY_MAX = 4096 };

static const char *title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{416, "Range Not Satisfiable"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{507, "Insufficient Storage"},
	};
	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
		if (titles[i].status == status) {
			return titles[i].title;
		}
	}
	return "Error";
}

/* Sentences about the database name hosts, users and columns: they are for the log. */
static const char *public_sentence(struct http_request *req, const char *path, int status, const struct err *err)
{
	if (err->kind == ERR_INTERNAL || status == 500) {
		log_error("request failed", LOG_S("request", http_request_id(req)), LOG_S("path", path), LOG_S("why", err->text));
		return "something went wrong in the service; its log has more under this request's id";
	}
	if (err->kind == ERR_UNAVAILABLE && strstr(err->text, "database")) {
		log_warn("request refused", LOG_S("request", http_request_id(req)), LOG_S("path", path), LOG_S("why", err->text));
		return "the database is not available; try again";
	}
	return err->text;
}

static void reply(struct http_request *req, const char *path, int status, const struct err *err)
{
	scoped(buf_free) struct buf body;
	buf_init(&body, BODY_MAX);
	buf_puts(&body, "{\"type\":\"about:blank\",\"title\":");
	buf_put_json(&body, title(status));
	buf_putf(&body, ",\"status\":%d,\"detail\":", status);
	buf_put_json(&body, public_sentence(req, path, status, err));
	buf_puts(&body, ",\"code\":");
	buf_put_json(&body, err_kind_name(err->kind));
	buf_puts(&body, ",\"request\":");
	buf_put_json(&body, http_request_id(req));
	buf_putc(&body, '}');
	if (status == 401) {
		http_reply_header(req, "WWW-Authenticate", "Bearer");
	}
	if (status == 503 || status == 429) {
		http_reply_header(req, "Retry-After", "2");
	}
	http_reply(req, status, "application/problem+json", body.data, buf_ok(&body) ? body.len : 0);
}

void problem_reply_as(struct http_request *req, int status, const struct err *err)
{
	reply(req, http_request_path(req), status, err);
}

void problem_reply_late(struct http_request *req, const char *path, const struct err *err)
{
	reply(req, path, http_status(err->kind), err);
}

void problem_reply(struct http_request *req, const struct err *err)
{
	problem_reply_as(req, http_status(err->kind), err);
}

void problem_refuse(struct http_request *req, int status, const struct err *err, void *ctx)
{
	(void)ctx;
	problem_reply_as(req, status, err);
}
