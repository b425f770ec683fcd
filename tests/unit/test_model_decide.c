#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "model/decide.h"

static const struct device_facts facts = {.component = "app", .version = "1.0"};

static struct candidate task(int64_t id, enum task_state s)
{
	return (struct candidate){.kind = CANDIDATE_TASK,
				  .rollout_id = id + 100,
				  .task_id = id,
				  .created_ms = id,
				  .component = "app",
				  .version = "",
				  .state = s,
				  .code = ""};
}

static struct candidate assignment(int64_t id)
{
	return (struct candidate){
		.kind = CANDIDATE_ASSIGNMENT, .rollout_id = id, .created_ms = id, .component = "app", .version = "", .code = ""};
}

static struct candidate standing(int64_t id, const char *version)
{
	return (struct candidate){
		.kind = CANDIDATE_STANDING, .rollout_id = id, .created_ms = id, .component = "app", .version = version, .code = ""};
}

/* The rollout offered, 0 = none; the same whatever the order of the candidates. */
static int64_t offered(struct candidate *c, size_t n)
{
	int64_t forward = 0;
	for (size_t turn = 0; turn < n; turn++) {
		struct decision d = decide(&facts, c, n, 0, NULL);
		int64_t id = d.offer ? d.offer->rollout_id : 0;
		if (turn == 0) {
			forward = id;
		}
		assert_int_equal(id, forward);
		struct candidate first = c[0];
		memmove(c, c + 1, (n - 1) * sizeof *c);
		c[n - 1] = first;
	}
	return forward;
}

static void a_live_task_wins_over_an_assignment_and_that_over_a_standing_rollout(void **state)
{
	(void)state;
	struct candidate all[] = {standing(9, "2.0"), assignment(8), task(1, TASK_NOTIFIED)};
	assert_int_equal(offered(all, 3), 101);
	struct candidate two[] = {standing(9, "2.0"), assignment(8)};
	assert_int_equal(offered(two, 2), 8);
	struct candidate one[] = {standing(9, "2.0")};
	assert_int_equal(offered(one, 1), 9);
}

static void the_newer_wins_within_a_kind(void **state)
{
	(void)state;
	struct candidate c[] = {standing(5, "2.0"), standing(7, "3.0"), standing(6, "4.0")};
	assert_int_equal(offered(c, 3), 7);
	struct candidate same_time[] = {standing(5, "2.0"), standing(7, "3.0")};
	same_time[0].created_ms = same_time[1].created_ms = 50;
	assert_int_equal(offered(same_time, 2), 7);
}

static void the_reason_names_what_was_offered(void **state)
{
	(void)state;
	struct candidate c[] = {task(1, TASK_QUEUED)};
	struct decision d = decide(&facts, c, 1, 0, NULL);
	assert_int_equal(d.reason.id, REASON_LIVE_TASK);
	assert_int_equal(d.reason.number, 1);
	c[0] = assignment(8);
	d = decide(&facts, c, 1, 0, NULL);
	assert_int_equal(d.reason.id, REASON_ASSIGNED);
	assert_int_equal(d.reason.number, 8);
	c[0] = standing(9, "2.0");
	d = decide(&facts, c, 1, 0, NULL);
	assert_int_equal(d.reason.id, REASON_STANDING);
	assert_int_equal(d.reason.number, 9);
}

static void assert_refused(struct candidate c, enum reason_id why)
{
	struct decision d = decide(&facts, &c, 1, 0, NULL);
	assert_null(d.offer);
	assert_string_equal(reason_name(d.reason.id), reason_name(why));
	assert_int_equal(d.reason.number, c.rollout_id);
}

static void nothing_is_offered_without_a_reason_for_it(void **state)
{
	(void)state;
	struct decision d = decide(&facts, NULL, 0, 0, NULL);
	assert_null(d.offer);
	assert_int_equal(d.reason.id, REASON_NO_CANDIDATE);
	struct candidate other = task(1, TASK_QUEUED);
	other.component = "mcu";
	assert_refused(other, REASON_OTHER_COMPONENT);
	struct candidate ended = assignment(8);
	ended.ended_ms = 1;
	assert_refused(ended, REASON_ENDED);
	ended = standing(9, "2.0");
	ended.ended_ms = 1;
	assert_refused(ended, REASON_ENDED);
}

