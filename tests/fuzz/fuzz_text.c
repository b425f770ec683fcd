/* Strict text and numbers, against slow and simple readings of the same rules. The input is the text. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"

/* By code points: decode, then ask whether the shortest form was used. */
static bool slow_utf8(const uint8_t *s, size_t len)
{
	while (len) {
		size_t n = *s < 0x80 ? 1 : (*s & 0xe0) == 0xc0 ? 2 : (*s & 0xf0) == 0xe0 ? 3 : (*s & 0xf8) == 0xf0 ? 4 : 0;
		if (n == 0 || n > len) {
			return false;
		}
		uint32_t c = n == 1 ? *s : *s & (0xffu >> (n + 1));
		for (size_t i = 1; i < n; i++) {
			if ((s[i] & 0xc0) != 0x80) {
				return false;
			}
			c = c << 6 | (s[i] & 0x3fu);
		}
		static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
		if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
			return false;
		}
		s += n;
		len -= n;
	}
	return true;
}

static void check_characters(const char *text, size_t len)
{
	CHECK(text_is_utf8(text, len) == slow_utf8((const uint8_t *)text, len));
	bool control = false;
	for (size_t i = 0; i < len; i++) {
		control |= (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
	}
	CHECK(text_is_printable(text, len) == !control);
	CHECK(text_hash(text, len) == text_hash(text, len));
}

static void check_names(const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
	size_t len = strlen(s);
	bool fit = len >= 1 && len <= 64;
	CHECK(text_is_key(s) == (fit && strspn(s, plain) == len));
	CHECK(text_is_device_name(s) == (fit && strspn(s, plain) == len && !strchr(s, '.')));
	for (size_t max = 0; max <= len + 1 && max < 40; max += 13) {
		bool ok = text_is_file_name(s, max);
		CHECK(!ok || (len >= 1 && len <= max && !strpbrk(s, "/\\") && strcmp(s, ".") != 0 && strcmp(s, "..") != 0));
		CHECK(!ok || (text_is_utf8(s, len) && text_is_printable(s, len)));
	}
}

static bool all_digits(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static void check_numbers(const char *s)
{
	uint64_t u = 5;
	int64_t i = 5;
	errno = 0;
	uint64_t wanted_u = strtoull(s, NULL, 10);
	bool fits = errno == 0;
	CHECK(text_to_u64(s, &u) == (all_digits(s) && fits));
	CHECK(u == 5 || u == wanted_u);
	errno = 0;
	int64_t wanted_i = strtoll(s, NULL, 10);
	fits = errno == 0;
	CHECK(text_to_i64(s, &i) == (all_digits(*s == '-' ? s + 1 : s) && fits));
	CHECK(i == 5 || i == wanted_i);
}

static void check_units(const char *s)
{
	uint64_t bytes;
	int64_t ms;
	size_t digits = strspn(s, "0123456789");
	char *unit;
	uint64_t number = strtoull(s, &unit, 10);
	if (text_to_bytes(s, &bytes)) {
		static const char *const units[] = {"", "k", "m", "g", "t"};
		static const char *const full[] = {"b", "kb", "mb", "gb", "tb"};
		size_t power = 0;
		while (power < 5 && strcasecmp(unit, units[power]) != 0 && strcasecmp(unit, full[power]) != 0) {
			power++;
		}
		CHECK(digits && power < 5 && bytes >> (10 * power) == number && bytes == number << (10 * power));
	}
	if (text_to_ms(s, &ms)) {
		int64_t factor = strcmp(unit, "ms") == 0  ? 1
				 : strcmp(unit, "m") == 0 ? 60000
				 : strcmp(unit, "h") == 0 ? 3600000
				 : strcmp(unit, "d") == 0 ? 86400000
							  : 1000;
		CHECK(digits && ms >= 0 && ms % factor == 0 && (uint64_t)(ms / factor) == number);
	}
}

static void check_base64(const char *text, size_t len)
{
	size_t max = len / 4 * 3 + 3;
	scoped_free uint8_t *bytes = malloc(max);
	scoped_free char *out = malloc(len * 2 + 5);
	scoped_free uint8_t *back = malloc(len ? len : 1);
	long n = text_unbase64url(text, len, bytes, max);
	if (n >= 0) { /* one spelling */
		text_base64url(out, bytes, (size_t)n);
		CHECK(strlen(out) == len && memcmp(out, text, len) == 0);
		CHECK(n == 0 || text_unbase64url(text, len, bytes, (size_t)n - 1) == -1);
	}
	text_base64url(out, text, len);
	CHECK(text_unbase64url(out, strlen(out), back, len) == (long)len && memcmp(back, text, len) == 0);
}

static void check_hex(const char *text, size_t len, const char *s)
{
	scoped_free char *hex = malloc(2 * len + 1);
	scoped_free uint8_t *back = malloc(len ? len : 1);
	text_hex(hex, text, len);
	CHECK(strlen(hex) == 2 * len && text_unhex(hex, back, len) && memcmp(back, text, len) == 0);
	CHECK(!text_unhex(hex, back, len + 1));
	size_t n = strlen(s) / 2;
	scoped_free uint8_t *bytes = malloc(n ? n : 1);
	bool ok = text_unhex(s, bytes, n);
	CHECK(ok == (strlen(s) == 2 * n && strspn(s, "0123456789abcdefABCDEF") == 2 * n));
}

static void check_copies(const char *s)
{
	size_t len = strlen(s);
	scoped_free char *out = malloc(len + 1);
	CHECK(text_copy(out, len + 1, s) && strcmp(out, s) == 0);
	CHECK(!text_copy(out, len, s) && (len == 0 || *out == '\0'));
	size_t half = len / 2;
	scoped_free char *first = strndup(s, half);
	CHECK(text_equals_nocase(first, s + half) == (strcasecmp(first, s + half) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct fuzz_input again = in;
	size_t len;
	scoped_free char *text = fuzz_rest(&in, &len);
	scoped_free char *line = fuzz_line(&again);
	check_characters(text, len);
	check_names(line);
	check_numbers(line);
	check_units(line);
	check_base64(text, len);
	check_hex(text, len, line);
	check_copies(line);
	return 0;
}
