#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "common/buf.h"

static void pieces_follow_each_other(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	buf_puts(&b, "a=");
	buf_put_u64(&b, UINT64_MAX);
	buf_putc(&b, ' ');
	buf_put_i64(&b, INT64_MIN);
	buf_putf(&b, " %s-%d", "x", 5);
	buf_put_hex(&b, "\x00\xff\x10", 3);
	buf_put_u64(&b, 0);
	assert_true(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "a=18446744073709551615 -9223372036854775808 x-500ff100");
	buf_free(&b);
}

static void a_fixed_buffer_keeps_one_byte_for_the_nul(void **state)
{
	(void)state;
	char mem[5];
	struct buf b;
	buf_init_fixed(&b, mem, sizeof mem);
	buf_puts(&b, "1234");
	assert_true(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "1234");
	buf_putc(&b, '5');
	assert_false(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "1234");
	buf_free(&b);
}

static void a_fixed_buffer_of_no_size_only_fails(void **state)
{
	(void)state;
	struct buf b;
	buf_init_fixed(&b, NULL, 0);
	buf_puts(&b, "x");
	buf_putf(&b, "%d", 1);
	assert_false(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "");
}

static void the_ceiling_is_reached_exactly_and_failure_sticks(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	for (int i = 0; i < 1000; i++) {
		buf_putc(&b, 'x');
	}
	assert_true(buf_ok(&b));
	assert_int_equal(strlen(buf_cstr(&b)), 1000);
	buf_putc(&b, 'y');
	assert_false(buf_ok(&b));
	buf_put(&b, "", 0);
	assert_false(buf_ok(&b));
	assert_int_equal(b.len, 1000);
	buf_reset(&b);
	buf_puts(&b, "again");
	assert_true(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "again");
	buf_free(&b);
}

static void a_piece_that_does_not_fit_is_not_stored_in_part(void **state)
{
	(void)state;
	char mem[8];
	struct buf b;
	buf_init_fixed(&b, mem, sizeof mem);
	buf_puts(&b, "1234");
	buf_puts(&b, "56789");
	assert_false(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "1234");
	buf_puts(&b, "5"); /* would fit, but failure sticks */
	assert_string_equal(buf_cstr(&b), "1234");
}

static void a_ceiling_of_zero_takes_nothing(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 0);
	buf_puts(&b, "");
	assert_true(buf_ok(&b));
	buf_putc(&b, 'x');
	assert_false(buf_ok(&b));
	buf_free(&b);
}

static void a_format_longer_than_the_room_grows_the_buffer(void **state)
{
	(void)state;
	char text[2000];
	memset(text, 'f', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	struct buf b;
	buf_init(&b, 5000);
	buf_putf(&b, "<%s>", text);
	buf_putf(&b, "<%s>", text);
	assert_true(buf_ok(&b));
	assert_int_equal(b.len, 4002);
	assert_int_equal(buf_cstr(&b)[4001], '>');
	buf_putf(&b, "<%s>", text);
	assert_false(buf_ok(&b));
	assert_int_equal(b.len, 4002);
	buf_free(&b);
}

static void lack_of_memory_fails_sticky_and_keeps_what_was_there(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100000);
	buf_puts(&b, "kept");
	char big[1000] = {0};
	alloc_fail_nth(1);
	buf_put(&b, big, sizeof big);
	assert_true(alloc_failed());
	assert_false(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "kept");
	buf_free(&b);
}

static void freeing_is_safe_on_zeroed_and_freed_structs(void **state)
{
	(void)state;
	struct buf b = {0};
	buf_free(&b);
	buf_free(&b);
	buf_init(&b, 10);
	buf_puts(&b, "x");
	buf_free(&b);
	buf_free(&b);
	assert_null(b.data);
}

static void expect_json(const char *in, size_t len, const char *out)
{
	struct buf b;
	buf_init(&b, 100000);
	buf_put_json_len(&b, in, len);
	assert_true(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), out);
	buf_free(&b);
}

