/* Ranges: what is read as one, what is refused with which sentence, and whom they name. */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "model/range.h"

static struct range parsed(const char *text)
{
	struct range r;
	struct err err = {0};
	if (!range_parse(text, strlen(text), &r, &err)) {
		fail_msg("%s: %s", text, err.text);
	}
	return r;
}

static void assert_reads(const char *text, enum range_kind kind, const char *plain)
{
	char out[RANGE_TEXT_SIZE];
	struct range r = parsed(text);
	range_text(&r, out);
	assert_string_equal(out, plain);
	assert_int_equal(r.kind, kind);
}

static void the_three_kinds_are_read(void **state)
{
	(void)state;
	assert_reads("DEF1LUK", RANGE_EXACT, "DEF1LUK");
	assert_reads("c8:93:46:40:4a:b2", RANGE_EXACT, "C89346404AB2");
	assert_reads(" c893.4640.4ab2 ", RANGE_EXACT, "C89346404AB2");
	assert_reads("lamp-7_a", RANGE_EXACT, "LAMP7_A");
	assert_reads("C8-93-46*", RANGE_PREFIX, "C89346*");
	assert_reads("c8:93:46:*", RANGE_PREFIX, "C89346*");
	assert_reads("a*", RANGE_PREFIX, "A*");
	assert_reads("C89346000000~C89346FFFFFF", RANGE_MACS, "C89346000000~C89346FFFFFF");
	assert_reads("c8:93:46:00:00:00 ~ c8-93-46-00-00-09", RANGE_MACS, "C89346000000~C89346000009");
	assert_reads("000000000000~FFFFFFFFFFFF", RANGE_MACS, "000000000000~FFFFFFFFFFFF");
	assert_reads("C89346000001~C89346000001", RANGE_MACS, "C89346000001~C89346000001");
}

static void what_all_of_a_range_begin_with_is_known(void **state)
{
	(void)state;
	assert_string_equal(parsed("C89346000000~C89346FFFFFF").head, "C89346");
	assert_string_equal(parsed("000000000000~FFFFFFFFFFFF").head, "");
	assert_string_equal(parsed("C89346000001~C89346000001").head, "C89346000001");
	assert_string_equal(parsed("C8934600000F~C89346000010").head, "C893460000");
	assert_string_equal(parsed("A*").first, "");
}

static void what_was_written_otherwise_is_kept(void **state)
{
	(void)state;
	assert_null(parsed("DEF1LUK").said);
	assert_null(parsed("  DEF1LUK\t").said);
	assert_null(parsed("C89346*").said);
	assert_null(parsed("C89346000000~C89346FFFFFF").said);
	struct range r = parsed(" c8:93:46* ");
	assert_int_equal(r.said_len, 9);
	assert_memory_equal(r.said, "c8:93:46*", 9);
}

