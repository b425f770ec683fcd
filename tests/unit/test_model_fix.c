/* Forced fixes: what a pattern may be and whom it means. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "model/fix.h"

static struct fix fix(const char *version, const char *board)
{
	struct fix f = {.id = 1};
	text_copy(f.from_version, sizeof f.from_version, version);
	text_copy(f.board, sizeof f.board, board);
	return f;
}

static void a_fix_needs_a_version_and_a_pattern_with_a_star_at_its_end_only(void **state)
{
	(void)state;
	static const struct {
		const char *version, *board, *words;
	} cases[] = {
		{"0.9.8", "bread-*", NULL},      {"0.9.8", "bread-compact", NULL}, {"0.9.8", "*", NULL},
		{"", "bread-*", "fromVersion"},  {"0.9.8", "", "board must"},      {"0.9.8", "*-wifi", "one '*'"},
		{"0.9.8", "a*b", "one '*'"},     {"0.9.8", "a**", "one '*'"},      {"0.9\n8", "a", "fromVersion"},
		{"0.9.8", "a\tb", "board must"}, {"0.9.8", "\xff", "board must"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		struct fix f = fix(cases[i].version, cases[i].board);
		assert_int_equal(fix_check(&f, &err), !cases[i].words);
		assert_true(!cases[i].words || strstr(err.text, cases[i].words));
	}
}

static void a_fix_means_devices_of_that_version_on_such_a_board(void **state)
{
	(void)state;
	static const struct {
		const char *version, *board, *told_version, *name, *type;
		bool yes;
	} cases[] = {
		{"0.9.8", "bread-*", "0.9.8", "bread-compact", "x", true},
		{"0.9.8", "bread-*", "0.9.8", "custom", "bread-compact", true},
		{"0.9.8", "bread-*", "0.9.8", "bread-", "", true},
		{"0.9.8", "bread-*", "0.9.8", "bread", "", false},
		{"0.9.8", "bread-*", "0.9.8", "my-bread-x", "Bread-x", false},
		{"0.9.8", "bread-*", "0.9.80", "bread-compact", "", false},
		{"0.9.8", "bread-*", "", "bread-compact", "", false},
		{"0.9.8", "bread", "0.9.8", "bread", "", true},
		{"0.9.8", "bread", "0.9.8", "bread-x", "", false},
		{"0.9.8", "*", "0.9.8", "", "any", true},
		{"0.9.8", "*", "0.9.8", "", "", false}, /* it has told no board */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fix f = fix(cases[i].version, cases[i].board);
		assert_int_equal(fix_matches(&f, cases[i].told_version, cases[i].name, cases[i].type), cases[i].yes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fix_needs_a_version_and_a_pattern_with_a_star_at_its_end_only),
		cmocka_unit_test(a_fix_means_devices_of_that_version_on_such_a_board),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
