/* The change feed: no change is lost whatever its writers do, none is read for nothing, and what cannot be followed is read anew. */
#include <inttypes.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "common/seal.h"
#include "feed_scene.h"
#include "fleet/feed.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "metrics/metrics.h"
#include "model/told.h"
#include "pg.h"
#include "store/feed.h"

/* --- the snapshot that follows --- */

static PGconn *inside; /* goes on working while nobody else may connect */
static struct fleet *fleet;
static struct feed *feed;
static struct digest_key *key;
static struct seal_key *seal;

static int follow(void **state)
{
	feed_scene_setup(state);
	struct err err = {0};
	pg_run(uri, "SELECT change_append('product', '{1}') FROM generate_series(1, 20)"); /* it is not the beginning */
	key = digest_key_new("key", 3);
	fleet = fleet_new(key, 3600000);
	seal = seal_key_new((const uint8_t[32]){1});
	feed = feed_start(fleet, &followers, seal, 86400000, &err);
	ok_or_fail(feed != NULL, &err);
	inside = PQconnectdb(uri);
	int64_t deadline = clock_mono_ms() + WAIT_MS;
	while (!feed_is_up(feed)) { /* it looks back a little first */
		assert_true(clock_mono_ms() < deadline);
		usleep(1000);
	}
	return 0;
}

static int unfollow(void **state)
{
	feed_stop(&feed);
	fleet_free(&fleet);
	digest_key_free(&key);
	seal_key_free(&seal);
	PQfinish(inside);
	return feed_scene_teardown(state);
}

static void change(const char *sql)
{
	if (!does(inside, sql)) {
		fail_msg("%s", PQerrorMessage(inside));
	}
}

/* Waits until looks() is true of the snapshot. */
static void until(bool (*looks)(void))
{
	int64_t deadline = clock_mono_ms() + WAIT_MS;
	for (bool yes = false; !yes;) {
		assert_true(clock_mono_ms() < deadline);
		fleet_read(fleet);
		yes = looks();
		fleet_done(fleet);
		usleep(yes ? 0 : 2000);
	}
}

/* Cuts the feed off and keeps it out. */
static void keep_out(bool out)
{
	char admin[PG_URI_SIZE];
	char sql[200];
	const char *rest = strstr(uri, "?host=");
	snprintf(admin, sizeof admin, "postgresql:///postgres%s", rest);
	snprintf(sql, sizeof sql, "ALTER DATABASE %.*s ALLOW_CONNECTIONS %s", (int)(rest - strstr(uri, "///") - 3), strstr(uri, "///") + 3,
		 out ? "false" : "true");
	pg_run(admin, sql);
	if (out) {
		change("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'feed'");
		int64_t deadline = clock_mono_ms() + WAIT_MS;
		while (feed_is_up(feed)) {
			assert_true(clock_mono_ms() < deadline);
			usleep(2000);
		}
	}
}

static int64_t loads_before;

static bool one_more_load(void)
{
	return metrics_get(METRIC_FEED_RELOADS) == loads_before + 1;
}

static bool d6_is_there(void)
{
	return fleet_device(fleet, "d6") != NULL;
}

static bool d1_is_gone(void)
{
	return !fleet_device(fleet, "d1");
}

static bool d2_is_renamed(void)
{
	return fleet_device(fleet, "second") && !fleet_device(fleet, "d2");
}

static void the_first_load_has_everything(void **state)
{
	(void)state;
	fleet_read(fleet);
	assert_int_equal(fleet_device_count(fleet), 5);
	assert_int_equal(fleet_device(fleet, "d3")->id, 3);
	assert_string_equal(fleet_device_version(fleet, fleet_device(fleet, "d3"), "app"), "1.0");
	assert_non_null(fleet_firmware_by_name(fleet, 1, "blink"));
	fleet_done(fleet);
	assert_true(feed_wait(feed, 20, 0));
}

static void a_change_is_followed(void **state)
{
	(void)state;
	change("BEGIN; INSERT INTO devices (name, product_id, client_id) VALUES ('d6', 1, 'd6'); DELETE FROM devices WHERE id = 1; UPDATE "
	       "devices SET name = 'second' WHERE id = 2;"
	       " SELECT change_append('device', '{6,1,2}'), pg_notify('otad', ''); COMMIT");
	assert_true(feed_wait(feed, 21, WAIT_MS));
	fleet_read(fleet);
	assert_true(d6_is_there() && d1_is_gone() && d2_is_renamed());
	fleet_done(fleet);
	assert_false(feed_wait(feed, 22, 20)); /* not yet there */
}

