/* Files: what their members may be, and what a change changes. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "model/file.h"

static struct file good(void)
{
	struct file f = {.stage = STAGE_TEST, .firmware.component = "mcu"};
	text_copy(f.firmware.url, sizeof f.firmware.url, "https://a.com/a.bin");
	text_copy(f.firmware.told_md5, sizeof f.firmware.told_md5, "xxzz...");
	text_copy(f.firmware.told_size, sizeof f.firmware.told_size, "20kb");
	text_copy(f.firmware.version, sizeof f.firmware.version, "1.0.1");
	return f;
}

static bool is_good_url(const char *url)
{
	struct file f = good();
	text_copy(f.firmware.url, sizeof f.firmware.url, url);
	return file_check(&f, NULL);
}

static void a_url_is_http_with_a_host_and_plain_ascii(void **state)
{
	(void)state;
	assert_true(is_good_url("http://a"));
	assert_true(is_good_url("https://a.com:8443/x?y=1&z=%20#f"));
	static const char *const bad[] = {"",           "ftp://a/b", "http://",     "http:///a",       "http://?x",  "//a.com/b",
					  "http://a b", "http://\"", "http://a\\b", "http://\xc3\xa9", "http://a\n", "HTTP://a"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(is_good_url(bad[i]));
	}
}

static void an_md5_gets_one_spelling_and_anything_else_stays(void **state)
{
	(void)state;
	struct file f = good();
	text_copy(f.firmware.told_md5, sizeof f.firmware.told_md5, "D41D8CD98F00B204E9800998ECF8427E");
	assert_true(file_check(&f, NULL));
	assert_string_equal(f.firmware.told_md5, "d41d8cd98f00b204e9800998ecf8427e");
	text_copy(f.firmware.told_md5, sizeof f.firmware.told_md5, "D41D8CD98F00B204E9800998ECF8427");
	assert_true(file_check(&f, NULL));
	assert_string_equal(f.firmware.told_md5, "D41D8CD98F00B204E9800998ECF8427");
}

static void what_is_empty_or_too_long_is_named(void **state)
{
	(void)state;
	struct err err = {0};
	struct file f = good();
	f.firmware.told_size[0] = '\0';
	assert_false(file_check(&f, &err));
	assert_int_equal(err.kind, ERR_EMPTY);
	assert_string_equal(err.text, "size is empty");
	f = good();
	memset(f.firmware.version, '1', FILE_VERSION_MAX + 1);
	assert_false(file_check(&f, &err));
	assert_int_equal(err.kind, ERR_INVALID);
	assert_ptr_equal(strstr(err.text, "version"), err.text);
	f = good();
	memset(f.firmware.customize, 'x', FILE_CUSTOMIZE_MAX);
	assert_true(file_check(&f, NULL));
}

static void sizes_are_read_where_they_can_be(void **state)
{
	(void)state;
	assert_int_equal(file_bytes("20kb"), 20480);
	assert_int_equal(file_bytes("20480"), 20480);
	assert_int_equal(file_bytes("1M"), 1 << 20);
	assert_int_equal(file_bytes("20.5kb"), 0);
	assert_int_equal(file_bytes("big"), 0);
	assert_int_equal(file_bytes(""), 0);
	assert_int_equal(file_bytes("18446744073709551615"), 0);
}

static void bytes_are_held_against_what_proves_something(void **state)
{
	(void)state;
	static const struct {
		const char *md5, *size;
		bool proves, matches;
	} rows[] = {
		{"900150983cd24fb0d6963f7d28e17f72", "3", true, true},
		{"900150983CD24FB0D6963F7D28E17F72", "3kb", true, true},
		{"x", "3", true, true},
		{"x", "3b", false, true},
		{"900150983cd24fb0d6963f7d28e17f7", "", false, true},
		{"x", "", false, true},
		{"900150983cd24fb0d6963f7d28e17f72", "4", true, false},
		{"900150983cd24fb0d6963f7d28e17f73", "3", true, false},
		{"x", "4", true, false},
		{"x", "0", true, false},
		{"x", "-3", false, true},
		{"x", "+3", false, true},
		{"x", "99999999999999999999999999", false, true},
		{"900150983cd24fb0d6963f7d28e17f73", "x", true, false},
	};
	struct artifact abc = {.size = 3};
	assert_true(text_unhex("900150983cd24fb0d6963f7d28e17f72", abc.md5, sizeof abc.md5));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct file f = good();
		struct err err = {0};
		text_copy(f.firmware.told_md5, sizeof f.firmware.told_md5, rows[i].md5);
		text_copy(f.firmware.told_size, sizeof f.firmware.told_size, rows[i].size);
		if (file_proves(&f.firmware) != rows[i].proves || file_matches(&f.firmware, &abc, &err) != rows[i].matches) {
			fail_msg("md5 %s, size %s: %s", rows[i].md5, rows[i].size, err.text);
		}
		assert_int_equal(err.kind, rows[i].matches ? ERR_NONE : ERR_INVALID);
	}
}

static void a_change_takes_what_it_names_and_tells_if_the_image_is_another(void **state)
{
	(void)state;
	struct file f = good();
	bool image = true;
	struct file_edit edit = {.fields = FILE_STAGE | FILE_SIZE | FILE_FORCE, .to = {.stage = STAGE_ONLINE, .firmware.force = true}};
	text_copy(edit.to.firmware.told_size, sizeof edit.to.firmware.told_size, "1");
	text_copy(edit.to.firmware.version, sizeof edit.to.firmware.version, "9");
	file_apply(&f, &edit, &image);
	assert_false(image);
	assert_int_equal(f.stage, STAGE_ONLINE);
	assert_true(f.firmware.force);
	assert_string_equal(f.firmware.told_size, "1");
	assert_string_equal(f.firmware.version, "1.0.1");
	const enum file_field images[] = {FILE_URL, FILE_MD5, FILE_VERSION};
	for (size_t i = 0; i < COUNT(images); i++) {
		struct file other = good();
		edit.fields = images[i];
		file_apply(&other, &edit, &image);
		assert_true(image);
		const struct file_edit same = {.fields = images[i], .to = other};
		file_apply(&other, &same, &image);
		assert_false(image);
	}
}

static void an_md5_in_upper_case_is_the_same_md5(void **state)
{
	(void)state;
	struct file f = good();
	struct file_edit edit = {.fields = FILE_MD5};
	bool image = true;
	text_copy(f.firmware.told_md5, sizeof f.firmware.told_md5, "0123456789abcdef0123456789abcdef");
	text_copy(edit.to.firmware.told_md5, sizeof edit.to.firmware.told_md5, "0123456789ABCDEF0123456789ABCDEF");
	file_apply(&f, &edit, &image);
	assert_false(image);
	assert_string_equal(f.firmware.told_md5, "0123456789abcdef0123456789abcdef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_is_http_with_a_host_and_plain_ascii),
		cmocka_unit_test(an_md5_gets_one_spelling_and_anything_else_stays),
		cmocka_unit_test(what_is_empty_or_too_long_is_named),
		cmocka_unit_test(sizes_are_read_where_they_can_be),
		cmocka_unit_test(bytes_are_held_against_what_proves_something),
		cmocka_unit_test(an_md5_in_upper_case_is_the_same_md5),
		cmocka_unit_test(a_change_takes_what_it_names_and_tells_if_the_image_is_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
