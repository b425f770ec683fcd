/* Pushes to devices that subscribe to nothing: how each is told, once or again, what its answers do, and what is not sent at all. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/text.h"
#include "engine/climb.h"
#include "engine/dispatch.h"
#include "engine/message.h"
#include "engine/presence.h"
#include "metrics/metrics.h"
#include "model/ladder.h"
#include "site.h"

enum { DEVICES = 60 };
#define FIRMWARE SITE_KNOWN_3 /* 3.0, an image */
#define SLOTS "0 16 2097152 ota_0\n0 17 2097152 ota_1\n"

static struct replica *r;

static int start(void **state)
{
	(void)state;
	site_new();
	site_run("UPDATE devices SET name = '94_a9_90_2c_84_' || lpad(to_hex(id), 2, '0'), bound_at = now() WHERE id <= %d", DEVICES);
	site_run("UPDATE devices SET name = 'kitchen', mac = '94A9902C84FF' WHERE id = %d", DEVICES);
	site_run("INSERT INTO device_facts (device_id, told, flash_size, whole, board_name, board_type, chip, slot, language, client_uuid, "
		 "partitions) SELECT id, 77, 0, true, 'lamp', 'lamp', 'esp32s3', 'ota_0', '', '', '" SLOTS "' FROM devices WHERE id <= %d",
		 DEVICES);
	site_run("UPDATE firmware SET chip = 'esp32s3', elf_sha256 = sha256(name::bytea), image_version = version WHERE name LIKE "
		 "'known%%'");
	r = replica_start("public_url = http://ota.example.com\n");
	presence_complete(r->engine, true);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&r);
	return 0;
}

/* The next unused one; connected, and of that version. */
static const char *device(const char *version)
{
	static char names[DEVICES][32];
	static int used;
	assert_true(used < DEVICES - 1);
	char *name = names[used++];
	snprintf(name, sizeof names[0], "94_a9_90_2c_84_%02x", used);
	assert_done(report_version(r, name, version, false), ERR_NONE);
	presence_told(r->engine, name, PRESENCE_CONNECTED, false, 0);
	return name;
}

/* As the outbox asks when it takes the task: answers the rung. */
static enum ladder_rung rung(struct replica *by, int64_t task)
{
	struct dispatch_message m;
	struct dispatch_item item = {.task_id = task};
	if (!dispatch_message(by->engine, &item, &m)) {
		return LADDER_WAIT;
	}
	assert_int_not_equal(m.how, DISPATCH_TOPIC);
	return m.how == DISPATCH_UPGRADE ? LADDER_UPGRADE : LADDER_REBOOT;
}

static struct message_answer answer(const char *name, int64_t task, enum answer_kind kind, const char *detail)
{
	struct message_answer a = {.kind = kind, .call = ladder_call(task)};
	text_copy(a.device, sizeof a.device, name);
	text_copy(a.detail, sizeof a.detail, detail);
	return a;
}

static void say(const char *name, int64_t task, enum answer_kind kind, const char *detail)
{
	struct message_answer a = answer(name, task, kind, detail);
	climb_answer(r->engine, &a);
}

/* Whatever was asked before has been committed. */
static void settle(void)
{
	assert_done(report_version(r, "d1000", "1.0", false), ERR_NONE);
}

static int64_t events(int64_t task, const char *event)
{
	return site_number("SELECT count(*) FROM events WHERE task_id = %" PRId64 " AND event = '%s'", task, event);
}

static void put_off(int64_t task)
{
	site_run("UPDATE outbox SET attempt = 7, due_at = now() + interval '1 h', taken_at = now() WHERE task_id = %" PRId64, task);
}

static void until_due(int64_t task)
{
	site_until(1, "SELECT count(*) FROM outbox WHERE due_at <= now() AND task_id = %" PRId64, task);
}

/* --- how it is told --- */

static void who_knows_the_tool_is_called(void **state)
{
	(void)state;
	const char *name = device("2.0.4");
	int64_t task = push(r, name, FIRMWARE);
	struct dispatch_item item = {.task_id = task};
	struct dispatch_message m;
	assert_true(dispatch_message(r->engine, &item, &m));
	assert_int_equal(m.how, DISPATCH_UPGRADE);
	assert_int_equal(m.call, ladder_call(task));
	assert_string_equal(m.device, name);
	assert_true(dispatch_is_ours(r->engine, name, m.offer.alias)); /* the file's name says who fetches it */
	assert_int_equal(rung(r, task), LADDER_UPGRADE);               /* until it answers */
	dispatch_sent(r->engine, task);
	site_until_task(task, "notified");
}

