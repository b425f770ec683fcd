/* Pushes on their way out: repeated with back-off until the device acts, taken by one replica at a time, never lost with their sender. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "engine/dispatch.h"
#include "engine/explain.h"
#include "engine/presence.h"
#include "outbox_scene.h"
#include "site.h"

static int64_t ms_until_due(int64_t task)
{
	return site_number("SELECT extract(epoch FROM due_at - now()) * 1000 FROM outbox WHERE task_id = %" PRId64, task);
}

static int64_t attempt_of(int64_t task)
{
	return site_number("SELECT attempt FROM outbox WHERE task_id = %" PRId64, task);
}

static int64_t rows_of(int64_t task)
{
	return site_number("SELECT count(*) FROM outbox WHERE task_id = %" PRId64, task);
}

/* Whatever was due before this test is out of its way. */
static void clear(void)
{
	int64_t attempt;
	claim(r, 0, &attempt);
}

static uint32_t expiry(int64_t task, int64_t attempt)
{
	struct dispatch_message m;
	struct dispatch_item item = {.task_id = task, .attempt = attempt, .taken_ms = clock_mono_ms()};
	assert_true(dispatch_message(r->engine, &item, &m));
	return m.expiry_s;
}

/* --- repetitions --- */

static void a_push_is_repeated_after_10_s_doubling_to_10_min_with_jitter(void **state)
{
	(void)state;
	static const int64_t seconds[] = {10, 20, 40, 80, 160, 320, 600, 600, 600};
	clear();
	int64_t before_ms = clock_mono_ms();
	int64_t task = push(r, site_device(), SITE_KNOWN);
	for (int64_t i = 0; i < 9; i++) {
		before_ms = i ? clock_mono_ms() : before_ms;
		if (i > 0) { /* the first sending is the order's own */
			int64_t attempt = -1;
			make_due(task);
			assert_int_equal(claim(r, task, &attempt), 1);
			assert_int_equal(attempt, i);
		}
		assert_int_equal(expiry(task, i), seconds[i] - 2); /* it has left the broker before the next one comes */
		int64_t due_ms = ms_until_due(task);
		assert_in_range(due_ms, seconds[i] * 1000 - (clock_mono_ms() - before_ms) - 10, seconds[i] * 1500 + 10);
		dispatch_sent(r->engine, task);
	}
	site_until_task(task, "notified");
	site_run("UPDATE outbox SET attempt = 30 WHERE task_id = %" PRId64, task); /* as high as it counts */
	int64_t attempt = 0;
	make_due(task);
	assert_int_equal(claim(r, task, &attempt), 1);
	assert_in_range(ms_until_due(task), 590000, 901000);
	assert_int_equal(expiry(task, attempt), 598);
}

static void repetitions_are_spread(void **state)
{
	(void)state;
	int64_t tasks[20];
	for (int i = 0; i < 20; i++) {
		tasks[i] = push(r, site_device(), SITE_KNOWN);
	}
	assert_in_range(site_number("SELECT count(DISTINCT date_trunc('milliseconds', due_at - t.created_at)) FROM outbox JOIN tasks t ON "
				    "t.id = task_id"
				    " WHERE task_id BETWEEN %" PRId64 " AND %" PRId64,
				    tasks[0], tasks[19]),
			10, 20);
}

static void what_the_broker_did_not_take_is_due_at_once(void **state)
{
	(void)state;
	clear();
	int64_t task = push(r, site_device(), SITE_KNOWN);
	int64_t attempt = -1;
	assert_int_equal(claim(r, task, &attempt), 0); /* with the transport */
	dispatch_failed(r->engine, task);
	site_until(1, "SELECT count(*) FROM outbox WHERE task_id = %" PRId64 " AND due_at <= now()", task);
	assert_true(site_task_is(task, "queued")); /* nobody was told */
	assert_int_equal(claim(r, task, &attempt), 1);
	assert_int_equal(attempt, 0); /* it did not count */
}

static void without_a_broker_an_order_is_due_at_once(void **state)
{
	(void)state;
	clear();
	dispatch_state(r->engine, false);
	int64_t task = push(r, site_device(), SITE_KNOWN);
	dispatch_state(r->engine, true);
	int64_t attempt = -1;
	assert_int_equal(claim(r, task, &attempt), 1);
	assert_int_equal(attempt, 0);
	assert_int_equal(claim(r, task, &attempt), 0); /* moved on */
}