/* What a Xiaozhi check asks of a device: by a change, and by a full load. */
static void a_device_s_binding_and_facts_are_followed(void **state)
{
	(void)state;
	change("BEGIN; UPDATE devices SET bound_at = now(), client_uuid = 'me', mac = '94A9902C84B8', auto_update = false WHERE id = 1;"
	       "INSERT INTO device_facts VALUES (1, -5, 0, true, '', '', '', '', '', NULL, '', '');"
	       " SELECT change_append('device', '{1,2}'), pg_notify('otad', ''); COMMIT");
	assert_true(feed_wait(feed, 21, WAIT_MS));
	for (int round = 0; round < 2; round++) {
		fleet_read(fleet);
		const struct device_entry *e = fleet_device_by_mac(fleet, "94A9902C84B8");
		assert_ptr_equal(e, fleet_device(fleet, "d1"));
		assert_true(e->bound && !e->auto_update && e->pin == told_pin("me") && fleet_told(e) == (uint64_t)-5);
		e = fleet_device(fleet, "d2");
		assert_true(!e->bound && e->auto_update && e->pin == 0 && fleet_told(e) == 0);
		fleet_done(fleet);
		change("SELECT change_append('device', '{}'), pg_notify('otad', '')");
		assert_true(feed_wait(feed, 22 + round, WAIT_MS));
	}
}

/* By a change, and by a full load. */
static void the_serial_number_of_its_licence_is_followed(void **state)
{
	(void)state;
	change("BEGIN; INSERT INTO licences (serial, key_sealed, encoding, device_id) VALUES ('SN 1', '', 'raw', 2), ('SN-2', '', 'raw', "
	       "NULL);"
	       " SELECT change_append('device', '{1,2}'), pg_notify('otad', ''); COMMIT");
	assert_true(feed_wait(feed, 21, WAIT_MS));
	for (int round = 0; round < 2; round++) {
		fleet_read(fleet);
		assert_ptr_equal(fleet_device_by_serial(fleet, "SN 1"), fleet_device(fleet, "d2"));
		assert_null(fleet_device_by_serial(fleet, "SN-2"));
		fleet_done(fleet);
		change("SELECT change_append('device', '{}'), pg_notify('otad', '')");
		assert_true(feed_wait(feed, 22 + round, WAIT_MS));
	}
}

/* By a change, and by a full load. */
static void what_its_components_run_is_followed(void **state)
{
	(void)state;
	change("BEGIN; UPDATE devices SET version = '0.9' WHERE id = 2;"
	       "INSERT INTO device_versions VALUES (1, 'mcu', '1.0'), (1, 'wifi', '1.1'), (2, 'app', '0.9'), (2, 'mcu', '2');"
	       " SELECT change_append('device', '{1,2,3}'), pg_notify('otad', ''); COMMIT");
	assert_true(feed_wait(feed, 21, WAIT_MS));
	for (int round = 0; round < 2; round++) {
		static const char *const expected[] = {"1.0|1.0|1.1", "0.9|2|", "1.0||"};
		fleet_read(fleet);
		for (int64_t id = 1; id <= 3; id++) {
			char text[64];
			const struct device_entry *e = fleet_device_by_id(fleet, id);
			snprintf(text, sizeof text, "%s|%s|%s", fleet_device_version(fleet, e, "app"),
				 fleet_device_version(fleet, e, "mcu"), fleet_device_version(fleet, e, "wifi"));
			assert_string_equal(text, expected[id - 1]);
		}
		fleet_done(fleet);
		change("SELECT change_append('device', '{}'), pg_notify('otad', '')");
		assert_true(feed_wait(feed, 22 + round, WAIT_MS));
	}
}

