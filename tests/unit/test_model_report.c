/* What a device's words and silence mean, rule by rule (DESIGN.md, idea 2). */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/text.h"
#include "model/report.h"

#define TOKEN "11111111-2222-4333-8444-555555555555"
enum { SIZE = 1000 };

static const struct report_target target = {.version = "2.0", .size = SIZE};
static const struct report_target unknown = {.version = "", .size = SIZE};
static const struct task_timers timers = {.ttl_ms = 1000, .stall_ms = 200, .install_ms = 300};

/* A task as after `fetched` and `source` ("" = never told a version). */
static struct task task_in(enum task_state s, bool fetched, const char *source)
{
	struct task t = {.id = 1,
			 .state = s,
			 .fetched = fetched,
			 .rev = 1,
			 .created_ms = 10000,
			 .updated_ms = 10000,
			 .token = TOKEN,
			 .component = "app"};
	text_copy(t.source_version, sizeof t.source_version, source);
	return t;
}

static struct report version(const char *text, bool booted)
{
	struct report r = {.kind = REPORT_VERSION, .booted = booted, .component = "app"};
	text_copy(r.version, sizeof r.version, text);
	return r;
}

static struct report bytes(uint64_t offset, uint64_t len)
{
	struct report r = {.kind = REPORT_BYTES};
	coverage_add(&r.bytes, offset, len);
	return r;
}

static struct verdict judge(struct task *t, const char *firmware, const struct report *r)
{
	bool noted = false;
	return report_judge(t, &(struct report_target){.version = firmware, .size = SIZE}, r, &noted);
}

static void assert_moves(struct verdict v, enum task_event event, const char *code, bool learns)
{
	assert_true(v.moves);
	assert_string_equal(task_event_name(v.event), task_event_name(event));
	assert_string_equal(v.code, code);
	assert_int_equal(v.learn_version, learns);
}

#define assert_version_moves(t, firmware, text, booted, event, code, learns) \
	do {                                                                 \
		struct report r_ = version(text, booted);                    \
		assert_moves(judge(t, firmware, &r_), event, code, learns);  \
	} while (0)

#define assert_version_proves_nothing(t, firmware, text, booted) \
	do {                                                     \
		struct report r_ = version(text, booted);        \
		assert_false(judge(t, firmware, &r_).moves);     \
	} while (0)

/* --- the right version --- */

static void the_version_token_is_right_in_any_live_state(void **state)
{
	(void)state;
	for (int s = TASK_QUEUED; s <= TASK_INSTALLING; s++) {
		struct task t = task_in((enum task_state)s, false, "1.0");
		assert_version_moves(&t, "", TOKEN, false, EVENT_RIGHT, "", false);
		assert_version_moves(&t, "2.0", TOKEN, true, EVENT_RIGHT, "", false);
	}
}

static void the_firmwares_version_is_right_in_any_live_state(void **state)
{
	(void)state;
	for (int s = TASK_QUEUED; s <= TASK_INSTALLING; s++) {
		struct task t = task_in((enum task_state)s, false, "1.0");
		assert_version_moves(&t, "2.0", "2.0", false, EVENT_RIGHT, "", false);
		struct task unknown_source = task_in((enum task_state)s, false, "");
		assert_version_moves(&unknown_source, "2.0", "2.0", false, EVENT_RIGHT, "", false);
	}
}

static void an_order_for_the_version_the_device_already_has_needs_bytes(void **state)
{
	(void)state;
	struct task before = task_in(TASK_NOTIFIED, false, "2.0");
	assert_version_proves_nothing(&before, "2.0", "2.0", false);
	struct task after = task_in(TASK_DOWNLOADED, true, "2.0");
	assert_version_moves(&after, "2.0", "2.0", true, EVENT_RIGHT, "", false);
}

