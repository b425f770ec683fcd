/* The life of a request: libmicrohttpd calls the handler once for the head, again for each piece of the body, and once when all is here. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "http/inside.h"
#include "http/intake.h"
#include "http/line.h"
#include "http/loop.h"
#include "http/reply.h"
#include "http/replying.h"
#include "http/request.h"
#include "http/screen.h"
#include "http/tls.h"
#include "http/upload.h"
#include "http/uri.h"
#include "http/watch.h"
#include "metrics/metrics.h"

enum {
	POOL_SIZE = 16 * 1024, /* of a connection: HTTP_HEAD_MAX, its index and the reply's head */
	PARAMETERS_MAX = 64,
};

/* --- beginning and end ------------------------------------------------------------------------------------------------------------ */

static struct http_request *request_new(struct http_loop *loop)
{
	struct http_request *req = loop->free_requests;
	if (req) {
		loop->free_requests = req->next;
	} else if (!(req = malloc(sizeof(*req)))) {
		return NULL;
	}
	memset(req, 0, offsetof(struct http_request, param_text));
	req->loop = loop;
	req->number = loop->ids++;
	loop->requests++;
	loop->open++;
	return req;
}

void http_intake_bury(struct http_request *req)
{
	http_request_wipe(req);
	free(req);
}

void http_intake_free_list(struct http_loop *loop)
{
	while (loop->free_requests) {
		struct http_request *req = loop->free_requests;
		loop->free_requests = req->next;
		free(req);
	}
	while (loop->free_lines) {
		struct http_line *line = loop->free_lines;
		loop->free_lines = line->next;
		free(line);
	}
}

/* Recycles the request if its connection is done with it and no worker has it. */
static void settle(struct http_request *req)
{
	if (req->conn || req->away || (req->inflow && http_upload_busy(req))) {
		return;
	}
	struct http_loop *loop = req->loop;
	http_request_wipe(req);
	req->next = loop->free_requests;
	loop->free_requests = req;
	loop->requests--;
}

/* --- replying --------------------------------------------------------------------------------------------------------------------- */

void http_intake_refuse_err(struct http_request *req, int status, const struct err *err)
{
	const struct http_dialect *dialect = req->match.dialect;
	bool was = req->on_loop;
	req->on_loop = true;
	if (dialect && dialect->refuse) {
		dialect->refuse(req, status, err, dialect->ctx);
	}
	if (!req->answered) {
		http_reply_plain(req, status, err->text);
	}
	req->on_loop = was;
}

void http_intake_refuse(struct http_request *req, int status, enum err_kind kind, const char *sentence)
{
	struct err err;
	err_set(&err, kind, "%s", sentence);
	http_intake_refuse_err(req, status, &err);
}

static enum MHD_Result give(struct http_request *req)
{
	struct MHD_Response *response = req->response;
	req->response = NULL;
	req->given = true;
	if (!response) {
		return MHD_NO;
	}
	if (req->loop->draining) {
		MHD_add_response_header(response, "Connection", "close");
	}
	if (req->watch) {
		http_watch_begin(req->watch, req->line->fd);
	}
	metrics_add(METRIC_HTTP_REQUESTS, 1);
	if (req->status >= 500) {
		metrics_add(METRIC_HTTP_ERRORS, 1);
	}
	enum MHD_Result result = MHD_queue_response(req->conn, (unsigned)req->status, response);
	MHD_destroy_response(response);
	return result;
}

/* --- the head --------------------------------------------------------------------------------------------------------------------- */

static bool open_body(struct http_request *req)
{
	switch (req->match.route->body) {
	case HTTP_BODY_FILE:
		return http_upload_new(req);
	case HTTP_BODY_MEMORY:
		req->body_size = req->length == HTTP_CHUNKED ? 4096 : (size_t)req->length + 1;
		req->body = malloc(req->body_size);
		if (!req->body) {
			http_intake_refuse(req, 503, ERR_UNAVAILABLE, "Out of memory.");
		}
		return req->body != NULL;
	case HTTP_BODY_NONE:
		break;
	}
	return true;
}

static enum MHD_Result begin_body(struct http_request *req)
{
	req->phase = HTTP_PHASE_BODY;
	req->line->since = req->loop->now;
	return MHD_YES;
}

/* Refused before the body was read: a short one is read and dropped so that the connection lives; else the reply goes out at once and the
 * connection closes. */
static enum MHD_Result refuse_early(struct http_request *req)
{
	if (req->length <= HTTP_DRAIN_MAX && !http_request_header(req, MHD_HTTP_HEADER_EXPECT)) {
		return begin_body(req);
	}
	req->line->linger = true;
	return give(req);
}

static enum MHD_Result take_head(struct http_request *req, const char *method)
{
	if (!req->method) {
		req->method = method;
		req->is_head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
		if (!http_screen_framing(req)) {
			req->bad = 400;
			req->has_body = true;
			req->length = HTTP_CHUNKED; /* nothing after this can be trusted: reply and close */
		}
		if (!req->has_body) {
			req->phase = HTTP_PHASE_BODY; /* a reply now would cost the connection; the next call comes at once */
			return MHD_YES;
		}
		http_screen(req);
		if (req->admitted) {
			open_body(req);
		}
	}
	if (req->answered) {
		return refuse_early(req);
	}
	if (req->inflow && !http_upload_begun(req)) {
		http_loop_suspend(req);
		return MHD_YES;
	}
	return begin_body(req);
}

