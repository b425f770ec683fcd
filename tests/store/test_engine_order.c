/* Operators' orders to single devices: new, the same, superseding, refused; cancelled; many in one commit, of which one is bad. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/dispatch.h"
#include "metrics/metrics.h"
#include "site.h"

static struct replica *r;

static int start(void **state)
{
	(void)state;
	site_new();
	r = replica_start("commit_queue = 64\n");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&r);
	return 0;
}

static int64_t live_tasks(const char *device)
{
	return site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64 " AND ended_at IS NULL", site_id(device));
}

static void assert_conflict(const struct answer *a, int64_t with_task)
{
	char number[32];
	assert_done(*a, ERR_CONFLICT);
	snprintf(number, sizeof number, "task %" PRId64, with_task);
	assert_non_null(strstr(a->err.text, number)); /* the reason says which */
}

/* --- pushes --- */

static void a_push_leaves_rollout_task_outbox_event_and_audit(void **state)
{
	(void)state;
	const char *device = site_device();
	struct answer a = order(r, WAY_PUSH, device, SITE_KNOWN);
	assert_done(a, ERR_NONE);
	assert_int_equal(a.order.outcome, ORDER_NEW);
	assert_string_equal(a.order.firmware.name, SITE_KNOWN);
	int64_t task = a.order.task_id;
	assert_int_equal(site_number("SELECT count(*) FROM tasks t JOIN rollouts r ON r.id = t.rollout_id JOIN outbox o ON o.task_id = t.id"
				     " WHERE t.id = %" PRId64
				     " AND t.state = 'queued' AND t.way = 'push' AND r.way = 'push' AND r.kind = 'single'"
				     " AND r.created_by = 'alice' AND t.source_version = '1.0' AND o.attempt = 1 AND o.due_at > now()",
				     task),
			 1);
	assert_int_equal(site_number("SELECT count(*) FROM events WHERE task_id = %" PRId64
				     " AND event = 'ordered' AND to_state = 'queued' AND detail = 'alice'",
				     task),
			 1);
	assert_int_equal(site_number("SELECT count(*) FROM audit WHERE actor = 'alice' AND address = '192.0.2.1' AND action = 'device.push'"
				     " AND target = 'device/%s/firmware/1'",
				     device),
			 1);
	assert_int_equal(replica_ready(r, task), 1);
	assert_true(poll_as(r, device, "").offered); /* the snapshot showed it when the order was answered */
}

static void the_same_push_while_its_task_lives_is_the_same_task_sent_again(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	dispatch_sent(r->engine, task);
	site_until_task(task, "notified");
	site_run("UPDATE outbox SET attempt = 6, due_at = now() + interval '9 minutes' WHERE task_id = %" PRId64, task);
	struct answer again = order(r, WAY_PUSH, device, SITE_KNOWN);
	assert_int_equal(again.order.outcome, ORDER_SAME);
	assert_int_equal(again.order.task_id, task);
	assert_int_equal(live_tasks(device), 1);
	assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE device_id = %" PRId64, site_id(device)), 1);
	assert_int_equal(
		site_number("SELECT attempt FROM outbox WHERE task_id = %" PRId64 " AND due_at < now() + interval '1 minute'", task),
		1); /* anew */
	assert_int_equal(replica_ready(r, task), 2);
	assert_true(site_task_is(task, "notified")); /* not backward */
}

static void the_same_push_while_the_device_downloads_is_no_conflict(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	fetch(r, alias_of(r, task), 0, 10);
	site_until_task(task, "downloading");
	struct answer again = order(r, WAY_PUSH, device, SITE_KNOWN);
	assert_int_equal(again.order.task_id, task);
	assert_true(site_task_is(task, "downloading"));
}

static void another_push_before_the_download_supersedes(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t old = push(r, device, SITE_KNOWN);
	char alias[ALIAS_SIZE];
	snprintf(alias, sizeof alias, "%s", alias_of(r, old));
	struct answer a = order(r, WAY_PUSH, device, SITE_KNOWN_3);
	assert_done(a, ERR_NONE);
	assert_int_equal(a.order.outcome, ORDER_SUPERSEDE);
	assert_int_not_equal(a.order.task_id, old);
	assert_true(site_task_is(old, "superseded"));
	assert_int_equal(site_number("SELECT count(*) FROM rollouts r JOIN tasks t ON t.rollout_id = r.id WHERE t.id = %" PRId64
				     " AND r.end_reason = 'superseded'",
				     old),
			 1);
	assert_int_equal(site_number("SELECT count(*) FROM outbox WHERE task_id = %" PRId64, old), 0);
	assert_int_equal(open_alias(r, alias), ERR_GONE);
	assert_int_equal(live_tasks(device), 1);
	assert_int_equal(poll_as(r, device, "").offer.task_id, a.order.task_id);
}

