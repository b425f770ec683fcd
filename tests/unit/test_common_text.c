#include "unit.h"

#include <string.h>

#include "common/text.h"

/* ---- UTF-8 ---- */

static void malformed_utf8_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x41",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xe4\xb8",
		"\xe4\x41\x80",
		"\xe4\xb8\x41",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf0\x9f\x98",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		char text[32];
		for (size_t lead = 0; lead < 10; lead++) { /* at every place of a word */
			memset(text, 'a', sizeof text);
			memcpy(text + lead, bad[i], strlen(bad[i]));
			assert_false(text_is_utf8(text, lead + strlen(bad[i])));
			assert_false(text_is_utf8(text, sizeof text));
		}
	}
}

static void a_nul_is_no_text(void **state)
{
	(void)state;
	char text[24];
	for (size_t at = 0; at < sizeof text; at++) {
		memset(text, 'a', sizeof text);
		assert_true(text_is_utf8(text, sizeof text));
		text[at] = '\0';
		assert_false(text_is_utf8(text, sizeof text));
	}
	assert_true(text_is_utf8("", 0));
}

/* Writes c in n bytes, overlong if n is more than it needs. */
static void encode(uint32_t c, size_t n, char *out)
{
	static const uint8_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n; i-- > 1;) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)(n == 1 ? c : leads[n] | c);
}

static void every_code_point_is_accepted_in_its_shortest_form_only(void **state)
{
	(void)state;
	for (uint32_t c = 1; c < 0x110000; c++) {
		size_t shortest = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		bool valid = c < 0xd800 || c > 0xdfff;
		char raw[4];
		encode(c, shortest, raw);
		assert_int_equal(text_is_utf8(raw, shortest), valid);
		for (size_t n = shortest + 1; n <= 4; n++) {
			encode(c, n, raw);
			assert_false(text_is_utf8(raw, n));
		}
	}
}

static void control_characters_are_not_printable(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[3] = {'a', (char)c, 'b'};
		assert_int_equal(text_is_printable(text, 3), c >= 0x20 && c != 0x7f);
	}
	assert_true(text_is_printable("", 0));
}

/* ---- names ---- */

static void device_names_and_keys_have_their_characters(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		char text[2] = {(char)c, '\0'};
		bool name = c < 128 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", c) != NULL;
		assert_int_equal(text_is_device_name(text), name);
		assert_int_equal(text_is_key(text), name || c == '.');
	}
}

static void names_have_1_to_64_characters(void **state)
{
	(void)state;
	char text[70];
	memset(text, 'n', sizeof text);
	for (size_t len = 0; len < sizeof text; len++) {
		text[len] = '\0';
		assert_int_equal(text_is_device_name(text), len >= 1 && len <= 64);
		assert_int_equal(text_is_key(text), len >= 1 && len <= 64);
		text[len] = 'n';
	}
}

static void a_bad_character_anywhere_spoils_a_device_name(void **state)
{
	(void)state;
	static const char *const bad[] = {"a/b", "a+", "#", "$SYS", "a b", "a.b", "\xe4\xb8\xad", "a\n", "esp-1/"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(text_is_device_name(bad[i]));
	}
	assert_true(text_is_device_name("ESP32_aa-01"));
}

static void file_names_lead_nowhere(void **state)
{
	(void)state;
	static const char *const good[] = {"a", "fw-1.2.bin", "...", ".hidden", "a b.bin", "\xe5\x9b\xba\xe4\xbb\xb6.bin"};
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", "/", "a\\b", "a\nb", "a\x7f", "\xff.bin", "a\tb"};
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(text_is_file_name(good[i], 64));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(text_is_file_name(bad[i], 64));
	}
	assert_true(text_is_file_name("12345", 5));
	assert_false(text_is_file_name("123456", 5));
}

/* ---- numbers ---- */

static void unsigned_numbers_are_whole_and_in_range(void **state)
{
	(void)state;
	uint64_t v;
	assert_true(text_to_u64("0", &v) && v == 0);
	assert_true(text_to_u64("007", &v) && v == 7);
	assert_true(text_to_u64("18446744073709551615", &v) && v == UINT64_MAX);
	static const char *const bad[] = {
		"", " 1", "1 ", "+1", "-1", "-0", "1.0", "0x10", "1e3", "18446744073709551616", "99999999999999999999", "\xd9\xa1"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		v = 42;
		assert_false(text_to_u64(bad[i], &v));
		assert_int_equal(v, 42);
	}
}

