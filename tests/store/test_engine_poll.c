/* The three kinds of poll (DESIGN.md, idea 3): idle costs no statement, noting is written behind, telling is answered after its commit. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "engine/dispatch.h"
#include "engine/explain.h"
#include "metrics/metrics.h"
#include "site.h"

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

/* --- the server's own log of what it was asked --- */

static FILE *log_open(void)
{
	char path[PG_URI_SIZE];
	const char *host = strstr(site_uri, "host=") + 5;
	snprintf(path, sizeof path, "%.*s/log", (int)strcspn(host, "&"), host);
	FILE *log = fopen(path, "re");
	assert_non_null(log);
	return log;
}

static void log_every_statement(const char *what)
{
	site_run("ALTER SYSTEM SET log_line_prefix = 'app=%%a '");
	site_run("ALTER SYSTEM SET log_statement = '%s'", what);
	site_run("SELECT pg_reload_conf()");
	site_until(2,
		   "SELECT count(*) FROM pg_settings WHERE (name = 'log_statement' AND setting = '%s') OR (name = 'log_line_prefix' AND "
		   "setting LIKE 'app=%%')",
		   what);
}

/* The engine's next statement in the log: its name, or its text; false at the end. */
static bool log_next(FILE *log, char out[256])
{
	static const char mine[] = "app=otad LOG:  ";
	char line[4096];
	while (fgets(line, sizeof line, log)) {
		const char *said = line + sizeof mine - 1;
		if (strncmp(line, mine, sizeof mine - 1) != 0) {
			continue;
		}
		if (sscanf(said, "statement: %255[^\n]", out) == 1 || sscanf(said, "execute %255[^:]", out) == 1) {
			return true;
		}
	}
	return false;
}

static void log_until(const char *statement)
{
	FILE *log = log_open();
	char said[256] = "";
	for (int64_t deadline = 0; strcmp(said, statement) != 0;) {
		if (!log_next(log, said)) {
			assert_true(site_in_time(&deadline));
			site_pause();
			clearerr(log);
		}
	}
	fclose(log);
}

/* One device with nothing, one with a push under way, one with an assignment. */
static void scene(const char *devices[3], bool offered[3])
{
	for (int i = 0; i < 3; i++) {
		devices[i] = site_device();
	}
	int64_t task = push(r, devices[1], SITE_KNOWN);
	dispatch_sent(r->engine, task);
	site_until_task(task, "notified");
	assign(r, devices[2], SITE_KNOWN);
	for (int i = 0; i < 3; i++) { /* the first one may be news: nobody had seen them */
		offered[i] = poll_as(r, devices[i], "1.0").offered;
		assert_int_equal(offered[i], i > 0);
	}
}

/* A report is committed behind everything that polls may have queued; so what they cost stands before it in the log. */
static void mark(void)
{
	struct answer a = report_version(r, site_device(), "1.1", false);
	assert_done(a, ERR_NONE);
}

static void idle_polls_execute_no_statement(void **state)
{
	(void)state;
	enum { POLLS = 2000 };
	const char *devices[3];
	bool offered[3];
	log_every_statement("all");
	r = replica_start("");
	scene(devices, offered);
	log_until("maintain_events"); /* the end of the upkeep that every start begins with */
	mark();
	FILE *log = log_open();
	fseek(log, 0, SEEK_END);
	int64_t idle = metrics_get(METRIC_POLLS_IDLE);
	for (int i = 0; i < POLLS; i++) {
		struct answer a = {0};
		begin_poll(r, devices[i % 3], i % 2 ? "1.0" : "", &a);
		assert_true(answer_is_done(&a)); /* inline: nothing was waited for */
		assert_int_equal(a.offered, offered[i % 3]);
	}
	assert_int_equal(metrics_get(METRIC_POLLS_IDLE) - idle, POLLS);
	mark();
	char said[256];
	int before_the_mark = 0;
	int transactions = 0;
	while (log_next(log, said)) {
		transactions += strcmp(said, "BEGIN") == 0;
		if (strcmp(said, "feed_read") != 0 && transactions == 0) { /* the feed looks by itself, polls or not */
			print_error("%s\n", said);
			before_the_mark++;
		}
	}
	fclose(log);
	assert_int_equal(before_the_mark, 0);
	assert_int_equal(transactions, 1);
	log_every_statement("none");
}