static void another_push_during_the_download_or_later_is_refused(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	fetch(r, alias_of(r, task), 0, 10);
	site_until_task(task, "downloading");
	struct answer a = order(r, WAY_PUSH, device, SITE_KNOWN_3);
	assert_conflict(&a, task);
	fetch(r, alias_of(r, task), 10, SITE_SIZE - 10);
	site_until_task(task, "downloaded");
	a = order(r, WAY_PUSH, device, SITE_KNOWN_3);
	assert_conflict(&a, task);
	a = order(r, WAY_PASSIVE, device, SITE_KNOWN_3);
	assert_conflict(&a, task);
	assert_done(report_step(r, device, 100), ERR_NONE);
	a = order(r, WAY_PUSH, device, SITE_KNOWN_3);
	assert_conflict(&a, task);
	assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE device_id = %" PRId64, site_id(device)),
			 1); /* refusals leave nothing */
	assert_int_equal(site_number("SELECT count(*) FROM audit WHERE target LIKE 'device/%s/%%'", device), 1);
	assert_done(cancel_task(r, task, device), ERR_NONE);
	a = order(r, WAY_PUSH, device, SITE_KNOWN_3);
	assert_done(a, ERR_NONE);
}

static void unknown_devices_and_firmware_are_refused_at_once(void **state)
{
	(void)state;
	struct answer device = order(r, WAY_PUSH, "d0", SITE_KNOWN);
	assert_done(device, ERR_NOT_FOUND);
	assert_non_null(strstr(device.err.text, "d0"));
	struct answer firmware = order(r, WAY_PUSH, site_device(), "nothing");
	assert_done(firmware, ERR_NOT_FOUND);
	assert_non_null(strstr(firmware.err.text, "nothing"));
}

/* --- cancelling --- */

static void a_cancelled_push_is_withdrawn_at_once(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	char alias[ALIAS_SIZE];
	snprintf(alias, sizeof alias, "%s", alias_of(r, task));
	assert_int_equal(open_alias(r, alias), ERR_NONE);
	assert_done(cancel_task(r, task, device), ERR_NONE);
	assert_int_equal(open_alias(r, alias), ERR_GONE);
	assert_true(site_task_is(task, "cancelled"));
	assert_false(poll_as(r, device, "").offered);
	assert_int_equal(site_number("SELECT count(*) FROM outbox WHERE task_id = %" PRId64, task), 0);
	assert_int_equal(site_number("SELECT count(*) FROM audit WHERE action = 'task.cancel' AND target = 'task/%" PRId64 "'", task), 1);
	assert_done(cancel_task(r, task, device), ERR_NOT_FOUND);
	assert_done(cancel_task(r, task + 100000, device), ERR_NOT_FOUND);
}

static void a_download_that_runs_ends_with_the_cancel_as_far_as_the_task_goes(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	fetch(r, alias_of(r, task), 0, 10);
	site_until_task(task, "downloading");
	assert_done(cancel_task(r, task, device), ERR_NONE);
	assert_done(report_version(r, device, "2.0", false), ERR_NONE); /* it did install it: no success of a cancelled task */
	assert_true(site_task_is(task, "cancelled"));
}

/* --- passive --- */

static void an_assignment_stays_after_success_and_makes_no_new_task(void **state)
{
	(void)state;
	const char *device = site_device();
	struct offer offer = assign(r, device, SITE_KNOWN);
	assert_int_equal(fetch(r, offer.alias, 0, SITE_SIZE), ERR_NONE);
	site_until_task(offer.task_id, "downloaded");
	assert_done(report_version(r, device, "2.0", false), ERR_NONE);
	assert_true(site_task_is(offer.task_id, "succeeded"));
	struct answer after = poll_as(r, device, "2.0");
	assert_true(after.offered);
	assert_string_equal(after.offer.alias, offer.alias);
	assert_string_equal(after.offer.version, "9");
	assert_int_equal(after.offer.task_id, 0);
	assert_int_equal(open_alias(r, offer.alias), ERR_NONE);
	struct answer again = order(r, WAY_PASSIVE, device, SITE_KNOWN); /* the same order: nothing is left to do */
	assert_done(again, ERR_NONE);
	assert_int_equal(again.order.rollout_id, offer.rollout_id);
	assert_int_equal(live_tasks(device), 0);
	assert_string_equal(poll_as(r, device, "").offer.alias, offer.alias);
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64, site_id(device)), 1);
}

