/* Replies: built by whoever replies, queued by the loop. */
#include "http/reply.h"

#include <string.h>

#include "common/buf.h"
#include "http/inside.h"
#include "http/intake.h"
#include "http/line.h"
#include "http/loop.h"
#include "http/replying.h"
#include "metrics/metrics.h"

void http_reply_header(struct http_request *req, const char *name, const char *value)
{
	size_t len = strnlen(value, HTTP_VALUE_SIZE);
	if (req->header_count == HTTP_HEADERS_MAX || len == HTTP_VALUE_SIZE || strpbrk(value, "\r\n")) {
		return;
	}
	req->header[req->header_count].name = name;
	memcpy(req->header[req->header_count].value, value, len + 1);
	req->header_count++;
}

bool http_reply_add(struct MHD_Response *response, const char *name, const char *value)
{
	return !value || MHD_add_response_header(response, name, value) == MHD_YES;
}

void http_reply_stored(struct http_request *req, struct MHD_Response *response)
{
	for (unsigned i = 0; i < req->header_count; i++) {
		MHD_add_response_header(response, req->header[i].name, req->header[i].value);
	}
}

bool http_reply_begin(struct http_request *req)
{
	if (http_loop_place(req) != HTTP_ELSEWHERE || atomic_exchange(&req->life, HTTP_ANSWERED) != HTTP_DEAD) {
		return true;
	}
	http_intake_bury(req);
	return false;
}

void http_reply_give(struct http_request *req, struct MHD_Response *response, int status)
{
	req->response = response;
	req->status = status;
	switch (http_loop_place(req)) {
	case HTTP_ON_LOOP:
		req->answered = true;
		break;
	case HTTP_IN_JOB:
		req->replied_in_job = true;
		break;
	case HTTP_ELSEWHERE:
		http_loop_post(req, HTTP_POST_REPLY);
		break;
	}
}

/* In the middle of a body libmicrohttpd takes no reply, and the peer should not have to send the rest to learn that it is in vain: the
 * reply is written to the empty socket, which then closes. */
static void reply_past_daemon(struct http_request *req, int status, const char *content_type, const void *body, size_t len)
{
	struct buf b;
	buf_init(&b, 64 * 1024);
	buf_putf(&b, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n", status, MHD_get_reason_phrase_for((unsigned)status),
		 len);
	if (content_type) {
		buf_putf(&b, "Content-Type: %s\r\n", content_type);
	}
	for (unsigned i = 0; i < req->header_count; i++) {
		buf_putf(&b, "%s: %s\r\n", req->header[i].name, req->header[i].value);
	}
	buf_puts(&b, "\r\n");
	buf_put(&b, body, len);
	if (buf_ok(&b)) {
		http_line_send(req->line, b.data, b.len);
	}
	buf_free(&b);
	req->status = status;
	req->answered = true;
	req->cut = true;
	req->line->linger = true;
	metrics_add(METRIC_HTTP_REQUESTS, 1);
	if (status >= 500) {
		metrics_add(METRIC_HTTP_ERRORS, 1);
	}
}

void http_reply(struct http_request *req, int status, const char *content_type, const void *body, size_t len)
{
	if (http_loop_place(req) == HTTP_ON_LOOP && req->phase == HTTP_PHASE_BODY) {
		reply_past_daemon(req, status, content_type, body, len);
		return;
	}
	if (!http_reply_begin(req)) {
		return;
	}
	union {
		const void *in;
		void *out;
	} data = {.in = len ? body : ""}; /* libmicrohttpd only copies from it */
	struct MHD_Response *response = MHD_create_response_from_buffer(len, data.out, MHD_RESPMEM_MUST_COPY);
	if (response) {
		http_reply_add(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
		http_reply_stored(req, response);
	}
	http_reply_give(req, response, status);
}

void http_reply_plain(struct http_request *req, int status, const char *sentence)
{
	char line[300];
	struct buf b;
	buf_init_fixed(&b, line, sizeof(line));
	buf_puts(&b, sentence);
	buf_putc(&b, '\n');
	http_reply(req, status, "text/plain; charset=utf-8", b.data, b.len);
}
