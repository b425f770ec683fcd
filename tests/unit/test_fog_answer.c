/* A device's check is answered as clients with 2,048 bytes, small buffers and no word for null take it, whatever the files say. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/text.h"
#include "dialect/fog_answer.h"
#include "engine/parts.h"
#include "model/file.h"
#include "unit.h"

static const char base[] = "https://ota.example.com:8443";

static struct parts_answer both(void)
{
	struct parts_answer a = {.offers = {{.offered = true, .component = "mcu"}, {.offered = true, .component = "wifi"}}};
	return a;
}

/* As it is sent. */
static const char *text_of(const struct parts_answer *a, const char *from)
{
	static char mem[FOG_ANSWER_MAX + 1];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	fog_answer(&out, a, from);
	buf_putc(&out, '}');
	assert_true(buf_ok(&out));
	assert_true(out.len < 2048);
	return buf_cstr(&out);
}

static const char *string_in(const cJSON *file, const char *key, size_t max)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file, key));
	assert_non_null(text);
	assert_true(strlen(text) <= max);
	assert_true(text_is_utf8(text, strlen(text)));
	return text;
}

/* Holds for every answer. Answers how many files it has. */
static int read_as_a_client(const char *text)
{
	const char *end = NULL;
	assert_true(text[0] == '{' && text[strlen(text) - 1] == '}');
	cJSON *whole = cJSON_ParseWithOpts(text, &end, true);
	assert_non_null(whole);
	const cJSON *meta = cJSON_GetObjectItemCaseSensitive(whole, "meta");
	const cJSON *data = cJSON_GetObjectItemCaseSensitive(whole, "data");
	const cJSON *files = cJSON_GetObjectItemCaseSensitive(data, "files");
	assert_true(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(meta, "code")) == 0);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(meta, "message")), "ota file info");
	int count = cJSON_GetArraySize(files);
	assert_true(cJSON_IsArray(files) && count <= 4);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(data, "need_ota")) == (count > 0));
	const cJSON *file;
	cJSON_ArrayForEach(file, files)
	{
		assert_int_equal(cJSON_GetArraySize(file), 5);
		assert_true(*string_in(file, "file_url", FILE_URL_MAX));
		string_in(file, "md5", FILE_MD5_MAX);
		string_in(file, "version", FILE_VERSION_MAX);
		string_in(file, "customize", FILE_CUSTOMIZE_MAX);
		assert_true(cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(file, "ota_type")));
	}
	cJSON_Delete(whole);
	return count;
}

static void repeat(char *out, size_t len, const char *what)
{
	size_t n = strlen(what);
	size_t at = 0;
	for (; at + n <= len; at += n) {
		memcpy(out + at, what, n);
	}
	out[at] = '\0';
}

static void fill(struct parts_offer *o, const char *url, const char *rest)
{
	repeat(o->url, FILE_URL_MAX, url);
	repeat(o->md5, FILE_MD5_MAX, rest);
	repeat(o->version, FILE_VERSION_MAX, rest);
	repeat(o->customize, FILE_CUSTOMIZE_MAX, rest);
}

static void nothing_is_an_empty_list(void **state)
{
	(void)state;
	struct parts_answer a = both();
	a.offers[0].offered = a.offers[1].offered = false;
	assert_string_equal(text_of(&a, base),
			    "{\"meta\":{\"code\":0,\"message\":\"ota file info\"},\"data\":{\"need_ota\":false,\"files\":[]}}");
}

static void what_is_unknown_is_an_empty_string(void **state)
{
	(void)state;
	struct parts_answer a = both();
	strncpy(a.offers[0].url, "http://x/m", sizeof a.offers[0].url - 1);
	a.offers[1].offered = false;
	assert_string_equal(text_of(&a, base),
			    "{\"meta\":{\"code\":0,\"message\":\"ota file info\"},\"data\":{\"need_ota\":true,\"files\":["
			    "{\"file_url\":\"http://x/m\",\"md5\":\"\",\"version\":\"\",\"ota_type\":0,\"customize\":\"\"}]}}");
}

static void one_alone_keeps_its_type(void **state)
{
	(void)state;
	struct parts_answer a = both();
	a.offers[0].offered = false;
	fill(&a.offers[1], "u", "x");
	assert_int_equal(read_as_a_client(text_of(&a, base)), 1);
	assert_non_null(strstr(text_of(&a, base), "\"ota_type\":1"));
}

static void the_longest_texts_without_escapes_are_both_there(void **state)
{
	(void)state;
	struct parts_answer a = both();
	fill(&a.offers[0], "u", "x");
	fill(&a.offers[1], "u", "x");
	assert_int_equal(read_as_a_client(text_of(&a, base)), 2);
}