static void an_assignment_repeated_while_its_task_lives_keeps_task_and_alias(void **state)
{
	(void)state;
	const char *device = site_device();
	struct offer offer = assign(r, device, SITE_KNOWN);
	struct answer again = order(r, WAY_PASSIVE, device, SITE_KNOWN);
	assert_int_equal(again.order.outcome, ORDER_SAME);
	assert_int_equal(again.order.task_id, offer.task_id);
	assert_int_equal(again.order.rollout_id, offer.rollout_id);
	assert_string_equal(poll_as(r, device, "").offer.alias, offer.alias);
}

static void an_assignment_repeated_after_a_failure_is_a_new_task_under_the_same_alias(void **state)
{
	(void)state;
	const char *device = site_device();
	struct offer offer = assign(r, device, SITE_KNOWN);
	assert_done(report_step(r, device, -3), ERR_NONE);
	assert_true(site_task_is(offer.task_id, "failed"));
	assert_int_equal(poll_as(r, device, "").offer.task_id, 0); /* sticky, but no task by itself */
	struct answer again = order(r, WAY_PASSIVE, device, SITE_KNOWN);
	assert_int_equal(again.order.outcome, ORDER_NEW);
	assert_int_equal(again.order.rollout_id, offer.rollout_id);
	struct answer poll = poll_as(r, device, "");
	assert_int_equal(poll.offer.task_id, again.order.task_id);
	assert_string_equal(poll.offer.alias, offer.alias);
}

static void another_assignment_replaces_the_first(void **state)
{
	(void)state;
	const char *device = site_device();
	struct offer old = assign(r, device, SITE_KNOWN);
	struct offer new = assign(r, device, SITE_KNOWN_3);
	assert_string_not_equal(new.alias, old.alias);
	assert_int_equal(open_alias(r, old.alias), ERR_GONE);
	assert_int_equal(open_alias(r, new.alias), ERR_NONE);
	assert_true(site_task_is(old.task_id, "superseded"));
	assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE id = %" PRId64 " AND end_reason = 'replaced'", old.rollout_id),
			 1);
}

static void a_push_of_another_firmware_ends_the_assignment(void **state)
{
	(void)state;
	const char *device = site_device();
	struct offer offer = assign(r, device, SITE_KNOWN);
	int64_t task = push(r, device, SITE_KNOWN_3);
	assert_true(site_task_is(offer.task_id, "superseded"));
	assert_int_equal(open_alias(r, offer.alias), ERR_GONE);
	assert_done(report_version(r, device, "3.0", false), ERR_NONE);
	assert_true(site_task_is(task, "succeeded"));
	assert_false(poll_as(r, device, "").offered); /* the newest order is what it is to run */
}

static void a_cancelled_assignment_is_withdrawn_with_its_task(void **state)
{
	(void)state;
	const char *device = site_device();
	struct offer offer = assign(r, device, SITE_KNOWN);
	assert_done(cancel_assignment(r, offer.rollout_id, device), ERR_NONE);
	assert_int_equal(open_alias(r, offer.alias), ERR_GONE);
	assert_false(poll_as(r, device, "").offered);
	assert_true(site_task_is(offer.task_id, "cancelled"));
	assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE id = %" PRId64 " AND end_reason = 'cancelled'", offer.rollout_id),
			 1);
	assert_done(cancel_assignment(r, offer.rollout_id, device), ERR_NOT_FOUND);
}

/* --- many in one commit --- */

enum { CROWD = 40 };

static void order_crowd(const char *devices[CROWD], struct answer answers[CROWD])
{
	for (int i = 0; i < CROWD; i++) {
		begin_order(r, i % 2 ? WAY_PUSH : WAY_PASSIVE, devices[i], SITE_KNOWN, &answers[i]);
	}
}

