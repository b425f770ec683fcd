/* Two replicas on one database; connections that are cut, databases that fall: what was acknowledged is there, what was not is an error. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/text.h"
#include "engine/engine.h"
#include "metrics/metrics.h"
#include "site.h"

static struct replica *a;
static struct replica *b;

static int start(void **state)
{
	(void)state;
	site_new();
	a = replica_start("");
	b = replica_start("");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&a);
	replica_stop(&b);
	return 0;
}

static bool offered_by(struct replica *r, const char *device)
{
	struct answer poll = {0};
	begin_poll(r, device, "", &poll);
	answer_wait(&poll);
	return poll.offered;
}

/* Until the replica offers the device something, or nothing. Answers the ms it took. */
static int64_t until_offered(struct replica *r, const char *device, bool offered)
{
	int64_t began = clock_mono_ms();
	for (int64_t deadline = 0; offered_by(r, device) != offered; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	return clock_mono_ms() - began;
}

/* --- within a second --- */

enum { ROUNDS = 5, LATE_MAX = 1 /* a loaded machine may stumble once; without the wake-up nearly all would be late */ };

static void an_order_through_one_shows_in_the_other_within_a_second(void **state)
{
	(void)state;
	int late = 0;
	for (int i = 0; i < ROUNDS; i++) {
		const char *device = site_device();
		push(a, device, SITE_KNOWN);
		late += until_offered(b, device, true) > 1000;
	}
	assert_in_range(late, 0, LATE_MAX);
}

static void a_cancel_through_one_is_refused_by_the_other_within_a_second(void **state)
{
	(void)state;
	int late = 0;
	for (int i = 0; i < ROUNDS; i++) {
		const char *device = site_device();
		struct offer pushed = {.task_id = push(a, device, SITE_KNOWN)};
		memcpy(pushed.alias, alias_of(a, pushed.task_id), ALIAS_SIZE);
		const char *other = site_device();
		struct offer assigned = assign(a, other, SITE_KNOWN);
		until_offered(b, device, true);
		until_offered(b, other, true);
		assert_int_equal(open_alias(b, pushed.alias), ERR_NONE); /* signed by one, served by any */
		assert_int_equal(open_alias(b, assigned.alias), ERR_NONE);
		assert_done(cancel_task(a, pushed.task_id, device), ERR_NONE);
		assert_done(cancel_assignment(a, assigned.rollout_id, other), ERR_NONE);
		int64_t began = clock_mono_ms();
		for (int64_t deadline = 0; open_alias(b, pushed.alias) != ERR_GONE || open_alias(b, assigned.alias) != ERR_GONE;
		     site_pause()) {
			assert_true(site_in_time(&deadline));
		}
		late += clock_mono_ms() - began > 1000;
	}
	assert_in_range(late, 0, LATE_MAX);
}

static void a_replica_that_starts_later_refuses_what_was_cancelled_before(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(a, device, SITE_KNOWN);
	char alias[ALIAS_SIZE];
	snprintf(alias, sizeof alias, "%s", alias_of(a, task));
	assert_done(cancel_task(a, task, device), ERR_NONE);
	replica_stop(&b);
	b = replica_start("");
	assert_int_equal(open_alias(b, alias), ERR_GONE);
}

/* --- at the same time --- */

static void the_same_order_through_both_at_once_is_one_task(void **state)
{
	(void)state;
	enum { TIMES = 30 };
	static struct answer at_a[TIMES];
	static struct answer at_b[TIMES];
	const char *devices[TIMES];
	for (int i = 0; i < TIMES; i++) {
		devices[i] = site_device();
		begin_order(a, WAY_PUSH, devices[i], SITE_KNOWN, &at_a[i]);
		begin_order(b, WAY_PUSH, devices[i], SITE_KNOWN, &at_b[i]);
	}
	for (int i = 0; i < TIMES; i++) {
		answer_wait(&at_a[i]);
		answer_wait(&at_b[i]);
		assert_done(at_a[i], ERR_NONE);
		assert_done(at_b[i], ERR_NONE);
		assert_int_equal(at_a[i].order.task_id, at_b[i].order.task_id);
		assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64, site_id(devices[i])), 1);
	}
}