static void signed_numbers_reach_both_ends(void **state)
{
	(void)state;
	int64_t v;
	assert_true(text_to_i64("9223372036854775807", &v) && v == INT64_MAX);
	assert_true(text_to_i64("-9223372036854775808", &v) && v == INT64_MIN);
	assert_true(text_to_i64("-0", &v) && v == 0);
	static const char *const bad[] = {"9223372036854775808", "-9223372036854775809", "--1", "-", "", "+5", "5-"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(text_to_i64(bad[i], &v));
	}
}

static void sizes_have_units(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {
		{"0", 0},
		{"123", 123},
		{"123b", 123},
		{"64k", 65536},
		{"64KB", 65536},
		{"200MB", 209715200},
		{"1g", 1073741824},
		{"2GB", 2147483648},
		{"1T", 1ULL << 40},
		{"16777215T", 0xffffff0000000000U},
		{"18446744073709551615", UINT64_MAX},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t v = 1;
		assert_true(text_to_bytes(rows[i].text, &v));
		assert_true(v == rows[i].bytes);
	}
	static const char *const bad[] = {"",    "k",  "1kk",  "1 k", "1KiB", "1.5G", "-1", "16777216T", "18446744073709551615k",
					  "1bb", "1x", "1\x0b"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint64_t v;
		assert_false(text_to_bytes(bad[i], &v));
	}
}

static void durations_have_units_and_default_to_seconds(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {{"0", 0},        {"90", 90000},    {"90s", 90000}, {"10m", 600000},
		    {"2h", 7200000}, {"1d", 86400000}, {"250ms", 250}, {"9223372036854775807ms", INT64_MAX}};
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t v = -1;
		assert_true(text_to_ms(rows[i].text, &v));
		assert_true(v == rows[i].ms);
	}
	static const char *const bad[] = {
		"", "s", "-1s", "1 s", "1.5h", "1S", "1w", "9223372036854775807", "106751991168d", "9223372036854775808ms", "1msx"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		int64_t v;
		assert_false(text_to_ms(bad[i], &v));
	}
}

/* ---- hex and base64url ---- */

static void hex_goes_both_ways(void **state)
{
	(void)state;
	char text[9];
	uint8_t raw[4];
	text_hex(text, "\x00\x7f\x80\xff", 4);
	assert_string_equal(text, "007f80ff");
	assert_true(text_unhex("007F80fF", raw, 4));
	assert_memory_equal(raw, "\x00\x7f\x80\xff", 4);
	static const char *const bad[] = {"",         "007f80f",  "007f80ff0", "007f80fg", "007f80f ",
					  "0x7f80ff", "@07f80ff", "`07f80ff",  "G07f80ff"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(text_unhex(bad[i], raw, 4));
	}
	assert_true(text_unhex("", raw, 0));
}

static void base64url_matches_rfc4648(void **state)
{
	(void)state;
	static const char *const rows[][2] = {{"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
					      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"}};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[16];
		char raw[16];
		size_t len = strlen(rows[i][0]);
		text_base64url(text, rows[i][0], len);
		assert_string_equal(text, rows[i][1]);
		assert_int_equal(text_unbase64url(text, strlen(text), raw, len), len);
		assert_memory_equal(raw, rows[i][0], len);
	}
}

static void base64_has_padding_and_one_spelling(void **state)
{
	(void)state;
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xfb\xff\xfe", "+//+"}};
	static const char *const bad[] = {"Zg", "Zg=", "Zg=A", "Zh==", "Zm9=", "====", "Z===", "-__-", "Zg==Zg==", "Zm9v\n", "Zm 9"};
	char text[16];
	char raw[16];
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i][0]);
		text_base64(text, rows[i][0], len);
		assert_string_equal(text, rows[i][1]);
		assert_int_equal(text_unbase64(text, strlen(text), raw, len), len);
		assert_memory_equal(raw, rows[i][0], len);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(text_unbase64(bad[i], strlen(bad[i]), raw, sizeof raw), -1);
	}
	assert_int_equal(text_unbase64("Zm9v", 4, raw, 2), -1);
}

static void base64url_has_one_spelling(void **state)
{
	(void)state;
	static const char *const bad[] = {"Z", "Zg==", "Zg=", "Zh", "Zm9", "Zm9vYh", "Zm+v", "Zm/v", "Zm 9", "Zm9v\n", "Zm9vY", "Zm\x80v"};
	uint8_t raw[16];
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(text_unbase64url(bad[i], strlen(bad[i]), raw, sizeof raw), -1);
	}
	assert_int_equal(text_unbase64url("Zm9v", 4, raw, 2), -1);
	assert_int_equal(text_unbase64url("Zm\0v", 4, raw, sizeof raw), -1);
}

