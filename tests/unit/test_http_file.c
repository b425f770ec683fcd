#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_file_scene.h"
#include "test_http_client.h"
#include "unit.h"

/* --- which bytes ---------------------------------------------------------------------------------------------------------------------- */

static void the_whole_file_with_its_headers(void **state)
{
	(void)state;
	static const char *const targets[] = {"/file", "/worker", "/later"};
	for (size_t i = 0; i < COUNT(targets); i++) {
		struct answer a;
		client_request(port, "GET", targets[i], NULL, NULL, &a);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.len, SIZE);
		assert_memory_equal(a.body, content, SIZE);
		assert_string_equal(client_header(&a, "ETag"), "\"v1\"");
		assert_string_equal(client_header(&a, "Accept-Ranges"), "bytes");
		assert_string_equal(client_header(&a, "Content-Type"), "application/octet-stream");
		assert_string_equal(client_header(&a, "X-Extra"), "1");
		assert_string_equal(client_header(&a, "Repr-Digest"), "sha-256=:ABCDEFGH//4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:");
		assert_string_equal(client_header(&a, "Content-Digest"), "sha-256=:ABCDEFGH//4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:");
		assert_null(client_header(&a, "Last-Modified"));
		free(a.body);
	}
}

static void head_tells_the_same_without_the_bytes(void **state)
{
	(void)state;
	struct answer a;
	client_request(port, "HEAD", "/file", "Range: bytes=0-9\r\n", NULL, &a);
	assert_int_equal(a.status, 200);
	char size[16];
	snprintf(size, sizeof(size), "%d", SIZE);
	assert_string_equal(client_header(&a, "Content-Length"), size);
	assert_null(client_header(&a, "Content-Range"));
	free(a.body);
}

static void one_range(void **state)
{
	(void)state;
	struct answer a;
	get("Range: bytes=1000-1099\r\n", 206, &a);
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "bytes 1000-1099/%d", SIZE);
	assert_string_equal(client_header(&a, "Content-Range"), wanted);
	assert_int_equal(a.len, 100);
	assert_memory_equal(a.body, content + 1000, 100);
	assert_null(client_header(&a, "Repr-Digest"));
	free(a.body);
	get("Range: bytes=-5\r\n", 206, &a);
	assert_memory_equal(a.body, content + SIZE - 5, 5);
	free(a.body);
	get("Range: bytes=0-9,10-19\r\n", 206, &a); /* merged: no multipart */
	assert_int_equal(a.len, 20);
	assert_memory_equal(a.body, content, 20);
	free(a.body);
}

static void a_range_outside_is_416(void **state)
{
	(void)state;
	struct answer a;
	get("Range: bytes=99999999-\r\n", 416, &a);
	char wanted[64];
	snprintf(wanted, sizeof(wanted), "bytes */%d", SIZE);
	assert_string_equal(client_header(&a, "Content-Range"), wanted);
	free(a.body);
}

static void a_range_not_understood_is_ignored(void **state)
{
	(void)state;
	struct answer a;
	get("Range: bytes=9-5\r\n", 200, &a);
	free(a.body);
	get("Range: bytes=0-4\r\nRange: bytes=10-14\r\n", 200, &a);
	free(a.body);
	get("Range: bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32\r\n", 200, &a);
	assert_int_equal(a.len, SIZE);
	free(a.body);
}

/* Takes a multipart/byteranges body apart by hand and compares each part with the file. */
static unsigned check_parts(const struct answer *a)
{
	char mark[128];
	const char *type = client_header(a, "Content-Type");
	static const char kind[] = "multipart/byteranges; boundary=";
	assert_memory_equal(type, kind, sizeof(kind) - 1);
	snprintf(mark, sizeof(mark), "--%s", type + sizeof(kind) - 1);
	const char *at = a->body;
	unsigned parts = 0;
	for (;; parts++) {
		assert_memory_equal(at, mark, strlen(mark));
		at += strlen(mark);
		if (memcmp(at, "--\r\n", 4) == 0) {
			assert_ptr_equal(at + 4, a->body + a->len);
			return parts;
		}
		char *range = strstr(at, "\r\nContent-Range: bytes ");
		assert_non_null(range);
		unsigned long long first = strtoull(range + 23, &range, 10);
		unsigned long long last = strtoull(range + 1, &range, 10);
		assert_int_equal(strtoull(range + 1, NULL, 10), SIZE);
		at = strstr(at, "\r\n\r\n") + 4;
		assert_memory_equal(at, content + first, last - first + 1);
		at += last - first + 1;
		assert_memory_equal(at, "\r\n", 2);
		at += 2;
	}
}