static void others_are_told_as_ever(void **state)
{
	(void)state;
	int64_t task = push(r, "d1001", FIRMWARE);
	struct dispatch_item item = {.task_id = task};
	struct dispatch_message m;
	assert_true(dispatch_message(r->engine, &item, &m));
	assert_int_equal(m.how, DISPATCH_TOPIC);
	assert_string_equal(m.device, "d1001");
}

static void who_is_away_is_told_when_it_connects(void **state)
{
	(void)state;
	const char *name = device("2.0.4");
	presence_told(r->engine, name, PRESENCE_GONE, false, 0);
	int64_t task = push(r, name, FIRMWARE);
	assert_int_equal(rung(r, task), LADDER_WAIT);
	put_off(task);
	usleep(5000);
	presence_told(r->engine, name, PRESENCE_CONNECTED, false, 0);
	until_due(task);
	assert_int_equal(rung(r, task), LADDER_UPGRADE);
	presence_complete(r->engine, false); /* who is there is not known: a plugin is away, or there is none */
	assert_int_equal(rung(r, task), LADDER_WAIT);
	presence_complete(r->engine, true);
}

static void who_downloads_is_not_told_again_when_its_connection_comes_back(void **state)
{
	(void)state;
	const char *name = device("2.0.4");
	int64_t task = push(r, name, FIRMWARE);
	fetch(r, alias_of(r, task), 0, SITE_SIZE / 2);
	site_until_task(task, "downloading");
	settle();
	put_off(task);
	usleep(5000);
	presence_told(r->engine, name, PRESENCE_CONNECTED, false, 0);
	settle();
	assert_int_equal(site_number("SELECT count(*) FROM outbox WHERE due_at <= now() AND task_id = %" PRId64, task), 0);
	assert_int_equal(rung(r, task), LADDER_WAIT);
}

static void nothing_is_sent_to_firmware_that_knows_neither(void **state)
{
	(void)state;
	static const char *const versions[] = {"0.9.8", "1.5.8", "v2"};
	for (size_t i = 0; i < 3; i++) {
		int64_t task = push(r, device(versions[i]), FIRMWARE);
		assert_int_equal(rung(r, task), LADDER_WAIT);
		assert_true(site_task_is(task, "queued")); /* until it boots */
	}
}

static void what_its_owner_does_not_want_is_not_sent(void **state)
{
	(void)state;
	static const char *const columns[] = {"auto_update = false", "bound_at = NULL"};
	for (size_t i = 0; i < 2; i++) {
		const char *name = device("2.0.4");
		int64_t task = push(r, name, FIRMWARE);
		assert_int_equal(rung(r, task), LADDER_UPGRADE);
		site_run(
			"BEGIN; UPDATE devices SET %s WHERE name = '%s'; SELECT change_append('device', (SELECT array_agg(id) FROM devices "
			"WHERE name = '%s')), pg_notify('otad', ''); COMMIT",
			columns[i], name, name);
		for (int64_t deadline = 0; rung(r, task) != LADDER_WAIT; site_pause()) {
			assert_true(site_in_time(&deadline));
		}
	}
}

static void what_is_no_application_image_is_not_sent(void **state)
{
	(void)state;
	const char *firmware = site_firmware();
	assert_int_equal(rung(r, push(r, device("2.0.4"), firmware)), LADDER_WAIT);
	assert_int_equal(rung(r, push(r, device("1.8.0"), firmware)), LADDER_WAIT);
}

/* The tool would take anything. */
static void what_does_not_suit_the_board_is_not_sent(void **state)
{
	(void)state;
	static const char *const facts[] = {"chip = 'esp32c3'", "board_name = 'desk', board_type = 'desk'", "partitions = ''",
					    "elf_sha256 = sha256('known3')", "whole = false"};
	static const char *const versions[] = {"2.0.4", "1.8.0"};
	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
		for (size_t v = 0; v < 2; v++) {
			const char *name = device(versions[v]);
			int64_t task = push(r, name, FIRMWARE);
			site_run("UPDATE device_facts SET %s WHERE device_id = (SELECT id FROM devices WHERE name = '%s')", facts[i], name);
			if (rung(r, task) != LADDER_WAIT) {
				fail_msg("%s of %s", facts[i], versions[v]);
			}
			assert_int_equal(events(task, "reboot"), 0);
		}
	}
}

static void a_push_also_brings_back_what_is_older(void **state)
{
	(void)state;
	assert_int_equal(rung(r, push(r, device("4.0.0"), FIRMWARE)), LADDER_UPGRADE);
}

