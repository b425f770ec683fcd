/* What devices tell and fetch, through evidence and group commit into their tasks. */
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
#include "engine/deliver.h"
#include "engine/dispatch.h"
#include "site.h"

#define SETTINGS "commit_queue = 64\n"
static struct replica *r;
static const char *mute; /* has never told a version */

static int start(void **state)
{
	(void)state;
	site_new();
	mute = site_device();
	site_run("UPDATE devices SET version = NULL WHERE name = '%s'", mute);
	site_run("UPDATE firmware SET chip = 'esp32s3', elf_sha256 = sha256('built') WHERE name = '" SITE_KNOWN_3 "'");
	r = replica_start(SETTINGS);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&r);
	return 0;
}

static void assert_task(int64_t task, const char *state, const char *stage, const char *code)
{
	if (site_number("SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND state = '%s' AND stage = '%s' AND code = '%s'", task, state,
			stage, code) != 1) {
		fail_msg("task %" PRId64 " is not %s", task, state);
	}
}

/* A pushed task whose device has fetched every byte. */
static int64_t downloaded(const char *device, const char *firmware)
{
	int64_t task = push(r, device, firmware);
	assert_int_equal(fetch(r, alias_of(r, task), 0, SITE_SIZE), ERR_NONE);
	site_until_task(task, "downloaded");
	return task;
}

/* --- the whole way --- */

static void a_device_that_only_fetches_and_reports_walks_through_its_task(void **state)
{
	(void)state;
	const char *device = site_device();
	const char *firmware = site_firmware();
	int64_t task = push(r, device, firmware);
	dispatch_sent(r->engine, task);
	site_until_task(task, "notified");
	fetch(r, alias_of(r, task), 0, 400);
	site_until_task(task, "downloading");
	fetch(r, alias_of(r, task), 600, 400);
	fetch(r, alias_of(r, task), 300, 400);
	site_until_task(task, "downloaded");
	assert_done(report_version(r, device, "1.1", false), ERR_NONE);
	assert_task(task, "succeeded", "", "");
	assert_int_equal(site_number("SELECT count(*) FROM firmware WHERE name = '%s' AND version = '1.1'", firmware), 1); /* learnt */
	assert_int_equal(site_number("SELECT count(*) FROM devices WHERE name = '%s' AND version = '1.1'", device), 1);
	assert_int_equal(
		site_number("SELECT count(*) FROM (SELECT string_agg(event || ':' || to_state, ' ' ORDER BY at) AS way FROM events WHERE "
			    "task_id = %" PRId64 ") w"
			    " WHERE way = 'ordered:queued sent:notified fetching:downloading fetched:downloaded right_report:succeeded'",
			    task),
		1);
	assert_int_equal(site_number("SELECT count(*) FROM rollouts r JOIN tasks t ON t.rollout_id = r.id WHERE t.id = %" PRId64
				     " AND end_reason = 'done'",
				     task),
			 1);
	assert_false(poll_as(r, device, "").offered);
}

static void a_version_once_learnt_is_believed_without_bytes(void **state)
{
	(void)state;
	const char *firmware = site_firmware();
	const char *first = site_device();
	const char *second = site_device();
	int64_t task = downloaded(first, firmware);
	report_version(r, first, "1.4", false);
	assert_task(task, "succeeded", "", "");
	task = push(r, second, firmware);
	struct answer offered = poll_as(r, second, "");
	assert_string_equal(offered.offer.version, "1.4");
	report_version(r, second, "1.4", false);
	assert_task(task, "succeeded", "", "");
}

/* An image has a build of its own: that alone tells success, where the device tells its own too. */
static void the_build_of_an_image_counts_and_its_version_does_not(void **state)
{
	(void)state;
	struct report other = {.kind = REPORT_VERSION, .component = COMPONENT_DEFAULT, .version = "3.0", .has_elf = true};
	struct report right = {.kind = REPORT_VERSION, .component = COMPONENT_DEFAULT, .version = "1.0", .has_elf = true};
	struct answer answers[2] = {{0}};
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN_3);
	memset(other.elf_sha256, 7, sizeof other.elf_sha256);
	digest_sha256(right.elf_sha256, "built", 5);
	begin_report(r, device, &other, &answers[0]);
	answer_wait(&answers[0]);
	assert_task(task, "queued", "", "");
	begin_report(r, device, &right, &answers[1]);
	answer_wait(&answers[1]);
	assert_task(task, "succeeded", "", "");
}

