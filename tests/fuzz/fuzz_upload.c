/* Uploads: multipart forms through the real server. Line 1 empty: the rest is the body of a form with the boundary BB. Line 1 a number K:
 * the rest is the end of a file that is so long that it begins K bytes before the server's second buffer is full. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "serve.h"

#define TYPE "Content-Type: multipart/form-data; boundary=BB\r\n"
#define BOUNDARY "--BB"
#define FILE_HEAD BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"app.bin\"\r\n\r\n"
#define FORM_END "\r\n" BOUNDARY "--\r\n"

enum {
	BUFFER_SIZE = 256 * 1024 /* of the server, filled before a form is looked at */,
	BUFFERS = 2,
	REQUEST_MAX = 2 << 20,
	SETTLE_MS = 5000
};

/* --- a sink ------------------------------------------------------------------------------------------------------------------------- */

struct sink {
	uint64_t bytes;
	uint64_t hash; /* FNV-1a */
	bool named;
};

static void sink_add(struct sink *s, const char *data, size_t len)
{
	s->bytes += len;
	for (size_t i = 0; i < len; i++) {
		s->hash = (s->hash ^ (unsigned char)data[i]) * 0x100000001b3u;
	}
}

static atomic_int begun, ended;

static void *sink_begin(struct http_request *req, struct worker *worker, void *ctx, struct err *err)
{
	(void)req;
	(void)ctx;
	(void)err;
	CHECK(worker != NULL);
	struct sink *s = calloc(1, sizeof *s);
	CHECK(s != NULL);
	atomic_fetch_add(&begun, 1);
	return s;
}

/* The value is told whole, before the file. */
static bool sink_field(void *state, const char *name, const char *value, size_t len, struct err *err)
{
	const struct sink *s = state;
	CHECK(!s->named && len <= HTTP_FIELD_MAX && value[len] == '\0' && strlen(name) < 1024);
	return strcmp(name, "bad") != 0 || err_set(err, ERR_INVALID, "not this field");
}

static bool sink_name(void *state, const char *file_name, struct err *err)
{
	struct sink *s = state;
	CHECK(!s->named && s->bytes == 0 && text_is_utf8(file_name, strlen(file_name)));
	s->named = true;
	return text_is_file_name(file_name, 64) || err_set(err, ERR_INVALID, "not a file name");
}

static bool sink_data(void *state, struct worker *worker, const void *data, size_t len, struct err *err)
{
	(void)err;
	struct sink *s = state;
	CHECK(worker && s->named && len > 0);
	sink_add(s, data, len);
	CHECK(s->bytes <= SERVE_UPLOAD_MAX);
	return true;
}

static void sink_text(const struct sink *s, char out[96])
{
	snprintf(out, 96, "%s %llu %016llx", s->named ? "file" : "none", (unsigned long long)s->bytes, (unsigned long long)s->hash);
}

static void sink_abort(void *state, struct worker *worker)
{
	CHECK(worker != NULL);
	free(state);
	atomic_fetch_add(&ended, 1);
}

static void sink_end(void *state, struct worker *worker, struct http_request *req, bool file)
{
	const struct sink *s = state;
	char text[96];
	CHECK(file == s->named);
	sink_text(s, text);
	sink_abort(state, worker);
	http_reply(req, 200, "text/plain", text, strlen(text));
}

static const struct http_upload sink = {
	.begin = sink_begin, .field = sink_field, .name = sink_name, .data = sink_data, .end = sink_end, .abort = sink_abort};
static const struct http_route routes[] = {{.method = "POST", .path = "/up", .body = HTTP_BODY_FILE, .upload = &sink}};
static const struct http_dialect dialect = {.prefix = "/", .routes = routes, .route_count = 1};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	serve_start(&dialect, 1);
	return 0;
}

/* --- forms -------------------------------------------------------------------------------------------------------------------------- */

/* Every upload that began ends or is cleaned up. */
static void settle(void)
{
	for (int ms = 0; atomic_load(&begun) != atomic_load(&ended); ms++) {
		CHECK(ms < SETTLE_MS);
		usleep(1000);
	}
}

/* Status line and body of the one answer, as "status body". */
static char *post(const char *head, const void *body, size_t len, const char *tail)
{
	struct buf request;
	size_t answer_len;
	buf_init(&request, REQUEST_MAX);
	buf_puts(&request, "POST /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" TYPE);
	buf_puts(&request, head);
	buf_put(&request, body, len);
	buf_puts(&request, tail);
	CHECK(buf_ok(&request));
	const char *answer = serve_exchange(request.data, request.len, &answer_len);
	buf_free(&request);
	settle();
	int status = serve_status(answer);
	CHECK(status == 200 || status == 400 || status == 413);
	const char *end = strstr(answer, "\r\n\r\n");
	CHECK(end != NULL);
	char *out = malloc(answer_len + 16);
	CHECK(out != NULL);
	snprintf(out, answer_len + 16, "%d %s", status, end + 4);
	return out;
}

static char *post_whole(const void *body, size_t len)
{
	char head[64];
	snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", len);
	return post(head, body, len, "");
}

/* The same bytes mean the same, however they are framed. */
static void any_form(const char *body, size_t len)
{
	char head[64];
	if (len == 0) {
		return;
	}
	snprintf(head, sizeof head, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", len);
	scoped_free char *whole = post_whole(body, len);
	scoped_free char *chunked = post(head, body, len, "\r\n0\r\n\r\n");
	CHECK(strcmp(whole, chunked) == 0);
}

/* What was sent arrives, wherever the buffer ends. */
static void long_file(uint64_t before_edge, const char *tail, size_t len)
{
	size_t head = strlen(FILE_HEAD);
	size_t pad = BUFFERS * BUFFER_SIZE - head - before_edge % 512;
	if (memmem(tail, len, "\r\n" BOUNDARY, strlen("\r\n" BOUNDARY))) {
		return; /* that would be the end of the file */
	}
	struct buf form;
	char wanted[96];
	buf_init(&form, REQUEST_MAX);
	buf_puts(&form, FILE_HEAD);
	for (size_t i = 0; i < pad; i += 16) {
		buf_put(&form, "0123456789abcdef", pad - i < 16 ? pad - i : 16);
	}
	buf_put(&form, tail, len);
	CHECK(buf_ok(&form));
	struct sink expected = {.named = true};
	sink_add(&expected, form.data + head, form.len - head);
	sink_text(&expected, wanted);
	buf_puts(&form, FORM_END);
	scoped_free char *got = post_whole(form.data, form.len);
	buf_free(&form);
	if (expected.bytes > SERVE_UPLOAD_MAX) {
		CHECK(strncmp(got, "413 ", 4) == 0);
	} else {
		CHECK(strncmp(got, "200 ", 4) == 0 && strcmp(got + 4, wanted) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint64_t before_edge;
	size_t len;
	scoped_free char *line = fuzz_line(&in);
	scoped_free char *rest = fuzz_rest(&in, &len);
	if (len > SERVE_UPLOAD_MAX / 2) {
		return 0;
	}
	if (text_to_u64(line, &before_edge)) {
		long_file(before_edge, rest, len);
	} else {
		any_form(rest, len);
	}
	return 0;
}