/* The task may be another replica's, or come from a COMMIT whose answer was lost: here no change row tells of it. */
static void an_order_that_finds_its_task_made_already_shows_it(void **state)
{
	(void)state;
	const char *device = site_device();
	site_run("WITH r AS (INSERT INTO rollouts (kind, way, product_id, device_id, firmware_id, component, created_by)"
		 " VALUES ('single', 'push', 1, %" PRId64 ", 1, 'app', 'alice') RETURNING id)"
		 " INSERT INTO tasks (rollout_id, device_id, firmware_id, way, component, state, token)"
		 " SELECT id, %" PRId64 ", 1, 'push', 'app', 'queued', gen_random_uuid() FROM r",
		 site_id(device), site_id(device));
	assert_false(offered_by(a, device));
	struct answer order_a = order(a, WAY_PUSH, device, SITE_KNOWN);
	assert_done(order_a, ERR_NONE);
	assert_int_equal(order_a.order.outcome, ORDER_SAME);
	assert_true(offered_by(a, device));
	assert_non_null(alias_of(a, order_a.order.task_id));
}

static void a_task_ordered_through_one_is_reported_through_the_other(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(a, device, SITE_KNOWN);
	assert_done(report_version(b, device, "2.0", false), ERR_NONE); /* whether or not b has heard of the task */
	assert_true(site_task_is(task, "succeeded"));
	until_offered(a, device, false);
}

/* --- changes of others --- */