static void orders_that_gather_are_committed_together(void **state)
{
	(void)state;
	struct answer first = {0};
	static struct answer answers[CROWD];
	const char *devices[CROWD];
	for (int i = 0; i < CROWD; i++) {
		devices[i] = site_device();
	}
	memset(answers, 0, sizeof answers);
	site_stall(r, &first);
	int64_t commits = metrics_get(METRIC_COMMITS); /* the first is not through */
	order_crowd(devices, answers);
	for (int i = 0; i < CROWD; i++) {
		assert_false(answer_is_done(&answers[i]));
	}
	site_unlock();
	for (int i = 0; i < CROWD; i++) {
		answer_wait(&answers[i]);
		assert_done(answers[i], ERR_NONE);
		assert_int_equal(site_number("SELECT device_id FROM tasks WHERE id = %" PRId64, answers[i].order.task_id),
				 site_id(devices[i]));
	}
	assert_in_range(metrics_get(METRIC_COMMITS) - commits, 2, 6); /* bytes of earlier downloads may be told in between */
}

static void a_crowd_of_repeated_assignments_is_one_commit_too(void **state)
{
	(void)state;
	enum { MANY = 64 };
	struct answer first = {0};
	static struct answer answers[MANY];
	const char *devices[MANY];
	for (int i = 0; i < MANY; i++) {
		devices[i] = site_device();
		assign(r, devices[i], SITE_KNOWN);
	}
	memset(answers, 0, sizeof answers);
	site_stall(r, &first);
	int64_t commits = metrics_get(METRIC_COMMITS);
	for (int i = 0; i < MANY; i++) {
		begin_order(r, WAY_PASSIVE, devices[i], SITE_KNOWN, &answers[i]);
	}
	site_unlock();
	for (int i = 0; i < MANY; i++) {
		answer_wait(&answers[i]);
		assert_done(answers[i], ERR_NONE);
	}
	assert_in_range(metrics_get(METRIC_COMMITS) - commits, 2, 6); /* bytes of earlier downloads may be told in between */
}

/* COMMIT itself may fail (a NOTIFY that cannot be queued, a timeout): the connection must be good for the next one. */
static void a_commit_that_fails_does_not_spoil_the_next(void **state)
{
	(void)state;
	const char *device = site_device();
	site_run("CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation; END $$;"
		 "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON tasks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "
		 "fail_late()");
	assert_done(order(r, WAY_PUSH, device, SITE_KNOWN), ERR_INVALID);
	assert_int_equal(live_tasks(device), 0);
	assert_false(poll_as(r, device, "").offered);
	site_run("DROP TRIGGER late ON tasks");
	assert_done(order(r, WAY_PUSH, device, SITE_KNOWN), ERR_NONE);
	assert_int_equal(live_tasks(device), 1);
}

/* Nothing is prepared yet on a fresh connection: what was to be prepared behind the failure was not. */
static void a_first_batch_that_fails_early_does_not_spoil_the_next(void **state)
{
	(void)state;
	struct replica *fresh = replica_start("");
	const char *device = site_device();
	site_run("CREATE FUNCTION fail_early() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation; END $$;"
		 "CREATE TRIGGER early BEFORE INSERT ON rollouts FOR EACH ROW EXECUTE FUNCTION fail_early()");
	struct answer bad = order(fresh, WAY_PUSH, device, SITE_KNOWN);
	site_run("DROP TRIGGER early ON rollouts");
	struct answer good = order(fresh, WAY_PUSH, device, SITE_KNOWN);
	replica_stop(&fresh);
	assert_done(bad, ERR_INVALID);
	assert_done(good, ERR_NONE);
}

static void one_bad_order_fails_alone(void **state)
{
	(void)state;
	enum { BAD = 17, GONE = 23 };
	struct answer first = {0};
	static struct answer answers[CROWD];
	const char *devices[CROWD];
	for (int i = 0; i < CROWD; i++) {
		devices[i] = site_device();
	}
	memset(answers, 0, sizeof answers);
	site_run("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation; END $$;"
		 "CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.device_id = %" PRId64 ") EXECUTE FUNCTION refuse();"
		 "DELETE FROM devices WHERE name = '%s'",
		 site_id(devices[BAD]), devices[GONE]); /* behind the service's back: no change row tells it */
	site_stall(r, &first);
	order_crowd(devices, answers);
	site_unlock();
	for (int i = 0; i < CROWD; i++) {
		answer_wait(&answers[i]);
		bool good = i != BAD && i != GONE;
		assert_done(answers[i], i == BAD ? ERR_INVALID : i == GONE ? ERR_NOT_FOUND : ERR_NONE);
		assert_int_equal(live_tasks(devices[i]), good);
		assert_int_equal(poll_as(r, devices[i], "").offered, good);
		assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE device_id = %" PRId64, site_id(devices[i])), good);
	}
	site_run("DROP TRIGGER refuse ON tasks");
}