static void a_standing_rollout_skips_devices_that_are_on_target(void **state)
{
	(void)state;
	assert_refused(standing(9, "1.0"), REASON_ON_TARGET);
	struct candidate unknown = standing(9, "");
	assert_int_equal(offered(&unknown, 1), 9);
	unknown.offers = 1;
	unknown.state = TASK_SUCCEEDED; /* the only way to know, while the firmware's version is unknown */
	assert_refused(unknown, REASON_ON_TARGET);
	struct device_facts silent = {.component = "app", .version = ""};
	struct candidate known = standing(9, "2.0");
	assert_non_null(decide(&silent, &known, 1, 0, NULL).offer);
}

static void a_standing_rollout_is_offered_three_times(void **state)
{
	(void)state;
	struct candidate c = standing(9, "2.0");
	c.state = TASK_TIMED_OUT;
	for (c.offers = 0; c.offers < 3; c.offers++) {
		assert_int_equal(offered(&c, 1), 9);
	}
	assert_refused(c, REASON_OFFER_CAP);
	c.offers = 4;
	assert_refused(c, REASON_OFFER_CAP);
	c.offers = 0; /* an operator ordered it again */
	assert_int_equal(offered(&c, 1), 9);
}

static void what_gave_way_is_offered_again_thirty_times(void **state)
{
	(void)state;
	struct candidate c = standing(9, "2.0");
	c.state = TASK_SUPERSEDED;
	c.turns = task_turns_had(TASK_SUPERSEDED, 28);
	assert_int_equal(offered(&c, 1), 9);
	c.turns = task_turns_had(TASK_SUPERSEDED, c.turns);
	assert_refused(c, REASON_TURN_CAP);
	assert_int_equal(task_turns_had(TASK_NOTIFIED, 7), 7);
}

static void a_standing_rollout_may_be_called_otherwise_than_its_firmware(void **state)
{
	(void)state;
	struct candidate c = standing(9, "2.0");
	c.called = "1.0";
	assert_refused(c, REASON_ON_TARGET);
	c.called = "";
	assert_int_equal(offered(&c, 1), 9);
}

static void a_device_that_tells_no_version_is_not_brought_there_twice(void **state)
{
	(void)state;
	struct device_facts silent = {.component = "app", .version = ""};
	struct candidate c = standing(9, "2.0");
	c.offers = 1;
	c.state = TASK_SUCCEEDED;
	assert_null(decide(&silent, &c, 1, 0, NULL).offer);
	assert_int_equal(offered(&c, 1), 9); /* one that is back on another version is */
}

static void what_an_operator_wants_of_one_device_stands_above_a_standing_rollout(void **state)
{
	(void)state;
	struct candidate c = standing(9, "2.0");
	c.offers = 1;
	c.state = TASK_CANCELLED;
	assert_refused(c, REASON_WITHDRAWN);
	c.offers = 0; /* ordered again */
	assert_int_equal(offered(&c, 1), 9);
	c.outranked = true;
	assert_refused(c, REASON_OUTRANKED);
}

static void after_a_rollback_a_standing_rollout_waits_for_an_operator(void **state)
{
	(void)state;
	struct candidate c = standing(9, "2.0");
	c.offers = 1;
	c.state = TASK_FAILED;
	c.code = "rolled_back";
	assert_refused(c, REASON_ROLLED_BACK);
	c.code = "verify_failed";
	assert_int_equal(offered(&c, 1), 9);
	c.code = "rolled_back";
	c.offers = 0;
	assert_int_equal(offered(&c, 1), 9);
}

static void a_candidate_that_is_refused_does_not_hide_one_that_is_not(void **state)
{
	(void)state;
	struct candidate c[] = {standing(9, "1.0"), assignment(8), standing(10, "2.0")};
	c[1].ended_ms = 1;
	assert_int_equal(offered(c, 3), 10);
}