static void or_where_they_are_not_ours_that_it_is_announced_after_it_was_told(void **state)
{
	(void)state;
	const struct report_target elsewhere = {.version = "2.0", .elsewhere = true};
	struct report r = version("2.0", false);
	bool noted = false;
	struct task told = task_in(TASK_NOTIFIED, false, "2.0");
	assert_false(report_judge(&told, &elsewhere, &r, &noted).moves);
	r.announced = true;
	assert_moves(report_judge(&told, &elsewhere, &r, &noted), EVENT_RIGHT, "", false);
	assert_false(report_judge(&told, &target, &r, &noted).moves);
	struct task queued = task_in(TASK_QUEUED, false, "2.0");
	assert_false(report_judge(&queued, &elsewhere, &r, &noted).moves);
}

static void an_unknown_version_is_learnt_from_what_comes_after_all_bytes(void **state)
{
	(void)state;
	struct task after = task_in(TASK_DOWNLOADED, true, "1.0");
	assert_version_moves(&after, "", "2.0", false, EVENT_RIGHT, "", true);
	struct task before = task_in(TASK_DOWNLOADING, false, "1.0");
	assert_version_proves_nothing(&before, "", "2.0", false);
	struct task source = task_in(TASK_DOWNLOADED, true, "1.0");
	assert_version_proves_nothing(&source, "", "1.0", false);
}

static void the_token_is_never_learnt_as_a_version(void **state)
{
	(void)state;
	struct task t = task_in(TASK_DOWNLOADED, true, "1.0");
	assert_version_moves(&t, "", TOKEN, false, EVENT_RIGHT, "", false);
}

static void an_empty_version_is_no_version(void **state)
{
	(void)state;
	struct task t = task_in(TASK_DOWNLOADED, true, "1.0");
	t.token[0] = '\0';
	assert_version_proves_nothing(&t, "2.0", "", false);
	assert_version_proves_nothing(&t, "", "", false);
}

static void a_late_right_report_turns_what_failed_and_nothing_else(void **state)
{
	(void)state;
	static const enum task_state turned[] = {TASK_FAILED, TASK_TIMED_OUT, TASK_UNCONFIRMED};
	static const enum task_state final[] = {TASK_SUCCEEDED, TASK_CANCELLED, TASK_SUPERSEDED, TASK_REJECTED, TASK_SKIPPED};
	for (size_t i = 0; i < COUNT(turned); i++) {
		struct task t = task_in(turned[i], true, "1.0");
		struct report r = version("2.0", false);
		assert_non_null(task_apply(&t, judge(&t, "2.0", &r).event, "", 11000));
		assert_int_equal(t.state, TASK_SUCCEEDED);
		t = task_in(turned[i], true, "1.0");
		assert_version_proves_nothing(&t, "2.0", "3.0", false);
		assert_version_proves_nothing(&t, "2.0", "1.0", true);
	}
	for (size_t i = 0; i < COUNT(final); i++) {
		struct task t = task_in(final[i], true, "1.0");
		struct report r = version("2.0", false);
		struct verdict v = judge(&t, "2.0", &r);
		assert_true(!v.moves || !task_edge_find(t.state, v.event));
	}
}

/* --- the build --- */

static const uint8_t built[32] = {1, 2, 3};
static const uint8_t built_again[32] = {1, 2, 4};

static struct report runs(const char *text, const uint8_t elf[32])
{
	struct report r = version(text, true);
	r.has_elf = true;
	memcpy(r.elf_sha256, elf, sizeof r.elf_sha256);
	return r;
}

static struct verdict judge_build(struct task *t, const char *firmware, const struct report *r)
{
	const struct report_target image = {.version = firmware, .elf_sha256 = built, .size = SIZE};
	bool noted = false;
	return report_judge(t, &image, r, &noted);
}

static void the_ordered_build_is_right_whatever_it_calls_itself(void **state)
{
	(void)state;
	static const char *const names[] = {"2.0", "1.0", "3.0", ""};
	for (int s = TASK_QUEUED; s <= TASK_INSTALLING; s++) {
		for (size_t i = 0; i < COUNT(names); i++) {
			struct task t = task_in((enum task_state)s, s >= TASK_DOWNLOADED, "1.0");
			struct report r = runs(names[i], built);
			assert_moves(judge_build(&t, "2.0", &r), EVENT_RIGHT, "", false);
		}
	}
}