/* A full load reads COPY's text format. */
static void odd_texts_come_whole_through_a_full_load(void **state)
{
	(void)state;
	change("BEGIN; UPDATE devices SET version = E'1\\t\\\\2\\n\\r\\b\\f\\0133' WHERE id = 1; UPDATE devices SET version = '\\N' WHERE "
	       "id "
	       "= 2; UPDATE devices SET "
	       "version = NULL WHERE id = 3; UPDATE devices SET version = '\\' WHERE id = 4; UPDATE devices SET version = '\\.' WHERE id = "
	       "5;"
	       " SELECT change_append('device', '{}'), pg_notify('otad', ''); COMMIT");
	assert_true(feed_wait(feed, 21, WAIT_MS));
	static const char *const versions[] = {"1\t\\2\n\r\b\f\v3", "\\N", "", "\\", "\\."};
	fleet_read(fleet);
	for (int64_t id = 1; id <= 5; id++) {
		assert_string_equal(fleet_device_version(fleet, fleet_device_by_id(fleet, id), "app"), versions[id - 1]);
	}
	fleet_done(fleet);
}

static int64_t append(int64_t device)
{
	char sql[64];
	snprintf(sql, sizeof sql, "SELECT change_append('device', '{%" PRId64 "}')", device);
	PGresult *r = PQexec(inside, sql);
	int64_t pos = PQntuples(r) == 1 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
	PQclear(r);
	return pos;
}

static bool is_shown(int64_t device)
{
	fleet_read(fleet);
	bool shown = fleet_device_by_id(fleet, device) != NULL;
	fleet_done(fleet);
	return shown;
}

/* The rows of "our own" changes are not put here, so that it can be seen whether they are read. The feed may be just looking by itself, and
 * then reads them: that is allowed, but not every time. */
static void what_we_applied_ourselves_is_not_read_again(void **state)
{
	(void)state;
	int skipped = 0;
	change("INSERT INTO devices (name, product_id, client_id) SELECT 'd' || i, 1, 'd' || i FROM generate_series(6, 20) i");
	for (int64_t id = 6; id <= 18; id += 3) {
		change("BEGIN");
		int64_t mine = append(id);
		feed_applied(feed, mine); /* told before it is committed, so that the feed cannot be faster */
		change("COMMIT");
		assert_true(feed_wait(feed, mine, 0));
		change("BEGIN");
		append(id + 1); /* somebody else's */
		mine = append(id + 2);
		feed_applied(feed, mine);
		change("COMMIT");
		assert_true(feed_wait(feed, mine, WAIT_MS));
		assert_true(is_shown(id + 1));
		skipped += !is_shown(id) && !is_shown(id + 2);
	}
	assert_in_range(skipped, 1, 5);
}

static bool d6_is_shown(void)
{
	return d6_is_there() && feed_is_quiet(feed);
}

static void it_is_not_quiet_while_rows_are_on_their_way(void **state)
{
	(void)state;
	int64_t deadline = clock_mono_ms() + WAIT_MS;
	change("BEGIN; LOCK TABLE devices IN ACCESS EXCLUSIVE MODE; INSERT INTO devices (name, product_id, client_id) VALUES ('d6', 1, "
	       "'d6')");
	pg_run(uri, "SELECT change_append('device', '{6}'), pg_notify('otad', '')");
	while (feed_is_quiet(feed)) {
		assert_true(clock_mono_ms() < deadline);
		usleep(2000);
	}
	assert_false(feed_wait(feed, 21, 50));
	assert_false(feed_is_quiet(feed));
	change("COMMIT");
	until(d6_is_shown);
}

static void bulk_work_is_one_change_and_one_load(void **state)
{
	(void)state;
	loads_before = metrics_get(METRIC_FEED_RELOADS);
	change("BEGIN; INSERT INTO devices (name, product_id, client_id) SELECT 'x' || i, 1, 'x' || i FROM generate_series(1, 12000) i; "
	       "DELETE FROM devices WHERE id = 1;"
	       " SELECT change_append('device', '{}'), pg_notify('otad', ''); COMMIT");
	assert_true(feed_wait(feed, 21, WAIT_MS));
	until(one_more_load);
	fleet_read(fleet);
	assert_int_equal(fleet_device_count(fleet), 12004); /* more than a page of each statement */
	assert_non_null(fleet_device(fleet, "x12000"));
	assert_true(d1_is_gone());
	fleet_done(fleet);
}

static void a_follower_that_missed_trimmed_changes_reads_everything(void **state)
{
	(void)state;
	loads_before = metrics_get(METRIC_FEED_RELOADS);
	keep_out(true);
	change("INSERT INTO devices (name, product_id, client_id) VALUES ('d6', 1, 'd6'); DELETE FROM devices WHERE id = 1; SELECT "
	       "change_append('device', '{6,1}')");
	change("SELECT change_append('product', '{1}') FROM generate_series(1, 5); DELETE FROM changes WHERE pos < (SELECT max(pos) FROM "
	       "changes)");
	keep_out(false);
	until(d6_is_there);
	until(d1_is_gone);
	assert_true(feed_wait(feed, 26, WAIT_MS));
	until(one_more_load);
}

