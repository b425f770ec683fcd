/* A file upload: the loop fills one buffer while a worker takes the form apart in the other. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "http/form.h"
#include "http/inside.h"
#include "http/intake.h"
#include "http/loop.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/status.h"
#include "http/upload.h"

enum { BUFFER_SIZE = 256 * 1024, NAME_MAX_SIZE = 1024 };

struct http_inflow {
	/* the loop's */
	unsigned filling; /* the buffer that takes what comes; the other one is the job's while there is one */
	size_t len[2];
	bool busy;  /* a job is out */
	bool begun; /* the first job is back */
	bool whole; /* the body is complete */
	bool over;  /* nothing more to do */

	/* the job's while one is out */
	struct http_form *form;
	const struct http_upload *calls;
	void *state;
	struct worker *worker;
	bool opened;   /* begin() was called */
	bool last;     /* this job has the end of the body */
	bool aborted;  /* this job is to clean up */
	bool file;     /* the form's file field has begun */
	bool in_file;  /* the present part is it */
	bool in_field; /* it is a field that the handler wants */
	unsigned fields;
	struct buf field; /* name, NUL, value so far */
	bool failed;
	uint64_t bytes; /* of the file */
	uint64_t bytes_max;
	struct err err;
	char *data[2];
};

static bool fail(struct http_inflow *in, enum err_kind kind, const char *sentence)
{
	in->failed = true;
	return err_set(&in->err, kind, "%s", sentence);
}

static bool begin_file(struct http_inflow *in, const char *name)
{
	if (in->file) {
		return fail(in, ERR_INVALID, "The form holds more than one file.");
	}
	in->file = true;
	if (!text_is_utf8(name, strlen(name))) {
		return fail(in, ERR_INVALID, "The file name is not UTF-8.");
	}
	in->failed = !in->calls->name(in->state, name, &in->err);
	return !in->failed;
}

static bool begin_field(struct http_inflow *in, const char *name)
{
	in->in_field = in->calls->field && !in->file;
	if (!in->in_field) {
		return true;
	}
	if (in->fields++ == HTTP_FIELDS_MAX) {
		return fail(in, ERR_INVALID, "The form has too many fields.");
	}
	buf_reset(&in->field);
	buf_put(&in->field, name, strlen(name) + 1);
	return true;
}

static bool end_field(struct http_inflow *in)
{
	if (!in->in_field) {
		return true;
	}
	in->in_field = false;
	const char *name = buf_cstr(&in->field);
	size_t head = strlen(name) + 1;
	if (!buf_ok(&in->field)) {
		return fail(in, ERR_UNAVAILABLE, "Out of memory.");
	}
	in->failed = !in->calls->field(in->state, name, name + head, in->field.len - head, &in->err);
	return !in->failed;
}

static bool on_part(void *ctx, const char *name, const char *file_name)
{
	struct http_inflow *in = ctx;
	if (!end_field(in)) {
		return false;
	}
	in->in_file = file_name != NULL;
	return file_name ? begin_file(in, file_name) : begin_field(in, name);
}

static bool take_field(struct http_inflow *in, const char *data, size_t len)
{
	size_t head = strlen(in->field.data) + 1;
	if (len > HTTP_FIELD_MAX - (in->field.len - head)) {
		return fail(in, ERR_TOO_LARGE, "A field of the form is too long.");
	}
	buf_put(&in->field, data, len);
	return buf_ok(&in->field) || fail(in, ERR_UNAVAILABLE, "Out of memory.");
}

static bool on_data(void *ctx, const char *data, size_t len)
{
	struct http_inflow *in = ctx;
	if (in->in_field) {
		return take_field(in, data, len);
	}
	if (!in->in_file) {
		return true; /* an ordinary field; the limit of the whole body bounds it */
	}
	in->bytes += len;
	if (in->bytes > in->bytes_max) {
		return fail(in, ERR_TOO_LARGE, "The file is larger than this service accepts.");
	}
	in->failed = !in->calls->data(in->state, in->worker, data, len, &in->err);
	return !in->failed;
}

static const struct http_form_calls form_calls = {.part = on_part, .data = on_data};

bool http_upload_new(struct http_request *req)
{
	const struct http_route *route = req->match.route;
	struct http_inflow *in = calloc(1, sizeof(*in));
	req->inflow = in;
	if (in) {
		in->calls = route->upload;
		buf_init(&in->field, HTTP_FIELD_MAX + NAME_MAX_SIZE + 2);
		in->bytes_max = route->body_max ? route->body_max : req->loop->server->config.upload_max;
	}
	if (in && req->has_body) {
		in->data[0] = malloc(BUFFER_SIZE);
		in->data[1] = malloc(BUFFER_SIZE);
		in->form = http_form_new(http_request_header(req, MHD_HTTP_HEADER_CONTENT_TYPE), &form_calls, in);
	}
	struct err err;
	int status = 503;
	if (!in || (req->has_body && (!in->data[0] || !in->data[1]))) {
		err_set(&err, ERR_UNAVAILABLE, "Out of memory.");
	} else if (req->has_body && !in->form) {
		err_set(&err, ERR_INVALID, "The Content-Type names no boundary.");
		status = 400;
	} else if (!http_loop_submit(req, false)) {
		http_reply_header(req, MHD_HTTP_HEADER_RETRY_AFTER, "1");
		err_set(&err, ERR_BUSY, "The service is busy; try again.");
	} else {
		in->busy = true;
		return true;
	}
	if (in) {
		in->over = true;
	}
	http_intake_refuse_err(req, status, &err);
	return false;
}