/* --- the body --------------------------------------------------------------------------------------------------------------------- */

/* The body cannot go on. The reply was written past libmicrohttpd, which takes none in the middle of a body. */
static enum MHD_Result cut(struct http_request *req)
{
	req->cut = true;
	req->line->linger = true;
	return MHD_NO;
}

static bool append(struct http_request *req, const char *data, size_t len)
{
	size_t at = (size_t)req->received - len;
	if (at + len >= req->body_size) {
		size_t size = (at + len + 1) * 2;
		char *body = realloc(req->body, size);
		if (!body) {
			return false;
		}
		req->body = body;
		req->body_size = size;
	}
	memcpy(req->body + at, data, len);
	req->body[at + len] = '\0';
	return true;
}

static enum MHD_Result take_body(struct http_request *req, const char *data, size_t *size)
{
	size_t len = *size;
	req->received += len;
	if (req->answered) {
		*size = 0;
		return MHD_YES;
	}
	if (req->received > http_screen_body_max(req)) {
		http_intake_refuse(req, 413, ERR_TOO_LARGE, "The body is larger than this service accepts.");
		return cut(req);
	}
	switch (req->match.route->body) {
	case HTTP_BODY_MEMORY:
		if (!append(req, data, len)) {
			return MHD_NO;
		}
		break;
	case HTTP_BODY_FILE:
		len = http_upload_take(req, data, len);
		req->received -= *size - len;
		if (len < *size) {
			http_loop_suspend(req);
		}
		break;
	case HTTP_BODY_NONE:
		break;
	}
	*size -= len;
	return MHD_YES;
}

/* --- all is here ------------------------------------------------------------------------------------------------------------------ */

static void hand_to_worker(struct http_request *req)
{
	if (!http_loop_submit(req, false)) {
		http_reply_header(req, MHD_HTTP_HEADER_RETRY_AFTER, "1");
		http_intake_refuse(req, 503, ERR_BUSY, "The service is busy; try again.");
	}
}

static void start(struct http_request *req)
{
	const struct http_route *route = req->match.route;
	req->started = true;
	if (route->body == HTTP_BODY_FILE) {
		if (req->inflow || http_upload_new(req)) {
			http_upload_whole(req);
		}
	} else if (route->where == HTTP_WORKER) {
		hand_to_worker(req);
	} else {
		req->on_loop = true;
		route->handle(req, NULL, req->match.dialect->ctx);
		req->on_loop = false;
		if (req->then) {
			hand_to_worker(req);
		}
	}
}

/* The server stops and nobody works on this request: whoever still owes the reply gets it for himself. */
static enum MHD_Result let_go(struct http_request *req, void **ctx)
{
	struct http_loop *loop = req->loop;
	int live = HTTP_LIVE;
	if (!atomic_compare_exchange_strong(&req->life, &live, HTTP_DEAD)) {
		req->cut = false; /* the reply is on its way after all */
		http_loop_suspend(req);
		return MHD_YES;
	}
	*ctx = NULL;
	req->line->req = NULL;
	loop->requests--;
	loop->open--;
	return MHD_NO;
}

static enum MHD_Result take_all(struct http_request *req, void **ctx)
{
	req->phase = HTTP_PHASE_FULL;
	if (!req->screened) {
		http_screen(req);
	}
	if (!req->started && !req->answered) {
		start(req);
	}
	if (req->answered) {
		return give(req);
	}
	if (req->cut) {
		return let_go(req, ctx);
	}
	http_loop_suspend(req);
	return MHD_YES;
}

void http_intake_job(struct http_request *req, struct worker *worker)
{
	if (req->inflow) {
		http_upload_job(req, worker);
	} else {
		http_handler *handle = req->then ? req->then : req->match.route->handle;
		handle(req, worker, req->match.dialect->ctx);
	}
}

void http_intake_posted(struct http_request *req)
{
	unsigned todo = req->todo;
	if (todo & HTTP_POST_REPLY) {
		req->answered = true;
	}
	if (todo & HTTP_POST_JOB) { /* a reply from elsewhere may overtake the job that asked for it */
		req->away = false;
		if (req->inflow) {
			http_upload_posted(req);
		}
	}
	if (req->conn && req->answered && !req->away && req->phase == HTTP_PHASE_FULL) {
		http_loop_resume(req);
	}
	settle(req);
}

void http_intake_abandon(struct http_request *req)
{
	if (req->suspended && !req->away && !req->answered && !(req->inflow && http_upload_busy(req))) {
		req->cut = true;
		http_loop_resume(req);
	}
}

/* --- libmicrohttpd's callbacks ---------------------------------------------------------------------------------------------------- */

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t len)
{
	(void)address;
	(void)len;
	const struct http_loop *loop = cls;
	return loop->connections < loop->server->connections_max ? MHD_YES : MHD_NO;
}