static void the_trace_holds_a_reason_for_each_candidate_up_to_its_bound(void **state)
{
	(void)state;
	struct decision_trace trace = {0};
	struct candidate c[20];
	for (int i = 0; i < 20; i++) {
		c[i] = standing(i + 1, i ? "2.0" : "1.0");
	}
	decide(&facts, c, 20, 0, &trace);
	assert_int_equal(trace.count, COUNT(trace.reasons));
	assert_int_equal(trace.reasons[0].id, REASON_ON_TARGET);
	assert_int_equal(trace.reasons[1].id, REASON_STANDING);
	assert_int_equal(trace.reasons[1].number, 2);
}

static void print(enum reason_id id, bool chinese, char out[256])
{
	struct buf b;
	buf_init_fixed(&b, out, 256);
	const struct reason reason = {.id = id, .number = 4711, .has.text = "mine", .wants.text = "yours"};
	reason_print(&reason, chinese, &b);
	buf_cstr(&b);
	assert_true(buf_ok(&b));
}

static void a_blocked_device_is_offered_nothing(void **state)
{
	(void)state;
	const struct candidate task = {.kind = CANDIDATE_TASK, .task_id = 7, .rollout_id = 3, .component = "app", .version = "2.0"};
	const struct device_facts blocked = {.component = "app", .version = "1.0", .blocked = true};
	struct decision d = decide(&blocked, &task, 1, 0, NULL);
	assert_null(d.offer);
	assert_int_equal(d.reason.id, REASON_BLOCKED);
	d = decide(&blocked, NULL, 0, 0, NULL);
	assert_int_equal(d.reason.id, REASON_BLOCKED);
}

static void every_reason_is_a_sentence_in_both_languages(void **state)
{
	(void)state;
	for (int i = 0; i < REASON_COUNT; i++) {
		char en[256];
		char zh[256];
		print((enum reason_id)i, false, en);
		print((enum reason_id)i, true, zh);
		assert_true(strlen(en) > 10 && strlen(zh) > 10);
		assert_true(text_is_utf8(zh, strlen(zh)));
		assert_true((unsigned char)zh[0] > 127 && (unsigned char)en[0] < 128);
		assert_null(strpbrk(en, "%{}"));
		assert_null(strpbrk(zh, "%{}"));
		assert_int_equal(strstr(en, "mine") != NULL, strstr(zh, "mine") != NULL);
		assert_int_equal(strstr(en, "yours") != NULL, strstr(zh, "yours") != NULL);
		bool of_one = i != REASON_NO_CANDIDATE && i != REASON_BLOCKED;
		assert_int_equal(strstr(en, "4711") != NULL, of_one);
		assert_int_equal(strstr(zh, "4711") != NULL, of_one);
		assert_true(strlen(reason_name((enum reason_id)i)) > 3);
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(reason_name((enum reason_id)i), reason_name((enum reason_id)j));
		}
	}
	char text[256];
	print(REASON_LIVE_TASK, false, text);
	assert_string_equal(text, "task 4711 is under way for this device");
	assert_string_equal(reason_name(REASON_LIVE_TASK), "live_task");
}

static enum order_outcome order_while(enum task_state s, int64_t firmware)
{
	struct task live = {.id = 1, .firmware_id = 5, .state = s};
	return decide_order(&live, firmware);
}

static void an_order_is_new_the_same_superseding_or_refused(void **state)
{
	(void)state;
	assert_int_equal(decide_order(NULL, 5), ORDER_NEW);
	for (int s = TASK_QUEUED; s <= TASK_INSTALLING; s++) {
		assert_int_equal(order_while((enum task_state)s, 5), ORDER_SAME);
		assert_int_equal(order_while((enum task_state)s, 6), s < TASK_DOWNLOADING ? ORDER_SUPERSEDE : ORDER_REFUSE);
	}
}

/* --- ranked ones: files --- */

static struct firmware plain, forced = {.force = true}, downgrade = {.allow_downgrade = true};

static struct candidate file(int64_t id, const char *version, enum rollout_stage stage, const char *match)
{
	struct candidate c = standing(id, version);
	c.firmware = &plain;
	c.ranked = true;
	c.stage = stage;
	c.named = match != NULL;
	c.match = match;
	return c;
}

static enum reason_id reason_of(const char *has, const struct candidate *c)
{
	const struct device_facts at = {.component = "app", .version = has};
	return decide(&at, c, 1, 0, NULL).reason.id;
}