/* ---- the rest ---- */

static void copying_fits_or_leaves_nothing(void **state)
{
	(void)state;
	char out[4] = "zzz";
	assert_true(text_copy(out, sizeof out, "abc"));
	assert_string_equal(out, "abc");
	assert_false(text_copy(out, sizeof out, "abcd"));
	assert_string_equal(out, "");
	assert_false(text_copy(NULL, 0, ""));
}

static void case_is_ignored_in_ascii_only(void **state)
{
	(void)state;
	assert_true(text_equals_nocase("Content-Type", "content-TYPE"));
	assert_true(text_equals_nocase("", ""));
	assert_false(text_equals_nocase("a", "ab"));
	assert_false(text_equals_nocase("ab", "a"));
	assert_false(text_equals_nocase("@", "`"));
	assert_false(text_equals_nocase("[", "{"));
	assert_false(text_equals_nocase("\xc3\x84", "\xc3\xa4"));
}

static void hashes_depend_on_every_byte_and_the_length(void **state)
{
	(void)state;
	char text[80] = {0};
	for (size_t len = 0; len <= sizeof text; len++) {
		uint64_t h = text_hash(text, len);
		assert_true(h == text_hash(text, len));
		if (len < sizeof text) {
			assert_true(h != text_hash(text, len + 1));
		}
		for (size_t at = 0; at < len; at++) {
			for (int bit = 0; bit < 8; bit++) {
				text[at] = (char)(text[at] ^ (1 << bit));
				assert_true(h != text_hash(text, len));
				text[at] = (char)(text[at] ^ (1 << bit));
			}
		}
	}
}

/* Names like those of a real fleet into as many buckets: the fullest bucket of a good hash holds about ten. */
static void hashes_of_similar_names_spread(void **state)
{
	(void)state;
	enum { NAMES = 1 << 16 };
	static uint8_t low[NAMES];
	static uint8_t high[NAMES];
	memset(low, 0, sizeof low);
	memset(high, 0, sizeof high);
	for (unsigned i = 0; i < NAMES; i++) {
		char name[] = "esp32-device-00000000";
		for (unsigned k = 0, rest = i; k < 8; k++, rest /= 10) {
			name[20 - k] = (char)('0' + rest % 10);
		}
		uint64_t h = text_hash(name, 21);
		assert_true(++low[h % NAMES] < 20);
		assert_true(++high[h >> 48] < 20);
	}
}

static void uuids_are_random_and_of_version_4(void **state)
{
	(void)state;
	char a[37];
	char b[37];
	for (int i = 0; i < 50; i++) {
		text_uuid(a);
		text_uuid(b);
		assert_string_not_equal(a, b);
		assert_int_equal(strlen(a), 36);
		for (size_t k = 0; k < 36; k++) {
			bool dash = k == 8 || k == 13 || k == 18 || k == 23;
			assert_non_null(strchr(dash ? "-" : "0123456789abcdef", a[k]));
		}
		assert_int_equal(a[14], '4');
		assert_non_null(strchr("89ab", a[19]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_utf8_is_refused),
		cmocka_unit_test(a_nul_is_no_text),
		cmocka_unit_test(every_code_point_is_accepted_in_its_shortest_form_only),
		cmocka_unit_test(control_characters_are_not_printable),
		cmocka_unit_test(device_names_and_keys_have_their_characters),
		cmocka_unit_test(names_have_1_to_64_characters),
		cmocka_unit_test(a_bad_character_anywhere_spoils_a_device_name),
		cmocka_unit_test(file_names_lead_nowhere),
		cmocka_unit_test(unsigned_numbers_are_whole_and_in_range),
		cmocka_unit_test(signed_numbers_reach_both_ends),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(durations_have_units_and_default_to_seconds),
		cmocka_unit_test(hex_goes_both_ways),
		cmocka_unit_test(base64url_matches_rfc4648),
		cmocka_unit_test(base64_has_padding_and_one_spelling),
		cmocka_unit_test(base64url_has_one_spelling),
		cmocka_unit_test(copying_fits_or_leaves_nothing),
		cmocka_unit_test(case_is_ignored_in_ascii_only),
		cmocka_unit_test(hashes_depend_on_every_byte_and_the_length),
		cmocka_unit_test(hashes_of_similar_names_spread),
		cmocka_unit_test(uuids_are_random_and_of_version_4),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