static void assert_refused(const char *text, enum err_kind kind, const char *part)
{
	struct range r;
	struct err err = {0};
	assert_false(range_parse(text, strlen(text), &r, &err));
	if (err.kind != kind || !strstr(err.text, part)) {
		fail_msg("%s -> %s: %s", text, err_kind_name(err.kind), err.text);
	}
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	char identifier[80];
	char entry[200];
	assert_refused("", ERR_EMPTY, "nothing in it");
	assert_refused(" \t", ERR_EMPTY, "nothing in it");
	assert_refused(":-. ", ERR_EMPTY, "nothing in it");
	assert_refused("*", ERR_EMPTY, "nothing before the *");
	assert_refused(":*", ERR_EMPTY, "nothing before the *");
	assert_refused("C8*93", ERR_INVALID, "only stand at the end");
	assert_refused("C8**", ERR_INVALID, "only stand at the end");
	assert_refused("*C8", ERR_INVALID, "only stand at the end");
	assert_refused("C89346FFFFFF~C89346000000", ERR_INVALID, "reversed");
	assert_refused("C89346000001~C89346000000", ERR_INVALID, "reversed");
	assert_refused("C89346~C89347", ERR_INVALID, "12 hex digits, not \"C89346\"");
	assert_refused("G89346000000~G89346000009", ERR_INVALID, "12 hex digits, not \"G89346000000\"");
	assert_refused("C89346000000~", ERR_INVALID, "12 hex digits, not \"\"");
	assert_refused("~C89346000000", ERR_INVALID, "12 hex digits");
	assert_refused("~", ERR_INVALID, "12 hex digits");
	assert_refused("C89346000000~C89346000009~C8934600000A", ERR_INVALID, "12 hex digits");
	assert_refused("C89346000000~C8934600000*", ERR_INVALID, "12 hex digits");
	assert_refused("C89346000000~0C89346000009", ERR_INVALID, "12 hex digits");
	assert_refused("a,b", ERR_INVALID, "character that no identifier has");
	assert_refused("a\tb", ERR_INVALID, "character that no identifier has");
	assert_refused("l\xc3\xa4mp", ERR_INVALID, "\"l??mp\"");
	memset(identifier, 'x', sizeof identifier);
	identifier[65] = '\0';
	assert_refused(identifier, ERR_TOO_LARGE, "longer than 64 characters");
	identifier[64] = '\0';
	assert_int_equal(strlen(parsed(identifier).head), 64);
	snprintf(entry, sizeof entry, "%s*", identifier);
	assert_int_equal(strlen(parsed(entry).head), 64);
	memset(entry, ':', sizeof entry);
	memcpy(entry, "AB", 2);
	entry[129] = '\0';
	assert_refused(entry, ERR_TOO_LARGE, "longer than 128 characters");
	entry[128] = '\0';
	assert_string_equal(parsed(entry).head, "AB");
}

static bool names(const char *entry, const char *identifier)
{
	char id[RANGE_ID_SIZE];
	struct range r = parsed(entry);
	return range_normalise(identifier, id) > 0 && range_names(&r, id);
}

static void every_boundary_is_where_it_is_written(void **state)
{
	(void)state;
	assert_true(names("DEF1LUK", "def1-luk"));
	assert_false(names("DEF1LUK", "DEF1LU"));
	assert_false(names("DEF1LUK", "DEF1LUKK"));
	assert_true(names("C89346404AB2", "c8:93:46:40:4a:b2"));
	assert_true(names("C89346*", "C89346"));
	assert_true(names("C89346*", "C89346404AB2"));
	assert_true(names("C89346*", "C8-93-46-zebra"));
	assert_false(names("C89346*", "C8934"));
	assert_false(names("C89346*", "C89347404AB2"));
	const char *range = "C8934600000F~C89346000020";
	assert_false(names(range, "C8934600000E"));
	assert_true(names(range, "C8934600000F"));
	assert_true(names(range, "c8:93:46:00:00:10"));
	assert_true(names(range, "C89346000020"));
	assert_false(names(range, "C89346000021"));
	assert_false(names(range, "C8934600001"));   /* eleven digits */
	assert_false(names(range, "C89346000010A")); /* thirteen */
	assert_false(names(range, "C8934600001G"));
	assert_true(names("C89346000001~C89346000001", "C89346000001"));
	assert_false(names("C89346000001~C89346000001", "C89346000002"));
	assert_true(names("000000000000~FFFFFFFFFFFF", "000000000000"));
	assert_true(names("000000000000~FFFFFFFFFFFF", "FFFFFFFFFFFF"));
}

static void identifiers_that_no_range_names_are_none(void **state)
{
	(void)state;
	char id[RANGE_ID_SIZE];
	char much[80];
	memset(much, 'a', sizeof much);
	much[65] = '\0';
	assert_int_equal(range_normalise("", id), 0);
	assert_int_equal(range_normalise(":-. ", id), 0);
	assert_int_equal(range_normalise("a*", id), 0);
	assert_int_equal(range_normalise("a~b", id), 0);
	assert_int_equal(range_normalise("a\nb", id), 0);
	assert_int_equal(range_normalise("\xc3\xa4", id), 0);
	assert_int_equal(range_normalise(much, id), 0);
	assert_string_equal(id, "");
	much[64] = '\0';
	assert_int_equal(range_normalise(much, id), 64);
}

