/* Fields of an uploaded form that precede its file, through the whole server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "test_http_client.h"
#include "unit.h"
#include "work/pool.h"

#define TYPE "multipart/form-data; boundary=BB"
#define FIELD(name, value) "--BB\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_PART "--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\nbytes\r\n"
#define END "--BB--\r\n"

enum { LOG_MAX = 4096, BODY_MAX = 64 * 1024 };

/* What was called, in its order: "name=value;" of fields, "<file>" and "+bytes". */
static void *log_begin(struct http_request *req, struct worker *worker, void *ctx, struct err *err)
{
	(void)req;
	(void)worker;
	(void)ctx;
	(void)err;
	struct buf *log = malloc(sizeof *log);
	buf_init(log, LOG_MAX);
	return log;
}

static bool log_field(void *state, const char *name, const char *value, size_t len, struct err *err)
{
	assert_int_equal(value[len], '\0');
	if (strcmp(name, "bad") == 0) {
		return err_set(err, ERR_DENIED, "The field is not liked.");
	}
	if (len > 100) {
		buf_putf(state, "%s(%zu);", name, len);
		return true;
	}
	buf_putf(state, "%s=", name);
	buf_put(state, value, len);
	buf_putc(state, ';');
	return true;
}

static bool log_name(void *state, const char *file_name, struct err *err)
{
	(void)err;
	buf_putf(state, "<%s>", file_name);
	return true;
}

static bool log_data(void *state, struct worker *worker, const void *data, size_t len, struct err *err)
{
	(void)worker;
	(void)err;
	buf_put(state, data, len);
	return true;
}

static void log_abort(void *state, struct worker *worker)
{
	(void)worker;
	buf_free(state);
	free(state);
}

static void log_end(void *state, struct worker *worker, struct http_request *req, bool file)
{
	struct buf *log = state;
	buf_puts(log, file ? "." : "!");
	http_reply(req, 200, "text/plain", log->data, log->len);
	log_abort(state, worker);
}

static const struct http_upload wanting = {
	.begin = log_begin, .field = log_field, .name = log_name, .data = log_data, .end = log_end, .abort = log_abort};
static const struct http_upload passing = {.begin = log_begin, .name = log_name, .data = log_data, .end = log_end, .abort = log_abort};
static const struct http_route routes[] = {
	{.method = "POST", .path = "/want", .body = HTTP_BODY_FILE, .upload = &wanting},
	{.method = "POST", .path = "/pass", .body = HTTP_BODY_FILE, .upload = &passing},
};
static const struct http_dialect dialect = {.prefix = "/", .routes = routes, .route_count = COUNT(routes)};

static struct pool *workers;
static struct http_server *server;

static int setup(void **state)
{
	(void)state;
	workers = pool_new(2, 16, NULL, NULL);
	const struct http_config config = {.address = "127.0.0.1",
					   .loops = 1,
					   .max_connections = 20,
					   .idle_timeout_ms = 20000,
					   .upload_max = 1 << 20,
					   .workers = workers};
	server = http_server_start(&config, &dialect, 1, NULL);
	return server ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	http_server_stop(&server, 1000);
	pool_stop(&workers);
	return 0;
}

static void post(const char *target, const char *body, size_t len, int status, const char *wanted)
{
	char head[256];
	struct answer a;
	int fd = client_open(http_server_port(server));
	snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: " TYPE "\r\nContent-Length: %zu\r\n\r\n", target, len);
	client_send(fd, head);
	client_send_bytes(fd, body, len);
	assert_true(client_read(fd, &a, false));
	assert_int_equal(a.status, status);
	if (!strstr(a.body, wanted)) {
		fail_msg("%s: not %s", a.body, wanted);
	}
	free(a.body);
	close(fd);
}

static void fields_before_the_file_are_handed_on_whole(void **state)
{
	(void)state;
	static const char body[] = FIELD("key", "ota/x") FIELD("empty", "") FIELD("lines", "a\r\n--B\r\n-") FILE_PART END;
	post("/want", body, sizeof body - 1, 200, "key=ota/x;empty=;lines=a\r\n--B\r\n-;<a.bin>bytes.");
}

static void fields_behind_the_file_are_passed_over(void **state)
{
	(void)state;
	static const char body[] = FIELD("a", "1") FILE_PART FIELD("bad", "2") END;
	post("/want", body, sizeof body - 1, 200, "a=1;<a.bin>bytes.");
}

static void fields_without_a_file_come_before_the_end(void **state)
{
	(void)state;
	static const char body[] = FIELD("a", "1") FIELD("b", "2") END;
	post("/want", body, sizeof body - 1, 200, "a=1;b=2;!");
}

static void who_wants_none_gets_none(void **state)
{
	(void)state;
	static const char body[] = FIELD("a", "1") FIELD("bad", "2") FILE_PART END;
	post("/pass", body, sizeof body - 1, 200, "<a.bin>bytes.");
}

static void a_refused_field_refuses_the_form(void **state)
{
	(void)state;
	static const char before[] = FIELD("bad", "2") FILE_PART END;
	static const char last[] = FIELD("bad", "2") END;
	post("/want", before, sizeof before - 1, 403, "not liked");
	post("/want", last, sizeof last - 1, 403, "not liked");
}

static void a_nul_in_a_value_is_told_by_its_length(void **state)
{
	(void)state;
	static const char body[] = FIELD("a", "1\0002") FILE_PART END;
	char wanted[] = "a=1";
	post("/want", body, sizeof body - 1, 200, wanted);
}

/* n bytes in one field. */
static void post_long(size_t n, int status, const char *wanted)
{
	static const char head[] = "--BB\r\nContent-Disposition: form-data; name=\"long\"\r\n\r\n";
	struct buf body;
	buf_init(&body, BODY_MAX);
	buf_puts(&body, head);
	for (size_t i = 0; i < n; i++) {
		buf_putc(&body, 'x');
	}
	buf_puts(&body, "\r\n" FILE_PART END);
	assert_true(buf_ok(&body));
	post("/want", body.data, body.len, status, wanted);
	buf_free(&body);
}

static void a_field_has_a_limit(void **state)
{
	(void)state;
	post_long(HTTP_FIELD_MAX, 200, "long(16384);<a.bin>");
	post_long(HTTP_FIELD_MAX + 1, 413, "too long");
}

static void the_number_of_fields_has_a_limit(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		struct buf body;
		buf_init(&body, BODY_MAX);
		for (size_t i = 0; i < HTTP_FIELDS_MAX + more; i++) {
			buf_puts(&body, FIELD("f", "v"));
		}
		buf_puts(&body, FILE_PART END);
		assert_true(buf_ok(&body));
		post("/want", body.data, body.len, more ? 400 : 200, more ? "too many" : "f=v;<a.bin>");
		buf_free(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_before_the_file_are_handed_on_whole),
		cmocka_unit_test(fields_behind_the_file_are_passed_over),
		cmocka_unit_test(fields_without_a_file_come_before_the_end),
		cmocka_unit_test(who_wants_none_gets_none),
		cmocka_unit_test(a_refused_field_refuses_the_form),
		cmocka_unit_test(a_nul_in_a_value_is_told_by_its_length),
		cmocka_unit_test(a_field_has_a_limit),
		cmocka_unit_test(the_number_of_fields_has_a_limit),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
