#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "alloc.h"
#include "plugin/revocations.h"

static struct revocation_row row(const char *device, uint32_t epoch, bool blocked)
{
	struct revocation_row r = {.epoch = epoch, .blocked = blocked};
	snprintf(r.device, sizeof r.device, "%s", device);
	return r;
}

static void say(struct revocations *r, const char *device, uint32_t epoch, bool blocked)
{
	const struct revocation_row one = row(device, epoch, blocked);
	assert_true(revocations_apply(r, &one, 1));
}

static void a_device_nobody_revoked_is_good_from_epoch_1(void **state)
{
	(void)state;
	struct revocations r = {0};
	assert_false(revocations_refuses(&r, "lamp-1", 1));
	assert_true(revocations_refuses(&r, "lamp-1", 0));
	assert_false(revocations_is_blocked(&r, "lamp-1"));
}

static void passwords_below_the_epoch_are_dead(void **state)
{
	(void)state;
	struct revocations r = {0};
	say(&r, "lamp-1", 3, false);
	assert_true(revocations_refuses(&r, "lamp-1", 2));
	assert_false(revocations_refuses(&r, "lamp-1", 3));
	assert_false(revocations_refuses(&r, "lamp-2", 1));
	assert_false(revocations_refuses(&r, "lamp-", 1));
	assert_false(revocations_is_blocked(&r, "lamp-1"));
	revocations_clear(&r);
}

static void a_blocked_device_is_refused_until_it_is_unblocked(void **state)
{
	(void)state;
	struct revocations r = {0};
	say(&r, "lamp-1", 2, true);
	assert_true(revocations_is_blocked(&r, "lamp-1"));
	assert_true(revocations_refuses(&r, "lamp-1", 9));
	say(&r, "lamp-1", 3, false);
	assert_false(revocations_is_blocked(&r, "lamp-1"));
	assert_int_equal(r.blocked, 0);
	assert_true(revocations_refuses(&r, "lamp-1", 2));
	assert_false(revocations_refuses(&r, "lamp-1", 3));
	revocations_clear(&r);
}

static void the_later_row_of_a_device_counts(void **state)
{
	(void)state;
	struct revocations r = {0};
	const struct revocation_row rows[] = {row("lamp-1", 5, true), row("lamp-2", 2, true), row("lamp-1", 6, false)};
	assert_true(revocations_apply(&r, rows, COUNT(rows)));
	assert_int_equal(revocations_count(&r), 2);
	assert_int_equal(r.blocked, 1);
	assert_false(revocations_refuses(&r, "lamp-1", 6));
	revocations_clear(&r);
	assert_int_equal(revocations_count(&r), 0);
	assert_false(revocations_refuses(&r, "lamp-2", 1));
}

static void many_are_all_found_again(void **state)
{
	(void)state;
	struct revocations r = {0};
	char name[CREDENTIAL_DEVICE_SIZE];
	enum { MANY = 50000 };
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "d%u", i);
		say(&r, name, i + 2, i % 3 == 0);
	}
	assert_int_equal(revocations_count(&r), MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "d%u", i);
		assert_true(revocations_refuses(&r, name, i + 1));
		assert_int_equal(revocations_refuses(&r, name, i + 2), i % 3 == 0);
	}
	struct revocation_view view;
	size_t seen = 0;
	for (size_t i = 0; revocations_next(&r, &i, &view);) {
		seen++;
		assert_true(revocations_matters(&view));
	}
	assert_int_equal(seen, MANY);
	revocations_clear(&r);
}

static void rows_for_which_there_is_no_memory_change_nothing(void **state)
{
	(void)state;
	const struct revocation_row rows[] = {row("lamp-1", 7, false), row("lamp-2", 7, true), row("lamp-3", 7, true)};
	bool failed = true;
	for (unsigned n = 1; failed; n++) {
		struct revocations r = {0};
		say(&r, "lamp-1", 3, false);
		alloc_fail_nth(n);
		failed = !revocations_apply(&r, rows, COUNT(rows));
		alloc_fail_nth(0);
		assert_true(n < 20);
		assert_int_equal(revocations_refuses(&r, "lamp-1", 6), !failed);
		assert_int_equal(revocations_refuses(&r, "lamp-2", 6), !failed);
		assert_int_equal(revocations_refuses(&r, "lamp-3", 6), !failed);
		assert_int_equal(r.blocked, failed ? 0 : 2);
		revocations_clear(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_nobody_revoked_is_good_from_epoch_1),
		cmocka_unit_test(passwords_below_the_epoch_are_dead),
		cmocka_unit_test(a_blocked_device_is_refused_until_it_is_unblocked),
		cmocka_unit_test(the_later_row_of_a_device_counts),
		cmocka_unit_test(many_are_all_found_again),
		cmocka_unit_test(rows_for_which_there_is_no_memory_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
