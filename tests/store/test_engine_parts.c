/* Devices of several components: each part's offer, task and report; files that rank. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/text.h"
#include "engine/parts.h"
#include "metrics/metrics.h"
#include "model/decide.h"
#include "site.h"

static struct replica *r;

/* Files of the product: id 900 + n, each with a rollout of the same id. */
static void make_file(int n, const char *component, const char *version, const char *stage)
{
	site_run("INSERT INTO firmware (id, product_id, component, name, version, url, told_md5, created_by) "
		 "OVERRIDING SYSTEM VALUE VALUES (%d, 1, '%s', 'file-%d', '%s', 'https://x.example/%d.bin', 'm', 'alice')",
		 900 + n, component, n, version, n);
	site_run("INSERT INTO rollouts (id, kind, way, ranked, stage, product_id, firmware_id, component, created_by) "
		 "OVERRIDING SYSTEM VALUE VALUES (%d, 'standing', 'standing', true, '%s', 1, %d, '%s', 'alice')",
		 900 + n, stage, 900 + n, component);
}

static int start(void **state)
{
	(void)state;
	site_new();
	make_file(1, "mcu", "2.0", "online");
	make_file(2, "wifi", "2.0", "online");
	make_file(3, "mcu", "3.0", "test");
	make_file(4, "mcu", "4.0", "invalid");
	make_file(5, "wifi", "1.5", "online");
	site_run("INSERT INTO mac_ranges (rollout_id, place, kind, head) VALUES (903, 1, 'prefix', 'TESTER')");
	r = replica_start("");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&r);
	return 0;
}

struct checked {
	struct answer done;
	struct parts_answer answer;
};

static void answered(void *ctx, const struct parts_answer *answer, const struct err *err)
{
	struct checked *c = ctx;
	if (err) {
		c->done.err = *err;
	} else {
		c->answer = *answer;
	}
	__atomic_store_n(&c->done.done, true, __ATOMIC_RELEASE);
}

static void heard(void *ctx, const struct err *err)
{
	struct answer *a = ctx;
	if (err) {
		a->err = *err;
	}
	__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
}

static struct parts_ask ask_of(const char *device, const char *mcu, const char *wifi)
{
	struct parts_ask ask = {.product_id = 1, .parts = {{.component = "mcu"}, {.component = "wifi"}}};
	text_copy(ask.ids[0], sizeof ask.ids[0], device);
	text_copy(ask.parts[0].version, sizeof ask.parts[0].version, mcu);
	text_copy(ask.parts[1].version, sizeof ask.parts[1].version, wifi);
	return ask;
}

/* "2.0 -": what is offered of mcu and wifi. */
static const char *check(const char *device, const char *mcu, const char *wifi)
{
	static char text[2 * VERSION_SIZE + 8];
	struct checked c = {.done = {.done = false}};
	struct parts_ask ask = ask_of(device, mcu, wifi);
	parts_check(r->engine, &ask, answered, &c);
	answer_wait(&c.done);
	assert_done(c.done, ERR_NONE);
	const struct parts_offer *o = c.answer.offers;
	snprintf(text, sizeof text, "%s %s", o[0].offered ? o[0].version : "-", o[1].offered ? o[1].version : "-");
	return text;
}

static struct answer tell(const char *device, const char *mcu, const char *wifi)
{
	struct answer a = {0};
	struct parts_ask ask = ask_of(device, mcu, wifi);
	parts_report(r->engine, &ask, heard, &a);
	answer_wait(&a);
	return a;
}

#define assert_tasks(device, component_, state_, expected)                                                                             \
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64 " AND component = '%s' AND state = '%s'", \
				     site_id(device), component_, state_),                                                             \
			 expected)

static void each_part_has_its_offer_and_its_task(void **state)
{
	(void)state;
	const char *device = site_device();
	assert_string_equal(check(device, "1.0", "1.0"), "2.0 2.0");
	assert_string_equal(check(device, "1.0", "1.0"), "2.0 2.0");
	assert_tasks(device, "mcu", "notified", 1);
	assert_tasks(device, "wifi", "notified", 1);
	struct answer a = tell(device, "", "2.0");
	assert_done(a, ERR_NONE);
	assert_tasks(device, "mcu", "notified", 1);
	assert_tasks(device, "wifi", "succeeded", 1);
	assert_string_equal(check(device, "2.0", "2.0"), "- -");
	assert_tasks(device, "mcu", "succeeded", 1);
}

static void a_stranger_is_offered_without_a_task(void **state)
{
	(void)state;
	int64_t before = site_number("SELECT count(*) FROM tasks");
	assert_string_equal(check("", "1.0", "2.0"), "2.0 -");
	assert_string_equal(check("tester-7", "1.0", "2.0"), "3.0 -");
	assert_string_equal(check("whoever", "3.0", ""), "- 2.0");
	assert_int_equal(site_number("SELECT count(*) FROM tasks"), before);
	struct answer a = tell("whoever", "1.0", "");
	assert_done(a, ERR_NOT_FOUND);
}

/* With a serial number that a file in test names. */
static struct checked ask_as_tester(const char *device)
{
	struct checked c = {.done = {.done = false}};
	struct parts_ask ask = ask_of(device, "1.0", "2.0");
	text_copy(ask.ids[1], sizeof ask.ids[1], "tester-9");
	parts_check(r->engine, &ask, answered, &c);
	answer_wait(&c.done);
	assert_done(c.done, ERR_NONE);
	return c;
}

static void check_as_tester(const char *device)
{
	struct checked c = ask_as_tester(device);
	assert_true(c.answer.offers[0].offered);
	assert_string_equal(c.answer.offers[0].version, "3.0");
	assert_string_equal(c.answer.offers[0].url, "https://x.example/3.bin");
}