static void rows_that_others_write_appear_change_and_go(void **state)
{
	(void)state;
	int64_t id = 100000;
	site_run("INSERT INTO devices (id, name, product_id, client_id) OVERRIDING SYSTEM VALUE VALUES (%" PRId64 ", 'new', 1, 'new');"
		 "SELECT change_append('device', ARRAY[%" PRId64 "]), pg_notify('otad', '')",
		 id, id);
	for (int64_t deadline = 0; poll_as(a, "new", "").err.kind == ERR_NOT_FOUND; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	site_run("BEGIN; UPDATE devices SET name = 'renamed' WHERE id = %" PRId64 "; SELECT change_append('device', ARRAY[%" PRId64
		 "]), pg_notify('otad', ''); COMMIT",
		 id, id);
	for (int64_t deadline = 0; poll_as(a, "renamed", "").err.kind == ERR_NOT_FOUND; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	assert_done(poll_as(a, "new", ""), ERR_NOT_FOUND);
	site_run("BEGIN; DELETE FROM devices WHERE id = %" PRId64 "; SELECT change_append('device', ARRAY[%" PRId64
		 "]), pg_notify('otad', ''); COMMIT",
		 id, id);
	for (int64_t deadline = 0; poll_as(a, "renamed", "").err.kind != ERR_NOT_FOUND; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
}

static void tokens_come_and_go(void **state)
{
	(void)state;
	uint8_t hash[DIGEST_SHA256_LEN];
	char hex[65];
	char name[NAME_SIZE];
	digest_sha256(hash, "sesame", 6);
	text_hex(hex, hash, sizeof hash);
	assert_int_equal(engine_token_role(a->engine, "sesame", name), ROLE_NONE);
	site_run("BEGIN; INSERT INTO operators (name, role, password_hash) VALUES ('bob', 'operator', ''); INSERT INTO tokens "
		 "(operator_id, hash) SELECT id,"
		 " '\\x%s' FROM operators; SELECT change_append('token', array_agg(id)), pg_notify('otad', '') FROM operators; COMMIT",
		 hex);
	for (int64_t deadline = 0; engine_token_role(a->engine, "sesame", name) == ROLE_NONE; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	assert_int_equal(engine_token_role(a->engine, "Bearer sesame", name), ROLE_OPERATOR);
	assert_string_equal(name, "bob");
	assert_int_equal(engine_token_role(a->engine, "bEARER  sesame", name), ROLE_OPERATOR);
	assert_int_equal(engine_token_role(a->engine, "sesam", name), ROLE_NONE);
	site_run("BEGIN; UPDATE tokens SET revoked_at = now(); SELECT change_append('token', array_agg(id)), pg_notify('otad', '') FROM "
		 "operators; COMMIT");
	for (int64_t deadline = 0; engine_token_role(a->engine, "sesame", name) != ROLE_NONE; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
}

/* A load that began before a commit of our own must not bring back what that ended. */
static void full_loads_and_own_commits_agree(void **state)
{
	(void)state;
	enum { TIMES = 40 };
	const char *devices[TIMES];
	int64_t loads = metrics_get(METRIC_FEED_RELOADS);
	for (int i = 0; i < TIMES; i++) {
		devices[i] = site_device();
		struct offer offer = assign(a, devices[i], SITE_KNOWN);
		site_run("SELECT change_append('device', '{}'), pg_notify('otad', '')"); /* bulk work: everything is read */
		assert_done(cancel_assignment(a, offer.rollout_id, devices[i]), ERR_NONE);
	}
	for (int64_t deadline = 0; metrics_get(METRIC_FEED_RELOADS) < loads + 2; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	for (int i = 0; i < TIMES; i++) {
		until_offered(a, devices[i], false);
		until_offered(b, devices[i], false);
	}
}

/* --- cuts and outages --- */

enum { STREAM = 300 };
static struct answer stream[STREAM];
static const char *stream_devices[STREAM];

static int settle_stream(void)
{
	int errors = 0;
	for (int i = 0; i < STREAM; i++) {
		answer_wait(&stream[i]); /* every one is answered */
		if (stream[i].err.kind != ERR_NONE) {
			assert_done(stream[i], ERR_UNAVAILABLE);
			errors++;
		}
	}
	return errors;
}

/* Acknowledged: there, in the database and in memory. */
static void assert_stream_is_there(void)
{
	for (int i = 0; i < STREAM; i++) {
		if (stream[i].err.kind == ERR_NONE) {
			assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND device_id = %" PRId64
						     " AND state = 'queued'",
						     stream[i].order.task_id, site_id(stream_devices[i])),
					 1);
			assert_non_null(alias_of(a, stream[i].order.task_id));
		}
	}
}

static void connections_cut_in_the_middle_lose_nothing_acknowledged(void **state)
{
	(void)state;
	memset(stream, 0, sizeof stream);
	for (int i = 0; i < STREAM; i++) {
		stream_devices[i] = site_device();
		begin_order(a, WAY_PUSH, stream_devices[i], SITE_KNOWN, &stream[i]);
		if (i % 20 == 0) {
			answer_wait(&stream[i]); /* so that there are many commits */
		}
		if (i % 40 == 30) {
			site_cut();
		}
	}
	int errors = settle_stream();
	assert_stream_is_there();
	assert_in_range(errors, 0, STREAM / 2); /* a cut costs a repetition, not the operation; two in a row may */
	assert_int_equal(site_number("SELECT count(*) FROM (SELECT FROM tasks WHERE ended_at IS NULL GROUP BY device_id, component HAVING "
				     "count(*) > 1) x"),
			 0);
	struct answer after = order(a, WAY_PUSH, site_device(), SITE_KNOWN);
	assert_done(after, ERR_NONE);
	until_offered(b, site_device(), false);
}

static void a_database_that_falls_in_the_middle_loses_nothing_acknowledged(void **state)
{
	(void)state;
	memset(stream, 0, sizeof stream);
	for (int i = 0; i < STREAM; i++) {
		stream_devices[i] = site_device();
		begin_order(a, WAY_PUSH, stream_devices[i], SITE_KNOWN, &stream[i]);
		if (i == STREAM / 3) {
			answer_wait(&stream[i]);
		}
		if (i == STREAM / 2) {
			pg_down();
		}
	}
	int errors = settle_stream();
	assert_in_range(errors, STREAM / 3, STREAM - 1); /* said so, all of them */
	struct engine_health health;
	for (int64_t deadline = 0; engine_health(a->engine, &health), health.database; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	assert_string_not_equal(health.database_why, "");
	pg_up();
	assert_stream_is_there();
	const char *device = site_device();
	struct answer after = {.err.kind = ERR_UNAVAILABLE};
	for (int64_t deadline = 0; after.err.kind == ERR_UNAVAILABLE; after = order(a, WAY_PUSH, device, SITE_KNOWN)) {
		assert_true(site_in_time(&deadline));
	}
	assert_done(after, ERR_NONE);
	until_offered(b, device, true); /* the feeds are back as well */
	for (int64_t deadline = 0; engine_health(a->engine, &health), !health.database; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(an_order_through_one_shows_in_the_other_within_a_second),
		SITE_TEST(a_cancel_through_one_is_refused_by_the_other_within_a_second),
		SITE_TEST(a_replica_that_starts_later_refuses_what_was_cancelled_before),
		SITE_TEST(the_same_order_through_both_at_once_is_one_task),
		SITE_TEST(an_order_that_finds_its_task_made_already_shows_it),
		SITE_TEST(a_task_ordered_through_one_is_reported_through_the_other),
		SITE_TEST(rows_that_others_write_appear_change_and_go),
		SITE_TEST(tokens_come_and_go),
		SITE_TEST(full_loads_and_own_commits_agree),
		SITE_TEST(connections_cut_in_the_middle_lose_nothing_acknowledged),
		SITE_TEST(a_database_that_falls_in_the_middle_loses_nothing_acknowledged),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
