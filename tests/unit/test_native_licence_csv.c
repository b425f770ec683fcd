#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "dialect/native_licence_csv.h"
#include "model/licence.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct licence_new *rows;
static size_t count;
static struct err err;

/* From memory of just that size, so that a read beyond it is seen. */
static bool read_len(const char *text, size_t len, int64_t product)
{
	scoped_free char *copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	err = (struct err){0};
	return native_licence_csv(copy, len, product, &rows, &count, &err);
}

static bool read_text(const char *text)
{
	return read_len(text, strlen(text), 0);
}

static int forget(void **state)
{
	(void)state;
	native_licence_csv_free(&rows, count);
	return 0;
}

static void assert_refused(const char *text, const char *sentence)
{
	assert_false(read_text(text));
	assert_null(rows);
	assert_int_equal(count, 0);
	if (strcmp(err.text, sentence) != 0) {
		fail_msg("%s\ninstead of\n%s", err.text, sentence);
	}
}

static void every_line_is_a_licence_with_its_number(void **state)
{
	(void)state;
	const char text[] = "A1," KEY "\n\nA2," KEY ",hex_text\r\n   \r\nA3," KEY ",raw";
	assert_true(read_len(text, strlen(text), 7));
	assert_int_equal(count, 3);
	assert_non_null(rows);
	static const size_t lines[] = {1, 3, 5};
	static const enum licence_encoding encodings[] = {LICENCE_RAW, LICENCE_HEX_TEXT, LICENCE_RAW};
	for (size_t i = 0; i < 3; i++) {
		char serial[] = {'A', (char)('1' + i), '\0'};
		assert_string_equal(rows[i].licence.serial, serial);
		assert_int_equal(rows[i].licence.encoding, encodings[i]);
		assert_int_equal(rows[i].line, lines[i]);
		assert_int_equal(rows[i].licence.product_id, 7);
		assert_int_equal(rows[i].key.len, encodings[i] == LICENCE_RAW ? 32 : 64);
	}
}

static void a_heading_and_a_byte_order_mark_are_passed_over(void **state)
{
	(void)state;
	static const char *const heads[] = {"serial,key\n", "Serial,Key,Encoding\r\n", "\xEF\xBB\xBFserial,key\n", "\xEF\xBB\xBF",
					    "\"serial\", \"key\"\n"};
	for (size_t i = 0; i < COUNT(heads); i++) {
		char text[256];
		snprintf(text, sizeof text, "%sA1,%s\n", heads[i], KEY);
		assert_true(read_text(text));
		assert_int_equal(count, 1);
		assert_string_equal(rows[0].licence.serial, "A1");
		native_licence_csv_free(&rows, count);
	}
	assert_refused("A1," KEY "\nserial,key\n", "line 2: the key must be 64 hex digits"); /* only the first line can be one */
}

static void fields_may_be_quoted_and_have_blanks_around_them(void **state)
{
	(void)state;
	assert_true(read_text("\"A,\"\"1\" , \"" KEY "\" ,\"raw\"\n\t A 2 ,\t" KEY " , hex_text \n"));
	assert_int_equal(count, 2);
	assert_string_equal(rows[0].licence.serial, "A,\"1");
	assert_string_equal(rows[1].licence.serial, "A 2");
	assert_int_equal(rows[1].licence.encoding, LICENCE_HEX_TEXT);
}

static void the_first_bad_line_is_named(void **state)
{
	(void)state;
	assert_refused("A1," KEY "\nA2," KEY "\nA3,0011\nA4,x\n", "line 3: the key must be 64 hex digits");
	assert_refused("\n\n,\n", "line 3: the serial must have 1 to 32 printable ASCII characters and no blank at either end");
	assert_refused("A1," KEY "0\n", "line 1: the key must be 64 hex digits");
	assert_refused("A1," KEY "00112233445566778899aabbccddeeff\n", "line 1: the key must be 64 hex digits"); /* cut, not taken */
	assert_refused("A1," KEY ",base64\n", "line 1: the encoding must be raw or hex_text");
	assert_refused("A1," KEY ",raw,\n", "line 1: there are more than 3 fields: serial,key,encoding");
	assert_refused("A1\n", "line 1: there must be at least two fields: serial,key,encoding");
	assert_refused("A1;" KEY "\n", "line 1: there must be at least two fields: serial,key,encoding");
	assert_refused("\"A1," KEY "\n", "line 1: a quoted field does not end before the comma or the line's end");
	assert_refused("\"A1\"x," KEY "\n", "line 1: a quoted field does not end before the comma or the line's end");
	assert_refused("\"", "line 1: a quoted field does not end before the comma or the line's end");
}

static void nothing_to_import_is_refused(void **state)
{
	(void)state;
	static const char *const nothing[] = {"", "\n", "serial,key\n", "\xEF\xBB\xBF", " \r\n\r\n"};
	for (size_t i = 0; i < COUNT(nothing); i++) {
		assert_refused(nothing[i], "there is no licence in the body; its lines are serial,key,encoding");
		assert_int_equal(err.kind, ERR_EMPTY);
	}
}

static void a_nul_does_not_end_a_field(void **state)
{
	(void)state;
	static const char text[] = "A1\0B," KEY "\n";
	assert_false(read_len(text, sizeof text - 1, 0));
	assert_string_equal(err.text, "line 1: there is a NUL byte in it; the file must be plain text");
}

static void the_row_after_the_hundred_thousandth_is_one_too_many(void **state)
{
	(void)state;
	enum { LINE_LEN = 6 + 1 + 64 + 1, SIZE = (NATIVE_LICENCE_ROWS_MAX + 1) * LINE_LEN };
	scoped(buf_free) struct buf text;
	buf_init(&text, SIZE);
	for (int i = 0; i <= NATIVE_LICENCE_ROWS_MAX; i++) {
		buf_putf(&text, "%06d,%s\n", i, KEY);
	}
	assert_true(buf_ok(&text) && text.len == SIZE);
	assert_true(read_len(text.data, SIZE - LINE_LEN, 0));
	assert_int_equal(count, NATIVE_LICENCE_ROWS_MAX);
	native_licence_csv_free(&rows, count);
	assert_false(read_len(text.data, SIZE, 0));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
	assert_non_null(strstr(err.text, "line 100001: there are more than 100000"));
	memset(text.data, '\n', SIZE); /* empty lines are no rows */
	assert_false(read_len(text.data, SIZE, 0));
	assert_int_equal(err.kind, ERR_EMPTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_line_is_a_licence_with_its_number, forget),
		cmocka_unit_test_teardown(a_heading_and_a_byte_order_mark_are_passed_over, forget),
		cmocka_unit_test_teardown(fields_may_be_quoted_and_have_blanks_around_them, forget),
		cmocka_unit_test(the_first_bad_line_is_named),
		cmocka_unit_test(nothing_to_import_is_refused),
		cmocka_unit_test(a_nul_does_not_end_a_field),
		cmocka_unit_test(the_row_after_the_hundred_thousandth_is_one_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