static void several_ranges_are_multipart(void **state)
{
	(void)state;
	struct answer a;
	get("Range: bytes=0-9,100-199,-7\r\n", 206, &a);
	assert_int_equal(check_parts(&a), 3);
	assert_null(client_header(&a, "Content-Range"));
	free(a.body);
	get("Range: bytes=100000-300000,0-0,1000000-1500000\r\n", 206, &a);
	assert_int_equal(check_parts(&a), 3);
	free(a.body);
}

static void a_lent_descriptor_stays_open(void **state)
{
	(void)state;
	static const char *const ranges[] = {"",
					     "Range: bytes=5-99\r\n",
					     "Range: bytes=0-99999\r\n",
					     "Range: bytes=0-9,20-29\r\n",
					     "If-None-Match: *\r\n",
					     "Range: bytes=99999999-\r\n",
					     "If-Match: \"v0\"\r\n"};
	for (size_t i = 0; i < COUNT(ranges); i++) {
		struct answer a;
		client_request(port, "GET", "/lent", ranges[i], NULL, &a);
		free(a.body);
		assert_true(fcntl(file, F_GETFD) >= 0);
	}
	struct answer a;
	client_request(port, "GET", "/lent", NULL, NULL, &a);
	assert_memory_equal(a.body, content, SIZE);
	free(a.body);
}

static void conditions(void **state)
{
	(void)state;
	static const struct {
		const char *extra;
		int status;
	} cases[] = {
		{"If-None-Match: \"v1\"\r\n", 304},
		{"If-None-Match: \"v0\"\r\nIf-None-Match: W/\"v1\"\r\n", 304},
		{"If-None-Match: \"v0\"\r\n", 200},
		{"If-Match: \"v0\"\r\n", 412},
		{"If-Match: *\r\n", 200},
		{"If-Match: W/\"v1\"\r\n", 412},
		{"If-Match: \"v0\"\r\nIf-None-Match: \"v1\"\r\n", 412},
		{"Range: bytes=0-9\r\nIf-Range: \"v1\"\r\n", 206},
		{"Range: bytes=0-9\r\nIf-Range: \"v0\"\r\n", 200},
		{"Range: bytes=0-9\r\nIf-Range: W/\"v1\"\r\n", 200},
		{"Range: bytes=0-9\r\nIf-Range: Sat, 21 Nov 2026 14:00:00 GMT\r\n", 200},
		{"Range: bytes=99999999-\r\nIf-Range: \"v0\"\r\n", 200},
		{"Range: bytes=99999999-\r\nIf-None-Match: \"v1\"\r\n", 304},
		{"Range: bytes=0-9\r\nIf-Match: \"v0\"\r\n", 412},
		{"If-Modified-Since: Sat, 21 Nov 2036 14:00:00 GMT\r\n", 200},
		{"If-Unmodified-Since: Sat, 21 Nov 2016 14:00:00 GMT\r\n", 200},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct answer a;
		get(cases[i].extra, cases[i].status, &a);
		free(a.body);
	}
	struct answer a;
	get("If-None-Match: \"v1\"\r\n", 304, &a);
	assert_string_equal(client_header(&a, "ETag"), "\"v1\"");
	assert_int_equal(strtol(client_header(&a, "Content-Length"), NULL, 10), SIZE); /* what a 200 would have */
	free(a.body);
}

static void names_are_given_to_old_and_new_clients(void **state)
{
	(void)state;
	struct answer a;
	client_request(port, "HEAD", "/named?name=app-1.2.bin", NULL, NULL, &a);
	assert_string_equal(client_header(&a, "Content-Disposition"), "attachment; filename=\"app-1.2.bin\"");
	assert_string_equal(client_header(&a, "Cache-Control"), "private, max-age=60");
	free(a.body);
	client_request(port, "HEAD", "/named?name=a%22b%20%C3%A9", NULL, NULL, &a);
	assert_string_equal(client_header(&a, "Content-Disposition"), "attachment; filename=\"a_b __\"; filename*=UTF-8''a%22b%20%C3%A9");
	free(a.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_file_with_its_headers),
		cmocka_unit_test(head_tells_the_same_without_the_bytes),
		cmocka_unit_test(one_range),
		cmocka_unit_test(a_range_outside_is_416),
		cmocka_unit_test(a_range_not_understood_is_ignored),
		cmocka_unit_test(several_ranges_are_multipart),
		cmocka_unit_test(a_lent_descriptor_stays_open),
		cmocka_unit_test(conditions),
		cmocka_unit_test(names_are_given_to_old_and_new_clients),
	};
	return cmocka_run_group_tests(tests, http_file_scene_setup, http_file_scene_teardown);
}
