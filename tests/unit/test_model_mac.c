#include "unit.h"

#include "model/mac.h"

static void every_spelling_becomes_twelve_upper_case_digits(void **state)
{
	(void)state;
	static const char *const spellings[] = {
		"aabbccddee0f",   "AABBCCDDEE0F",      "aa:bb:cc:dd:ee:0f", "AA-BB-CC-DD-EE-0F",
		"aabb.ccdd.ee0f", "aa.bb.cc.dd.ee.0f", "aabb-ccdd-ee0f",
	};
	for (size_t i = 0; i < COUNT(spellings); i++) {
		char mac[MAC_SIZE];
		assert_true(mac_parse(spellings[i], mac));
		assert_string_equal(mac, "AABBCCDDEE0F");
	}
}

static void anything_else_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		"aabbccddee0",
		"aabbccddee0f0",
		"aa:bb:cc:dd:ee",
		"aa:bb:cc:dd:ee:0g",
		"aa:bb-cc:dd:ee:0f",
		"aa:bb:cc:dd:ee:0f:",
		":aa:bb:cc:dd:ee:0f",
		"aab:bcc:dde:e0f",
		"aa bb cc dd ee 0f",
		"aaabbb.cccddd",
		"aabbccddee0f aabbccddee0f aabbccddee0f",
		"aa::bb:cc:dd:ee:f",
		"g0bbccddeeff",
		"aabb:ccdd.ee0f",
		"\xc3\xa4xbbccddeeff",
	};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		char mac[MAC_SIZE] = "x";
		if (mac_parse(wrong[i], mac)) {
			fail_msg("taken: %s", wrong[i]);
		}
		assert_string_equal(mac, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_spelling_becomes_twelve_upper_case_digits),
		cmocka_unit_test(anything_else_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
