#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

/* Parses from memory without a NUL behind it, so that a sanitizer sees what reads too far. */
static struct cJSON *parse(const char *text, size_t len, struct err *err)
{
	char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	struct cJSON *json = json_parse_object(copy, len, err);
	free(copy);
	return json;
}

static struct cJSON *must_parse(const char *text)
{
	struct err err = {0};
	struct cJSON *json = parse(text, strlen(text), &err);
	if (json == NULL) {
		fail_msg("%s: %s", text, err.text);
	}
	return json;
}

static void expect_refused(const char *text, size_t len, const char *why)
{
	struct err err = {0};
	struct cJSON *json = parse(text, len, &err);
	if (json != NULL || err.kind != ERR_INVALID || strstr(err.text, why) == NULL) {
		fail_msg("%.60s: kind %d, %s", text, err.kind, err.text);
	}
}

static void one_object_with_blanks_around_is_accepted(void **state)
{
	(void)state;
	static const char *const good[] = {
		"{}",
		" \t\r\n{}\n",
		"{\"a\":1}",
		"{\"a\":{\"a\":[1,2,{\"a\":null}]}}",
		"{\"a\":\"\\\\u0000\"}",
		"{\"a\":\"\\ud83d\\ude00\"}",
		"{\"a\":\"{[\\\"\"}",
		"{\"a\":-1.5e3}",
	};
	for (size_t i = 0; i < COUNT(good); i++) {
		struct cJSON *json = must_parse(good[i]);
		json_free(&json);
		assert_null(json);
	}
}

static void anything_else_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"  ",
		"[]",
		"1",
		"\"a\"",
		"null",
		"{",
		"}",
		"{]",
		"{}}",
		"{}{}",
		"{} x",
		"{}\x01",
		"\x0b{}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{a:1}",
		"{'a':1}",
		"{\"a\":tru}",
		"{\"a\":NaN}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":\"x}",
		"{\"a\":\"x\\",
		"{\"a\":\"\\",
		"{\"a\":\"\\\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\udc00\"}",
		"{\"a\":1.2.3}",
		"{\"1\":1,",
		"\xef\xbb\xbf{}",
		"{\"a\":[}",
		"{\"a\":[1,2}]",
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		expect_refused(bad[i], strlen(bad[i]), "");
	}
}

static void every_cut_of_a_body_is_refused(void **state)
{
	(void)state;
	static const char text[] = "{\"version\":\"1.2\\n\\u00e4\",\"n\":[1,-2.5e1,true,null],\"o\":{\"k\":\"v\"}}";
	struct cJSON *json = must_parse(text);
	json_free(&json);
	for (size_t len = 0; len < sizeof text - 1; len++) {
		expect_refused(text, len, "");
	}
}

static void what_the_parser_would_alter_is_refused(void **state)
{
	(void)state;
	expect_refused("{\"a\":\"x\\u0000y\"}", 15 + 1, "NUL");
	expect_refused("{\"x\\u0000y\":1}", 14, "NUL");
	expect_refused("{\"a\":\"x\ny\"}", 11, "control character");
	expect_refused("{\"a\":\"x\x1fy\"}", 11, "control character");
	expect_refused("{\"a\":\"\xff\"}", 9, "UTF-8");
	expect_refused("{\"a\":\"\0\"}", 9, "UTF-8");
	expect_refused("{\"a\":1e999}", 11, "too large");
	expect_refused("{\"a\":[-1e999]}", 14, "too large");
}

static void deep_nesting_is_refused_without_deep_recursion(void **state)
{
	(void)state;
	enum { DEEP = 10000 };
	char *text = malloc(6 * DEEP + 16);
	assert_non_null(text);
	for (int shape = 0; shape < 2; shape++) {
		struct buf b;
		buf_init_fixed(&b, text, 6 * DEEP + 16);
		buf_puts(&b, shape == 0 ? "{\"a\":" : "");
		for (int i = 0; i < DEEP; i++) {
			buf_puts(&b, shape == 0 ? "[" : "{\"a\":");
		}
		expect_refused(text, b.len, "deeper than 64");
		buf_puts(&b, "1");
		for (int i = 0; i < DEEP; i++) {
			buf_puts(&b, shape == 0 ? "]" : "}");
		}
		buf_puts(&b, shape == 0 ? "}" : "");
		assert_true(buf_ok(&b));
		expect_refused(text, b.len, "deeper than 64");
	}
	free(text);
}

