/* What devices tell that no answer waits for: shown at once, written behind, none lost while there is room. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/text.h"
#include "engine/notes.h"
#include "engine/private.h"
#include "fleet/feed.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "metrics/metrics.h"
#include "model/told.h"
#include "site.h"
#include "store/db.h"
#include "store/told.h"

static struct replica *r;

static int start(void **state)
{
	(void)state;
	site_new();
	r = replica_start("");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&r);
	return 0;
}

static struct told sample(int64_t flash_size)
{
	struct told t = {.read = true, .has_elf = true, .elf_sha256 = {1, 2, 255}, .flash_size = flash_size, .partition_count = 3};
	text_copy(t.board_name, sizeof t.board_name, "bread \"compact\" \\ {wifi}, NULL");
	text_copy(t.board_type, sizeof t.board_type, "面包板");
	text_copy(t.chip, sizeof t.chip, "esp32s3");
	text_copy(t.slot, sizeof t.slot, "ota_0");
	text_copy(t.client_uuid, sizeof t.client_uuid, "e2314aed-0a16-43f0-8128-766fbd3207f2");
	text_copy(t.language, sizeof t.language, "zh-CN");
	t.partitions[0] = (struct told_partition){"nvs", 1, 2, 16384};
	t.partitions[1] = (struct told_partition){"ota 0 \"", 0, 16, UINT32_MAX};
	t.partitions[2] = (struct told_partition){"ota_1", 0, 17, 4128768};
	return t;
}

static uint64_t shown(const struct replica *replica, const char *device)
{
	fleet_read(replica->engine->fleet);
	uint64_t told = fleet_told(fleet_device(replica->engine->fleet, device));
	fleet_done(replica->engine->fleet);
	return told;
}

static void until_written(int64_t device, uint64_t fingerprint)
{
	site_until(1, "SELECT count(*) FROM device_facts WHERE device_id = %" PRId64 " AND told = %" PRId64, device, (int64_t)fingerprint);
}

static void until_nothing_waits(void)
{
	for (int64_t deadline = 0; notes_pending(r->engine);) {
		assert_true(site_in_time(&deadline));
		site_pause();
	}
}

static void read_back(int64_t device, struct told *out, int64_t *updated_ms)
{
	struct err err = {0};
	struct db_config config = {.uri = site_uri, .name = "test"};
	struct db *db = db_open(&config, &err);
	if (!db || !store_facts_get(db, device, out, updated_ms, &err)) {
		fail_msg("%s", err.text);
	}
	db_close(&db);
}

static void facts_are_shown_at_once_and_read_back_as_they_were_told(void **state)
{
	(void)state;
	const char *device = site_device();
	struct told t = sample(1);
	struct told back = {.read = false};
	int64_t updated_ms = -1;
	read_back(site_id(device), &back, &updated_ms);
	assert_int_equal(updated_ms, 0);
	assert_true(shown(r, device) == 0);
	assert_true(notes_put_told(r->engine, site_id(device), &t));
	assert_true(shown(r, device) == told_fingerprint(&t));
	until_written(site_id(device), told_fingerprint(&t));
	read_back(site_id(device), &back, &updated_ms);
	assert_true(told_fingerprint(&back) == told_fingerprint(&t));
	assert_string_equal(back.board_name, t.board_name);
	assert_true(updated_ms > 0);
	struct told less = {.flash_size = 5}; /* what is not told any more is gone */
	assert_true(notes_put_told(r->engine, site_id(device), &less));
	until_written(site_id(device), told_fingerprint(&less));
	read_back(site_id(device), &back, &updated_ms);
	assert_true(told_fingerprint(&back) == told_fingerprint(&less));
	assert_false(back.has_elf);
	assert_int_equal(back.partition_count, 0);
}

static void another_replica_follows(void **state)
{
	(void)state;
	const char *device = site_device();
	struct replica *other = replica_start("");
	struct told t = sample(2);
	assert_true(notes_put_told(r->engine, site_id(device), &t));
	assert_true(notes_put(r->engine, site_id(device), "app", "1.9"));
	until_written(site_id(device), told_fingerprint(&t));
	for (int64_t deadline = 0; shown(other, device) != told_fingerprint(&t);) {
		assert_true(site_in_time(&deadline));
		site_pause();
	}
	replica_stop(&other);
	assert_true(shown(r, device) == told_fingerprint(&t));
}

/* --- the own replica and the rows that it has written --- */

/* Nobody is told of it: who shows it has read the row. */
static void block_unheard(const char *device)
{
	site_run("UPDATE devices SET blocked_at = now() WHERE id = %" PRId64, site_id(device));
}

static bool is_blocked(const char *device)
{
	fleet_read(r->engine->fleet);
	bool blocked = fleet_device(r->engine->fleet, device)->blocked;
	fleet_done(r->engine->fleet);
	return blocked;
}

static bool runs(const char *device, const char *version)
{
	fleet_read(r->engine->fleet);
	bool same = strcmp(fleet_device_version(r->engine->fleet, fleet_device(r->engine->fleet, device), "app"), version) == 0;
	fleet_done(r->engine->fleet);
	return same;
}

