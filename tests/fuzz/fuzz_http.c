/* The HTTP server as a whole. The input is what a peer sends on one connection. Handlers check what they are given, and the answers must be
 * framed without doubt. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "serve.h"

enum { FILE_SIZE = 1000, BODY_MAX = 1000 };

static int file = -1;      /* in memory */
static bool one_forwarded; /* the input has one X-Forwarded-For */

static bool is_text(const char *s)
{
	return s && text_is_utf8(s, strlen(s));
}

static void answer(struct http_request *req, const struct err *err)
{
	http_reply(req, err ? 400 : 200, "text/plain", err ? err->text : "fine", err ? strlen(err->text) : 4);
}

/* --- handlers ----------------------------------------------------------------------------------------------------------------------- */

static void handle_query(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	static const char *const known[] = {"name", "n", NULL};
	char name[9];
	int64_t n = 3;
	struct err err = {0};
	bool ok = http_query_text(req, "name", true, name, sizeof name, &err) && http_query_int(req, "n", false, 0, 10, &n, &err) &&
		  http_query_only(req, known, &err);
	CHECK(memchr(name, '\0', sizeof name) && is_text(name) && text_is_printable(name, strlen(name)));
	CHECK(n >= 0 && n <= 10);
	CHECK(ok ? *name != '\0' : err.kind != ERR_NONE && *err.text);
	answer(req, ok ? NULL : &err);
}

static void handle_segments(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	const char *a = http_request_segment(req, "a");
	const char *b = http_request_segment(req, "b");
	CHECK(is_text(a) && is_text(b) && *a && *b && !http_request_segment(req, "c"));
	CHECK(is_text(http_request_path(req)));
	http_reply_header(req, "X-Segment", a);
	answer(req, NULL);
}

/* The last proxy but ours is who counts, whatever stands before it. */
static void check_forwarded(const char *forwarded, const char *peer)
{
	unsigned char bytes[16];
	char text[64];
	const char *last = strrchr(forwarded, ',');
	last = last ? last + 1 : forwarded;
	bool fit = one_forwarded && strlen(last) < sizeof text - 1;
	last += strspn(last, " \t");
	if (fit && text_copy(text, sizeof text, last) && inet_pton(AF_INET, text, bytes) == 1 && strncmp(text, "127.", 4) != 0) {
		CHECK(strcmp(peer, text) == 0);
	}
}

static void handle_about(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	unsigned char bytes[16];
	const char *peer = http_request_peer(req);
	const char *host = http_request_host(req);
	const char *forwarded = http_request_header(req, "X-Forwarded-For");
	CHECK(inet_pton(AF_INET, peer, bytes) == 1 || inet_pton(AF_INET6, peer, bytes) == 1);
	CHECK(!host || !strpbrk(host, " \"\r\n/\\<>"));
	CHECK(strlen(http_request_id(req)) == 16);
	if (forwarded) {
		check_forwarded(forwarded, peer);
	}
	http_reply_header(req, "X-Host", host ? host : "none");
	http_reply_header(req, "X-Path", http_request_path(req));
	http_reply_header(req, "X-Echo", forwarded ? forwarded : "");
	answer(req, NULL);
}

static void handle_file(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	static const uint8_t sha256[32] = {1, 2, 3};
	http_reply_file(req, &(struct http_file){
				     .fd = dup(file),
				     .size = FILE_SIZE,
				     .content_type = "application/octet-stream",
				     .etag = "\"e4c-1\"",
				     .sha256 = sha256,
				     .file_name = http_request_segment(req, "name"),
				     .cache_control = "no-cache",
			     });
}

static void handle_body(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	size_t len;
	const char *body = http_request_body(req, &len);
	CHECK(len <= BODY_MAX && body);
	struct err err = {0};
	scoped_json struct cJSON *json = json_parse_object(body, len, &err);
	answer(req, json ? NULL : &err);
}