static void json_strings_escape_what_must_be_escaped(void **state)
{
	(void)state;
	expect_json("", 0, "\"\"");
	expect_json("plain text", 10, "\"plain text\"");
	expect_json("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
	expect_json("\n\r\t\b\f", 5, "\"\\n\\r\\t\\b\\f\"");
	expect_json("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
	expect_json("\xc2\x9b", 2, "\"\\u009b\""); /* C1: an escape sequence to a terminal */
	expect_json("\xc2\xa0\xe4\xb8\xad\xf0\x9f\x98\x80", 9, "\"\xc2\xa0\xe4\xb8\xad\xf0\x9f\x98\x80\"");
	struct buf b;
	buf_init(&b, 100);
	buf_put_json(&b, NULL);
	buf_put_json(&b, "x");
	assert_string_equal(buf_cstr(&b), "null\"x\"");
	buf_free(&b);
}

#define FFFD "\xef\xbf\xbd"

static void json_strings_replace_invalid_utf8(void **state)
{
	(void)state;
	expect_json("a\x80z", 3, "\"a" FFFD "z\"");
	expect_json("\xff", 1, "\"" FFFD "\"");
	expect_json("\xc3", 1, "\"" FFFD "\"");
	expect_json("\xc0\xaf", 2, "\"" FFFD FFFD "\"");
	expect_json("\xed\xa0\x80", 3, "\"" FFFD FFFD FFFD "\"");
	expect_json("\xf4\x90\x80\x80", 4, "\"" FFFD FFFD FFFD FFFD "\"");
	expect_json("\xe4\xb8\"", 3, "\"" FFFD FFFD "\\\"\"");
	expect_json("\xe4\xb8\xad\xe4\xb8", 5, "\"\xe4\xb8\xad" FFFD FFFD "\"");
}

/* The scan goes by words of eight: every byte at every place of one. */
static void json_escapes_do_not_depend_on_the_position(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char alone[16];
		struct buf one;
		char c_byte = (char)c;
		buf_init_fixed(&one, alone, sizeof alone);
		buf_put_json_len(&one, &c_byte, 1);
		for (size_t at = 0; at < 20; at++) {
			char in[20];
			char out[64];
			memset(in, 'a', sizeof in);
			in[at] = (char)c;
			struct buf b;
			buf_init_fixed(&b, out, sizeof out);
			buf_put_json_len(&b, in, sizeof in);
			assert_true(buf_ok(&b));
			assert_int_equal(b.len, 19 + one.len);
			assert_memory_equal(b.data + 1 + at, one.data + 1, one.len - 2);
			assert_int_equal(b.data[b.len - 1], '"');
			for (size_t k = 0; k < 19; k++) {
				assert_int_equal(b.data[k < at ? 1 + k : 1 + k + one.len - 2], 'a');
			}
		}
	}
}

static void json_at_the_ceiling_fails(void **state)
{
	(void)state;
	char mem[8];
	struct buf b;
	buf_init_fixed(&b, mem, sizeof mem);
	buf_put_json(&b, "12345");
	assert_true(buf_ok(&b));
	buf_reset(&b);
	buf_put_json(&b, "123456");
	assert_false(buf_ok(&b));
	buf_reset(&b);
	buf_put_json(&b, "\x01\x01");
	assert_false(buf_ok(&b));
}

static void markup_is_text_to_its_reader(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	buf_put_markup(&b, "<a href=\"x\">&amp; \x01\n\x7f 中文</a>");
	assert_string_equal(buf_cstr(&b), "&lt;a href=&quot;x&quot;&gt;&amp;amp; ??? 中文&lt;/a&gt;");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_follow_each_other),
		cmocka_unit_test(markup_is_text_to_its_reader),
		cmocka_unit_test(a_fixed_buffer_keeps_one_byte_for_the_nul),
		cmocka_unit_test(a_fixed_buffer_of_no_size_only_fails),
		cmocka_unit_test(the_ceiling_is_reached_exactly_and_failure_sticks),
		cmocka_unit_test(a_piece_that_does_not_fit_is_not_stored_in_part),
		cmocka_unit_test(a_ceiling_of_zero_takes_nothing),
		cmocka_unit_test(a_format_longer_than_the_room_grows_the_buffer),
		cmocka_unit_test(lack_of_memory_fails_sticky_and_keeps_what_was_there),
		cmocka_unit_test(freeing_is_safe_on_zeroed_and_freed_structs),
		cmocka_unit_test(json_strings_escape_what_must_be_escaped),
		cmocka_unit_test(json_strings_replace_invalid_utf8),
		cmocka_unit_test(json_escapes_do_not_depend_on_the_position),
		cmocka_unit_test(json_at_the_ceiling_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
