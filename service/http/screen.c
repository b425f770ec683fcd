#include "http/screen.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"
#include "http/inside.h"
#include "http/intake.h"
#include "http/reply.h"
#include "http/request.h"

enum { FORM_MAX = 64 * 1024 }; /* what a form may hold beside its file */

/* What of the header names decides how the request is framed. */
struct framing {
	const char *coding; /* the first Transfer-Encoding, NULL = none */
	const char *length; /* the first Content-Length */
	unsigned lengths;   /* its lines */
	unsigned hosts;
	bool odd; /* a name with a blank in it, "Content-Length : 5": others may read it as a length */
};

static enum MHD_Result read_line(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value, size_t len)
{
	(void)kind;
	(void)len;
	struct framing *f = cls;
	switch (key_len) {
	case sizeof MHD_HTTP_HEADER_HOST - 1:
		f->hosts += strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0;
		break;
	case sizeof MHD_HTTP_HEADER_CONTENT_LENGTH - 1:
		if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
			f->length = f->lengths++ ? f->length : value;
		}
		break;
	case sizeof MHD_HTTP_HEADER_TRANSFER_ENCODING - 1:
		if (!f->coding && strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
			f->coding = value;
		}
		break;
	default:
		break;
	}
	f->odd = f->odd || memchr(key, ' ', key_len) || memchr(key, '\t', key_len);
	return MHD_YES;
}

bool http_screen_framing(struct http_request *req)
{
	struct framing f = {0};
	MHD_get_connection_values_n(req->conn, MHD_HEADER_KIND, read_line, &f);
	bool clear = !f.odd && f.hosts <= 1 && f.lengths <= 1;
	if (f.coding) {
		req->has_body = true;
		req->length = HTTP_CHUNKED;
		return clear && !f.length && strcasecmp(f.coding, "chunked") == 0;
	}
	if (f.length) {
		req->length = strtoull(f.length, NULL, 10); /* libmicrohttpd has checked the digits */
		req->has_body = req->length > 0;
	}
	return clear;
}

uint64_t http_screen_body_max(const struct http_request *req)
{
	const struct http_route *route = req->match.route;
	uint64_t max = route->body_max ? route->body_max : req->loop->server->config.upload_max;
	switch (route->body) {
	case HTTP_BODY_FILE:
		return max + FORM_MAX;
	case HTTP_BODY_MEMORY:
		return route->body_max;
	case HTTP_BODY_NONE:
		break;
	}
	return HTTP_DRAIN_MAX;
}

static bool type_is(const char *type, const char *wanted)
{
	size_t len = strlen(wanted);
	return type && strncasecmp(type, wanted, len) == 0 && (type[len] == '\0' || strchr("; \t", type[len]));
}

static bool check_body(struct http_request *req)
{
	const struct http_route *route = req->match.route;
	const char *wanted = route->body == HTTP_BODY_FILE     ? "multipart/form-data"
			     : route->body == HTTP_BODY_MEMORY ? route->body_type
							       : NULL;
	if (req->length != HTTP_CHUNKED && req->length > http_screen_body_max(req)) {
		http_intake_refuse(req, 413, ERR_TOO_LARGE, "The body is larger than this service accepts.");
		return false;
	}
	if (wanted && !type_is(http_request_header(req, MHD_HTTP_HEADER_CONTENT_TYPE), wanted)) {
		struct err err;
		err_set(&err, ERR_INVALID, "The Content-Type must be %s.", wanted);
		http_intake_refuse_err(req, 415, &err);
		return false;
	}
	return true;
}

static bool find_route(struct http_request *req)
{
	struct http_match *match = &req->match;
	http_router_find(req->loop->server->router, req->method, req->path, match);
	if (req->bad) {
		http_intake_refuse(req, req->bad, ERR_INVALID,
				   req->bad == 414
					   ? "The URI is longer than 4,096 bytes, or has more than 64 parameters."
					   : "The request is malformed: its framing, or a bad %-escape, a NUL or no UTF-8 in the URI.");
	} else if (MHD_get_connection_info(req->conn, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size > HTTP_HEAD_MAX) {
		http_intake_refuse(req, 431, ERR_TOO_LARGE, "The header block is larger than 8 KiB.");
	} else if (!match->route && match->allow[0]) {
		http_reply_header(req, MHD_HTTP_HEADER_ALLOW, match->allow);
		http_intake_refuse(req, 405, ERR_INVALID, "This method is not allowed here.");
	} else if (!match->route) {
		http_intake_refuse(req, 404, ERR_NOT_FOUND, "There is nothing here.");
	} else {
		http_request_params(req);
		return true;
	}
	return false;
}

void http_screen(struct http_request *req)
{
	req->screened = true;
	if (!find_route(req)) {
		return;
	}
	const struct http_dialect *dialect = req->match.dialect;
	if (dialect->admit) {
		req->on_loop = true;
		bool admitted = dialect->admit(req, dialect->ctx);
		req->on_loop = false;
		if (!admitted) {
			if (!req->answered) {
				http_intake_refuse(req, 403, ERR_DENIED, "Not admitted.");
			}
			return;
		}
	}
	if (!req->has_body || check_body(req)) {
		req->admitted = true;
	}
}