static void orders_for_one_device_in_one_commit_are_judged_one_after_the_other(void **state)
{
	(void)state;
	struct answer first = {0};
	struct answer a[4] = {0};
	const char *device = site_device();
	site_stall(r, &first);
	begin_order(r, WAY_PUSH, device, SITE_KNOWN, &a[0]);
	begin_order(r, WAY_PUSH, device, SITE_KNOWN, &a[1]);
	begin_order(r, WAY_PUSH, device, SITE_KNOWN_3, &a[2]);
	begin_order(r, WAY_PASSIVE, device, SITE_KNOWN_3, &a[3]);
	site_unlock();
	for (int i = 0; i < 4; i++) {
		answer_wait(&a[i]);
		assert_done(a[i], ERR_NONE);
	}
	assert_int_equal(a[1].order.task_id, a[0].order.task_id);
	assert_int_equal(a[2].order.outcome, ORDER_SUPERSEDE);
	assert_int_equal(a[3].order.task_id, a[2].order.task_id);
	assert_true(site_task_is(a[0].order.task_id, "superseded"));
	assert_int_equal(live_tasks(device), 1);
	assert_int_equal(
		site_number("SELECT count(*) FROM rollouts WHERE id = %" PRId64 " AND end_reason = 'superseded'", a[0].order.rollout_id),
		1);
	assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE device_id = %" PRId64 " AND ended_at IS NULL", site_id(device)),
			 2);
	assert_string_equal(poll_as(r, device, "").offer.version, "9"); /* the assignment speaks for the task */
}

static void a_full_queue_answers_busy_and_forgets_nothing_it_took(void **state)
{
	(void)state;
	enum { TRIES = 100 };
	struct answer first = {0};
	static struct answer answers[TRIES];
	memset(answers, 0, sizeof answers);
	site_stall(r, &first);
	int busy = 0;
	for (int i = 0; i < TRIES; i++) {
		begin_order(r, WAY_PUSH, site_device(), SITE_KNOWN, &answers[i]);
		busy += answer_is_done(&answers[i]) && answers[i].err.kind == ERR_BUSY;
	}
	site_unlock();
	assert_int_equal(busy, TRIES - 64);
	for (int i = 0; i < TRIES; i++) {
		answer_wait(&answers[i]);
		assert_done(answers[i], i < 64 ? ERR_NONE : ERR_BUSY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(a_push_leaves_rollout_task_outbox_event_and_audit),
		SITE_TEST(the_same_push_while_its_task_lives_is_the_same_task_sent_again),
		SITE_TEST(the_same_push_while_the_device_downloads_is_no_conflict),
		SITE_TEST(another_push_before_the_download_supersedes),
		SITE_TEST(another_push_during_the_download_or_later_is_refused),
		SITE_TEST(unknown_devices_and_firmware_are_refused_at_once),
		SITE_TEST(a_cancelled_push_is_withdrawn_at_once),
		SITE_TEST(a_download_that_runs_ends_with_the_cancel_as_far_as_the_task_goes),
		SITE_TEST(an_assignment_stays_after_success_and_makes_no_new_task),
		SITE_TEST(an_assignment_repeated_while_its_task_lives_keeps_task_and_alias),
		SITE_TEST(an_assignment_repeated_after_a_failure_is_a_new_task_under_the_same_alias),
		SITE_TEST(another_assignment_replaces_the_first),
		SITE_TEST(a_push_of_another_firmware_ends_the_assignment),
		SITE_TEST(a_cancelled_assignment_is_withdrawn_with_its_task),
		SITE_TEST(orders_that_gather_are_committed_together),
		SITE_TEST(a_crowd_of_repeated_assignments_is_one_commit_too),
		SITE_TEST(a_commit_that_fails_does_not_spoil_the_next),
		SITE_TEST(a_first_batch_that_fails_early_does_not_spoil_the_next),
		SITE_TEST(one_bad_order_fails_alone),
		SITE_TEST(orders_for_one_device_in_one_commit_are_judged_one_after_the_other),
		SITE_TEST(a_full_queue_answers_busy_and_forgets_nothing_it_took),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