static void the_ordered_build_turns_what_failed(void **state)
{
	(void)state;
	static const enum task_state turned[] = {TASK_FAILED, TASK_TIMED_OUT, TASK_UNCONFIRMED};
	for (size_t i = 0; i < COUNT(turned); i++) {
		struct task t = task_in(turned[i], false, "1.0");
		struct report r = runs("2.0", built);
		assert_non_null(task_apply(&t, judge_build(&t, "2.0", &r).event, "", 11000));
		assert_int_equal(t.state, TASK_SUCCEEDED);
	}
}

static void the_ordered_build_tells_an_unknown_version(void **state)
{
	(void)state;
	struct task t = task_in(TASK_NOTIFIED, false, "1.0");
	struct report r = runs("2.0", built);
	assert_moves(judge_build(&t, "", &r), EVENT_RIGHT, "", true);
	r = runs("", built);
	assert_moves(judge_build(&t, "", &r), EVENT_RIGHT, "", false);
	r = runs(TOKEN, built);
	assert_moves(judge_build(&t, "", &r), EVENT_RIGHT, "", false);
}

static void another_build_of_the_right_version_is_no_success(void **state)
{
	(void)state;
	for (int s = TASK_QUEUED; s <= TASK_DOWNLOADING; s++) { /* somebody else has installed it */
		struct task t = task_in((enum task_state)s, false, "1.0");
		struct report r = runs("2.0", built_again);
		assert_false(judge_build(&t, "2.0", &r).moves);
		r = runs(TOKEN, built_again);
		assert_false(judge_build(&t, "2.0", &r).moves);
	}
	struct task t = task_in(TASK_DOWNLOADED, true, "1.0");
	struct report r = runs("2.0", built_again);
	assert_moves(judge_build(&t, "2.0", &r), EVENT_FAILED, "unexpected_build", false);
	r = runs("3.0", built_again);
	assert_moves(judge_build(&t, "2.0", &r), EVENT_FAILED, "unexpected_version", false);
	r = runs("2.0", built_again);
	assert_moves(judge_build(&t, "", &r), EVENT_FAILED, "unexpected_version", false); /* and is not learnt */
	t.state = TASK_TIMED_OUT;
	assert_false(judge_build(&t, "2.0", &r).moves);
}

/* Developers build again without another number. */
static void a_new_build_of_the_same_version_is_told_from_the_old_one(void **state)
{
	(void)state;
	struct task t = task_in(TASK_INSTALLING, true, "2.0");
	struct report old = runs("2.0", built_again);
	assert_moves(judge_build(&t, "2.0", &old), EVENT_FAILED, "rolled_back", false);
	old.booted = false;
	assert_false(judge_build(&t, "2.0", &old).moves);
	struct task loading = task_in(TASK_DOWNLOADING, false, "2.0");
	old.booted = true;
	assert_moves(judge_build(&loading, "2.0", &old), EVENT_FAILED, "interrupted", false);
	struct report fresh = runs("2.0", built);
	assert_moves(judge_build(&t, "2.0", &fresh), EVENT_RIGHT, "", false);
}

static void where_one_side_tells_no_build_the_version_counts(void **state)
{
	(void)state;
	struct task t = task_in(TASK_DOWNLOADED, true, "1.0");
	struct report told = runs("2.0", built_again);
	assert_moves(judge(&t, "2.0", &told), EVENT_RIGHT, "", false); /* no image */
	struct report silent = version("2.0", true);
	assert_moves(judge_build(&t, "2.0", &silent), EVENT_RIGHT, "", false); /* an odd elf_sha256 counts as unknown */
	memcpy(silent.elf_sha256, built_again, sizeof silent.elf_sha256);
	assert_moves(judge_build(&t, "2.0", &silent), EVENT_RIGHT, "", false);
}

/* --- the source's version --- */

static void the_source_version_without_a_boot_proves_nothing(void **state)
{
	(void)state;
	for (int s = TASK_QUEUED; s <= TASK_INSTALLING; s++) {
		struct task t = task_in((enum task_state)s, s >= TASK_DOWNLOADED, "1.0");
		assert_version_proves_nothing(&t, "2.0", "1.0", false);
		assert_string_equal(t.seen_version, "1.0");
	}
}

