/* The moments that a broker does not hit on demand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "mqtt/window.h"

struct sent {
	atomic_int acked;
	atomic_int failed;
};

static void on_done(void *ctx, bool acknowledged)
{
	struct sent *sent = ctx;
	atomic_fetch_add(acknowledged ? &sent->acked : &sent->failed, 1);
}

static void count_writable(void *owner)
{
	atomic_fetch_add((atomic_int *)owner, 1);
}

static void a_verdict_while_the_message_is_still_being_handed_over_counts(void **state)
{
	(void)state;
	struct sent sent = {0};
	struct window *window = window_new(1, NULL, NULL);
	assert_null(window_reserve(window, on_done, &sent)); /* closed */
	window_open(window);
	struct ticket *ticket = window_reserve(window, on_done, &sent);
	window_verdict(ticket, true);
	window_fail_all(window);
	assert_true(window_handed(ticket, true));
	assert_int_equal(atomic_load(&sent.acked), 1);
	window_free(&window);
	assert_int_equal(atomic_load(&sent.failed), 0);
}

static void a_loss_while_a_message_is_being_handed_over_takes_it_back(void **state)
{
	(void)state;
	struct sent sent = {0};
	struct window *window = window_new(2, NULL, NULL);
	window_open(window);
	struct ticket *swallowed = window_reserve(window, on_done, &sent);
	struct ticket *refused = window_reserve(window, on_done, &sent);
	window_fail_all(window);
	assert_false(window_handed(swallowed, true));
	assert_false(window_handed(refused, false));
	window_verdict(swallowed, true); /* much later */
	struct ticket *forgotten = window_reserve(window, on_done, &sent);
	window_fail_all(window);
	assert_false(window_handed(forgotten, true));
	window_free(&window);
	assert_int_equal(atomic_load(&sent.acked) + atomic_load(&sent.failed), 0);
}

static void room_is_told_once_a_quarter_is_free_and_only_to_the_refused(void **state)
{
	(void)state;
	struct ticket *tickets[8];
	struct sent sent = {0};
	atomic_int writable = 0;
	struct window *window = window_new(8, count_writable, &writable);
	window_open(window);
	for (int i = 0; i < 8; i++) {
		tickets[i] = window_reserve(window, on_done, &sent);
		assert_non_null(tickets[i]);
		assert_true(window_handed(tickets[i], true));
	}
	assert_null(window_reserve(window, on_done, &sent));
	window_verdict(tickets[0], true);
	assert_int_equal(atomic_load(&writable), 0);
	window_verdict(tickets[1], true);
	assert_int_equal(atomic_load(&writable), 1);
	window_verdict(tickets[2], true);
	assert_int_equal(atomic_load(&writable), 1);
	window_free(&window);
	assert_null(window);
	assert_int_equal(atomic_load(&sent.acked), 3);
	assert_int_equal(atomic_load(&sent.failed), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verdict_while_the_message_is_still_being_handed_over_counts),
		cmocka_unit_test(a_loss_while_a_message_is_being_handed_over_takes_it_back),
		cmocka_unit_test(room_is_told_once_a_quarter_is_free_and_only_to_the_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
