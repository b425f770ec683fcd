#include "unit.h"

#include <time.h>

#include "common/clock.h"

static void times_are_written_as_rfc3339_with_milliseconds(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{1795269600123, "2026-11-21T14:00:00.123Z"},
		{951782399999, "2000-02-28T23:59:59.999Z"},
		{951782400000, "2000-02-29T00:00:00.000Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[25];
		clock_rfc3339(out, rows[i].ms);
		assert_string_equal(out, rows[i].text);
	}
}

static void times_outside_four_digit_years_are_clamped(void **state)
{
	(void)state;
	char out[25];
	clock_rfc3339(out, INT64_MAX);
	assert_string_equal(out, "9999-12-31T23:59:59.999Z");
	clock_rfc3339(out, INT64_MIN);
	assert_string_equal(out, "1970-01-01T00:00:00.000Z");
}

static void wall_time_is_the_systems(void **state)
{
	(void)state;
	int64_t before = (int64_t)time(NULL) * 1000;
	int64_t now = clock_wall_ms();
	assert_true(now >= before - 1000 && now <= before + 10000);
}

static void monotonic_time_measures_a_sleep(void **state)
{
	(void)state;
	int64_t start = clock_mono_ms();
	nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	int64_t passed = clock_mono_ms() - start;
	assert_true(passed >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_written_as_rfc3339_with_milliseconds),
		cmocka_unit_test(times_outside_four_digit_years_are_clamped),
		cmocka_unit_test(wall_time_is_the_systems),
		cmocka_unit_test(monotonic_time_measures_a_sleep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