static const char *path_to_log(const struct http_request *req)
{
	const struct http_match *m = &req->match;
	bool private = m->dialect && m->dialect->private_paths;
	return !private ? req->path : m->route ? m->route->path : m->dialect->prefix;
}

/* The request is over, for whatever reason. */
static void complete(struct http_request *req, bool whole)
{
	struct http_loop *loop = req->loop;
	struct http_line *line = req->line;
	req->conn = NULL;
	req->line = NULL;
	line->req = NULL;
	line->since = loop->now;
	line->dripping = false;
	line->sighted = false;
	loop->open--;
	if (loop->parsing == req) {
		loop->parsing = NULL;
	}
	log_debug("http", LOG_S("request", http_request_id(req)), LOG_S("method", req->method), LOG_S("path", path_to_log(req)),
		  LOG_I("status", req->status));
	if (req->watch) {
		http_watch_finish(line, &req->watch, whole);
	}
	if (req->inflow) {
		http_upload_step(req);
	}
	settle(req);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **ctx, enum MHD_RequestTerminationCode code)
{
	(void)cls;
	(void)conn;
	struct http_request *req = *ctx;
	*ctx = NULL;
	if (req) {
		complete(req, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	}
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **context, enum MHD_ConnectionNotificationCode code)
{
	struct http_loop *loop = cls;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = http_line_open(loop, conn);
		loop->connections++;
		metrics_add(METRIC_HTTP_CONNECTIONS, 1);
		return;
	}
	loop->connections--;
	metrics_add(METRIC_HTTP_CONNECTIONS, -1);
	struct http_line *line = *context;
	if (line && line->req) { /* out of pool in the middle of a head: libmicrohttpd closes without a word about the request */
		complete(line->req, false);
	}
	if (line) {
		http_line_closing(line);
		*context = NULL;
	}
}

/* libmicrohttpd keeps every parameter in the connection's pool, and closes without an answer when that is full. What is too much is made
 * one parameter, in place, so that the refusal can go out. */
static bool too_many_parameters(const char *uri)
{
	const char *query = strchr(uri, '?');
	unsigned count = 0;
	for (const char *c = query; c && (c = strchr(c, '&')); c++) {
		count++;
	}
	if (count <= PARAMETERS_MAX) {
		return false;
	}
	for (char *c = (char *)(uintptr_t)query; (c = strchr(c, '&'));) {
		*c = '_';
	}
	return true;
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
	struct http_loop *loop = cls;
	struct http_line *line = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	struct http_request *req = line ? request_new(loop) : NULL;
	loop->parsing = req;
	if (!req) {
		return NULL;
	}
	if (line->watches) {
		http_watch_pin(line);
	}
	req->conn = conn;
	req->line = line;
	req->tls = line->session != NULL;
	req->path = uri;
	req->bad = http_uri_check(uri);
	if (!req->bad && too_many_parameters(uri)) {
		req->bad = 414;
	}
	if (strncmp(uri + strlen(uri) + 1, "HTTP/", 5) != 0) {
		req->bad = 400; /* the target ended at a NUL, not before the version */
	}
	line->req = req;
	line->since = loop->now;
	return req;
}

static size_t on_unescape(void *cls, struct MHD_Connection *conn, char *text)
{
	(void)conn;
	struct http_loop *loop = cls;
	struct http_request *req = loop->parsing;
	if (!req || req->bad) {
		return strlen(text);
	}
	if (text == req->path) {
		req->path = http_uri_path(text);
		loop->parsing = NULL;
		return strlen(text);
	}
	return http_uri_decode(text);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
				  const char *data, size_t *size, void **ctx)
{
	(void)cls;
	(void)conn;
	(void)url;
	(void)version;
	struct http_request *req = *ctx;
	if (!req) {
		return MHD_NO;
	}
	if (req->cut && req->phase != HTTP_PHASE_FULL) {
		return MHD_NO;
	}
	if (req->phase == HTTP_PHASE_HEAD) {
		return take_head(req, method);
	}
	return *size ? take_body(req, data, size) : take_all(req, ctx);
}

struct MHD_Daemon *http_intake_daemon(struct http_loop *loop, enum http_listener which)
{
	static const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	const struct http_server *server = loop->server;
	unsigned idle_s = (unsigned)((server->config.idle_timeout_ms + 999) / 1000);
	/* one more than our own limit, so that on_accept() closes what is over it instead of leaving it in the backlog */
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | (which == HTTP_TLS ? MHD_USE_TLS : 0);
	return MHD_start_daemon(flags, 0, on_accept, loop, on_request, loop, MHD_OPTION_ARRAY, which == HTTP_TLS ? http_tls_options : none,
				MHD_OPTION_LISTEN_SOCKET, server->listener[which], MHD_OPTION_CONNECTION_LIMIT, server->connections_max + 1,
				MHD_OPTION_PER_IP_CONNECTION_LIMIT, 0u, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_SIZE,
				MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP,
				1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop, MHD_OPTION_NOTIFY_COMPLETED, on_completed, loop,
				MHD_OPTION_URI_LOG_CALLBACK, on_uri, loop, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, loop, MHD_OPTION_END);
}