static void the_source_version_after_a_boot_is_a_rollback_or_an_interruption(void **state)
{
	(void)state;
	struct task down = task_in(TASK_DOWNLOADED, true, "1.0");
	assert_version_moves(&down, "2.0", "1.0", true, EVENT_FAILED, "rolled_back", false);
	struct task install = task_in(TASK_INSTALLING, true, "1.0");
	assert_version_moves(&install, "", "1.0", true, EVENT_FAILED, "rolled_back", false);
	struct task loading = task_in(TASK_DOWNLOADING, false, "1.0");
	assert_version_moves(&loading, "2.0", "1.0", true, EVENT_FAILED, "interrupted", false);
	for (int s = TASK_QUEUED; s <= TASK_ACCEPTED; s++) { /* it has just come: nothing was begun */
		struct task t = task_in((enum task_state)s, false, "1.0");
		assert_version_proves_nothing(&t, "2.0", "1.0", true);
	}
}

static void the_first_word_of_a_device_nobody_knew_becomes_its_source(void **state)
{
	(void)state;
	struct task t = task_in(TASK_NOTIFIED, false, "");
	struct report r = version("1.0", false);
	bool noted = false;
	assert_false(report_judge(&t, &unknown, &r, &noted).moves);
	assert_true(noted);
	assert_string_equal(t.source_version, "1.0");
	noted = false;
	assert_false(report_judge(&t, &unknown, &r, &noted).moves);
	assert_false(noted); /* told again: nothing to write */
}

/* --- another version --- */

static void a_third_version_after_the_bytes_is_a_failure(void **state)
{
	(void)state;
	struct task t = task_in(TASK_DOWNLOADED, true, "1.0");
	assert_version_moves(&t, "2.0", "3.0", false, EVENT_FAILED, "unexpected_version", false);
	struct task installing = task_in(TASK_INSTALLING, true, "1.0");
	assert_version_moves(&installing, "2.0", "3.0", true, EVENT_FAILED, "unexpected_version", false);
}

static void a_third_version_before_the_bytes_proves_nothing(void **state)
{
	(void)state;
	struct task t = task_in(TASK_DOWNLOADING, false, "1.0");
	assert_version_proves_nothing(&t, "2.0", "3.0", true);
	assert_string_equal(t.seen_version, "3.0");
	assert_string_equal(t.source_version, "1.0");
}

/* What was known at the order may be old: until it begins, what a device says is what it comes from. */
static void the_version_told_before_the_download_is_the_source(void **state)
{
	(void)state;
	struct task t = task_in(TASK_NOTIFIED, false, "0.9");
	assert_version_proves_nothing(&t, "", "1.0", false);
	assert_string_equal(t.source_version, "1.0");
	t.state = TASK_DOWNLOADED;
	t.fetched = true;
	assert_version_proves_nothing(&t, "", "1.0", false); /* the old image, before its reboot */
}

/* --- progress, refusal --- */

static void progress_moves_forward_but_is_never_success(void **state)
{
	(void)state;
	static const struct {
		int64_t step;
		enum task_event event;
		const char *code;
	} steps[] = {
		{0, EVENT_ACCEPTED, ""},
		{1, EVENT_FETCHING, ""},
		{99, EVENT_FETCHING, ""},
		{100, EVENT_INSTALLING, ""},
		{-1, EVENT_FAILED, "device_failed"},
		{-2, EVENT_FAILED, "download_failed"},
		{-3, EVENT_FAILED, "verify_failed"},
		{-4, EVENT_FAILED, "write_failed"},
		{-5, EVENT_FAILED, "device_failed"},
		{INT64_MIN, EVENT_FAILED, "device_failed"},
		{INT64_MAX, EVENT_INSTALLING, ""},
	};
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct task t = task_in(TASK_NOTIFIED, false, "1.0");
		struct report r = {.kind = REPORT_PROGRESS, .step = steps[i].step};
		assert_moves(judge(&t, "2.0", &r), steps[i].event, steps[i].code, false);
	}
}

