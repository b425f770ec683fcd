#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/digest.h"
#include "http/server.h"
#include "http_upload_scene.h"
#include "test_http_client.h"
#include "unit.h"
#include "work/pool.h"

/* --- curl --------------------------------------------------------------------------------------------------------------------------- */

struct got {
	long status;
	char text[512];
	size_t len;
	curl_off_t sent;
};

static size_t collect(char *data, size_t size, size_t n, void *user)
{
	struct got *got = user;
	for (size_t i = 0; i < size * n && got->len + 1 < sizeof(got->text); i++) {
		got->text[got->len++] = data[i];
	}
	got->text[got->len] = '\0';
	return size * n;
}

static size_t from_memory(char *out, size_t size, size_t n, void *user)
{
	size_t *at = user;
	size_t len = size * n < at[1] - at[0] ? size * n : at[1] - at[0];
	memcpy(out, content + at[0], len);
	at[0] += len;
	return len;
}

static CURLcode upload(const char *target, const char *header, size_t len, bool chunked, struct got *got)
{
	char url[256];
	size_t at[2] = {0, len};
	memset(got, 0, sizeof(*got));
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, target);
	CURL *curl = curl_easy_init();
	curl_mime *form = curl_mime_init(curl);
	curl_mimepart *part = curl_mime_addpart(form);
	curl_mime_name(part, "description");
	curl_mime_data(part, "an ordinary field", CURL_ZERO_TERMINATED);
	part = curl_mime_addpart(form);
	curl_mime_name(part, "file");
	curl_mime_filename(part, "app.bin");
	curl_mime_data_cb(part, chunked ? -1 : (curl_off_t)len, from_memory, NULL, NULL, at);
	struct curl_slist *headers = header ? curl_slist_append(NULL, header) : NULL;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_MIMEPOST, form);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, got);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	CURLcode code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &got->status);
	curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &got->sent);
	curl_slist_free_all(headers);
	curl_mime_free(form);
	curl_easy_cleanup(curl);
	return code;
}

static void expect_file(const struct got *got, size_t len)
{
	uint8_t sha256[DIGEST_SHA256_LEN];
	char wanted[128];
	digest_sha256(sha256, content, len);
	snprintf(wanted, sizeof(wanted), "file %zu app.bin %02x%02x%02x%02x", len, sha256[0], sha256[1], sha256[2], sha256[3]);
	assert_string_equal(got->text, wanted);
	assert_int_equal(got->status, 200);
}

static void a_file_of_any_size_arrives_unaltered(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 3, 4, 5, 100, 65535, 65536, 229376, 229377, 262144, 1000000, 5000000, MAX};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct got got;
		assert_int_equal(upload("/up", NULL, sizes[i], false, &got), CURLE_OK);
		expect_file(&got, sizes[i]);
	}
}

static void a_chunked_upload_arrives_too(void **state)
{
	(void)state;
	struct got got;
	assert_int_equal(upload("/up", NULL, 3000000, true, &got), CURLE_OK);
	expect_file(&got, 3000000);
}

static void a_slow_sink_slows_the_sender(void **state)
{
	(void)state;
	struct got got;
	assert_int_equal(upload("/up?mode=slow", NULL, 10000000, false, &got), CURLE_OK);
	expect_file(&got, 10000000);
}

static void memory_does_not_grow_with_the_file(void **state)
{
	(void)state;
	struct rusage before;
	struct rusage after;
	struct got got;
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(upload("/up?mode=slow", NULL, MAX, false, &got), CURLE_OK);
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8 * 1024);
}

struct side {
	pthread_t thread;
	size_t number;
	CURLcode code;
	struct got got;
};

static size_t side_len(const struct side *s)
{
	return 2000000 + s->number * 1000;
}

static void *one_upload(void *arg)
{
	struct side *s = arg;
	s->code = upload("/up", NULL, side_len(s), s->number % 2, &s->got);
	return NULL;
}

static void uploads_run_side_by_side(void **state)
{
	(void)state;
	struct side side[8];
	for (size_t i = 0; i < COUNT(side); i++) {
		side[i].number = i;
		pthread_create(&side[i].thread, NULL, one_upload, &side[i]);
	}
	for (size_t i = 0; i < COUNT(side); i++) {
		pthread_join(side[i].thread, NULL);
		assert_int_equal(side[i].code, CURLE_OK);
		expect_file(&side[i].got, side_len(&side[i]));
	}
}

static void a_refusal_comes_before_the_transfer(void **state)
{
	(void)state;
	struct got got;
	assert_int_equal(upload("/up?mode=refuse", NULL, 10000000, false, &got), CURLE_OK);
	assert_int_equal(got.status, 409);
	assert_string_equal(got.text, "There is such a firmware.\n");
	assert_true(got.sent < 1000000);
	assert_int_equal(upload("/up", "X-Deny: 1", 10000000, false, &got), CURLE_OK);
	assert_int_equal(got.status, 401);
	assert_true(got.sent < 1000000);
	assert_int_equal(upload("/small", NULL, 10000000, false, &got), CURLE_OK);
	assert_int_equal(got.status, 413);
	assert_true(got.sent < 1000000);
	assert_int_equal(upload("/up?mode=down", NULL, 10, false, &got), CURLE_OK);
	assert_int_equal(got.status, 503);
	assert_int_equal(atomic_load(&begun), 0);
}

static void a_refusal_without_expect_also_arrives(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct got got;
		assert_int_equal(upload("/up?mode=refuse", "Expect:", 10000000, i % 2, &got), CURLE_OK);
		assert_int_equal(got.status, 409);
		assert_true(got.sent < 10000000);
	}
}