static void a_device_of_another_name_is_reached_by_its_mac(void **state)
{
	(void)state;
	assert_done(report_version(r, "kitchen", "2.0.4", false), ERR_NONE);
	int64_t task = push(r, "kitchen", FIRMWARE);
	assert_int_equal(rung(r, task), LADDER_WAIT);
	presence_told(r->engine, "94_a9_90_2c_84_ff", PRESENCE_CONNECTED, false, 0);
	struct dispatch_item item = {.task_id = task};
	struct dispatch_message m;
	assert_true(dispatch_message(r->engine, &item, &m));
	assert_string_equal(m.device, "94_a9_90_2c_84_ff");
	say("94_a9_90_2c_84_ff", task, ANSWER_TAKEN, "true");
	site_until_task(task, "accepted");
}

/* --- boots --- */

static void a_device_is_made_to_boot_once_an_order(void **state)
{
	(void)state;
	const char *name = device("1.8.0");
	int64_t task = push(r, name, FIRMWARE);
	struct dispatch_item item = {.task_id = task};
	struct dispatch_message m;
	assert_true(dispatch_message(r->engine, &item, &m));
	assert_int_equal(m.how, DISPATCH_REBOOT);
	assert_true(dispatch_message(r->engine, &item, &m)); /* the window was full: the same one */
	assert_int_equal(rung(r, task), LADDER_WAIT);
	struct replica *other = replica_start("public_url = http://ota.example.com\n");
	presence_complete(other->engine, true);
	presence_told(other->engine, name, PRESENCE_CONNECTED, false, 0);
	assert_int_equal(rung(other, task), LADDER_WAIT);
	replica_stop(&other);
	assert_int_equal(events(task, "reboot"), 1);
	site_run("UPDATE events SET at = at - interval '2 h' WHERE task_id = %" PRId64, task);
	assert_int_equal(rung(r, task), LADDER_WAIT); /* it did not help */
	assert_int_equal(push(r, name, FIRMWARE), task);
	assert_int_equal(rung(r, task), LADDER_REBOOT); /* an operator wants it again */
	assert_int_equal(events(task, "reboot"), 2);
}

static void and_once_an_hour_however_often_it_is_ordered(void **state)
{
	(void)state;
	const char *name = device("1.8.0");
	int64_t task = push(r, name, FIRMWARE);
	assert_int_equal(rung(r, task), LADDER_REBOOT);
	push(r, name, FIRMWARE);
	assert_int_equal(rung(r, task), LADDER_WAIT);
	assert_done(cancel_task(r, task, name), ERR_NONE);
	int64_t next = push(r, name, FIRMWARE);
	assert_int_not_equal(next, task);
	assert_int_equal(rung(r, next), LADDER_WAIT);
	assert_int_equal(events(next, "reboot"), 0);
	assert_int_equal(rung(r, push(r, device("1.8.0"), FIRMWARE)), LADDER_REBOOT); /* another device's */
	site_run("UPDATE events SET at = at - interval '61 m' WHERE task_id = %" PRId64, task);
	assert_int_equal(rung(r, next), LADDER_REBOOT);
}

static void a_database_that_is_away_makes_nobody_boot(void **state)
{
	(void)state;
	const char *name = device("1.8.0");
	int64_t task = push(r, name, FIRMWARE);
	site_run("ALTER TABLE events RENAME TO events_gone");
	assert_int_equal(rung(r, task), LADDER_WAIT);
	site_run("ALTER TABLE events_gone RENAME TO events");
	assert_int_equal(rung(r, task), LADDER_REBOOT);
}

static void without_an_address_of_ours_it_is_made_to_boot(void **state)
{
	(void)state;
	struct replica *nowhere = replica_start("");
	const char *name = device("2.4.2");
	int64_t task = push(nowhere, name, FIRMWARE);
	presence_complete(nowhere->engine, true);
	presence_told(nowhere->engine, name, PRESENCE_CONNECTED, false, 0);
	for (int64_t deadline = 0; rung(nowhere, task) != LADDER_REBOOT; site_pause()) { /* it has heard of the version */
		assert_true(site_in_time(&deadline));
	}
	replica_stop(&nowhere);
}

/* --- answers --- */

static void who_will_fetch_is_left_alone(void **state)
{
	(void)state;
	const char *name = device("2.4.2");
	int64_t task = push(r, name, FIRMWARE);
	int64_t answered = metrics_get(METRIC_CALLS_ANSWERED);
	say(name, task, ANSWER_TAKEN, "true");
	site_until_task(task, "accepted");
	assert_int_equal(metrics_get(METRIC_CALLS_ANSWERED), answered + 1);
	settle();
	assert_int_equal(rung(r, task), LADDER_WAIT);
}