static void nesting_of_64_is_the_most(void **state)
{
	(void)state;
	for (int depth = 63; depth <= 65; depth++) {
		char text[512];
		struct buf b;
		buf_init_fixed(&b, text, sizeof text);
		buf_puts(&b, "{\"a\":");
		for (int i = 1; i < depth; i++) {
			buf_putc(&b, '[');
		}
		for (int i = 1; i < depth; i++) {
			buf_putc(&b, ']');
		}
		buf_putc(&b, '}');
		if (depth == 1) {
			continue;
		}
		struct cJSON *json = parse(b.data, b.len, NULL);
		assert_int_equal(json != NULL, depth <= 64);
		if (json != NULL) {
			json_free(&json);
		}
	}
}

static void a_doubled_key_is_refused_at_any_level(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{\"key\":1,\"key\":1}",
		"{\"key\":1,\"b\":2,\"c\":3,\"key\":{}}",
		"{\"o\":{\"key\":1,\"key\":null}}",
		"{\"o\":[1,{\"key\":1,\"key\":2}]}",
		"{\"key\":1,\"k\\u0065y\":2}",
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		expect_refused(bad[i], strlen(bad[i]), "\"key\" twice");
	}
	struct cJSON *json = must_parse("{\"key\":1,\"Key\":2,\"o\":{\"key\":3},\"\":4}");
	json_free(&json);
}

/* Would take minutes if each key were compared with each. */
static void a_hundred_thousand_members_are_checked_in_passing(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 8 << 20);
	buf_putc(&b, '{');
	for (int i = 0; i < 100000; i++) {
		buf_putf(&b, "%s\"member-%d\":%d", i > 0 ? "," : "", i, i);
	}
	size_t without = b.len;
	buf_putc(&b, '}');
	assert_true(buf_ok(&b));
	struct cJSON *json = parse(b.data, b.len, NULL);
	assert_non_null(json);
	json_free(&json);
	b.len = without;
	buf_puts(&b, ",\"member-777\":0}");
	expect_refused(b.data, b.len, "\"member-777\" twice");
	buf_free(&b);
}

static void lack_of_memory_is_no_fault_of_the_body(void **state)
{
	(void)state;
	struct err err = {0};
	alloc_fail_nth(1);
	assert_null(json_parse_object("{\"a\":1,\"b\":2}", 13, &err));
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
}

static void foreign_keys_are_named_with_the_known_ones(void **state)
{
	(void)state;
	static const char *const known[] = {"version", "component", NULL};
	struct err err = {0};
	struct cJSON *json = must_parse("{\"version\":1,\"component\":2}");
	assert_true(json_only_keys(json, known, &err));
	json_free(&json);
	json = must_parse("{\"version\":1,\"Component\":2}");
	assert_false(json_only_keys(json, known, &err));
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err.text, "\"Component\""));
	assert_non_null(strstr(err.text, "version, component"));
	json_free(&json);
}

static const char members[] =
	"{\"text\":\"abcd\",\"empty\":\"\",\"null\":null,\"n\":1.8,\"whole\":12,\"digits\":\"-42\",\"yes\":true,\"no\":false,"
	"\"list\":[],\"line\":\"a\\nb\",\"big\":1e17,\"half\":0.5,\"blank\":\"4 2\"}";

static struct cJSON *object;

static int parse_members(void **state)
{
	(void)state;
	object = json_parse_object(members, sizeof members - 1, NULL);
	return object != NULL ? 0 : -1;
}

static int free_members(void **state)
{
	(void)state;
	json_free(&object);
	return 0;
}

static void expect_text_error(const char *key, bool required, enum err_kind kind)
{
	struct err err = {0};
	char out[8] = "before";
	assert_false(json_text(object, key, required, out, sizeof out, &err));
	assert_int_equal(err.kind, kind);
	assert_memory_equal(err.text, key, strlen(key));
	assert_string_equal(out, "");
}

static void text_is_copied_or_refused_by_its_kind(void **state)
{
	(void)state;
	char out[8] = "before";
	assert_true(json_text(object, "text", true, out, sizeof out, NULL));
	assert_string_equal(out, "abcd");
	assert_true(json_text(object, "absent", false, out, sizeof out, NULL));
	assert_string_equal(out, "");
	assert_true(json_text(object, "null", false, out, sizeof out, NULL));
	assert_true(json_text(object, "empty", false, out, sizeof out, NULL));
	expect_text_error("absent", true, ERR_MISSING);
	expect_text_error("null", true, ERR_MISSING);
	expect_text_error("Text", true, ERR_MISSING);
	expect_text_error("empty", true, ERR_EMPTY);
	expect_text_error("n", false, ERR_TYPE);
	expect_text_error("yes", false, ERR_TYPE);
	expect_text_error("list", false, ERR_TYPE);
	expect_text_error("line", false, ERR_INVALID);
	assert_true(json_text(object, "text", true, out, 5, NULL));
	assert_false(json_text(object, "text", true, out, 4, NULL));
	assert_string_equal(out, "");
}