/* It may have forgotten what it acknowledged. */
static void when_the_broker_is_back_everything_is_sent_again_soon(void **state)
{
	(void)state;
	clear();
	int64_t task = push(r, site_device(), SITE_KNOWN);
	site_run("UPDATE outbox SET attempt = 9, due_at = now() + interval '9 minutes' WHERE task_id = %" PRId64, task);
	dispatch_state(r->engine, false);
	dispatch_state(r->engine, true);
	int64_t attempt = 0;
	if (claim(r, task, &attempt) == 0) {
		assert_in_range(ms_until_due(task) + 1000, 0, 11000);
		assert_int_equal(attempt_of(task), 0);
	}
	clear();
}

static void the_claim_says_when_to_come_again(void **state)
{
	(void)state;
	struct dispatch_item item;
	struct err err = {0};
	size_t count = 0;
	int64_t next_ms = 0;
	site_run("CREATE TEMP TABLE kept AS SELECT * FROM outbox; DELETE FROM outbox");
	assert_true(dispatch_claim(r->engine, &item, 1, &count, &next_ms, &err));
	assert_int_equal(next_ms, -1);
	int64_t task = push(r, site_device(), SITE_KNOWN);
	assert_true(dispatch_claim(r->engine, &item, 1, &count, &next_ms, &err));
	assert_int_equal(count, 0);
	assert_in_range(next_ms, 5000, 15001);
	make_due(task);
	assert_true(dispatch_claim(r->engine, &item, 1, &count, &next_ms, &err));
	assert_int_equal(count, 1);
	assert_int_equal(item.task_id, task);
	site_run("INSERT INTO outbox SELECT * FROM kept; DROP TABLE kept");
}

/* --- the device acts --- */

static void a_download_holds_repetitions_back_and_its_end_ends_them(void **state)
{
	(void)state;
	int64_t task = push(r, site_device(), SITE_KNOWN);
	fetch(r, alias_of(r, task), 0, 10);
	site_until_task(task, "downloading");
	assert_in_range(ms_until_due(task), 590000, 600000);
	fetch(r, alias_of(r, task), 10, SITE_SIZE - 10);
	site_until_task(task, "downloaded");
	assert_int_equal(rows_of(task), 0);
}

static void whatever_ends_a_task_ends_its_repetitions(void **state)
{
	(void)state;
	const char *devices[3] = {site_device(), site_device(), site_device()};
	int64_t tasks[3];
	for (int i = 0; i < 3; i++) {
		tasks[i] = push(r, devices[i], SITE_KNOWN);
		assert_int_equal(rows_of(tasks[i]), 1);
	}
	assert_done(report_version(r, devices[0], "2.0", false), ERR_NONE);
	assert_done(report_step(r, devices[1], -2), ERR_NONE);
	assert_done(cancel_task(r, tasks[2], devices[2]), ERR_NONE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rows_of(tasks[i]), 0);
	}
}

/* As a transport does: publishes it, and the broker takes it. */
static void publish(int64_t task)
{
	struct dispatch_message message;
	struct dispatch_item item = {.task_id = task};
	assert_true(dispatch_message(r->engine, &item, &message));
	dispatch_sent(r->engine, task);
	site_until(1, "SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND state = 'notified'", task);
}

/* Far away, and handed to a sender as long ago as given. */
static void postpone(int64_t task, const char *taken_ago)
{
	site_run(
		"UPDATE outbox SET attempt = 7, due_at = now() + interval '1 h', taken_at = now() - interval '%s' WHERE task_id = %" PRId64,
		taken_ago, task);
}

static void until_due(int64_t task)
{
	site_until(1, "SELECT count(*) FROM outbox WHERE due_at <= now() AND attempt = 0 AND task_id = %" PRId64, task);
}

/* Whatever was asked before has been committed. */
static void settle(void)
{
	assert_done(report_version(r, site_device(), "1.0", false), ERR_NONE);
}