static void where_both_do_not_fit_the_mcu_s_comes_alone(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int files;
	} cases[] = {{"\"", 1}, {"\\", 1}, {"\\\"/", 2}, {"\xe9\x9d\xa2", 2}, {"\xf0\x9f\x98\x80\"", 2}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct parts_answer a = both();
		fill(&a.offers[0], "u", cases[i].text);
		fill(&a.offers[1], "u", cases[i].text);
		assert_int_equal(read_as_a_client(text_of(&a, base)), cases[i].files);
		assert_non_null(strstr(text_of(&a, base), "\"ota_type\":0"));
	}
}

/* A file's texts hold no control characters: what got into the database all the same does not break an answer. */
static void what_fits_in_no_answer_is_not_offered(void **state)
{
	(void)state;
	struct parts_answer a = both();
	fill(&a.offers[0], "\x01", "\x01");
	fill(&a.offers[1], "\x01", "\x01");
	assert_int_equal(read_as_a_client(text_of(&a, base)), 0);
}

static void a_version_is_cut_between_characters(void **state)
{
	(void)state;
	struct parts_answer a = both();
	a.offers[1].offered = false;
	fill(&a.offers[0], "u", "x");
	repeat(a.offers[0].version, VERSION_SIZE - 1, "\xe9\x9d\xa2"); /* an upload's version has up to 64 bytes */
	assert_int_equal(read_as_a_client(text_of(&a, base)), 1);
	char cut[64];
	repeat(cut, 30, "\xe9\x9d\xa2");
	strncat(cut, "\",\"ota", sizeof cut - strlen(cut) - 1);
	assert_non_null(strstr(text_of(&a, base), cut));
	repeat(a.offers[0].version, 5, "\xe9\x9d"); /* broken */
	assert_int_equal(read_as_a_client(text_of(&a, base)), 1);
}

static void a_url_that_no_client_takes_is_not_offered(void **state)
{
	(void)state;
	char far_away[FOG_BASE_SIZE];
	struct parts_answer a = both();
	strncpy(a.offers[0].alias, "0123456789abcdef-token.bin", sizeof a.offers[0].alias - 1);
	strncpy(a.offers[1].url, "http://x/w", sizeof a.offers[1].url - 1);
	assert_int_equal(read_as_a_client(text_of(&a, base)), 2);
	assert_non_null(strstr(text_of(&a, base), "\"https://ota.example.com:8443/api/v2/micro/0123456789abcdef-token.bin\""));
	repeat(far_away, sizeof far_away - 1, "h");
	assert_int_equal(read_as_a_client(text_of(&a, far_away)), 1);
	assert_non_null(strstr(text_of(&a, far_away), "\"ota_type\":1"));
}

static void random_text(char *out, size_t max, bool plain)
{
	static const char *const pieces[] = {"a", "0.1", "/", "?", "\"", "\\", "\x7f", "<", "\xc3\xa9", "\xe9\x9d\xa2", "\xf0\x9f\x98\x80",
					     "\t"};
	size_t want = (size_t)rand() % (max + 1);
	size_t len = 0;
	for (;;) {
		const char *piece = pieces[(size_t)rand() % (plain ? 4 : COUNT(pieces))];
		size_t n = strlen(piece);
		if (len + n > want) {
			break;
		}
		memcpy(out + len, piece, n);
		len += n;
	}
	out[len] = '\0';
}

static void any_answer_can_be_read(void **state)
{
	(void)state;
	int counts[PARTS_MAX + 1] = {0};
	srand(1);
	for (int i = 0; i < 20000; i++) {
		struct parts_answer a = both();
		for (size_t p = 0; p < PARTS_MAX; p++) {
			struct parts_offer *o = &a.offers[p];
			o->offered = rand() % 4 > 0;
			random_text(o->url, sizeof o->url - 1, true);
			random_text(o->alias, sizeof o->alias - 1, true);
			random_text(o->md5, sizeof o->md5 - 1, false);
			random_text(o->version, sizeof o->version - 1, false);
			random_text(o->customize, sizeof o->customize - 1, false);
		}
		counts[read_as_a_client(text_of(&a, base))]++;
	}
	assert_true(counts[0] > 100 && counts[1] > 100 && counts[2] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_an_empty_list),
		cmocka_unit_test(what_is_unknown_is_an_empty_string),
		cmocka_unit_test(one_alone_keeps_its_type),
		cmocka_unit_test(the_longest_texts_without_escapes_are_both_there),
		cmocka_unit_test(where_both_do_not_fit_the_mcu_s_comes_alone),
		cmocka_unit_test(what_fits_in_no_answer_is_not_offered),
		cmocka_unit_test(a_version_is_cut_between_characters),
		cmocka_unit_test(a_url_that_no_client_takes_is_not_offered),
		cmocka_unit_test(any_answer_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
