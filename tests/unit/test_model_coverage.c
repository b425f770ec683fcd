#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/coverage.h"

static void assert_text(const struct coverage *c, const char *expected)
{
	char text[COVERAGE_TEXT_SIZE];
	coverage_print(c, text);
	assert_string_equal(text, expected);
}

static void ranges_merge_in_any_order(void **state)
{
	(void)state;
	struct coverage c = {0};
	assert_true(coverage_add(&c, 200, 100));
	assert_true(coverage_add(&c, 0, 100));
	assert_text(&c, "0-99,200-299");
	assert_true(coverage_add(&c, 100, 100)); /* touches both */
	assert_text(&c, "0-299");
	assert_true(coverage_add(&c, 250, 100));
	assert_text(&c, "0-349");
	assert_true(coverage_add(&c, 400, 1));
	assert_true(coverage_add(&c, 402, 1));
	assert_true(coverage_add(&c, 300, 200)); /* swallows */
	assert_text(&c, "0-499");
	assert_int_equal(coverage_bytes(&c), 500);
}

static void what_tells_nothing_new_says_so(void **state)
{
	(void)state;
	struct coverage c = {0};
	coverage_add(&c, 10, 10);
	assert_false(coverage_add(&c, 10, 10));
	assert_false(coverage_add(&c, 12, 3));
	assert_false(coverage_add(&c, 15, 0));
	assert_false(coverage_add(&c, UINT64_MAX - 3, 5)); /* beyond the last possible byte */
	assert_text(&c, "10-19");
}

static void complete_means_every_byte(void **state)
{
	(void)state;
	struct coverage c = {0};
	assert_false(coverage_complete(&c, 100));
	coverage_add(&c, 1, 99);
	assert_false(coverage_complete(&c, 100));
	coverage_add(&c, 0, 1);
	assert_true(coverage_complete(&c, 100));
	assert_true(coverage_complete(&c, 99));
	assert_false(coverage_complete(&c, 101));
	struct coverage holed = {0};
	coverage_add(&holed, 0, 50);
	coverage_add(&holed, 51, 49);
	assert_false(coverage_complete(&holed, 100));
}

/* What does not fit is forgotten: it looks as if not fetched, never the other way round. */
static void crumbs_beyond_the_bound_are_forgotten_and_taken_later(void **state)
{
	(void)state;
	struct coverage c = {0};
	for (uint64_t i = 0; i < COVERAGE_MAX; i++) {
		assert_true(coverage_add(&c, i * 10, 1));
	}
	assert_false(coverage_add(&c, 5000, 1));
	assert_int_equal(coverage_bytes(&c), COVERAGE_MAX);
	assert_true(coverage_add(&c, 1, 9)); /* joins two: there is room again */
	assert_true(coverage_add(&c, 5000, 1));
	assert_int_equal(coverage_bytes(&c), COVERAGE_MAX + 10);
}

static void agrees_with_a_bitmap(void **state)
{
	(void)state;
	enum { SIZE = 300 };
	srand(1);
	for (int round = 0; round < 200; round++) {
		bool bytes[SIZE] = {0};
		struct coverage c = {0};
		for (int i = 0; i < 25; i++) { /* fewer than the bound: nothing is forgotten */
			uint64_t at = (uint64_t)(rand() % (SIZE - 20));
			uint64_t len = (uint64_t)(rand() % 20);
			bool new = false;
			for (uint64_t b = at; b < at + len; b++) {
				new |= !bytes[b];
				bytes[b] = true;
			}
			assert_int_equal(coverage_add(&c, at, len), new);
		}
		size_t sum = 0;
		for (size_t b = 0; b < SIZE; b++) {
			sum += bytes[b];
		}
		assert_int_equal(coverage_bytes(&c), sum);
		for (unsigned i = 0; i < c.count; i++) {
			assert_true(bytes[c.at[i].first] && bytes[c.at[i].last] && !bytes[c.at[i].last + 1]);
		}
	}
}

static void sets_merge(void **state)
{
	(void)state;
	struct coverage a = {0};
	struct coverage b = {0};
	coverage_add(&a, 0, 10);
	coverage_add(&a, 30, 10);
	coverage_add(&b, 10, 20);
	coverage_add(&b, 50, 5);
	coverage_merge(&a, &b);
	assert_text(&a, "0-39,50-54");
	assert_text(&b, "10-29,50-54");
}

static void the_longest_text_fits_and_is_read_back(void **state)
{
	(void)state;
	struct coverage c = {0};
	struct coverage back;
	char text[COVERAGE_TEXT_SIZE];
	for (uint64_t i = 0; i < COVERAGE_MAX; i++) {
		assert_true(coverage_add(&c, UINT64_MAX - 1000 + i * 10, 5));
	}
	coverage_print(&c, text);
	assert_true(coverage_parse(&back, text));
	assert_int_equal(back.count, COVERAGE_MAX);
	assert_memory_equal(back.at, c.at, sizeof c.at);
	assert_true(coverage_parse(&back, ""));
	assert_int_equal(back.count, 0);
}

static void text_that_is_no_set_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"x",         "1",         "1-",        "-1",        "5-4", "0-9,5-20",
					    "0-9,10-20", "20-30,0-9", "0-9;20-30", "0-9 20-30", ",0-9"};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct coverage c;
		if (coverage_parse(&c, wrong[i])) {
			fail_msg("taken: %s", wrong[i]);
		}
	}
	char many[COVERAGE_TEXT_SIZE * 2] = "";
	size_t len = 0;
	for (int i = 0; i <= COVERAGE_MAX; i++) {
		len += (size_t)snprintf(many + len, sizeof many - len, "%s%d-%d", i ? "," : "", i * 10, i * 10 + 1);
	}
	struct coverage c;
	assert_false(coverage_parse(&c, many));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_merge_in_any_order),
		cmocka_unit_test(what_tells_nothing_new_says_so),
		cmocka_unit_test(complete_means_every_byte),
		cmocka_unit_test(crumbs_beyond_the_bound_are_forgotten_and_taken_later),
		cmocka_unit_test(agrees_with_a_bitmap),
		cmocka_unit_test(sets_merge),
		cmocka_unit_test(the_longest_text_fits_and_is_read_back),
		cmocka_unit_test(text_that_is_no_set_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