static void a_device_that_shows_up_is_told_at_once(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	dispatch_failed(r->engine, task); /* the broker did not take it */
	settle();
	postpone(task, "1 h");
	assert_done(poll_as(r, device, ""), ERR_NONE); /* never seen since the outbox_scene_start: it was away */
	until_due(task);                               /* back-off begins anew */
	postpone(task, "1 h");
	poll_as(r, device, ""); /* it has not been away */
	settle();
	assert_true(ms_until_due(task) > 1000000);
}

static void a_device_that_asks_is_told_again(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	publish(task);
	postpone(task, "1 h");
	presence_asked(r->engine, device); /* it has it since a moment */
	settle();
	assert_true(ms_until_due(task) > 1000000);
	usleep(1100000);
	presence_asked(r->engine, device);
	until_due(task);
	presence_asked(r->engine, "d0"); /* nobody: nothing */
}

static void who_subscribes_after_the_message_was_sent_gets_it_once(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t attempt;
	int64_t task = push(r, device, SITE_KNOWN);
	publish(task);
	postpone(task, "2 s");
	usleep(5000);
	presence_told(r->engine, device, PRESENCE_SUBSCRIBED, false, 0);
	until_due(task);
	assert_int_equal(claim(r, task, &attempt), 1);
	publish(task);
	postpone(task, "0 s");
	presence_told(r->engine, device, PRESENCE_SUBSCRIBED, false, 500); /* what another replica heard of the same */
	settle();
	assert_true(ms_until_due(task) > 1000000);
}

static void what_another_replica_sent_since_is_not_sent_again(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	publish(task);
	usleep(200000);
	postpone(task, "0 s"); /* taken a moment ago, not by us */
	presence_told(r->engine, device, PRESENCE_SUBSCRIBED, false, 100);
	settle();
	assert_true(ms_until_due(task) > 1000000);
}

static void a_resumed_session_has_got_what_lay_in_its_queue(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	publish(task);
	usleep(5000);
	postpone(task, "5 m"); /* the seventh repetition lives ten minutes at the broker */
	presence_told(r->engine, device, PRESENCE_CONNECTED, true, 0);
	site_until(
		1,
		"SELECT count(*) FROM outbox WHERE due_at BETWEEN now() + interval '4 m' AND now() + interval '6 m' AND task_id = %" PRId64,
		task);          /* when it has expired there */
	postpone(task, "11 m"); /* expired there */
	presence_told(r->engine, device, PRESENCE_CONNECTED, true, 0);
	until_due(task);
}

static void who_begins_a_download_anew_is_told_once(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	publish(task);
	assert_done(report_step(r, device, 10), ERR_NONE);
	usleep(5000);
	postpone(task, "1 h");
	presence_told(r->engine, device, PRESENCE_CONNECTED, true, 0); /* the same session: it goes on */
	settle();
	assert_true(ms_until_due(task) > 1000000);
	presence_told(r->engine, device, PRESENCE_SUBSCRIBED, false, 0); /* it was reset */
	site_until(1, "SELECT count(*) FROM outbox WHERE due_at <= now() AND attempt = 30 AND task_id = %" PRId64, task);
}

static void who_connects_without_a_subscription_hears_nothing_yet(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	publish(task);
	usleep(5000);
	postpone(task, "1 h");
	presence_told(r->engine, device, PRESENCE_CONNECTED, false, 0);
	presence_told(r->engine, device, PRESENCE_GONE, false, 0);
	presence_told(r->engine, "d0", PRESENCE_SUBSCRIBED, false, 0);
	settle();
	assert_true(ms_until_due(task) > 1000000);
}

/* --- the message --- */

static void the_message_is_the_offer_of_the_task(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	struct dispatch_item item = {.task_id = task};
	struct dispatch_message m;
	assert_true(dispatch_message(r->engine, &item, &m));
	assert_string_equal(m.device, device);
	assert_int_equal(m.offer.task_id, task);
	assert_string_equal(m.offer.version, "2.0");
	assert_int_equal(m.offer.size, SITE_SIZE);
	assert_string_equal(m.offer.component, "app");
	assert_true(dispatch_is_ours(r->engine, device, m.offer.alias));
	assert_false(dispatch_is_ours(r->engine, site_device(), m.offer.alias)); /* another device's topic */
	m.offer.alias[20] ^= 1;
	assert_false(dispatch_is_ours(r->engine, device, m.offer.alias));
	struct dispatch_message again; /* every repetition is the same message */
	assert_true(dispatch_message(r->engine, &item, &again));
	m.offer.alias[20] ^= 1;
	assert_string_equal(again.offer.alias, m.offer.alias);
	assert_string_equal(again.offer.version, m.offer.version);
}