/* A batch may wait long for its locks. */
static void an_event_is_timed_when_it_happens_not_when_it_began_to_wait(void **state)
{
	(void)state;
	struct report step = {.kind = REPORT_PROGRESS, .component = COMPONENT_DEFAULT};
	struct answer first = {0};
	struct answer told = {0};
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	site_lock();
	begin_report(r, device, &step, &told);
	site_stall(r, &first); /* its batch hangs now */
	int64_t then_ms = clock_wall_ms();
	for (int i = 0; i < 4; i++) {
		site_pause();
	}
	site_unlock();
	answer_wait(&told);
	answer_wait(&first);
	assert_int_equal(site_number("SELECT count(*) FROM events WHERE task_id = %" PRId64
				     " AND event = 'accepted' AND extract(epoch FROM at) * 1000 > %" PRId64,
				     task, then_ms),
			 1);
}

/* --- right, wrong, late --- */

static void a_report_is_committed_before_it_is_answered(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	assert_done(report_version(r, device, "2.0", false), ERR_NONE);
	assert_task(task, "succeeded", "", "");
	assert_done(report_version(r, "d0", "2.0", false), ERR_NOT_FOUND);
}

static void an_order_for_the_version_the_device_has_is_sent_and_needs_bytes(void **state)
{
	(void)state;
	const char *device = site_device();
	assert_done(report_version(r, device, "2.0", false), ERR_NONE);
	int64_t task = push(r, device, SITE_KNOWN);
	assert_done(report_version(r, device, "2.0", false), ERR_NONE);
	assert_task(task, "queued", "", "");
	fetch(r, alias_of(r, task), 0, SITE_SIZE);
	site_until_task(task, "downloaded");
	assert_done(report_version(r, device, "2.0", false), ERR_NONE);
	assert_task(task, "succeeded", "", "");
}

static void a_late_right_report_turns_a_failure_into_success(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = downloaded(device, SITE_KNOWN);
	assert_done(report_version(r, device, "1.0", true), ERR_NONE);
	assert_task(task, "failed", "downloaded", "rolled_back");
	assert_done(report_version(r, device, "1.9", false), ERR_NONE); /* not right: nothing */
	assert_task(task, "failed", "downloaded", "rolled_back");
	assert_done(report_version(r, device, "2.0", false), ERR_NONE);
	assert_task(task, "succeeded", "", "");
}

static void a_late_report_does_not_reach_past_a_newer_task(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t old = downloaded(device, SITE_KNOWN);
	assert_done(report_step(r, device, -4), ERR_NONE);
	assert_task(old, "failed", "downloaded", "write_failed");
	int64_t new = push(r, device, SITE_KNOWN_3);
	assert_done(report_version(r, device, "2.0", false), ERR_NONE);
	assert_task(old, "failed", "downloaded", "write_failed");
	assert_task(new, "queued", "", "");
	assert_done(cancel_task(r, new, device), ERR_NONE);
	assert_done(report_version(r, device, "2.0", false), ERR_NONE); /* the newest was cancelled: absorbed */
	assert_task(old, "failed", "downloaded", "write_failed");
}

static void stale_and_foreign_task_ids_are_ignored(void **state)
{
	(void)state;
	const char *device = site_device();
	const char *other = site_device();
	int64_t ended = push(r, device, SITE_KNOWN);
	assert_done(cancel_task(r, ended, device), ERR_NONE);
	int64_t task = push(r, device, SITE_KNOWN);
	int64_t foreign = push(r, other, SITE_KNOWN);
	const int64_t stale[] = {ended, foreign, 1 << 30};
	for (size_t i = 0; i < 3; i++) {
		struct report step = {.kind = REPORT_PROGRESS, .component = COMPONENT_DEFAULT, .step = -1, .task_id = stale[i]};
		struct answer a = {0};
		begin_report(r, device, &step, &a);
		answer_wait(&a);
		assert_done(a, ERR_NONE);
	}
	assert_task(task, "queued", "", "");
	assert_task(foreign, "queued", "", "");
	assert_task(ended, "cancelled", "", "");
}