static void an_ended_task_hears_no_progress_no_refusal_and_no_bytes(void **state)
{
	(void)state;
	for (int s = TASK_SUCCEEDED; s < TASK_STATES; s++) {
		struct task t = task_in((enum task_state)s, false, "1.0");
		struct report progress = {.kind = REPORT_PROGRESS, .step = 100};
		struct report refusal = {.kind = REPORT_REJECTED};
		struct report all = bytes(0, SIZE);
		assert_false(judge(&t, "2.0", &progress).moves);
		assert_false(judge(&t, "2.0", &refusal).moves);
		assert_false(judge(&t, "2.0", &all).moves);
	}
}

static void a_refusal_is_a_refusal(void **state)
{
	(void)state;
	struct task t = task_in(TASK_NOTIFIED, false, "1.0");
	struct report r = {.kind = REPORT_REJECTED};
	assert_moves(judge(&t, "2.0", &r), EVENT_REJECTED, "", false);
}

/* --- bytes --- */

static void bytes_begin_the_download_and_the_last_one_ends_it(void **state)
{
	(void)state;
	struct task t = task_in(TASK_NOTIFIED, false, "1.0");
	text_copy(t.seen_version, sizeof t.seen_version, "1.0");
	struct report none = {.kind = REPORT_BYTES};
	bool noted = false;
	assert_moves(report_judge(&t, &target, &none, &noted), EVENT_FETCHING, "", false);
	assert_false(noted);
	struct report tail = bytes(500, 500);
	assert_moves(report_judge(&t, &target, &tail, &noted), EVENT_FETCHING, "", false);
	assert_true(noted);
	assert_false(t.fetched);
	struct report head = bytes(0, 500);
	assert_moves(report_judge(&t, &target, &head, &noted), EVENT_FETCHED, "", false);
	assert_true(t.fetched);
	assert_string_equal(t.seen_version, ""); /* what it said before counts no more */
}

static void the_same_bytes_again_are_no_news(void **state)
{
	(void)state;
	struct task t = task_in(TASK_DOWNLOADING, false, "1.0");
	struct report head = bytes(0, 500);
	bool noted = false;
	report_judge(&t, &target, &head, &noted);
	noted = false;
	report_judge(&t, &target, &head, &noted);
	assert_false(noted);
	assert_int_equal(coverage_bytes(&t.got), 500);
}

/* --- silence --- */

static void assert_silence(const struct task *t, int64_t end, enum task_event event, const char *code)
{
	assert_int_equal(report_deadline(t->state, t->created_ms, t->updated_ms, &timers), end);
	assert_false(report_silence(t, &timers, end - 1).moves);
	assert_moves(report_silence(t, &timers, end), event, code, false);
}

static void a_task_that_never_reached_its_device_times_out_since_the_order(void **state)
{
	(void)state;
	for (int s = TASK_QUEUED; s <= TASK_ACCEPTED; s++) {
		struct task t = task_in((enum task_state)s, false, "1.0");
		t.updated_ms = 10900; /* repetitions do not prolong it */
		text_copy(t.seen_version, sizeof t.seen_version, "1.0");
		assert_silence(&t, 11000, EVENT_EXPIRED, "");
	}
}

static void a_stalled_download_times_out_since_its_last_progress(void **state)
{
	(void)state;
	struct task t = task_in(TASK_DOWNLOADING, false, "1.0");
	t.updated_ms = 20000;
	assert_silence(&t, 20200, EVENT_EXPIRED, "");
	text_copy(t.seen_version, sizeof t.seen_version, "1.0"); /* it goes on as before */
	assert_silence(&t, 20200, EVENT_FAILED, "interrupted");
	text_copy(t.seen_version, sizeof t.seen_version, "0.9");
	assert_silence(&t, 20200, EVENT_EXPIRED, "");
}

