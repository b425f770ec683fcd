/* Forms as they come: taken apart, refused, byte by byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_upload_scene.h"
#include "test_http_client.h"
#include "unit.h"

#define FIELD "--BB\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nvalue\r\n"
#define FILE_PART(name, data) "--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" name "\"\r\n\r\n" data "\r\n"

static void form(const char *type, const char *text, int status, const char *wanted)
{
	struct answer a;
	char header[128];
	snprintf(header, sizeof(header), "Content-Type: %s\r\n", type);
	client_request(port, "POST", "/up", header, text, &a);
	if (a.status != status || !strstr(a.body, wanted)) {
		fail_msg("%s: %d %s instead of %d %s", text, a.status, a.body, status, wanted);
	}
	free(a.body);
}

static void forms_are_taken_apart(void **state)
{
	(void)state;
	form(TYPE, FILE_PART("a.bin", "abc") "--BB--\r\n", 200, "file 3 a.bin ba7816bf");
	form(TYPE, FIELD FILE_PART("a.bin", "abc") FIELD "--BB--\r\n", 200, "file 3 a.bin");
	form("multipart/form-data; boundary=\"BB\"", FILE_PART("caf\xc3\xa9 ../x", "") "--BB--\r\n", 200, "file 0 caf\xc3\xa9 ../x");
	form(TYPE, "preamble\r\n" FILE_PART("a.bin", "--B\r\n--B") "--BB--\r\n", 200, "file 8 a.bin");
}

static void forms_without_a_file_say_so(void **state)
{
	(void)state;
	form(TYPE, FIELD "--BB--\r\n", 200, "none 0");
	struct answer a;
	client_request(port, "POST", "/up", NULL, NULL, &a);
	assert_int_equal(a.status, 200);
	assert_memory_equal(a.body, "none 0", 6);
	free(a.body);
}

static void malformed_forms_are_refused(void **state)
{
	(void)state;
	form("application/json", "{}", 415, "multipart/form-data");
	form("multipart/form-data", FILE_PART("a", "b") "--BB--\r\n", 400, "boundary");
	form(TYPE, FILE_PART("a.bin", "abc"), 400, "cut off");
	form(TYPE, "--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n", 400, "cut off");
	form(TYPE, FILE_PART("a.bin", "abc") FILE_PART("b.bin", "def") "--BB--\r\n", 400, "more than one file");
	form(TYPE, FILE_PART("a.bin", "") FILE_PART("b.bin", "def") "--BB--\r\n", 400, "more than one file");
	form(TYPE, FILE_PART("a\xff", "abc") "--BB--\r\n", 400, "UTF-8");
	form(TYPE, FILE_PART("bad name", "abc") "--BB--\r\n", 400, "not fit");
	form(TYPE, "--BB\rX\r\n\r\n", 400, "malformed");
}

static void single_bytes_make_the_same_form(void **state)
{
	(void)state;
	static const char text[] = FIELD FILE_PART("a.bin", "a\r\n--Bc\r\n-") "--BB--\r\n";
	char head[256];
	struct answer a;
	int fd = client_open(port);
	snprintf(head, sizeof(head), "POST /up HTTP/1.1\r\nHost: x\r\nContent-Type: " TYPE "\r\nContent-Length: %zu\r\n\r\n",
		 sizeof(text) - 1);
	client_send(fd, head);
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		client_send_bytes(fd, text + i, 1);
		if (i % 16 == 0) {
			usleep(300);
		}
	}
	assert_true(client_read(fd, &a, false));
	assert_memory_equal(a.body, "file 10 a.bin", 13);
	free(a.body);
	client_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection lives on */
	assert_true(client_read(fd, &a, false));
	assert_string_equal(a.body, "hello");
	free(a.body);
	close(fd);
}

int main(void)
{
#define SETTLED_TEST(name) cmocka_unit_test_setup_teardown(name, http_upload_scene_reset, http_upload_scene_settled)
	const struct CMUnitTest tests[] = {
		SETTLED_TEST(forms_are_taken_apart),
		SETTLED_TEST(forms_without_a_file_say_so),
		SETTLED_TEST(malformed_forms_are_refused),
		SETTLED_TEST(single_bytes_make_the_same_form),
	};
	return cmocka_run_group_tests(tests, http_upload_scene_setup, http_upload_scene_teardown);
}
