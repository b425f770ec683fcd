/* Forms in memory: urlencoded and multipart say the same, and what is odd is refused as a whole. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "alloc.h"
#include "common/err.h"
#include "http/fields.h"

#define PARTS "multipart/form-data; boundary=BB"
#define PART(name, value) "--BB\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"

static bool reads(const char *type, const char *body, struct http_fields *out)
{
	return http_fields_read(out, type, body, strlen(body), 3, NULL);
}

static void assert_field(const struct http_fields *f, size_t i, const char *name, const char *value)
{
	assert_true(i < f->count);
	assert_string_equal(f->at[i].name, name);
	assert_string_equal(f->at[i].value, value);
}

static void both_kinds_say_the_same(void **state)
{
	(void)state;
	struct http_fields f;
	assert_true(reads("application/x-www-form-urlencoded", "a=1%2B+%e5%b0%8f&b=&a=x=y", &f));
	assert_int_equal(f.count, 3);
	assert_field(&f, 0, "a", "1+ \xe5\xb0\x8f");
	assert_field(&f, 1, "b", "");
	assert_field(&f, 2, "a", "x=y");
	http_fields_free(&f);
	assert_null(f.at);
	assert_true(reads(PARTS, PART("a", "1+ \xe5\xb0\x8f") PART("b", "") PART("a", "x=y") "--BB--\r\n", &f));
	assert_int_equal(f.count, 3);
	assert_field(&f, 0, "a", "1+ \xe5\xb0\x8f");
	assert_field(&f, 1, "b", "");
	assert_field(&f, 2, "a", "x=y");
	http_fields_free(&f);
}

static void an_empty_body_has_no_fields(void **state)
{
	(void)state;
	struct http_fields f;
	assert_true(reads(NULL, "", &f));
	assert_int_equal(f.count, 0);
	http_fields_free(&f);
}

static void what_is_odd_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"a", "=1", "a=%", "a=%1", "a=%zz", "a=%00", "a=%ff", "&", "a=1&&b=2", "a=1&b=2&c=3&d=4", "%00=1"};
	struct http_fields f;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(reads(NULL, bad[i], &f));
		assert_null(f.text);
		assert_null(f.at);
	}
	static const char *const parts[] = {"",
					    PART("a", "1"),
					    PART("", "1") "--BB--\r\n",
					    PART("a", "\xff") "--BB--\r\n",
					    PART("a", "1") PART("b", "1") PART("c", "1") PART("d", "1") "--BB--\r\n",
					    "--BB\r\nContent-Disposition: form-data; name=\"a\"; filename=\"x\"\r\n\r\n1\r\n--BB--\r\n"};
	for (size_t i = 0; i < COUNT(parts); i++) {
		assert_false(reads(PARTS, parts[i], &f));
		assert_null(f.text);
	}
	assert_false(reads("multipart/form-data", PART("a", "1") "--BB--\r\n", &f));
	assert_false(http_fields_read(&f, PARTS, PART("a", "1\0002") "--BB--\r\n", sizeof PART("a", "1\0002") "--BB--\r\n" - 1, 3, NULL));
	assert_false(http_fields_read(&f, NULL, "a=1\0002", 6, 3, NULL));
}

static void without_memory_nothing_is_left(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		for (unsigned n = 1;; n++) {
			struct http_fields f;
			struct err err = {0};
			const char *body = kind ? PART("a", "1") PART("b", "2") "--BB--\r\n" : "a=1&b=2";
			alloc_fail_nth(n);
			bool ok = http_fields_read(&f, kind ? PARTS : NULL, body, strlen(body), 3, &err);
			bool failed = alloc_failed();
			alloc_fail_nth(0);
			assert_int_equal(ok, !failed);
			http_fields_free(&f);
			if (!failed) {
				break;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_kinds_say_the_same),
		cmocka_unit_test(an_empty_body_has_no_fields),
		cmocka_unit_test(what_is_odd_is_refused),
		cmocka_unit_test(without_memory_nothing_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