/* --- telling --- */

static void the_first_poll_of_a_queued_task_tells_it_and_the_second_is_idle(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t telling = metrics_get(METRIC_POLLS_TELLING);
	struct answer o = order(r, WAY_PASSIVE, device, SITE_KNOWN);
	assert_true(site_task_is(o.order.task_id, "queued"));
	struct answer first = poll_as(r, device, "");
	assert_true(first.offered);
	assert_true(site_task_is(o.order.task_id, "notified")); /* committed before it was answered */
	assert_int_equal(site_number("SELECT count(*) FROM events WHERE task_id = %" PRId64 " AND event = 'sent' AND detail = 'poll'",
				     o.order.task_id),
			 1);
	assert_int_equal(metrics_get(METRIC_POLLS_TELLING) - telling, 1);
	struct answer second = poll_as(r, device, "");
	assert_string_equal(second.offer.alias, first.offer.alias);
	assert_int_equal(metrics_get(METRIC_POLLS_TELLING) - telling, 1);
}

static void an_assignment_is_answered_as_the_operator_named_it(void **state)
{
	(void)state;
	struct offer offer = assign(r, site_device(), SITE_KNOWN);
	assert_true(offer.passive);
	assert_string_equal(offer.version, "9");
	assert_string_equal(offer.description, "as told");
	assert_int_equal(offer.size, SITE_SIZE);
	assert_int_equal(strlen(offer.md5), 32);
	assert_int_equal(strlen(offer.sha256), 64);
	assert_string_equal(offer.component, "app");
}

static void a_push_is_also_offered_at_a_poll(void **state)
{
	(void)state;
	const char *device = site_device();
	const char *firmware = site_firmware();
	int64_t task = push(r, device, firmware);
	struct answer a = poll_as(r, device, "");
	assert_true(a.offered);
	assert_int_equal(a.offer.task_id, task);
	assert_int_equal(strlen(a.offer.version), 36); /* unknown: the task's token, not "9" */
	assert_true(site_task_is(task, "notified"));
	assert_string_equal(poll_as(r, device, "").offer.version, a.offer.version);
}

static void a_poll_that_tells_a_version_while_a_task_lives_is_a_report(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	struct answer a = poll_as(r, device, "2.0");
	assert_done(a, ERR_NONE);
	assert_false(a.offered); /* it is there: nothing is offered any more */
	assert_true(site_task_is(task, "succeeded"));
	assert_int_equal(site_number("SELECT count(*) FROM devices WHERE name = '%s' AND version = '2.0'", device), 1);
}

static void a_device_nobody_knows_is_refused_and_one_with_nothing_gets_nothing(void **state)
{
	(void)state;
	struct answer unknown = poll_as(r, "d0", "");
	assert_done(unknown, ERR_NOT_FOUND);
	struct answer nothing = poll_as(r, site_device(), "");
	assert_done(nothing, ERR_NONE);
	assert_false(nothing.offered);
}

static void a_poll_is_refused_when_what_it_would_tell_cannot_be_written(void **state)
{
	(void)state;
	const char *device = site_device();
	struct answer o = order(r, WAY_PASSIVE, device, SITE_KNOWN);
	pg_down();
	struct answer a = poll_as(r, device, "");
	assert_done(a, ERR_UNAVAILABLE);
	assert_false(a.offered);
	struct answer idle = poll_as(r, site_device(), "1.0"); /* idle polls go on */
	assert_done(idle, ERR_NONE);
	pg_up();
	assert_true(site_task_is(o.order.task_id, "queued"));
	assert_true(poll_as(r, device, "").offered);
	assert_true(site_task_is(o.order.task_id, "notified"));
}

/* --- noting --- */

