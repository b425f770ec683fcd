#include "unit.h"

#include "model/ladder.h"

static enum ladder_rung next(const char *version, bool no_tool, enum task_state state, int64_t state_ms)
{
	return ladder_next(&(struct ladder){version, no_tool, state, state_ms});
}

static void each_generation_gets_what_it_understands(void **state)
{
	(void)state;
	static const struct {
		const char *version;
		enum ladder_rung rung;
	} rows[] = {
		{"0.9.8", LADDER_WAIT},    {"1.0.1", LADDER_WAIT},          {"1.5.8", LADDER_WAIT},    {"1.5.99", LADDER_WAIT},
		{"1.6", LADDER_REBOOT},    {"1.6.0", LADDER_REBOOT},        {"1.6.2", LADDER_REBOOT},  {"1.7.7", LADDER_REBOOT},
		{"1.9.9", LADDER_REBOOT},  {"1.10.0", LADDER_REBOOT},       {"2", LADDER_UPGRADE},     {"2.0", LADDER_UPGRADE},
		{"2.0.0", LADDER_UPGRADE}, {"2.0.4", LADDER_UPGRADE},       {"2.4.2", LADDER_UPGRADE}, {"2.4.2.0", LADDER_UPGRADE},
		{"3.0.0", LADDER_UPGRADE}, {"2.0.4-dirty", LADDER_UPGRADE},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (next(rows[i].version, false, TASK_QUEUED, 0) != rows[i].rung) {
			fail_msg("%s", rows[i].version);
		}
	}
}

static void a_version_that_cannot_be_read_is_no_ground_for_anything(void **state)
{
	(void)state;
	static const char *const versions[] = {"", "v2.4.2", "latest", "2..0", "2.99999999999"};
	for (size_t i = 0; i < COUNT(versions); i++) {
		assert_int_equal(next(versions[i], false, TASK_QUEUED, 0), LADDER_WAIT);
		assert_int_equal(next(versions[i], true, TASK_NOTIFIED, 0), LADDER_WAIT);
	}
}

static void who_does_not_know_the_tool_is_booted(void **state)
{
	(void)state;
	assert_int_equal(next("2.4.2", true, TASK_NOTIFIED, 0), LADDER_REBOOT);
	assert_int_equal(next("1.8.0", true, TASK_NOTIFIED, 0), LADDER_REBOOT);
	assert_int_equal(next("1.5.8", true, TASK_NOTIFIED, 0), LADDER_WAIT);
}

static void who_is_at_it_is_left_alone_and_never_booted(void **state)
{
	(void)state;
	static const enum task_state at_it[] = {TASK_ACCEPTED, TASK_DOWNLOADING};
	for (size_t i = 0; i < COUNT(at_it); i++) {
		assert_int_equal(next("2.4.2", false, at_it[i], 0), LADDER_WAIT);
		assert_int_equal(next("2.4.2", false, at_it[i], LADDER_PATIENCE_MS - 1), LADDER_WAIT);
		assert_int_equal(next("2.4.2", false, at_it[i], LADDER_PATIENCE_MS), LADDER_UPGRADE);
		assert_int_equal(next("2.4.2", true, at_it[i], 10 * LADDER_PATIENCE_MS), LADDER_WAIT);
		assert_int_equal(next("1.8.0", false, at_it[i], 10 * LADDER_PATIENCE_MS), LADDER_WAIT);
	}
}

static void who_has_the_bytes_or_has_ended_is_told_nothing(void **state)
{
	(void)state;
	for (int at = TASK_DOWNLOADED; at < TASK_STATES; at++) {
		assert_int_equal(next("2.4.2", false, (enum task_state)at, 10 * LADDER_PATIENCE_MS), LADDER_WAIT);
		assert_int_equal(next("1.8.0", false, (enum task_state)at, 10 * LADDER_PATIENCE_MS), LADDER_WAIT);
	}
}

static void a_call_s_number_fits_what_devices_read(void **state)
{
	(void)state;
	static const int64_t tasks[] = {0, 1, 2, INT32_MAX - 1, INT32_MAX, (int64_t)INT32_MAX + 1, INT64_C(1) << 40, INT64_MAX};
	for (size_t i = 0; i < COUNT(tasks); i++) {
		assert_true(ladder_call(tasks[i]) >= 1);
	}
	assert_int_equal(ladder_call(7), 8);
	for (int64_t near = 1; near < 100; near++) { /* tasks of one device are told apart */
		assert_int_not_equal(ladder_call(INT32_MAX - 50), ladder_call(INT32_MAX - 50 + near));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_generation_gets_what_it_understands),
		cmocka_unit_test(a_version_that_cannot_be_read_is_no_ground_for_anything),
		cmocka_unit_test(who_does_not_know_the_tool_is_booted),
		cmocka_unit_test(who_is_at_it_is_left_alone_and_never_booted),
		cmocka_unit_test(who_has_the_bytes_or_has_ended_is_told_nothing),
		cmocka_unit_test(a_call_s_number_fits_what_devices_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