static void another_component_is_another_matter(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	struct report mcu = {.kind = REPORT_VERSION, .component = "mcu", .version = "2.0"};
	struct answer a = {0};
	begin_report(r, device, &mcu, &a);
	answer_wait(&a);
	assert_done(a, ERR_NONE);
	assert_task(task, "queued", "", "");
	assert_int_equal(site_number("SELECT count(*) FROM device_versions WHERE device_id = %" PRId64
				     " AND component = 'mcu' AND version = '2.0'",
				     site_id(device)),
			 1);
	assert_int_equal(site_number("SELECT count(*) FROM devices WHERE name = '%s' AND version = '1.0'", device), 1);
}

static void progress_and_refusal_move_the_task(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	report_step(r, device, 0);
	assert_task(task, "accepted", "", "");
	report_step(r, device, 40);
	assert_task(task, "downloading", "", "");
	report_step(r, device, 0); /* not backward */
	assert_task(task, "downloading", "", "");
	report_step(r, device, 100);
	assert_task(task, "installing", "", "");
	report_step(r, device, -3);
	assert_task(task, "failed", "installing", "verify_failed");
	const char *unwilling = site_device();
	task = push(r, unwilling, SITE_KNOWN);
	char alias[ALIAS_SIZE];
	snprintf(alias, sizeof alias, "%s", alias_of(r, task));
	struct report no = {.kind = REPORT_REJECTED, .component = COMPONENT_DEFAULT};
	struct answer a = {0};
	begin_report(r, unwilling, &no, &a);
	answer_wait(&a);
	assert_task(task, "rejected", "", "");
	assert_int_equal(open_alias(r, alias), ERR_GONE);
}

static void an_empty_version_changes_nothing(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = downloaded(device, SITE_KNOWN);
	assert_done(report_version(r, device, "", false), ERR_NONE);
	assert_task(task, "downloaded", "", "");
	assert_int_equal(site_number("SELECT count(*) FROM devices WHERE name = '%s' AND version = '1.0'", device), 1);
}

/* --- reports behind downloads --- */

static struct delivery *open_download(int64_t task)
{
	struct delivery *d = NULL;
	struct err err = {0};
	assert_true(delivery_open(r->engine, alias_of(r, task), &d, &err));
	delivery_begun(d);
	return d;
}

/* "I run 1.1" is judged after "it has every byte", though it was told before the last acknowledgement. */
static void a_report_waits_for_the_bytes_of_an_open_download(void **state)
{
	(void)state;
	struct report report = {.kind = REPORT_VERSION, .component = COMPONENT_DEFAULT, .version = "1.1"};
	for (int attempt = 0; attempt < 5; attempt++) {
		const char *device = site_device();
		int64_t task = push(r, device, site_firmware());
		struct delivery *d = open_download(task);
		struct answer a = {0};
		int64_t before = clock_mono_ms();
		begin_report(r, device, &report, &a);
		bool early = answer_is_done(&a);
		delivery_bytes(d, 0, SITE_SIZE);
		delivery_free(&d);
		int64_t took = clock_mono_ms() - before;
		answer_wait(&a);
		assert_done(a, ERR_NONE);
		if (took < 500) { /* a machine too slow for this would let the report pass, as it should */
			assert_false(early);
			assert_task(task, "succeeded", "", "");
			return;
		}
	}
	fail_msg("the machine is too slow to tell");
}

/* Also when earlier bytes of it are just being written. */
static void a_report_stays_behind_bytes_that_must_wait_themselves(void **state)
{
	(void)state;
	struct report report = {.kind = REPORT_VERSION, .component = COMPONENT_DEFAULT, .version = "1.1"};
	struct answer first = {0};
	struct answer told = {0};
	const char *device = site_device();
	int64_t task = push(r, device, site_firmware());
	fetch(r, alias_of(r, task), 0, 500);
	site_until(1, "SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND got = '0-499'", task);
	site_stall(r, &first);
	struct delivery *d = open_download(task);
	begin_report(r, device, &report, &told);
	delivery_bytes(d, 500, 500);
	delivery_free(&d);
	site_unlock();
	answer_wait(&told);
	answer_wait(&first);
	assert_done(told, ERR_NONE);
	assert_task(task, "succeeded", "", "");
}

