#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "http/range.h"
#include "unit.h"

/* What a header asks of a file of 1,000 bytes: "first-last,...", "whole" or "none". */
static void expect(const char *header, const char *wanted)
{
	struct http_range r[HTTP_RANGES_MAX];
	unsigned count;
	char got[1024];
	enum http_range_kind kind = http_range_parse(header, 1000, r, &count);
	int n = snprintf(got, sizeof(got), "%s", kind == HTTP_RANGE_WHOLE ? "whole" : kind == HTTP_RANGE_NONE ? "none" : "");
	for (unsigned i = 0; i < count; i++) {
		n += snprintf(got + n, sizeof(got) - (size_t)n, "%s%llu-%llu", i ? "," : "", (unsigned long long)r[i].offset,
			      (unsigned long long)(r[i].offset + r[i].len - 1));
	}
	if (strcmp(got, wanted) != 0) {
		fail_msg("%s: %s instead of %s", header ? header : "(none)", got, wanted);
	}
}

static void single_ranges(void **state)
{
	(void)state;
	expect("bytes=0-0", "0-0");
	expect("bytes=0-", "0-999");
	expect("bytes=5-9", "5-9");
	expect("BYTES=5-9", "5-9");
	expect("bytes= 5-9 ", "5-9");
	expect("bytes=-1", "999-999");
	expect("bytes=-1000", "0-999");
}

static void ends_beyond_the_file_are_clamped(void **state)
{
	(void)state;
	expect("bytes=990-1000000", "990-999");
	expect("bytes=-5000", "0-999");
	expect("bytes=1-99999999999999999999999", "1-999");
	expect("bytes=-99999999999999999999999", "0-999");
}

static void nothing_of_it_in_the_file(void **state)
{
	(void)state;
	expect("bytes=1000-", "none");
	expect("bytes=1000-2000", "none");
	expect("bytes=-0", "none");
	expect("bytes=18446744073709551615-", "none");
	expect("bytes=99999999999999999999999-", "none");
	expect("bytes=1000-,2000-3000,-0", "none");
}

static void malformed_ones_are_ignored(void **state)
{
	(void)state;
	static const char *const bad[] = {
		NULL,         "",           "bytes",      "bytes=",        "bytes=,",       "bytes=-",     "bytes=a-b",
		"bytes=5",    "bytes=9-5",  "bytes=1-2x", "bytes=1 -2",    "bytes=0x1-2",   "items=1-2",   "bytes:1-2",
		"bytes=+1-2", "bytes=1--2", "bytes=1-2;", "bytes=1-2 3-4", "bytes=0-0,9-5", "bytes=0-0,x", "bytes=--1"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		expect(bad[i], "whole");
	}
}

static void several_ranges_keep_the_clients_order(void **state)
{
	(void)state;
	expect("bytes=500-599,0-9", "500-599,0-9");
	expect("bytes=0-9 , ,20-29,", "0-9,20-29");
	expect("bytes=0-9,5000-,-10", "0-9,990-999");
}

static void overlapping_and_adjacent_ranges_merge(void **state)
{
	(void)state;
	expect("bytes=0-9,5-20", "0-20");
	expect("bytes=0-9,10-19", "0-19");
	expect("bytes=0-9,11-19", "0-9,11-19");
	expect("bytes=100-109,0-9,105-200", "100-200,0-9");
	expect("bytes=0-9,100-109,5-105", "0-109");
	expect("bytes=0-,-1", "0-999");
	expect("bytes=20-29,40-49,0-9,10-45", "0-49");
}

/* "bytes=" and count ranges of two bytes, step apart. */
static const char *list(unsigned count, unsigned step)
{
	static char text[2048];
	int n = snprintf(text, sizeof(text), "bytes=");
	for (unsigned i = 0; i < count; i++) {
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%u-%u,", i * step, i * step + 1);
	}
	return text;
}

static void more_parts_than_the_limit_are_the_whole_file(void **state)
{
	(void)state;
	struct http_range r[HTTP_RANGES_MAX];
	unsigned count;
	assert_int_equal(http_range_parse(list(HTTP_RANGES_MAX, 10), 1000, r, &count), HTTP_RANGE_PARTS);
	assert_int_equal(count, HTTP_RANGES_MAX);
	assert_int_equal(http_range_parse(list(HTTP_RANGES_MAX + 1, 10), 1000, r, &count), HTTP_RANGE_WHOLE);
	assert_int_equal(count, 0);
}

static void many_overlapping_ranges_are_one(void **state)
{
	(void)state;
	expect(list(100, 1), "0-100");
	expect(list(100, 0), "0-1");
}

static void an_empty_file_has_no_ranges(void **state)
{
	(void)state;
	struct http_range r[HTTP_RANGES_MAX];
	unsigned count;
	assert_int_equal(http_range_parse("bytes=0-", 0, r, &count), HTTP_RANGE_WHOLE);
	assert_int_equal(http_range_parse("bytes=-5", 0, r, &count), HTTP_RANGE_WHOLE);
}

static unsigned next(uint32_t *seed, unsigned below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

/* Against a bitmap: whatever is asked for, exactly that is given, once. */
static void merged_ranges_cover_exactly_what_was_asked(void **state)
{
	(void)state;
	uint32_t seed = 1;
	for (int round = 0; round < 5000; round++) {
		char text[512];
		int n = snprintf(text, sizeof(text), "bytes=");
		bool wanted[64] = {false};
		for (unsigned specs = 1 + next(&seed, 12); specs; specs--) {
			unsigned first = next(&seed, 64);
			unsigned last = first + next(&seed, 8);
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%u-%u,", first, last);
			for (unsigned b = first; b <= last && b < 64; b++) {
				wanted[b] = true;
			}
		}
		struct http_range r[HTTP_RANGES_MAX];
		unsigned count;
		assert_int_equal(http_range_parse(text, 64, r, &count), HTTP_RANGE_PARTS);
		bool got[64] = {false};
		for (unsigned i = 0; i < count; i++) {
			for (uint64_t b = r[i].offset; b < r[i].offset + r[i].len; b++) {
				assert_true(b < 64 && !got[b]);
				got[b] = true;
			}
		}
		assert_memory_equal(wanted, got, sizeof(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_ranges),
		cmocka_unit_test(ends_beyond_the_file_are_clamped),
		cmocka_unit_test(nothing_of_it_in_the_file),
		cmocka_unit_test(malformed_ones_are_ignored),
		cmocka_unit_test(several_ranges_keep_the_clients_order),
		cmocka_unit_test(overlapping_and_adjacent_ranges_merge),
		cmocka_unit_test(more_parts_than_the_limit_are_the_whole_file),
		cmocka_unit_test(many_overlapping_ranges_are_one),
		cmocka_unit_test(an_empty_file_has_no_ranges),
		cmocka_unit_test(merged_ranges_cover_exactly_what_was_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