static void a_number_may_stand_for_text_where_allowed(void **state)
{
	(void)state;
	static const char *const rows[][2] = {{"n", "1.8"},     {"whole", "12"}, {"half", "0.5"},
					      {"text", "abcd"}, {"absent", ""},  {"null", ""}};
	char out[8];
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(json_text_or_number(object, rows[i][0], false, out, sizeof out, NULL));
		assert_string_equal(out, rows[i][1]);
	}
	struct err err = {0};
	assert_false(json_text_or_number(object, "yes", false, out, sizeof out, &err));
	assert_int_equal(err.kind, ERR_TYPE);
	assert_false(json_text_or_number(object, "absent", true, out, sizeof out, &err));
	assert_int_equal(err.kind, ERR_MISSING);
}

static void numbers_as_text_read_back_the_same(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"0", "0"},
		{"-0", "0"},
		{"0.1", "0.1"},
		{"1.10", "1.1"},
		{"2.0", "2"},
		{"1e3", "1000"},
		{"9007199254740992", "9007199254740992"},
		{"-3.25", "-3.25"},
		{"0.30000000000000004", "0.30000000000000004"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[64];
		char out[40];
		snprintf(text, sizeof text, "{\"v\":%s}", rows[i][0]);
		struct cJSON *json = must_parse(text);
		assert_true(json_text_or_number(json, "v", true, out, sizeof out, NULL));
		assert_string_equal(out, rows[i][1]);
		json_free(&json);
	}
}

static void whole_numbers_are_whole_and_in_range(void **state)
{
	(void)state;
	int64_t v = 7;
	assert_true(json_int(object, "whole", true, 12, 12, &v, NULL));
	assert_int_equal(v, 12);
	assert_true(json_int(object, "digits", true, -42, 0, &v, NULL));
	assert_int_equal(v, -42);
	assert_true(json_int(object, "absent", false, 0, 1, &v, NULL));
	assert_true(json_int(object, "null", false, 0, 1, &v, NULL));
	static const struct {
		const char *key;
		enum err_kind kind;
	} bad[] = {{"n", ERR_TYPE},   {"half", ERR_TYPE}, {"text", ERR_TYPE}, {"blank", ERR_TYPE},     {"empty", ERR_EMPTY},
		   {"yes", ERR_TYPE}, {"list", ERR_TYPE}, {"big", ERR_TYPE},  {"absent", ERR_MISSING}, {"null", ERR_MISSING}};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		assert_false(json_int(object, bad[i].key, true, INT64_MIN, INT64_MAX, &v, &err));
		assert_int_equal(err.kind, bad[i].kind);
	}
	struct err err = {0};
	assert_false(json_int(object, "whole", true, 13, 20, &v, &err));
	assert_string_equal(err.text, "whole must be between 13 and 20");
	assert_false(json_int(object, "whole", true, 0, 11, &v, NULL));
	assert_int_equal(v, -42);
}

static void booleans_are_true_or_false_only(void **state)
{
	(void)state;
	bool v = false;
	assert_true(json_bool(object, "yes", true, &v, NULL));
	assert_true(v);
	assert_true(json_bool(object, "absent", false, &v, NULL));
	assert_true(v);
	assert_true(json_bool(object, "no", true, &v, NULL));
	assert_false(v);
	struct err err = {0};
	assert_false(json_bool(object, "whole", false, &v, &err));
	assert_int_equal(err.kind, ERR_TYPE);
	assert_false(json_bool(object, "null", true, &v, &err));
	assert_int_equal(err.kind, ERR_MISSING);
}

static void presence_means_there_and_not_null(void **state)
{
	(void)state;
	assert_true(json_has(object, "empty"));
	assert_true(json_has(object, "no"));
	assert_false(json_has(object, "null"));
	assert_false(json_has(object, "absent"));
	assert_false(json_has(object, "TEXT"));
}

static void an_object_within_is_given_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		bool ok, given;
	} cases[] = {
		{"{\"v\":{}}", true, true},       {"{}", true, false},         {"{\"v\":null}", true, false}, {"{\"v\":[]}", false, false},
		{"{\"v\":\"{}\"}", false, false}, {"{\"v\":1}", false, false},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		const struct cJSON *inner = NULL;
		struct cJSON *json = json_parse_object(cases[i].body, strlen(cases[i].body), NULL);
		assert_non_null(json);
		assert_int_equal(json_object(json, "v", &inner, &err), cases[i].ok);
		assert_int_equal(inner != NULL, cases[i].given);
		assert_int_equal(err.kind, cases[i].ok ? ERR_NONE : ERR_TYPE);
		json_free(&json);
	}
}