static void who_does_not_know_the_tool_is_made_to_boot_at_once(void **state)
{
	(void)state;
	const char *name = device("2.4.2");
	int64_t task = push(r, name, FIRMWARE);
	dispatch_sent(r->engine, task);
	site_until_task(task, "notified");
	put_off(task);
	for (int i = 0; i < 3; i++) {
		say(name, task, ANSWER_NO_TOOL, "Unknown tool: self.upgrade_firmware");
	}
	until_due(task);
	settle();
	assert_int_equal(events(task, "no_tool"), 1); /* said thrice, told once */
	assert_true(site_task_is(task, "notified"));
	assert_int_equal(rung(r, task), LADDER_REBOOT);
	assert_int_equal(rung(r, task), LADDER_WAIT);
}

static void a_refusal_ends_the_task_in_the_device_s_words(void **state)
{
	(void)state;
	const char *name = device("2.4.2");
	int64_t task = push(r, name, FIRMWARE);
	say(name, task, ANSWER_REFUSED, "battery low");
	site_until_task(task, "failed");
	assert_int_equal(site_number("SELECT count(*) FROM events WHERE task_id = %" PRId64
				     " AND event = 'failed' AND detail = 'battery low'",
				     task),
			 1);
}

static void answers_that_fit_no_push_of_the_device_are_counted_and_ignored(void **state)
{
	(void)state;
	const char *name = device("2.4.2");
	const char *other = device("2.4.2");
	int64_t task = push(r, name, FIRMWARE);
	int64_t begun = push(r, other, FIRMWARE);
	fetch(r, alias_of(r, begun), 0, 1);
	site_until_task(begun, "downloading");
	settle();
	int64_t stray = metrics_get(METRIC_CALLS_STRAY);
	int64_t reports = metrics_get(METRIC_REPORTS);
	say(name, task + 1, ANSWER_REFUSED, "x");
	say(other, task, ANSWER_REFUSED, "x");  /* another's call */
	say(other, begun, ANSWER_REFUSED, "x"); /* an earlier call's: it has begun */
	say("94_a9_90_2c_84_00", task, ANSWER_TAKEN, "x");
	say("d1001", task, ANSWER_TAKEN, "x");
	say("nobody", task, ANSWER_NO_TOOL, "x");
	assert_int_equal(metrics_get(METRIC_CALLS_STRAY), stray + 6);
	assert_int_equal(metrics_get(METRIC_REPORTS), reports);
	settle();
	assert_true(site_task_is(task, "queued"));
	assert_true(site_task_is(begun, "downloading"));
}

/* What is the same again costs no commit. */
static void a_flood_of_answers_is_one_report(void **state)
{
	(void)state;
	const char *name = device("2.4.2");
	int64_t task = push(r, name, FIRMWARE);
	say(name, task, ANSWER_TAKEN, "true");
	site_until_task(task, "accepted");
	settle();
	int64_t reports = metrics_get(METRIC_REPORTS);
	for (int i = 0; i < 100000; i++) {
		say(name, task, ANSWER_TAKEN, "true");
	}
	assert_int_equal(metrics_get(METRIC_REPORTS), reports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(who_knows_the_tool_is_called),
		SITE_TEST(others_are_told_as_ever),
		SITE_TEST(who_is_away_is_told_when_it_connects),
		SITE_TEST(who_downloads_is_not_told_again_when_its_connection_comes_back),
		SITE_TEST(nothing_is_sent_to_firmware_that_knows_neither),
		SITE_TEST(what_its_owner_does_not_want_is_not_sent),
		SITE_TEST(what_is_no_application_image_is_not_sent),
		SITE_TEST(what_does_not_suit_the_board_is_not_sent),
		SITE_TEST(a_push_also_brings_back_what_is_older),
		SITE_TEST(a_device_of_another_name_is_reached_by_its_mac),
		SITE_TEST(a_device_is_made_to_boot_once_an_order),
		SITE_TEST(and_once_an_hour_however_often_it_is_ordered),
		SITE_TEST(a_database_that_is_away_makes_nobody_boot),
		SITE_TEST(without_an_address_of_ours_it_is_made_to_boot),
		SITE_TEST(who_will_fetch_is_left_alone),
		SITE_TEST(who_does_not_know_the_tool_is_made_to_boot_at_once),
		SITE_TEST(a_refusal_ends_the_task_in_the_device_s_words),
		SITE_TEST(answers_that_fit_no_push_of_the_device_are_counted_and_ignored),
		SITE_TEST(a_flood_of_answers_is_one_report),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