static void until_followed(void)
{
	assert_true(feed_wait(r->engine->feed, site_number("SELECT max(pos) FROM changes"), SITE_WAIT_MS));
}

static void settle_down(void)
{
	until_nothing_waits();
	for (int i = 0; i < 10; i++) {
		site_pause();
	}
}

/* The feed may be looking by itself just then, and reads them: that is allowed, but not every time. */
static void the_own_facts_are_not_read_again(void **state)
{
	(void)state;
	int skipped = 0;
	for (int i = 0; i < 4; i++) {
		const char *device = site_device();
		struct told t = sample(10 + i);
		block_unheard(device);
		assert_true(notes_put_told(r->engine, site_id(device), &t));
		until_written(site_id(device), told_fingerprint(&t));
		settle_down();
		until_followed();
		assert_true(shown(r, device) == told_fingerprint(&t));
		skipped += !is_blocked(device);
	}
	assert_in_range(skipped, 1, 4);
}

static void they_are_while_older_rows_may_be_on_their_way(void **state)
{
	(void)state;
	const char *device = site_device();
	struct told t = sample(20);
	struct pg_hold *hold = pg_hold(site_uri, "LOCK TABLE forced_fixes IN ACCESS EXCLUSIVE MODE");
	site_run("SELECT change_append('forced_fix', '{1}'), pg_notify('otad', '')");
	for (int64_t deadline = 0; feed_is_quiet(r->engine->feed);) {
		assert_true(site_in_time(&deadline));
		site_pause();
	}
	block_unheard(device);
	assert_true(notes_put_told(r->engine, site_id(device), &t));
	until_written(site_id(device), told_fingerprint(&t));
	settle_down();
	pg_let_go(&hold);
	until_followed();
	assert_true(shown(r, device) == told_fingerprint(&t));
	assert_true(is_blocked(device));
}

/* Somebody else's news of the device came while its own were still to be written. */
static void they_are_where_a_row_was_passed_over(void **state)
{
	(void)state;
	const char *device = site_device();
	struct told t = sample(30);
	struct pg_hold *hold = pg_hold(site_uri, "LOCK TABLE device_facts IN SHARE MODE"); /* reading goes on */
	assert_true(notes_put_told(r->engine, site_id(device), &t));
	site_run("UPDATE devices SET version = '3.3' WHERE id = %" PRId64 "; SELECT change_append('device', '{%" PRId64
		 "}'), pg_notify('otad', '')",
		 site_id(device), site_id(device));
	until_followed();
	assert_true(runs(device, "1.0"));
	pg_let_go(&hold);
	until_written(site_id(device), told_fingerprint(&t));
	settle_down();
	until_followed();
	assert_true(runs(device, "3.3"));
	assert_true(shown(r, device) == told_fingerprint(&t));
}

/* A whole reload while news are being written neither takes them back nor leaves them unread. */
static void a_reload_in_the_middle_takes_nothing_back(void **state)
{
	(void)state;
	const char *device = site_device();
	struct told t = sample(40);
	for (int i = 0; i < 20; i++) {
		t.flash_size++;
		assert_true(notes_put_told(r->engine, site_id(device), &t));
		site_run("SELECT change_append('device', '{}'), pg_notify('otad', '')");
		if (i % 5 == 4) {
			until_written(site_id(device), told_fingerprint(&t));
		}
		assert_true(shown(r, device) == told_fingerprint(&t));
	}
	settle_down();
	until_followed();
	assert_true(shown(r, device) == told_fingerprint(&t));
}

/* Facts and versions of all devices at once: none is dropped, each is counted. */
static void a_whole_fleet_s_news_are_written(void **state)
{
	(void)state;
	int64_t written = metrics_get(METRIC_NOTES_WRITTEN);
	int64_t coalesced = metrics_get(METRIC_NOTES_COALESCED);
	int64_t dropped = metrics_get(METRIC_NOTES_DROPPED);
	for (int64_t id = 1; id <= SITE_DEVICES; id++) {
		struct told t = sample(100 + id);
		assert_true(notes_put(r->engine, id, "app", "7.7"));
		assert_true(notes_put_told(r->engine, id, &t));
	}
	site_until(SITE_DEVICES, "SELECT count(*) FROM device_facts WHERE flash_size = 100 + device_id");
	site_until(SITE_DEVICES, "SELECT count(*) FROM devices WHERE version = '7.7'");
	until_nothing_waits();
	for (int64_t deadline = 0;
	     metrics_get(METRIC_NOTES_COALESCED) + metrics_get(METRIC_NOTES_WRITTEN) - coalesced - written < 2 * SITE_DEVICES;) {
		assert_true(site_in_time(&deadline));
		site_pause();
	}
	assert_int_equal(metrics_get(METRIC_NOTES_DROPPED) - dropped, 0);
}

