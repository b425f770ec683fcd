#include "http/condition.h"
#include "unit.h"

static int status(const char *if_match, const char *if_none_match)
{
	return http_condition_status(&(struct http_conditions){.if_match = if_match, .if_none_match = if_none_match}, "\"v1\"");
}

static bool range(const char *if_range)
{
	return http_condition_range(&(struct http_conditions){.if_range = if_range}, "\"v1\"");
}

static void no_condition_holds(void **state)
{
	(void)state;
	assert_int_equal(status(NULL, NULL), 200);
}

static void if_match_wants_a_strong_match(void **state)
{
	(void)state;
	assert_int_equal(status("\"v1\"", NULL), 200);
	assert_int_equal(status("*", NULL), 200);
	assert_int_equal(status(" * ", NULL), 200);
	assert_int_equal(status("\"v0\", \"v1\"", NULL), 200);
	assert_int_equal(status("\"v0\" ,, \"v1\"", NULL), 200);
	assert_int_equal(status("\"v0\"", NULL), 412);
	assert_int_equal(status("W/\"v1\"", NULL), 412);
	assert_int_equal(status("", NULL), 412);
	assert_int_equal(status("v1", NULL), 412);
	assert_int_equal(status("\"v1", NULL), 412);
	assert_int_equal(status("*x", NULL), 412);
	assert_int_equal(status("\"V1\"", NULL), 412);
}

static void if_none_match_compares_weakly(void **state)
{
	(void)state;
	assert_int_equal(status(NULL, "\"v1\""), 304);
	assert_int_equal(status(NULL, "W/\"v1\""), 304);
	assert_int_equal(status(NULL, "*"), 304);
	assert_int_equal(status(NULL, "\"v0\", W/\"v1\""), 304);
	assert_int_equal(status(NULL, "\"v0\""), 200);
	assert_int_equal(status(NULL, "\"v0\" \"v1\""), 200);
	assert_int_equal(status(NULL, "w/\"v1\""), 200);
}

static void commas_within_a_tag_do_not_divide(void **state)
{
	(void)state;
	assert_int_equal(status("\"a,\\\"v1\"", NULL), 412);
	assert_int_equal(status(NULL, "\"x,y\",\"v1\""), 304);
	assert_int_equal(status(NULL, "\"x,\", \"v1\""), 304);
}

static void if_match_goes_before_if_none_match(void **state)
{
	(void)state;
	assert_int_equal(status("\"v0\"", "\"v1\""), 412);
	assert_int_equal(status("\"v1\"", "\"v1\""), 304);
	assert_int_equal(status("\"v1\"", "\"v0\""), 200);
}

static void if_range_wants_this_very_tag(void **state)
{
	(void)state;
	assert_true(range(NULL));
	assert_true(range("\"v1\""));
	assert_false(range("W/\"v1\""));
	assert_false(range("\"v0\""));
	assert_false(range("*"));
	assert_false(range("Sat, 21 Nov 2026 14:00:00 GMT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_condition_holds),
		cmocka_unit_test(if_match_wants_a_strong_match),
		cmocka_unit_test(if_none_match_compares_weakly),
		cmocka_unit_test(commas_within_a_tag_do_not_divide),
		cmocka_unit_test(if_match_goes_before_if_none_match),
		cmocka_unit_test(if_range_wants_this_very_tag),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
