#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "dialect/native_etag.h"

static void the_tag_changes_with_revision_and_body(void **state)
{
	(void)state;
	char one[NATIVE_ETAG_SIZE];
	char other[NATIVE_ETAG_SIZE];
	native_etag_make(one, 3, "body", 4);
	assert_memory_equal(one, "\"3-", 3);
	assert_int_equal(strlen(one), 20);
	native_etag_make(other, 3, "body", 4);
	assert_string_equal(one, other);
	native_etag_make(other, 4, "body", 4);
	assert_string_not_equal(one, other);
	native_etag_make(other, 3, "bodY", 4);
	assert_string_not_equal(one, other);
	native_etag_make(one, INT64_MAX, "", 0); /* the longest */
	assert_true(one[strlen(one) - 1] == '"');
}

static void a_reader_is_fresh_only_by_the_whole_tag(void **state)
{
	(void)state;
	char etag[NATIVE_ETAG_SIZE];
	char list[128];
	native_etag_make(etag, 3, "body", 4);
	assert_true(native_etag_is_fresh(etag, etag));
	snprintf(list, sizeof list, "\"x\", W/%s", etag);
	assert_true(native_etag_is_fresh(list, etag));
	assert_true(native_etag_is_fresh("*", etag));
	assert_false(native_etag_is_fresh(NULL, etag));
	assert_false(native_etag_is_fresh("\"3\"", etag));
	assert_false(native_etag_is_fresh("\"3-0000000000000000\"", etag));
}

static void a_writer_needs_the_revision_only(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		bool may;
	} rows[] = {
		{NULL, true},
		{"*", true},
		{" *", true},
		{"\"3-00\"", true},
		{"\"3\"", true},
		{"\"1-aa\", \"3-bb\"", true},
		{"\"2-aa\",\"4-bb\"", false},
		{"\"33-aa\"", false},
		{"W/\"3-aa\"", false},
		{"3", false},
		{"", false},
		{"\"3-aa", false},
		{"\"", false},
		{"\"-3\"", false},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (native_etag_may_change(rows[i].header, 3) != rows[i].may) {
			fail_msg("row %zu: %s", i, rows[i].header);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tag_changes_with_revision_and_body),
		cmocka_unit_test(a_reader_is_fresh_only_by_the_whole_tag),
		cmocka_unit_test(a_writer_needs_the_revision_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