static const struct http_route routes[] = {
	{.method = "GET", .path = "/query", .handle = handle_query},
	{.method = "GET", .path = "/worker", .where = HTTP_WORKER, .handle = handle_query},
	{.method = "GET", .path = "/seg/{a}/of/{b}", .handle = handle_segments},
	{.method = "GET", .path = "/about", .handle = handle_about},
	{.method = "POST", .path = "/about", .handle = handle_about},
	{.method = "GET", .path = "/file/{name}", .handle = handle_file},
	{.method = "POST",
	 .path = "/json",
	 .body = HTTP_BODY_MEMORY,
	 .body_max = BODY_MAX,
	 .body_type = "application/json",
	 .handle = handle_body},
	{.method = "POST", .path = "/any", .body = HTTP_BODY_MEMORY, .body_max = BODY_MAX, .where = HTTP_WORKER, .handle = handle_body},
};

static bool admit(struct http_request *req, void *ctx)
{
	(void)ctx;
	if (http_request_header(req, "X-Deny")) {
		http_reply(req, 401, "text/plain", "no", 2);
		return false;
	}
	return true;
}

static void refuse(struct http_request *req, int status, const struct err *err, void *ctx)
{
	(void)ctx;
	CHECK(status >= 400 && status < 600 && err->kind != ERR_NONE && *err->text);
	http_reply(req, status, "text/plain", err->text, strlen(err->text));
}

static const struct http_dialect dialects[] = {
	{.prefix = "/", .routes = routes, .route_count = sizeof routes / sizeof *routes, .admit = admit, .refuse = refuse},
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	file = memfd_create("file", MFD_CLOEXEC);
	CHECK(file >= 0 && ftruncate(file, FILE_SIZE) == 0);
	serve_start(dialects, sizeof dialects / sizeof *dialects);
	return 0;
}

/* --- the answers -------------------------------------------------------------------------------------------------------------------- */

static bool starts_nocase(const char *line, const char *name, const char **value)
{
	size_t len = strlen(name);
	*value = line + len;
	return strncasecmp(line, name, len) == 0;
}

/* libmicrohttpd 0.9.75 writes the head of its own refusals (no Host, a bad Content-Length) twice; the connection then closes. */
static const char *skip_second_head(const char *head, const char *body, const char *end)
{
	size_t len = (size_t)(body - head);
	bool twice = memcmp(head, "HTTP/1.1 4", 10) == 0 && (size_t)(end - body) >= len && memcmp(head, body, len) == 0;
	return twice && memmem(head, len, "Connection: close", 17) ? body + len : body;
}

/* One answer at `at`; returns behind it. */
static const char *skip_answer(const char *at, const char *end)
{
	int status = serve_status(at);
	const char *value;
	uint64_t length = UINT64_MAX;
	CHECK(status >= 100 && status < 600);
	const char *line = at;
	for (;;) {
		const char *next = strstr(line, "\r\n");
		CHECK(next != NULL);
		if (next == line) {
			break;
		}
		CHECK(!memchr(line, '\n', (size_t)(next - line)) && !memchr(line, '\r', (size_t)(next - line)));
		if (starts_nocase(line, "Content-Length: ", &value)) {
			CHECK(length == UINT64_MAX);
			length = strtoull(value, NULL, 10);
		}
		line = next + 2;
	}
	line = skip_second_head(at, line + 2, end);
	if (status < 200 || status == 304) {
		return line;
	}
	CHECK(length <= (uint64_t)(end - line));
	return line + length;
}

/* The answers to HEAD have no body, so a request for one leaves the frames to guesswork. */
static bool has(const char *text, size_t len, const char *word)
{
	for (size_t n = strlen(word); len >= n; text++, len--) {
		if (strncasecmp(text, word, n) == 0) {
			return true;
		}
	}
	return false;
}

static unsigned count_forwarded(const char *text, size_t len)
{
	unsigned n = 0;
	for (; len >= 9; text++, len--) {
		n += strncasecmp(text, "forwarded", 9) == 0;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;
	size_t answer_len;
	scoped_free char *request = fuzz_rest(&in, &len);
	one_forwarded = count_forwarded(request, len) == 1;
	const char *text = serve_exchange(request, len, &answer_len);
	CHECK(answer_len == 0 || strncmp(text, "HTTP/1.", 7) == 0);
	if (!has(request, len, "HEAD")) {
		const char *end = text + answer_len;
		for (const char *at = text; at < end;) {
			at = skip_answer(at, end);
		}
	}
	return 0;
}