static void a_follower_that_missed_nothing_that_is_gone_only_reads_on(void **state)
{
	(void)state;
	int64_t loads = metrics_get(METRIC_FEED_RELOADS);
	keep_out(true);
	change("INSERT INTO devices (name, product_id, client_id) VALUES ('d6', 1, 'd6'); SELECT change_append('device', '{6}')");
	keep_out(false);
	until(d6_is_there);
	assert_int_equal(metrics_get(METRIC_FEED_RELOADS), loads);
}

/* --- a restored backup: positions run backward, revisions are lower, ids stand for other things --- */

static const struct fleet_task *task(int64_t id)
{
	return fleet_task(fleet, id);
}

static bool later_history_is_there(void)
{
	return task(1) && task(1)->state == TASK_DOWNLOADING && !task(2) && fleet_is_revoked(fleet, 2) && fleet_firmware(fleet, 2);
}

static bool backup_is_there(void)
{
	const struct fleet_firmware *second = fleet_firmware(fleet, 2);
	return task(1) && task(1)->state == TASK_QUEUED && task(2) && !fleet_is_revoked(fleet, 2) && second &&
	       strcmp(second->firmware.name, "other") == 0 && d1_is_gone();
}

static void a_restored_backup_is_read_anew(void **state)
{
	(void)state;
	change("BEGIN; INSERT INTO rollouts (kind, way, product_id, device_id, firmware_id, component, created_by) SELECT 'single', "
	       "'push', 1, i, 1, 'app', '' FROM generate_series(2, 3) i;"
	       " INSERT INTO tasks (rollout_id, device_id, firmware_id, way, component, state, token, rev, ended_at) VALUES"
	       " (1, 2, 1, 'push', 'app', 'downloading', gen_random_uuid(), 7, NULL), (2, 3, 1, 'push', 'app', 'cancelled', "
	       "gen_random_uuid(), 5, now());"
	       " INSERT INTO firmware (product_id, name, sha256) VALUES (1, 'later', sha256('1'));"
	       " SELECT change_append('firmware', '{2}'), change_append('task', '{1,2}'), pg_notify('otad', ''); COMMIT");
	until(later_history_is_there);
	keep_out(true);
	change("BEGIN; UPDATE tasks SET state = 'queued', rev = 1, ended_at = NULL; DELETE FROM devices WHERE id = 1;"
	       " UPDATE firmware SET name = 'other', sha256 = sha256('2'), rev = 1 WHERE id = 2;"
	       " TRUNCATE changes; SELECT setval('change_position', 5); SELECT change_append('device', '{5}'); COMMIT");
	keep_out(false);
	until(backup_is_there);
	change("INSERT INTO devices (name, product_id, client_id) VALUES ('d6', 1, 'd6'); SELECT change_append('device', '{6}'), "
	       "pg_notify('otad', '')");
	until(d6_is_there); /* and followed from there */
}

int main(void)
{
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
#define PLAIN(f) cmocka_unit_test_setup_teardown(f, feed_scene_setup, feed_scene_teardown)
#define FOLLOWED(f) cmocka_unit_test_setup_teardown(f, follow, unfollow)
	const struct CMUnitTest tests[] = {
		FOLLOWED(the_first_load_has_everything),
		FOLLOWED(a_change_is_followed),
		FOLLOWED(a_device_s_binding_and_facts_are_followed),
		FOLLOWED(what_its_components_run_is_followed),
		FOLLOWED(the_serial_number_of_its_licence_is_followed),
		FOLLOWED(odd_texts_come_whole_through_a_full_load),
		FOLLOWED(what_we_applied_ourselves_is_not_read_again),
		FOLLOWED(it_is_not_quiet_while_rows_are_on_their_way),
		FOLLOWED(bulk_work_is_one_change_and_one_load),
		FOLLOWED(a_follower_that_missed_trimmed_changes_reads_everything),
		FOLLOWED(a_follower_that_missed_nothing_that_is_gone_only_reads_on),
		FOLLOWED(a_restored_backup_is_read_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