static void facts_are_written_behind_and_coalesced(void **state)
{
	(void)state;
	enum { POLLS = 1001 };
	const char *device = site_device();
	int64_t noting = metrics_get(METRIC_POLLS_NOTING);
	int64_t coalesced = metrics_get(METRIC_NOTES_COALESCED);
	int64_t written = metrics_get(METRIC_NOTES_WRITTEN);
	int64_t start_ms = clock_mono_ms();
	for (int i = 0; i < POLLS; i++) {
		struct answer a = {0};
		begin_poll(r, device, i % 2 ? "1.6" : "1.5", &a);
		assert_true(answer_is_done(&a));
	}
	int64_t seconds = (clock_mono_ms() - start_ms) / 1000;
	site_until(1, "SELECT count(*) FROM devices WHERE name = '%s' AND version = '1.5'", device);
	assert_int_equal(metrics_get(METRIC_POLLS_NOTING) - noting, POLLS);
	for (int64_t deadline = 0; metrics_get(METRIC_NOTES_COALESCED) + metrics_get(METRIC_NOTES_WRITTEN) - coalesced - written < POLLS;
	     site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	assert_in_range(metrics_get(METRIC_NOTES_WRITTEN) - written, 1, seconds + 2); /* one a tick at most */
	struct answer again = {0};
	begin_poll(r, device, "1.5", &again);
	assert_int_equal(metrics_get(METRIC_POLLS_NOTING) - noting, POLLS); /* no news any more */
}

static void notes_outlive_an_outage(void **state)
{
	(void)state;
	const char *device = site_device();
	pg_down();
	assert_done(poll_as(r, device, "1.7"), ERR_NONE);
	pg_up();
	site_until(1, "SELECT count(*) FROM devices WHERE name = '%s' AND version = '1.7'", device);
}

static void last_seen_times_are_written_in_bulk(void **state)
{
	(void)state;
	const char *device = site_device();
	r = replica_start("last_seen_flush = 1s\n");
	assert_done(poll_as(r, device, ""), ERR_NONE);
	site_until(1, "SELECT count(*) FROM devices WHERE name = '%s' AND last_seen BETWEEN now() - interval '5 minutes' AND now()",
		   device);
	assert_int_equal(site_number("SELECT count(*) FROM devices WHERE name = '%s' AND rev > 1", device), 0); /* no news for anybody */
}

static void what_is_only_in_memory_is_written_at_the_stop(void **state)
{
	(void)state;
	const char *device = site_device();
	r = replica_start("");
	assert_done(poll_as(r, device, "1.8"), ERR_NONE);
	assert_int_equal(site_number("SELECT count(*) FROM devices WHERE name = '%s' AND last_seen IS NOT NULL", device), 0);
	replica_stop(&r);
	assert_int_equal(
		site_number("SELECT count(*) FROM devices WHERE name = '%s' AND last_seen IS NOT NULL AND version = '1.8'", device), 1);
}

/* --- why --- */

static void a_device_is_explained_in_both_languages(void **state)
{
	(void)state;
	char mem[512];
	struct buf out;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	char expected[96];
	snprintf(expected, sizeof expected, "task %" PRId64 " is under way for this device\n", task);
	buf_init_fixed(&out, mem, sizeof mem);
	assert_true(explain_device(r->engine, device, "app", NULL, false, &out));
	assert_string_equal(buf_cstr(&out), expected);
	buf_reset(&out);
	assert_true(explain_device(r->engine, site_device(), "app", NULL, true, &out));
	assert_string_equal(buf_cstr(&out), "没有任何发布涉及该设备或其产品\n");
	assert_false(explain_device(r->engine, "d0", "app", NULL, false, &out));
}

int main(void)
{
	site_new(); /* one database for those that bring an engine of their own */
#define OWN(f) cmocka_unit_test_teardown(f, stop)
	const struct CMUnitTest own[] = {
		OWN(idle_polls_execute_no_statement),
		OWN(last_seen_times_are_written_in_bulk),
		OWN(what_is_only_in_memory_is_written_at_the_stop),
	};
	const struct CMUnitTest shared[] = {
		SITE_TEST(the_first_poll_of_a_queued_task_tells_it_and_the_second_is_idle),
		SITE_TEST(an_assignment_is_answered_as_the_operator_named_it),
		SITE_TEST(a_push_is_also_offered_at_a_poll),
		SITE_TEST(a_poll_that_tells_a_version_while_a_task_lives_is_a_report),
		SITE_TEST(a_device_nobody_knows_is_refused_and_one_with_nothing_gets_nothing),
		SITE_TEST(facts_are_written_behind_and_coalesced),
		SITE_TEST(a_device_is_explained_in_both_languages),
		SITE_TEST(a_poll_is_refused_when_what_it_would_tell_cannot_be_written),
		SITE_TEST(notes_outlive_an_outage),
	};
	int failed = cmocka_run_group_tests_name("own", own, NULL, NULL);
	return failed + cmocka_run_group_tests_name("shared", shared, start, stop);
}