static void a_report_does_not_wait_for_ever(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	struct delivery *d = open_download(task);
	delivery_bytes(d, 0, 10);
	assert_done(report_version(r, device, "2.0", false), ERR_NONE); /* while the download is open */
	assert_task(task, "succeeded", "", "");
	delivery_free(&d);
}

/* It was promised an answer when it began to wait. */
static void a_report_that_waited_is_answered_also_when_the_queue_is_full(void **state)
{
	(void)state;
	struct report report = {.kind = REPORT_VERSION, .component = COMPONENT_DEFAULT, .version = "1.0"};
	static struct answer crowd[70];
	struct answer waited = {0};
	const char *device = site_device();
	const char *other = site_device();
	struct delivery *d = open_download(push(r, device, SITE_KNOWN));
	struct answer first = {0};
	memset(crowd, 0, sizeof crowd);
	site_stall(r, &first);
	for (int i = 0; i < 70; i++) {
		begin_report(r, other, &report, &crowd[i]);
	}
	assert_done(crowd[69], ERR_BUSY);
	begin_report(r, device, &report, &waited);
	delivery_free(&d);
	answer_wait(&waited); /* nothing moves in the queue meanwhile */
	assert_done(waited, ERR_BUSY);
	site_unlock();
	for (int i = 0; i < 70; i++) {
		answer_wait(&crowd[i]);
	}
}

/* --- bytes and outages --- */

static void bytes_acknowledged_during_an_outage_arrive_after_it(void **state)
{
	(void)state;
	int64_t task = push(r, site_device(), SITE_KNOWN);
	char alias[ALIAS_SIZE];
	snprintf(alias, sizeof alias, "%s", alias_of(r, task));
	pg_down();
	for (uint64_t at = 0; at < SITE_SIZE; at += 100) {
		assert_int_equal(fetch(r, alias, at, 100), ERR_NONE);
	}
	pg_up();
	site_until_task(task, "downloaded");
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND fetched AND got = '0-999'", task), 1);
}

/* Two hand-overs of one task's bytes are under way when both are lost. */
static void no_byte_is_lost_when_hand_overs_overlap_and_fail(void **state)
{
	(void)state;
	struct report report = {.kind = REPORT_VERSION, .component = COMPONENT_DEFAULT, .version = "1.0"};
	struct answer told[2] = {0};
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	site_lock();
	for (uint64_t i = 0; i < 2; i++) { /* a report hands over what is known so far */
		struct delivery *d = open_download(task);
		delivery_bytes(d, i * 500, 500);
		begin_report(r, device, &report, &told[i]);
		delivery_free(&d);
	}
	pg_down();
	site_unlock();
	answer_wait(&told[0]);
	answer_wait(&told[1]);
	pg_up();
	site_until_task(task, "downloaded");
}

static void bytes_are_not_lost_by_a_stop(void **state)
{
	(void)state;
	int64_t task = push(r, site_device(), SITE_KNOWN);
	struct delivery *d = open_download(task);
	delivery_bytes(d, 0, 500);
	delivery_bytes(d, 600, 100);
	delivery_free(&d);
	replica_stop(&r);
	int64_t written =
		site_number("SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND state = 'downloading' AND got = '0-499,600-699'", task);
	r = replica_start(SETTINGS);
	assert_int_equal(written, 1);
	fetch(r, alias_of(r, task), 500, 100);
	fetch(r, alias_of(r, task), 700, 300);
	site_until_task(task, "downloaded"); /* across the restart */
}

static void bytes_of_a_withdrawn_or_ended_task_do_no_harm(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	struct delivery *d = open_download(task);
	delivery_bytes(d, 0, 10);
	assert_done(cancel_task(r, task, device), ERR_NONE);
	delivery_bytes(d, 10, SITE_SIZE - 10);
	delivery_free(&d);
	assert_done(report_version(r, device, "1.0", false), ERR_NONE); /* behind them */
	assert_task(task, "cancelled", "", "");
}

/* --- silence --- */