static void of_files_the_highest_version_wins_then_the_newest(void **state)
{
	(void)state;
	struct candidate c[] = {file(1, "1.9", STAGE_ONLINE, NULL), file(2, "1.10", STAGE_ONLINE, NULL),
				file(3, "1.2", STAGE_ONLINE, NULL)};
	assert_int_equal(offered(c, 3), 2);
	struct candidate same[] = {file(4, "2.0", STAGE_ONLINE, NULL), file(5, "2.0", STAGE_ONLINE, "A*")};
	assert_int_equal(offered(same, 2), 5);
	struct candidate odd[] = {file(6, "zeta", STAGE_ONLINE, NULL), file(7, "1.1", STAGE_ONLINE, NULL),
				  file(8, "alpha", STAGE_ONLINE, NULL)};
	assert_int_equal(offered(odd, 3), 7);
	struct candidate odds[] = {file(6, "zeta", STAGE_ONLINE, NULL), file(8, "alpha", STAGE_ONLINE, NULL)};
	assert_int_equal(offered(odds, 2), 8);
}

static void a_file_is_for_whom_its_stage_and_its_ranges_say(void **state)
{
	(void)state;
	struct candidate named_elsewhere = file(1, "2.0", STAGE_ONLINE, NULL);
	named_elsewhere.named = true;
	const struct {
		struct candidate c;
		enum reason_id reason;
	} cases[] = {
		{file(1, "2.0", STAGE_ONLINE, NULL), REASON_STANDING},  {file(1, "2.0", STAGE_ONLINE, "AA*"), REASON_NAMED},
		{file(1, "2.0", STAGE_TEST, "AA*"), REASON_NAMED},      {file(1, "2.0", STAGE_TEST, NULL), REASON_NOT_NAMED},
		{file(1, "2.0", STAGE_INVALID, "AA*"), REASON_INVALID}, {named_elsewhere, REASON_NOT_NAMED},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(reason_of("1.0", &cases[i].c), cases[i].reason);
	}
	struct candidate hidden[] = {file(1, "3.0", STAGE_TEST, NULL), file(2, "2.0", STAGE_ONLINE, NULL),
				     file(3, "4.0", STAGE_INVALID, "A")};
	assert_int_equal(offered(hidden, 3), 2);
}

static void the_reason_names_the_range_that_matched(void **state)
{
	(void)state;
	char mem[200];
	struct buf out;
	struct candidate c = file(7, "2.0", STAGE_ONLINE, "C89346*");
	struct decision d = decide(&facts, &c, 1, 0, NULL);
	buf_init_fixed(&out, mem, sizeof mem);
	reason_print(&d.reason, false, &out);
	assert_string_equal(buf_cstr(&out), "the range C89346* of rollout 7 names this device");
	buf_init_fixed(&out, mem, sizeof mem);
	reason_print(&d.reason, true, &out);
	assert_string_equal(buf_cstr(&out), "发布 7 的范围 C89346* 包含该设备");
}

static void a_file_is_offered_if_it_is_newer_or_not_comparable_or_says_so(void **state)
{
	(void)state;
	const struct {
		const char *has, *brings;
		enum reason_id plain, forced, downgrade;
	} cases[] = {
		{"1.0", "1.1", REASON_STANDING, REASON_STANDING, REASON_STANDING},
		{"1.1", "1.1", REASON_ON_TARGET, REASON_STANDING, REASON_ON_TARGET},
		{"1.2", "1.1", REASON_NOT_NEWER, REASON_NOT_NEWER, REASON_STANDING},
		{"", "1.1", REASON_STANDING, REASON_STANDING, REASON_STANDING},
		{"v9", "1.1", REASON_STANDING, REASON_STANDING, REASON_STANDING},
		{"v9", "v9", REASON_ON_TARGET, REASON_STANDING, REASON_ON_TARGET},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct candidate c = file(1, cases[i].brings, STAGE_ONLINE, NULL);
		assert_int_equal(reason_of(cases[i].has, &c), cases[i].plain);
		c.firmware = &forced;
		assert_int_equal(reason_of(cases[i].has, &c), cases[i].forced);
		c.firmware = &downgrade;
		assert_int_equal(reason_of(cases[i].has, &c), cases[i].downgrade);
	}
}

