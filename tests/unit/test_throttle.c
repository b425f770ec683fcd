#include "unit.h"

#include <stdbool.h>
#include <stdio.h>

#include "engine/throttle.h"

static int setup(void **state)
{
	(void)state;
	throttle_reset();
	return 0;
}

static int grants(const char *address, int64_t now, int tries)
{
	int n = 0;
	for (int i = 0; i < tries; i++) {
		n += throttle_take(THROTTLE_LOGIN, address, now);
	}
	return n;
}

static void an_address_has_ten_attempts_in_a_window(void **state)
{
	(void)state;
	assert_int_equal(grants("192.0.2.1", 1000, 20), THROTTLE_FAILURES);
	assert_int_equal(grants("192.0.2.2", 1000, 20), THROTTLE_FAILURES);
	assert_false(throttle_take(THROTTLE_LOGIN, "192.0.2.1", 1000 + THROTTLE_WINDOW_MS - 1));
	assert_int_equal(grants("192.0.2.1", 1000 + THROTTLE_WINDOW_MS, 20), THROTTLE_FAILURES);
}

static void a_refused_attempt_does_not_prolong_the_window(void **state)
{
	(void)state;
	grants("192.0.2.1", 1, 20);
	grants("192.0.2.1", THROTTLE_WINDOW_MS, 20);
	assert_true(throttle_take(THROTTLE_LOGIN, "192.0.2.1", THROTTLE_WINDOW_MS + 1));
}

/* Who knows how many may change their mind. */
static void a_caller_says_how_many(void **state)
{
	(void)state;
	int n = 0;
	for (int i = 0; i < 10; i++) {
		n += throttle_take_of(THROTTLE_REGISTER, "192.0.2.1", 3, 1000);
	}
	assert_int_equal(n, 3);
	assert_true(throttle_take_of(THROTTLE_REGISTER, "192.0.2.1", 4, 1000));
	throttle_give_back(THROTTLE_REGISTER, "192.0.2.1");
	assert_false(throttle_take_of(THROTTLE_REGISTER, "192.0.2.1", 2, 1000 + 3600 * 1000 - 1));
	assert_true(throttle_take_of(THROTTLE_REGISTER, "192.0.2.1", 2, 1000 + 3600 * 1000));
}

static void success_forgives(void **state)
{
	(void)state;
	grants("192.0.2.1", 1, 9);
	throttle_forgive(THROTTLE_LOGIN, "192.0.2.1");
	assert_int_equal(grants("192.0.2.1", 2, 20), THROTTLE_FAILURES);
	throttle_forgive(THROTTLE_LOGIN, "192.0.2.77"); /* never seen: harmless */
}

static void an_ipv6_customer_is_one_address(void **state)
{
	(void)state;
	assert_int_equal(grants("2001:db8:1:2::1", 1, 5), 5);
	assert_int_equal(grants("2001:db8:1:2:ffff::9", 1, 20), 5);
	assert_int_equal(grants("2001:db8:1:3::1", 1, 20), THROTTLE_FAILURES);
	assert_int_equal(grants("::ffff:192.0.2.1", 1, 20), THROTTLE_FAILURES);
	assert_int_equal(grants("::ffff:192.0.2.2", 1, 20), THROTTLE_FAILURES); /* mapped IPv4 does not share a prefix */
}

static void a_flood_of_addresses_neither_grows_nor_locks_out_a_newcomer(void **state)
{
	(void)state;
	char address[32];
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_true(throttle_take(THROTTLE_LOGIN, address, 1 + i));
	}
	assert_int_equal(grants("192.0.2.1", 200000, 20), THROTTLE_FAILURES);
}

static void kinds_count_apart_and_a_success_gives_one_back(void **state)
{
	(void)state;
	grants("192.0.2.1", 1, 20);
	for (int i = 0; i < 10; i++) {
		assert_true(throttle_take(THROTTLE_PROOF_DEVICE, "192.0.2.1", 1));
	}
	assert_false(throttle_take(THROTTLE_PROOF_DEVICE, "192.0.2.1", 1));
	throttle_give_back(THROTTLE_PROOF_DEVICE, "192.0.2.1");
	assert_true(throttle_take(THROTTLE_PROOF_DEVICE, "192.0.2.1", 1));
	assert_false(throttle_take(THROTTLE_PROOF_DEVICE, "192.0.2.1", 1));
	throttle_give_back(THROTTLE_PROOF_DEVICE, "192.0.2.9"); /* never seen: harmless */
	assert_true(throttle_counts(THROTTLE_PROOF_DEVICE, "192.0.2.1", 1));
	assert_false(throttle_counts(THROTTLE_PROOF_DEVICE, "192.0.2.1", 1 + THROTTLE_WINDOW_MS));
	assert_false(throttle_counts(THROTTLE_PROOF_DEVICE, "192.0.2.9", 1));
	assert_false(throttle_counts(THROTTLE_PROOF_ADDRESS, "192.0.2.1", 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(an_address_has_ten_attempts_in_a_window),
		TEST(a_refused_attempt_does_not_prolong_the_window),
		TEST(a_caller_says_how_many),
		TEST(success_forgives),
		TEST(an_ipv6_customer_is_one_address),
		TEST(kinds_count_apart_and_a_success_gives_one_back),
		TEST(a_flood_of_addresses_neither_grows_nor_locks_out_a_newcomer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