static void every_timer_ends_in_its_own_way(void **state)
{
	(void)state;
	const char *lost = site_device();
	const char *stalled = site_device();
	const char *stalled_old = site_device();
	const char *quiet = site_device();
	const char *back = site_device();
	int64_t ids[] = {push(r, lost, SITE_KNOWN),     push(r, stalled, SITE_KNOWN), push(r, stalled_old, SITE_KNOWN),
			 downloaded(quiet, SITE_KNOWN), downloaded(back, SITE_KNOWN), 0};
	fetch(r, alias_of(r, ids[1]), 0, 10);
	fetch(r, alias_of(r, ids[2]), 0, 10);
	site_until_task(ids[1], "downloading");
	site_until_task(ids[2], "downloading");
	report_version(r, stalled_old, "1.0", false);
	report_version(r, back, "1.0", false);
	ids[5] = downloaded(mute, SITE_KNOWN);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND ended_at IS NULL", ids[i]), 1);
	}
	replica_reload(r, "task_ttl = 1s\nstall_timeout = 1s\ninstall_timeout = 1s\n");
	site_until(0,
		   "SELECT count(*) FROM tasks WHERE id IN (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
		   ") AND ended_at IS NULL",
		   ids[0], ids[1], ids[2], ids[3], ids[4], ids[5]);
	replica_reload(r, "");
	assert_task(ids[0], "timed_out", "queued", "");
	assert_task(ids[1], "timed_out", "downloading", "");
	assert_task(ids[2], "failed", "downloading", "interrupted");
	assert_task(ids[3], "timed_out", "downloaded", "");
	assert_task(ids[4], "failed", "downloaded", "rolled_back");
	assert_task(ids[5], "unconfirmed", "", "");
	report_version(r, mute, "2.0", false);
	assert_task(ids[5], "succeeded", "", "");
}

/* A poll proves no rollback, but after the install timer what it said counts: also when it is the version that was known before. */
static void a_poll_with_the_old_version_after_the_bytes_counts_when_the_timer_ends(void **state)
{
	(void)state;
	const char *device = site_device();
	struct offer offer = assign(r, device, SITE_KNOWN);
	assert_done(poll_as(r, device, "1.0"), ERR_NONE);
	fetch(r, offer.alias, 0, SITE_SIZE);
	site_until_task(offer.task_id, "downloaded");
	for (int64_t deadline = 0;
	     site_number("SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND seen_version = '1.0'", offer.task_id) == 0; site_pause()) {
		assert_true(site_in_time(&deadline));
		assert_done(poll_as(r, device, "1.0"), ERR_NONE);
	}
	assert_task(offer.task_id, "downloaded", "", "");
	replica_reload(r, "install_timeout = 1s\n");
	site_until(0, "SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND ended_at IS NULL", offer.task_id);
	replica_reload(r, "");
	assert_task(offer.task_id, "failed", "downloaded", "rolled_back");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(a_device_that_only_fetches_and_reports_walks_through_its_task),
		SITE_TEST(a_version_once_learnt_is_believed_without_bytes),
		SITE_TEST(the_build_of_an_image_counts_and_its_version_does_not),
		SITE_TEST(an_event_is_timed_when_it_happens_not_when_it_began_to_wait),
		SITE_TEST(a_report_is_committed_before_it_is_answered),
		SITE_TEST(an_order_for_the_version_the_device_has_is_sent_and_needs_bytes),
		SITE_TEST(a_late_right_report_turns_a_failure_into_success),
		SITE_TEST(a_late_report_does_not_reach_past_a_newer_task),
		SITE_TEST(stale_and_foreign_task_ids_are_ignored),
		SITE_TEST(another_component_is_another_matter),
		SITE_TEST(progress_and_refusal_move_the_task),
		SITE_TEST(an_empty_version_changes_nothing),
		SITE_TEST(a_report_waits_for_the_bytes_of_an_open_download),
		SITE_TEST(a_report_stays_behind_bytes_that_must_wait_themselves),
		SITE_TEST(a_report_does_not_wait_for_ever),
		SITE_TEST(a_report_that_waited_is_answered_also_when_the_queue_is_full),
		SITE_TEST(bytes_acknowledged_during_an_outage_arrive_after_it),
		SITE_TEST(no_byte_is_lost_when_hand_overs_overlap_and_fail),
		SITE_TEST(bytes_are_not_lost_by_a_stop),
		SITE_TEST(bytes_of_a_withdrawn_or_ended_task_do_no_harm),
		SITE_TEST(every_timer_ends_in_its_own_way),
		SITE_TEST(a_poll_with_the_old_version_after_the_bytes_counts_when_the_timer_ends),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
