#include "unit.h"

#include <stdbool.h>

#include "model/version.h"

static void dotted_numbers_are_told_from_other_texts(void **state)
{
	(void)state;
	static const char *const right[] = {"1", "0", "2.4.2", "10.0.0.1", "1.2.3.4.5.6.7.8", "2147483647", "01.02"};
	static const char *const wrong[] = {"",     ".",    "1.",   ".1",         "1..2", "v1.2", "1.2a",           "1.2-rc1",
					    " 1.2", "1.2 ", "-1.2", "2147483648", "1,2",  "+1",   "99999999999999", "1.2.3.4.5.6.7.8.9"};
	for (size_t i = 0; i < COUNT(right); i++) {
		if (!version_is_dotted(right[i])) {
			fail_msg("refused: %s", right[i]);
		}
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		if (version_is_dotted(wrong[i])) {
			fail_msg("taken: %s", wrong[i]);
		}
	}
}

/* Ascending. */
static void parts_compare_as_numbers_and_the_longer_is_newer(void **state)
{
	(void)state;
	static const char *const order[] = {"0",    "0.9", "1",     "1.0",     "1.0.0", "1.2",       "1.2.9",
					    "1.10", "2",   "2.4.2", "2.4.2.0", "10.0",  "2147483647"};
	for (size_t i = 0; i < COUNT(order); i++) {
		for (size_t j = 0; j < COUNT(order); j++) {
			int expected = i < j ? -1 : i > j ? 1 : 0;
			if (version_compare(order[i], order[j]) != expected) {
				fail_msg("%s against %s", order[i], order[j]);
			}
		}
	}
	assert_int_equal(version_compare("1.02", "1.2"), 0);
}

static void a_device_reads_the_integer_that_a_part_begins_with(void **state)
{
	(void)state;
	static const char *const right[] = {"2.5.0-beta1", "2.0.4-dirty", "1.2.", "1.2rc.3", "-1", "2147483647", "2.4.2.0"};
	static const char *const fatal[] = {"", "v1", "latest", "1..0", ".1", "1.x", "2147483648", "1.-2147483649", "99999999999999999999"};
	for (size_t i = 0; i < COUNT(right); i++) {
		if (!version_is_read(right[i])) {
			fail_msg("fatal: %s", right[i]);
		}
	}
	for (size_t i = 0; i < COUNT(fatal); i++) {
		if (version_is_read(fatal[i])) {
			fail_msg("read: %s", fatal[i]);
		}
	}
}

static void what_follows_the_integer_does_not_compare(void **state)
{
	(void)state;
	assert_int_equal(version_compare("2.5.0-beta1", "2.5.0"), 0);
	assert_int_equal(version_compare("2.5.0-beta1", "2.5.0-beta2"), 0);
	assert_int_equal(version_compare("2.5.0-beta1", "2.4.9"), 1);
	assert_int_equal(version_compare("2.5-rc.1", "2.5"), 1); /* three parts, the last is 1 */
	assert_int_equal(version_compare("1.2.", "1.2"), 0);
	assert_int_equal(version_compare("0.9.8", "1.0"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dotted_numbers_are_told_from_other_texts),
		cmocka_unit_test(parts_compare_as_numbers_and_the_longer_is_newer),
		cmocka_unit_test(a_device_reads_the_integer_that_a_part_begins_with),
		cmocka_unit_test(what_follows_the_integer_does_not_compare),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
