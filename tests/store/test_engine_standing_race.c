/* Standing rollouts while polls, orders and cancellations come at the same time. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "site.h"
#include "standing_scene.h"
#include "work/pool.h"

/* --- at the same time --- */

static int64_t live_of(const char *device)
{
	return site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64 " AND ended_at IS NULL", site_id(device));
}

static void many_polls_of_a_device_at_once_are_one_task(void **state)
{
	(void)state;
	enum { TIMES = 20 };
	static struct answer stall;
	static struct answer polls[TIMES];
	const char *device = site_device();
	order_all(KNOWN, "");
	memset(&stall, 0, sizeof stall);
	memset(polls, 0, sizeof polls);
	site_stall(a, &stall);
	for (int i = 0; i < TIMES; i++) {
		begin_poll(a, device, "", &polls[i]);
	}
	site_unlock();
	for (int i = 0; i < TIMES; i++) {
		answer_wait(&polls[i]);
		assert_done(polls[i], ERR_NONE);
		assert_int_equal(polls[i].offer.task_id, polls[0].offer.task_id);
	}
	answer_wait(&stall);
	assert_int_equal(tasks_of(device), 1);
}

static void polls_through_both_replicas_at_once_are_one_task(void **state)
{
	(void)state;
	enum { TIMES = 30 };
	static struct answer at_a[TIMES];
	static struct answer at_b[TIMES];
	const char *devices[TIMES];
	memset(at_a, 0, sizeof at_a);
	memset(at_b, 0, sizeof at_b);
	int64_t rollout = order_all(KNOWN, "");
	offered_anew(b, site_device(), 0); /* it has heard */
	for (int i = 0; i < TIMES; i++) {
		devices[i] = site_device();
		begin_poll(a, devices[i], "", &at_a[i]);
		begin_poll(b, devices[i], "", &at_b[i]);
	}
	for (int i = 0; i < TIMES; i++) {
		answer_wait(&at_a[i]);
		answer_wait(&at_b[i]);
		assert_done(at_a[i], ERR_NONE);
		assert_done(at_b[i], ERR_NONE);
		assert_true(at_a[i].offered && at_b[i].offered);
		assert_int_equal(at_a[i].offer.task_id, at_b[i].offer.task_id);
		assert_string_equal(at_a[i].offer.alias, at_b[i].offer.alias);
		assert_int_equal(tasks_of(devices[i]), 1);
	}
	assert_int_equal(site_number("SELECT max(offers) FROM tasks WHERE rollout_id = %" PRId64, rollout), 1);
}

static void a_poll_and_an_order_at_once_are_one_task(void **state)
{
	(void)state;
	enum { TIMES = 20 };
	static struct answer polls[TIMES];
	static struct answer orders[TIMES];
	const char *devices[TIMES];
	memset(polls, 0, sizeof polls);
	memset(orders, 0, sizeof orders);
	order_all(KNOWN, "");
	offered_anew(b, site_device(), 0);
	for (int i = 0; i < TIMES; i++) {
		devices[i] = site_device();
		begin_poll(i % 2 ? a : b, devices[i], "", &polls[i]);
		begin_order(a, i % 4 < 2 ? WAY_PUSH : WAY_PASSIVE, devices[i], i % 3 ? SITE_KNOWN : SITE_KNOWN_3, &orders[i]);
	}
	for (int i = 0; i < TIMES; i++) {
		answer_wait(&polls[i]);
		answer_wait(&orders[i]);
		assert_done(polls[i], ERR_NONE);
		assert_done(orders[i], ERR_NONE);
		assert_int_equal(live_of(devices[i]), 1);
		assert_true(site_task_is(orders[i].order.task_id, "queued") || site_task_is(orders[i].order.task_id, "notified"));
	}
}

static void what_is_cancelled_while_polls_are_under_way_leaves_no_task(void **state)
{
	(void)state;
	enum { TIMES = 60 };
	static struct answer polls[TIMES];
	memset(polls, 0, sizeof polls);
	int64_t rollout = order_all(KNOWN, "");
	offered_anew(b, site_device(), 0);
	static struct call c;
	c = (struct call){.r = a, .verb = CANCEL, .id = rollout};
	for (int i = 0; i < TIMES; i++) {
		if (i == TIMES / 2) {
			assert_true(pool_submit(pool, run_call, &c));
		}
		begin_poll(i % 2 ? a : b, site_device(), "", &polls[i]);
	}
	call_wait(&c);
	assert_done(c, ERR_NONE);
	for (int i = 0; i < TIMES; i++) {
		answer_wait(&polls[i]);
		assert_done(polls[i], ERR_NONE);
	}
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE rollout_id = %" PRId64 " AND ended_at IS NULL", rollout), 0);
}

static void connections_cut_in_the_middle_make_no_task_twice(void **state)
{
	(void)state;
	enum { TIMES = 120 };
	static struct answer polls[TIMES];
	const char *devices[TIMES];
	memset(polls, 0, sizeof polls);
	int64_t rollout = order_all(KNOWN, "");
	for (int i = 0; i < TIMES; i++) {
		devices[i] = site_device();
		begin_poll(a, devices[i], "", &polls[i]);
		if (i % 40 == 20) {
			site_cut();
		}
		if (i % 20 == 0) {
			answer_wait(&polls[i]);
		}
	}
	for (int i = 0; i < TIMES; i++) {
		answer_wait(&polls[i]);
		if (polls[i].offered) { /* what was told is there */
			assert_true(site_task_is(polls[i].offer.task_id, "notified"));
		} else {
			assert_done(polls[i], ERR_UNAVAILABLE);
		}
		assert_in_range(tasks_of(devices[i]), polls[i].offered, 1);
	}
	assert_int_equal(site_number("SELECT max(offers) FROM tasks WHERE rollout_id = %" PRId64, rollout), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STANDING_TEST(many_polls_of_a_device_at_once_are_one_task),
		STANDING_TEST(polls_through_both_replicas_at_once_are_one_task),
		STANDING_TEST(a_poll_and_an_order_at_once_are_one_task),
		STANDING_TEST(what_is_cancelled_while_polls_are_under_way_leaves_no_task),
		STANDING_TEST(connections_cut_in_the_middle_make_no_task_twice),
	};
	return cmocka_run_group_tests(tests, standing_scene_start, standing_scene_stop);
}