static void a_forced_file_is_installed_once(void **state)
{
	(void)state;
	struct candidate c = file(1, "1.0", STAGE_ONLINE, NULL);
	c.firmware = &forced;
	c.offers = 1;
	c.state = TASK_SUCCEEDED;
	assert_int_equal(reason_of("1.0", &c), REASON_ON_TARGET);
}

static void the_highest_file_holds_the_place_of_all_even_if_it_is_not_offered(void **state)
{
	(void)state;
	struct candidate c[] = {file(1, "3.0", STAGE_ONLINE, NULL), file(2, "2.0", STAGE_ONLINE, NULL)};
	c[0].offers = 1;
	c[0].state = TASK_FAILED;
	c[0].code = "rolled_back";
	assert_int_equal(offered(c, 2), 0);
	c[0].code = "";
	assert_int_equal(offered(c, 2), 1);
}

static struct candidate task_of(const struct candidate *f, enum task_state s)
{
	struct candidate c = *f;
	c.kind = CANDIDATE_TASK;
	c.task_id = f->rollout_id + 50;
	c.state = s;
	return c;
}

static void a_task_of_a_file_gives_way_to_a_higher_one_until_it_has_begun(void **state)
{
	(void)state;
	struct candidate low = file(1, "2.0", STAGE_ONLINE, NULL);
	struct candidate c[] = {file(2, "3.0", STAGE_ONLINE, NULL), task_of(&low, TASK_NOTIFIED)};
	assert_int_equal(offered(c, 2), 2);
	c[1].state = TASK_DOWNLOADING;
	assert_int_equal(offered(c, 2), 1);
	struct candidate own[] = {low, task_of(&low, TASK_NOTIFIED)};
	own[0].offers = STANDING_OFFERS_MAX;
	struct decision d = decide(&facts, own, 2, 0, NULL);
	assert_ptr_equal(d.offer, &own[1]);
	const struct device_facts newer = {.component = "app", .version = "2.5"};
	assert_null(decide(&newer, own, 2, 0, NULL).offer);
	struct candidate push[] = {file(2, "3.0", STAGE_ONLINE, NULL), task(9, TASK_QUEUED)};
	assert_int_equal(offered(push, 2), 109);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_task_wins_over_an_assignment_and_that_over_a_standing_rollout),
		cmocka_unit_test(the_newer_wins_within_a_kind),
		cmocka_unit_test(the_reason_names_what_was_offered),
		cmocka_unit_test(nothing_is_offered_without_a_reason_for_it),
		cmocka_unit_test(a_standing_rollout_skips_devices_that_are_on_target),
		cmocka_unit_test(a_standing_rollout_is_offered_three_times),
		cmocka_unit_test(what_gave_way_is_offered_again_thirty_times),
		cmocka_unit_test(a_standing_rollout_may_be_called_otherwise_than_its_firmware),
		cmocka_unit_test(a_device_that_tells_no_version_is_not_brought_there_twice),
		cmocka_unit_test(what_an_operator_wants_of_one_device_stands_above_a_standing_rollout),
		cmocka_unit_test(after_a_rollback_a_standing_rollout_waits_for_an_operator),
		cmocka_unit_test(a_candidate_that_is_refused_does_not_hide_one_that_is_not),
		cmocka_unit_test(the_trace_holds_a_reason_for_each_candidate_up_to_its_bound),
		cmocka_unit_test(a_blocked_device_is_offered_nothing),
		cmocka_unit_test(every_reason_is_a_sentence_in_both_languages),
		cmocka_unit_test(an_order_is_new_the_same_superseding_or_refused),
		cmocka_unit_test(of_files_the_highest_version_wins_then_the_newest),
		cmocka_unit_test(a_file_is_for_whom_its_stage_and_its_ranges_say),
		cmocka_unit_test(the_reason_names_the_range_that_matched),
		cmocka_unit_test(a_file_is_offered_if_it_is_newer_or_not_comparable_or_says_so),
		cmocka_unit_test(a_forced_file_is_installed_once),
		cmocka_unit_test(the_highest_file_holds_the_place_of_all_even_if_it_is_not_offered),
		cmocka_unit_test(a_task_of_a_file_gives_way_to_a_higher_one_until_it_has_begun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