static void the_cap_is_exact(void **state)
{
	(void)state;
	struct got got;
	assert_int_equal(upload("/small", NULL, 100000, false, &got), CURLE_OK);
	expect_file(&got, 100000);
	assert_int_equal(upload("/small", NULL, 100001, false, &got), CURLE_OK);
	assert_int_equal(got.status, 413);
	assert_int_equal(upload("/small", NULL, 100001, true, &got), CURLE_OK);
	assert_int_equal(got.status, 413);
	upload("/small", NULL, 2000000, true, &got);
	assert_int_equal(got.status, 413);
}

static void a_failure_on_the_way_is_answered_and_cleaned_up(void **state)
{
	(void)state;
	struct got got;
	assert_int_equal(upload("/up?fail=1000", NULL, 50000, false, &got), CURLE_OK); /* seen when the body is whole */
	assert_int_equal(got.status, 507);
	assert_string_equal(got.text, "The disk is full.\n");
	upload("/up?fail=1000000", NULL, MAX, false, &got); /* seen in the middle */
	assert_int_equal(got.status, 507);
	assert_true(got.sent < MAX);
	assert_int_equal(http_upload_scene_settled(NULL), 0);
	assert_int_equal(atomic_load(&aborted), 2);
}

/* --- raw forms ---------------------------------------------------------------------------------------------------------------------- */

static int begin_raw(uint16_t to, size_t sent)
{
	int fd = client_open(to);
	client_send(fd, "POST /up HTTP/1.1\r\nHost: x\r\nContent-Type: " TYPE "\r\nContent-Length: 5000000\r\n\r\n"
			"--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n");
	client_send_bytes(fd, content, sent);
	return fd;
}

static void an_upload_cut_off_is_cleaned_up(void **state)
{
	(void)state;
	for (int i = 0; i < 12; i++) {
		int fd = begin_raw(port, i % 3 == 0 ? 0 : i % 3 == 1 ? 1000 : 1000000);
		if (i % 4 < 2) {
			usleep(5000);
		}
		if (i % 2) {
			client_reset(fd);
		} else {
			close(fd);
		}
	}
	usleep(100 * 1000);
	assert_int_equal(http_upload_scene_settled(NULL), 0);
	assert_int_equal(atomic_load(&ended), 0);
}

static void wait_begun(int count)
{
	for (int ms = 0; ms < 5000 && atomic_load(&begun) < count; ms++) {
		usleep(1000);
	}
	assert_int_equal(atomic_load(&begun), count);
}

static void a_full_queue_delays_an_upload_that_has_begun(void **state)
{
	(void)state;
	struct pool *small = pool_new(1, 1, NULL, NULL);
	struct http_server *other = start(small);
	int fd[4];
	for (int i = 0; i < 4; i++) {
		fd[i] = begin_raw(http_server_port(other), 0);
		wait_begun(i + 1);
	}
	atomic_store(&blocked, true); /* one runs, one is in the queue, two find it full */
	for (int i = 0; i < 4; i++) {
		client_send_bytes(fd[i], content, 600000);
	}
	usleep(100 * 1000);
	atomic_store(&blocked, false);
	for (int i = 0; i < 4; i++) {
		static const char end[] = "\r\n--BB--\r\n";
		size_t head = strlen("--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n");
		client_send_bytes(fd[i], content + 600000, 5000000 - 600000 - head - (sizeof(end) - 1));
		client_send(fd[i], end);
		struct answer a;
		assert_true(client_read(fd[i], &a, false));
		assert_int_equal(a.status, 200);
		free(a.body);
		close(fd[i]);
	}
	http_server_stop(&other, 1000);
	pool_stop(&small);
}

static void stopping_cleans_up_what_is_under_way(void **state)
{
	(void)state;
	struct http_server *other = start(workers);
	int fd[4];
	for (int i = 0; i < 4; i++) {
		fd[i] = begin_raw(http_server_port(other), i == 0 ? 0 : 700000);
	}
	wait_begun(4);
	http_server_stop(&other, 50);
	assert_int_equal(atomic_load(&begun), 4);
	assert_int_equal(atomic_load(&aborted), 4);
	for (int i = 0; i < 4; i++) {
		close(fd[i]);
	}
}

int main(void)
{
#define SETTLED_TEST(name) cmocka_unit_test_setup_teardown(name, http_upload_scene_reset, http_upload_scene_settled)
	const struct CMUnitTest tests[] = {
		SETTLED_TEST(a_file_of_any_size_arrives_unaltered),
		SETTLED_TEST(a_chunked_upload_arrives_too),
		SETTLED_TEST(a_slow_sink_slows_the_sender),
		SETTLED_TEST(memory_does_not_grow_with_the_file),
		SETTLED_TEST(uploads_run_side_by_side),
		SETTLED_TEST(a_refusal_comes_before_the_transfer),
		SETTLED_TEST(a_refusal_without_expect_also_arrives),
		SETTLED_TEST(the_cap_is_exact),
		SETTLED_TEST(a_failure_on_the_way_is_answered_and_cleaned_up),
		SETTLED_TEST(an_upload_cut_off_is_cleaned_up),
		SETTLED_TEST(a_full_queue_delays_an_upload_that_has_begun),
		SETTLED_TEST(stopping_cleans_up_what_is_under_way),
	};
	return cmocka_run_group_tests(tests, http_upload_scene_setup, http_upload_scene_teardown);
}