static void an_array_of_texts_is_taken_whole_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		enum err_kind kind;
		size_t count; /* 9: as before */
	} cases[] = {
		{"{\"v\":[\"a\",\"bcd\"]}", ERR_NONE, 2},
		{"{\"v\":[]}", ERR_NONE, 0},
		{"{}", ERR_NONE, 9},
		{"{\"v\":null}", ERR_NONE, 9},
		{"{\"v\":[\"a\",\"b\",\"c\",\"d\"]}", ERR_INVALID, 9},
		{"{\"v\":[\"abcd\"]}", ERR_INVALID, 9},
		{"{\"v\":[\"a\\n\"]}", ERR_INVALID, 9},
		{"{\"v\":[\"\"]}", ERR_EMPTY, 9},
		{"{\"v\":[1]}", ERR_TYPE, 9},
		{"{\"v\":[null]}", ERR_TYPE, 9},
		{"{\"v\":\"a\"}", ERR_TYPE, 9},
		{"{\"v\":{\"a\":\"b\"}}", ERR_TYPE, 9},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[3][4] = {""};
		struct err err = {0};
		struct json_texts texts = {out[0], sizeof out[0], COUNT(out), 9};
		struct cJSON *json = json_parse_object(cases[i].body, strlen(cases[i].body), NULL);
		assert_non_null(json);
		assert_int_equal(json_texts(json, "v", &texts, &err), cases[i].kind == ERR_NONE);
		assert_int_equal(err.kind, cases[i].kind);
		assert_int_equal(texts.count, cases[i].count);
		if (texts.count == 2) {
			assert_string_equal(out[0], "a");
			assert_string_equal(out[1], "bcd");
		}
		json_free(&json);
	}
}

/* Appends c in UTF-8. */
static void put_char(struct buf *b, uint32_t c)
{
	static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	char raw[4];
	for (size_t i = n; i-- > 1; c >>= 6) {
		raw[i] = (char)(0x80 | (c & 0x3f));
	}
	raw[0] = (char)(leads[n] | c);
	buf_put(b, raw, n);
}

/* What buf_put_json writes, the parser reads back: every printable character there is, a few at a time. */
static void written_strings_are_read_back(void **state)
{
	(void)state;
	enum { BATCH = 128 };
	for (uint32_t first = 0; first < 0x110000; first += BATCH) {
		char in[4 * BATCH + 1];
		char out[sizeof in];
		char text[8 * BATCH + 16];
		struct buf b;
		buf_init_fixed(&b, in, sizeof in);
		for (uint32_t c = first; c < first + BATCH; c++) {
			if (c >= 0x20 && c != 0x7f && (c < 0xd800 || c > 0xdfff)) {
				put_char(&b, c);
			}
		}
		buf_cstr(&b);
		buf_init_fixed(&b, text, sizeof text);
		buf_puts(&b, "{\"v\":");
		buf_put_json(&b, in);
		buf_putc(&b, '}');
		assert_true(buf_ok(&b));
		struct cJSON *json = json_parse_object(b.data, b.len, NULL);
		assert_non_null(json);
		assert_true(json_text(json, "v", false, out, sizeof out, NULL));
		assert_string_equal(out, in);
		json_free(&json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_object_with_blanks_around_is_accepted),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(every_cut_of_a_body_is_refused),
		cmocka_unit_test(what_the_parser_would_alter_is_refused),
		cmocka_unit_test(deep_nesting_is_refused_without_deep_recursion),
		cmocka_unit_test(nesting_of_64_is_the_most),
		cmocka_unit_test(a_doubled_key_is_refused_at_any_level),
		cmocka_unit_test(a_hundred_thousand_members_are_checked_in_passing),
		cmocka_unit_test(lack_of_memory_is_no_fault_of_the_body),
		cmocka_unit_test(foreign_keys_are_named_with_the_known_ones),
		cmocka_unit_test(text_is_copied_or_refused_by_its_kind),
		cmocka_unit_test(a_number_may_stand_for_text_where_allowed),
		cmocka_unit_test(numbers_as_text_read_back_the_same),
		cmocka_unit_test(whole_numbers_are_whole_and_in_range),
		cmocka_unit_test(booleans_are_true_or_false_only),
		cmocka_unit_test(presence_means_there_and_not_null),
		cmocka_unit_test(an_object_within_is_given_or_refused),
		cmocka_unit_test(an_array_of_texts_is_taken_whole_or_refused),
		cmocka_unit_test(written_strings_are_read_back),
	};
	return cmocka_run_group_tests(tests, parse_members, free_members);
}