static void a_task_that_has_not_begun_gives_way_to_a_higher_file(void **state)
{
	(void)state;
	const char *device = site_device();
	assert_string_equal(check(device, "1.0", "2.0"), "2.0 -");
	check_as_tester(device);
	assert_tasks(device, "mcu", "superseded", 1);
	assert_tasks(device, "mcu", "notified", 1);
}

static void what_gave_way_counts_as_no_offer(void **state)
{
	(void)state;
	const char *device = site_device();
	for (int i = 0; i <= STANDING_OFFERS_MAX; i++) {
		assert_string_equal(check(device, "1.0", "2.0"), "2.0 -");
		check_as_tester(device);
	}
	assert_int_equal(site_number("SELECT max(offers) FROM tasks WHERE device_id = %" PRId64, site_id(device)), 1);
}

/* Who makes a device look like one, then like another, must not fill the table. */
static void there_are_only_so_many_turns(void **state)
{
	(void)state;
	const char *device = site_device();
	for (int i = 0; i < STANDING_TURNS_MAX + STANDING_OFFERS_MAX; i++) {
		check(device, "1.0", "2.0");
		ask_as_tester(device);
	}
	int64_t tasks = site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64, site_id(device));
	assert_in_range(tasks, STANDING_TURNS_MAX, 2 * (STANDING_TURNS_MAX + 1));
	for (int i = 0; i < 3; i++) {
		check(device, "1.0", "2.0");
		ask_as_tester(device);
	}
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64, site_id(device)), tasks);
	assert_int_equal(site_number("SELECT max(turns) FROM tasks WHERE device_id = %" PRId64, site_id(device)), STANDING_TURNS_MAX - 1);
}

static void what_an_operator_cancelled_is_not_offered_again(void **state)
{
	(void)state;
	const char *device = site_device();
	assert_string_equal(check(device, "1.0", "2.0"), "2.0 -");
	struct answer a = cancel_task(r, site_number("SELECT max(id) FROM tasks WHERE device_id = %" PRId64, site_id(device)), device);
	assert_done(a, ERR_NONE);
	assert_string_equal(check(device, "1.0", "2.0"), "- -");
}

/* Written behind, and once. */
static void an_idle_check_s_versions_are_noted(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t id = site_id(device);
	assert_string_equal(check(device, "5.0", "6.0"), "- -");
	site_until(2,
		   "SELECT count(*) FROM device_versions WHERE device_id = %" PRId64 " AND (component, version) IN (('mcu', '5.0'), "
		   "('wifi', '6.0'))",
		   id);
	int64_t noting = metrics_get(METRIC_POLLS_NOTING);
	int64_t written = metrics_get(METRIC_NOTES_WRITTEN);
	assert_string_equal(check(device, "5.0", "6.0"), "- -");
	assert_string_equal(check(device, "", ""), "2.0 2.0"); /* unknown is no news */
	assert_string_equal(check(device, "5.0", "6.0"), "- -");
	assert_int_equal(metrics_get(METRIC_POLLS_NOTING), noting);
	assert_string_equal(check(device, "5.0", "6.1"), "- -");
	assert_int_equal(metrics_get(METRIC_POLLS_NOTING), noting + 1);
	site_until(1, "SELECT count(*) FROM device_versions WHERE device_id = %" PRId64 " AND version = '6.1'", id);
	assert_true(metrics_get(METRIC_NOTES_WRITTEN) > written);
	assert_string_equal(check("nobody-at-all", "5.0", "6.0"), "- -");
	assert_int_equal(metrics_get(METRIC_POLLS_NOTING), noting + 1);
}

/* No task is live that it could end, but the latest one was given up too early. */
static void a_check_s_version_turns_a_task_that_was_given_up(void **state)
{
	(void)state;
	const char *device = site_device();
	assert_string_equal(check(device, "1.0", "2.0"), "2.0 -");
	int64_t task = site_number("SELECT max(id) FROM tasks WHERE device_id = %" PRId64, site_id(device));
	site_run("UPDATE tasks SET state = 'timed_out', stage = 'notified', rev = rev + 1, ended_at = now() WHERE id = %" PRId64
		 "; SELECT change_append('task', '{%" PRId64 "}'), pg_notify('otad', '')",
		 task, task);
	site_pause();
	assert_string_equal(check(device, "2.0", "2.0"), "- -");
	site_until_task(task, "succeeded");
}

static void a_poll_of_another_dialect_sees_no_file(void **state)
{
	(void)state;
	const char *device = site_device();
	struct answer a = poll_as(r, device, "0.1");
	assert_false(a.offered);
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64, site_id(device)), 0);
}

static void who_says_to_be_two_devices_is_refused(void **state)
{
	(void)state;
	struct checked c = {.done = {.done = false}};
	struct parts_ask ask = ask_of("d1499", "1.0", "1.0");
	text_copy(ask.ids[1], sizeof ask.ids[1], "d1498");
	parts_check(r->engine, &ask, answered, &c);
	answer_wait(&c.done);
	assert_done(c.done, ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(each_part_has_its_offer_and_its_task),
		SITE_TEST(a_stranger_is_offered_without_a_task),
		SITE_TEST(a_task_that_has_not_begun_gives_way_to_a_higher_file),
		SITE_TEST(what_gave_way_counts_as_no_offer),
		SITE_TEST(there_are_only_so_many_turns),
		SITE_TEST(what_an_operator_cancelled_is_not_offered_again),
		SITE_TEST(an_idle_check_s_versions_are_noted),
		SITE_TEST(a_check_s_version_turns_a_task_that_was_given_up),
		SITE_TEST(a_poll_of_another_dialect_sees_no_file),
		SITE_TEST(who_says_to_be_two_devices_is_refused),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