void http_upload_free(struct http_request *req)
{
	struct http_inflow *in = req->inflow;
	if (in) {
		http_form_free(&in->form);
		buf_free(&in->field);
		free(in->data[0]);
		free(in->data[1]);
		free(in);
		req->inflow = NULL;
	}
}

bool http_upload_begun(const struct http_request *req)
{
	return req->inflow->begun;
}

bool http_upload_busy(const struct http_request *req)
{
	return !req->inflow->over;
}

size_t http_upload_take(struct http_request *req, const char *data, size_t len)
{
	struct http_inflow *in = req->inflow;
	size_t taken = 0;
	while (taken < len) {
		size_t *fill = &in->len[in->filling];
		size_t part = len - taken < BUFFER_SIZE - *fill ? len - taken : BUFFER_SIZE - *fill;
		if (part == 0) {
			break;
		}
		memcpy(in->data[in->filling] + *fill, data + taken, part);
		*fill += part;
		taken += part;
		http_upload_step(req);
	}
	return taken;
}

void http_upload_whole(struct http_request *req)
{
	req->inflow->whole = true;
	http_upload_step(req);
}

/* --- jobs -------------------------------------------------------------------------------------------------------------------------- */

static void job_begin(struct http_inflow *in, struct http_request *req)
{
	in->opened = true;
	in->state = in->calls->begin(req, in->worker, req->match.dialect->ctx, &in->err);
	in->failed = !in->state;
}

static void job_abort(struct http_inflow *in)
{
	if (in->state) {
		in->calls->abort(in->state, in->worker);
		in->state = NULL;
	}
}

static void job_data(struct http_inflow *in)
{
	unsigned full = in->filling ^ 1u;
	if (in->len[full] && !http_form_feed(in->form, in->data[full], in->len[full]) && !in->failed) {
		fail(in, ERR_INVALID, "The multipart body is malformed.");
	}
	in->len[full] = 0;
}

static void job_end(struct http_inflow *in, struct http_request *req)
{
	if (in->form && !http_form_is_whole(in->form)) {
		fail(in, ERR_INVALID, "The multipart body is cut off.");
		return;
	}
	if (!end_field(in)) {
		return;
	}
	void *state = in->state;
	in->state = NULL;
	in->calls->end(state, in->worker, req, in->file);
}

void http_upload_job(struct http_request *req, struct worker *worker)
{
	struct http_inflow *in = req->inflow;
	in->worker = worker;
	if (in->aborted) {
		job_abort(in);
		return;
	}
	if (!in->opened) {
		job_begin(in, req);
		return;
	}
	job_data(in);
	if (!in->failed && in->last) {
		job_end(in, req);
	}
	if (in->failed) {
		job_abort(in);
	}
}

/* --- the loop's side --------------------------------------------------------------------------------------------------------------- */

static void submit(struct http_request *req)
{
	req->inflow->busy = true;
	http_loop_submit(req, true);
}

void http_upload_step(struct http_request *req)
{
	struct http_inflow *in = req->inflow;
	if (in->busy || in->over) {
		return;
	}
	if (!req->conn || req->cut) { /* the peer is gone */
		in->aborted = true;
		in->over = !in->state;
	} else if (in->len[in->filling] < BUFFER_SIZE && !in->whole) {
		return;
	} else {
		in->filling ^= 1u;
		in->last = in->whole;
	}
	if (!in->over) {
		submit(req);
	}
}

void http_upload_posted(struct http_request *req)
{
	struct http_inflow *in = req->inflow;
	if (!in->busy) {
		return; /* a reply that came after the last job */
	}
	in->busy = false;
	in->begun = true;
	in->over = in->failed || in->aborted || in->last;
	if (in->failed && req->conn && !req->answered) {
		if (in->err.kind == ERR_UNAVAILABLE || in->err.kind == ERR_BUSY) {
			http_reply_header(req, MHD_HTTP_HEADER_RETRY_AFTER, "1");
		}
		http_intake_refuse_err(req, http_status(in->err.kind), &in->err);
	}
	http_upload_step(req);
	if (req->conn && req->phase != HTTP_PHASE_FULL) {
		http_loop_resume(req); /* there is room again, or the head or the cut is to be settled */
	}
}