static void a_late_right_version_still_turns_a_task_that_was_given_up(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	site_run("UPDATE tasks SET state = 'timed_out', stage = 'queued', rev = rev + 1, ended_at = now() WHERE id = %" PRId64
		 "; SELECT change_append('task', '{%" PRId64 "}'), pg_notify('otad', '')",
		 task, task);
	assert_true(notes_put(r->engine, site_id(device), "app", "2.0"));
	site_until_task(task, "succeeded");
}

/* Each component's goes through a task of that component, also the late right one; the others do not wait for it. */
static void components_go_each_by_itself(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t id = site_id(device);
	int64_t task = push(r, device, SITE_KNOWN);
	site_run("UPDATE tasks SET component = 'mcu', state = 'timed_out', stage = 'queued', rev = rev + 1, ended_at = now() "
		 "WHERE id = %" PRId64 "; SELECT change_append('task', '{%" PRId64 "}'), pg_notify('otad', '')",
		 task, task);
	assert_true(notes_put(r->engine, id, "wifi", "2.0"));
	assert_true(notes_put(r->engine, id, "mcu", "1.9"));
	assert_true(notes_put(r->engine, id, "mcu", "2.0")); /* the last one counts */
	fleet_read(r->engine->fleet);
	assert_string_equal(fleet_device_version(r->engine->fleet, fleet_device(r->engine->fleet, device), "mcu"), "2.0");
	fleet_done(r->engine->fleet);
	site_until_task(task, "succeeded");
	site_until(2, "SELECT count(*) FROM device_versions WHERE device_id = %" PRId64 " AND version = '2.0'", id);
	assert_int_equal(site_number("SELECT count(*) FROM devices WHERE id = %" PRId64 " AND version = '2.0'", id), 0);
	assert_true(notes_put(r->engine, id, "c1", "1") && notes_put(r->engine, id, "c2", "1") && notes_put(r->engine, id, "c3", "1"));
	site_until(5, "SELECT count(*) FROM device_versions WHERE device_id = %" PRId64, id);
}

/* The database could not take it when the device was answered. */
static void evidence_waits_for_the_database_and_then_moves_its_task(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	struct report report = {.kind = REPORT_VERSION, .device_id = site_id(device), .component = "app", .version = "1.0", .booted = true};
	struct told t = sample(3);
	pg_down();
	assert_true(notes_put_report(r->engine, &report));
	assert_true(notes_put_told(r->engine, site_id(device), &t));
	text_copy(report.version, sizeof report.version, "2.0");
	assert_true(notes_put_report(r->engine, &report)); /* the last one counts */
	site_pause();
	pg_up();
	site_until_task(task, "succeeded");
	until_written(site_id(device), told_fingerprint(&t));
}

/* Devices that are gone when their facts are written do not hold up the others. */
static void what_is_full_says_so_and_is_written_when_the_database_is_back(void **state)
{
	(void)state;
	enum { ROOM = 65536, GONE = 1000000 };
	const char *device = site_device();
	struct told t = sample(4);
	until_nothing_waits();
	int64_t dropped = metrics_get(METRIC_NOTES_DROPPED);
	pg_down();
	assert_true(notes_put_told(r->engine, site_id(device), &t));
	for (int64_t i = 1; i < ROOM; i++) {
		assert_true(notes_put_told(r->engine, GONE + i, &t));
	}
	assert_int_equal(metrics_get(METRIC_NOTES_WAITING), ROOM);
	assert_false(notes_put_told(r->engine, GONE, &t));
	assert_false(notes_put(r->engine, GONE, "app", "1.0"));
	assert_int_equal(metrics_get(METRIC_NOTES_DROPPED) - dropped, 2);
	t.flash_size++;
	assert_true(notes_put_told(r->engine, site_id(device), &t)); /* whose note is there already */
	pg_up();
	until_written(site_id(device), told_fingerprint(&t));
	until_nothing_waits();
}

static void the_stop_writes_what_is_left(void **state)
{
	(void)state;
	const char *device = site_device();
	struct told t = sample(5);
	assert_true(notes_put_told(r->engine, site_id(device), &t));
	replica_stop(&r);
	assert_int_equal(site_number("SELECT count(*) FROM device_facts WHERE device_id = %" PRId64, site_id(device)), 1);
	r = replica_start("");
	assert_true(shown(r, device) == told_fingerprint(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(facts_are_shown_at_once_and_read_back_as_they_were_told),
		SITE_TEST(another_replica_follows),
		SITE_TEST(the_own_facts_are_not_read_again),
		SITE_TEST(they_are_while_older_rows_may_be_on_their_way),
		SITE_TEST(they_are_where_a_row_was_passed_over),
		SITE_TEST(a_reload_in_the_middle_takes_nothing_back),
		SITE_TEST(a_late_right_version_still_turns_a_task_that_was_given_up),
		SITE_TEST(components_go_each_by_itself),
		SITE_TEST(evidence_waits_for_the_database_and_then_moves_its_task),
		SITE_TEST(what_is_full_says_so_and_is_written_when_the_database_is_back),
		SITE_TEST(a_whole_fleet_s_news_are_written),
		SITE_TEST(the_stop_writes_what_is_left),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
