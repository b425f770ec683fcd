/* Files of ranges: every line is an entry, and the first that is none is named. */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "dialect/native_range_csv.h"
#include "model/range.h"

static void assert_reads(const char *text, const char *wanted)
{
	struct native_range_csv csv;
	struct err err = {0};
	struct range r;
	if (!native_range_csv_read(&csv, text, strlen(text), &err)) {
		fail_msg("%s", err.text);
	}
	for (int twice = 0; twice < 2; twice++) { /* a transaction may have to be repeated */
		char all[512] = "";
		size_t n = 0;
		native_range_csv_rewind(&csv);
		for (; native_range_csv_next(&csv, &r); n++) {
			char plain[RANGE_TEXT_SIZE];
			size_t len = strlen(all);
			range_text(&r, plain);
			assert_null(r.said);
			snprintf(all + len, sizeof all - len, "%s%s", n ? "," : "", plain);
		}
		assert_string_equal(all, wanted);
		assert_int_equal(n, csv.count);
	}
	native_range_csv_free(&csv);
}

static void every_line_is_an_entry(void **state)
{
	(void)state;
	assert_reads("DEF1LUK", "DEF1LUK");
	assert_reads("DEF1LUK\n", "DEF1LUK");
	assert_reads("c8:93:46*\r\n  C89346000000 ~ C89346FFFFFF\t\r\n\r\n\nA", "A,C89346*,C89346000000~C89346FFFFFF");
	assert_reads("\xEF\xBB\xBFmac_range\r\nA\n", "A");
	assert_reads("Range\nA\nrange\n", "A,RANGE");
	assert_reads("\"A*\"\n\"c8:93:46:00:00:01\"", "A*,C89346000001");
}

static void they_come_in_the_order_of_their_heads(void **state)
{
	(void)state;
	assert_reads("DEF1LUK\nC89346FFFFFF\nC89346000000~C89346FFFFFF\nC8*\nC89346000000~C89346000001\n000000000000~FFFFFFFFFFFF\nC8*\nB",
		     "000000000000~FFFFFFFFFFFF,B,C8*,C8*,C89346000000~C89346FFFFFF,C89346000000~C89346000001,C89346FFFFFF,DEF1LUK");
}

static void assert_refused(const char *text, size_t len, enum err_kind kind, const char *sentence)
{
	struct native_range_csv csv;
	struct err err = {0};
	assert_false(native_range_csv_read(&csv, text, len, &err));
	assert_null(csv.rows);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.text, sentence));
}
#define REFUSED(text, kind, sentence) assert_refused(text, sizeof(text) - 1, kind, sentence)

static void the_first_bad_line_is_named(void **state)
{
	(void)state;
	REFUSED("A\nB\nC89346000001~C89346000000\n*", ERR_INVALID, "line 3: the range C89346000001~C89346000000 is reversed");
	REFUSED("range\n\n\nC89346~C89347", ERR_INVALID, "line 4: an end of a range must be a MAC address");
	REFUSED("A\n\"B", ERR_INVALID, "line 2: a quote");
	REFUSED("A\"\n\"B\"", ERR_INVALID, "line 1: a quote");
	REFUSED("\"A\"B\"", ERR_INVALID, "line 1: a quote");
	REFUSED("A,B", ERR_INVALID, "line 1: \"A,B\" holds a character");
	REFUSED("A\nB\0C", ERR_INVALID, "line 2: \"B?C\" holds a character");
	REFUSED("A\n:-.\n", ERR_EMPTY, "line 2: there is nothing in it");
	REFUSED("", ERR_EMPTY, "there is no entry");
	REFUSED(" \r\n\n", ERR_EMPTY, "there is no entry");
	REFUSED("range\n", ERR_EMPTY, "there is no entry");
}

static void a_file_has_a_million_entries_at_most(void **state)
{
	(void)state;
	size_t len = 2 * (NATIVE_RANGE_ROWS_MAX + 1);
	char *text = malloc(len);
	assert_non_null(text);
	for (size_t i = 0; i < len; i += 2) {
		memcpy(text + i, "A\n", 2);
	}
	struct native_range_csv csv;
	struct err err = {0};
	assert_true(native_range_csv_read(&csv, text, len - 2, &err));
	assert_int_equal(csv.count, NATIVE_RANGE_ROWS_MAX);
	native_range_csv_free(&csv);
	assert_refused(text, len, ERR_TOO_LARGE, "line 1000001: there are more than 1000000 entries");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_is_an_entry),
		cmocka_unit_test(they_come_in_the_order_of_their_heads),
		cmocka_unit_test(the_first_bad_line_is_named),
		cmocka_unit_test(a_file_has_a_million_entries_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