static void a_list_of_commas_is_read_in_order(void **state)
{
	(void)state;
	static const char text[] = " c8:93:46*, DEF1LUK ,C89346000000~C89346FFFFFF\n";
	static const char *const plain[] = {"C89346*", "DEF1LUK", "C89346000000~C89346FFFFFF"};
	struct range_list list = {0};
	struct err err = {0};
	assert_true(range_list_parse(&list, text, strlen(text), &err));
	assert_int_equal(list.count, 3);
	for (size_t i = 0; i < 3; i++) {
		char out[RANGE_TEXT_SIZE];
		range_text(&list.rows[i], out);
		assert_string_equal(out, plain[i]);
	}
	assert_memory_equal(list.rows[0].said, text + 1, 9);
	assert_true(range_list_parse(&list, "", 0, &err));
	assert_true(range_list_parse(&list, "  \n", 3, &err));
	assert_int_equal(list.count, 3);
	assert_true(range_list_add(&list, "A", 1, &err));
	assert_int_equal(list.count, 4);
	range_list_free(&list);
	assert_int_equal(list.count, 0);
}

static void assert_list_refused(const char *text, enum err_kind kind, const char *sentence)
{
	struct range_list list = {0};
	struct err err = {0};
	assert_false(range_list_parse(&list, text, strlen(text), &err));
	assert_int_equal(err.kind, kind);
	assert_string_equal(err.text, sentence);
	range_list_free(&list);
}

static void the_entry_that_is_wrong_is_numbered(void **state)
{
	(void)state;
	assert_list_refused("A,,B", ERR_EMPTY, "entry 2: there is nothing in it");
	assert_list_refused("A,", ERR_EMPTY, "entry 2: there is nothing in it");
	assert_list_refused(",", ERR_EMPTY, "entry 1: there is nothing in it");
	assert_list_refused("A,B,C89346000001~C89346000000", ERR_INVALID,
			    "entry 3: the range C89346000001~C89346000000 is reversed: its first address is above its last");
}

static void a_list_has_a_hundred_thousand_entries_at_most(void **state)
{
	(void)state;
	struct range_list list = {0};
	struct err err = {0};
	for (int i = 0; i < RANGES_MAX; i++) {
		assert_true(range_list_add(&list, "A", 1, &err));
	}
	assert_false(range_list_add(&list, "A", 1, &err));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
	assert_string_equal(err.text, "there are more than 100000 entries");
	range_list_free(&list);
}

static void a_row_reads_back_as_it_was_parsed(void **state)
{
	(void)state;
	static const char *const entries[] = {"DEF1LUK", "C89346*", "C89346000000~C89346FFFFFF"};
	for (size_t i = 0; i < COUNT(entries); i++) {
		struct range from = parsed(entries[i]);
		struct range back;
		assert_true(range_make(range_kind_name(from.kind), from.head, from.first, from.last, &back));
		char out[RANGE_TEXT_SIZE];
		range_text(&back, out);
		assert_string_equal(out, entries[i]);
	}
	struct range r;
	assert_false(range_make("comet", "A", "", "", &r));
	assert_false(range_make("range", "C8", "C89346000000A", "", &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_kinds_are_read),
		cmocka_unit_test(what_all_of_a_range_begin_with_is_known),
		cmocka_unit_test(what_was_written_otherwise_is_kept),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(every_boundary_is_where_it_is_written),
		cmocka_unit_test(identifiers_that_no_range_names_are_none),
		cmocka_unit_test(a_list_of_commas_is_read_in_order),
		cmocka_unit_test(the_entry_that_is_wrong_is_numbered),
		cmocka_unit_test(a_list_has_a_hundred_thousand_entries_at_most),
		cmocka_unit_test(a_row_reads_back_as_it_was_parsed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