static void after_the_bytes_the_install_timer_tells_three_ends_apart(void **state)
{
	(void)state;
	for (int s = TASK_DOWNLOADED; s <= TASK_INSTALLING; s++) {
		struct task t = task_in((enum task_state)s, true, "1.0");
		t.updated_ms = 20000;
		assert_silence(&t, 20300, EVENT_EXPIRED, ""); /* it reports, but has not yet */
		text_copy(t.seen_version, sizeof t.seen_version, "1.0");
		assert_silence(&t, 20300, EVENT_FAILED, "rolled_back");
		struct task mute = task_in((enum task_state)s, true, "");
		assert_silence(&mute, 10300, EVENT_UNCONFIRMED, "");
		text_copy(mute.seen_version, sizeof mute.seen_version, "0.9");
		assert_silence(&mute, 10300, EVENT_EXPIRED, "");
	}
}

static void silence_means_nothing_to_an_ended_task(void **state)
{
	(void)state;
	for (int s = TASK_SUCCEEDED; s < TASK_STATES; s++) {
		struct task t = task_in((enum task_state)s, true, "");
		assert_false(report_silence(&t, &timers, INT64_MAX).moves);
	}
}

static void every_verdict_of_silence_has_an_edge(void **state)
{
	(void)state;
	for (int s = TASK_QUEUED; s <= TASK_INSTALLING; s++) {
		for (int known = 0; known < 4; known++) {
			struct task t = task_in((enum task_state)s, s >= TASK_DOWNLOADED, known & 1 ? "1.0" : "");
			text_copy(t.seen_version, sizeof t.seen_version, known & 2 ? "1.0" : "");
			struct verdict v = report_silence(&t, &timers, INT64_MAX);
			assert_true(v.moves);
			assert_non_null(task_edge_find(t.state, v.event));
			assert_true(strlen(v.code) < sizeof t.code);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_version_token_is_right_in_any_live_state),
		cmocka_unit_test(the_firmwares_version_is_right_in_any_live_state),
		cmocka_unit_test(an_order_for_the_version_the_device_already_has_needs_bytes),
		cmocka_unit_test(or_where_they_are_not_ours_that_it_is_announced_after_it_was_told),
		cmocka_unit_test(an_unknown_version_is_learnt_from_what_comes_after_all_bytes),
		cmocka_unit_test(the_token_is_never_learnt_as_a_version),
		cmocka_unit_test(an_empty_version_is_no_version),
		cmocka_unit_test(a_late_right_report_turns_what_failed_and_nothing_else),
		cmocka_unit_test(the_ordered_build_is_right_whatever_it_calls_itself),
		cmocka_unit_test(the_ordered_build_turns_what_failed),
		cmocka_unit_test(the_ordered_build_tells_an_unknown_version),
		cmocka_unit_test(another_build_of_the_right_version_is_no_success),
		cmocka_unit_test(a_new_build_of_the_same_version_is_told_from_the_old_one),
		cmocka_unit_test(where_one_side_tells_no_build_the_version_counts),
		cmocka_unit_test(the_source_version_without_a_boot_proves_nothing),
		cmocka_unit_test(the_source_version_after_a_boot_is_a_rollback_or_an_interruption),
		cmocka_unit_test(the_first_word_of_a_device_nobody_knew_becomes_its_source),
		cmocka_unit_test(a_third_version_after_the_bytes_is_a_failure),
		cmocka_unit_test(a_third_version_before_the_bytes_proves_nothing),
		cmocka_unit_test(the_version_told_before_the_download_is_the_source),
		cmocka_unit_test(progress_moves_forward_but_is_never_success),
		cmocka_unit_test(an_ended_task_hears_no_progress_no_refusal_and_no_bytes),
		cmocka_unit_test(a_refusal_is_a_refusal),
		cmocka_unit_test(bytes_begin_the_download_and_the_last_one_ends_it),
		cmocka_unit_test(the_same_bytes_again_are_no_news),
		cmocka_unit_test(a_task_that_never_reached_its_device_times_out_since_the_order),
		cmocka_unit_test(a_stalled_download_times_out_since_its_last_progress),
		cmocka_unit_test(after_the_bytes_the_install_timer_tells_three_ends_apart),
		cmocka_unit_test(silence_means_nothing_to_an_ended_task),
		cmocka_unit_test(every_verdict_of_silence_has_an_edge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