static void nothing_is_sent_for_a_task_that_is_over_or_in_hand(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	struct dispatch_item item = {.task_id = task};
	struct dispatch_message m;
	fetch(r, alias_of(r, task), 0, SITE_SIZE);
	site_until_task(task, "downloaded");
	assert_false(dispatch_message(r->engine, &item, &m));
	assert_done(cancel_task(r, task, device), ERR_NONE);
	assert_false(dispatch_message(r->engine, &item, &m));
}

static bool is_blocked(const char *device)
{
	char text[1024];
	struct buf out;
	buf_init_fixed(&out, text, sizeof text);
	assert_true(explain_device(r->engine, device, COMPONENT_DEFAULT, NULL, false, &out));
	return strstr(buf_cstr(&out), "blocked") != NULL;
}

static void block(const char *device, bool blocked)
{
	site_run("BEGIN; UPDATE devices SET blocked_at = %s WHERE id = %" PRId64 "; SELECT change_append('device', ARRAY[%" PRId64
		 "]), pg_notify('otad', ''); COMMIT",
		 blocked ? "now()" : "NULL", site_id(device), site_id(device));
	for (int64_t deadline = 0; is_blocked(device) != blocked; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
}

/* Nor does its device, once it is let in again, wait because something is thought to be on its way. */
static void nothing_is_sent_to_a_blocked_device(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	struct dispatch_item item = {.task_id = task};
	struct dispatch_message m;
	block(device, true);
	dispatch_queued(r->engine, task);
	assert_false(dispatch_message(r->engine, &item, &m));
	assert_int_equal(rows_of(task), 1); /* it waits */
	block(device, false);
	postpone(task, "1 h");
	presence_told(r->engine, device, PRESENCE_SUBSCRIBED, false, 0);
	until_due(task);
	assert_true(dispatch_message(r->engine, &item, &m));
}

/* A row whose task is gone does not come back for ever. */
static void a_stray_row_is_dropped(void **state)
{
	(void)state;
	struct dispatch_message m;
	struct dispatch_item item = {.task_id = 1 << 30};
	site_run("INSERT INTO outbox (task_id) VALUES (%d)", 1 << 30);
	assert_false(dispatch_message(r->engine, &item, &m));
	site_until(0, "SELECT count(*) FROM outbox WHERE task_id = %d", 1 << 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(a_push_is_repeated_after_10_s_doubling_to_10_min_with_jitter),
		SITE_TEST(repetitions_are_spread),
		SITE_TEST(what_the_broker_did_not_take_is_due_at_once),
		SITE_TEST(without_a_broker_an_order_is_due_at_once),
		SITE_TEST(when_the_broker_is_back_everything_is_sent_again_soon),
		SITE_TEST(the_claim_says_when_to_come_again),
		SITE_TEST(a_download_holds_repetitions_back_and_its_end_ends_them),
		SITE_TEST(whatever_ends_a_task_ends_its_repetitions),
		SITE_TEST(a_device_that_shows_up_is_told_at_once),
		SITE_TEST(a_device_that_asks_is_told_again),
		SITE_TEST(who_subscribes_after_the_message_was_sent_gets_it_once),
		SITE_TEST(what_another_replica_sent_since_is_not_sent_again),
		SITE_TEST(a_resumed_session_has_got_what_lay_in_its_queue),
		SITE_TEST(who_begins_a_download_anew_is_told_once),
		SITE_TEST(who_connects_without_a_subscription_hears_nothing_yet),
		SITE_TEST(the_message_is_the_offer_of_the_task),
		SITE_TEST(nothing_is_sent_for_a_task_that_is_over_or_in_hand),
		SITE_TEST(nothing_is_sent_to_a_blocked_device),
		SITE_TEST(a_stray_row_is_dropped),
	};
	return cmocka_run_group_tests(tests, outbox_scene_start, outbox_scene_stop);
}
