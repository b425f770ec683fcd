/* The task table against a grid written from the design's words, not from the table: what is not drawn here must change nothing. */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "model/task.h"

/* Two letters name the state an event leads to. */
static const struct {
	const char *letters;
	enum task_state state;
} short_names[] = {
	{"qu", TASK_QUEUED},     {"no", TASK_NOTIFIED},  {"ac", TASK_ACCEPTED}, {"dg", TASK_DOWNLOADING}, {"dd", TASK_DOWNLOADED},
	{"in", TASK_INSTALLING}, {"su", TASK_SUCCEEDED}, {"fa", TASK_FAILED},   {"to", TASK_TIMED_OUT},   {"ca", TASK_CANCELLED},
	{"ss", TASK_SUPERSEDED}, {"re", TASK_REJECTED},  {"sk", TASK_SKIPPED},  {"un", TASK_UNCONFIRMED},
};

static const enum task_event columns[] = {
	EVENT_SENT,     EVENT_ACCEPTED, EVENT_FETCHING,    EVENT_FETCHED,   EVENT_INSTALLING, EVENT_RIGHT,   EVENT_FAILED,
	EVENT_REJECTED, EVENT_EXPIRED,  EVENT_UNCONFIRMED, EVENT_CANCELLED, EVENT_SUPERSEDED, EVENT_SKIPPED,
};

/* Forward only, skipping allowed; from any live state failed, timed_out, cancelled, rejected; superseded only before the download (then an
 * order is refused instead); unconfirmed once all bytes are there; terminal absorbs, but for a late right report. */
/* clang-format off: one row a line */
static const char *const grid[] = {
	/* sent, accepted, fetching, fetched, installing, right, failed, rejected, expired, unconfirmed, cancelled, superseded, skipped */
	"queued       no ac dg dd in su fa re to -- ca ss sk", "notified     -- ac dg dd in su fa re to -- ca ss sk",
	"accepted     -- -- dg dd in su fa re to -- ca ss --", "downloading  -- -- -- dd in su fa re to -- ca -- --",
	"downloaded   -- -- -- -- in su fa re to un ca -- --", "installing   -- -- -- -- -- su fa re to un ca -- --",
	"succeeded    -- -- -- -- -- -- -- -- -- -- -- -- --", "failed       -- -- -- -- -- su -- -- -- -- -- -- --",
	"timed_out    -- -- -- -- -- su -- -- -- -- -- -- --", "cancelled    -- -- -- -- -- -- -- -- -- -- -- -- --",
	"superseded   -- -- -- -- -- -- -- -- -- -- -- -- --", "rejected     -- -- -- -- -- -- -- -- -- -- -- -- --",
	"skipped      -- -- -- -- -- -- -- -- -- -- -- -- --", "unconfirmed  -- -- -- -- -- su -- -- -- -- -- -- --",
};
/* clang-format on */

/* The state the grid names for a pair; -1: none. */
static int drawn(const char *row, size_t column)
{
	const char *cell = row + strlen(row) - 3 * COUNT(columns) + 1 + 3 * column;
	for (size_t i = 0; i < COUNT(short_names); i++) {
		if (strncmp(cell, short_names[i].letters, 2) == 0) {
			return (int)short_names[i].state;
		}
	}
	assert_memory_equal(cell, "--", 2);
	return -1;
}

static void every_pair_of_state_and_event_does_what_is_drawn(void **state)
{
	(void)state;
	assert_int_equal(COUNT(grid), TASK_STATES);
	assert_int_equal(COUNT(columns), TASK_EVENTS);
	for (size_t row = 0; row < COUNT(grid); row++) {
		char name[24];
		enum task_state from = TASK_STATES;
		assert_int_equal(sscanf(grid[row], "%23s", name), 1);
		assert_true(task_state_parse(name, &from));
		assert_int_equal(from, row);
		for (size_t column = 0; column < COUNT(columns); column++) {
			const struct task_edge *edge = task_edge_find(from, columns[column]);
			int to = drawn(grid[row], column);
			if ((edge ? (int)edge->to : -1) != to) {
				fail_msg("%s --%s--> %s, drawn %s", task_state_name(from), task_event_name(columns[column]),
					 edge ? task_state_name(edge->to) : "nothing",
					 to < 0 ? "nothing" : task_state_name((enum task_state)to));
			}
		}
	}
}

static void no_pair_has_two_edges_and_each_edge_a_sentence_in_both_languages(void **state)
{
	(void)state;
	bool seen[TASK_STATES][TASK_EVENTS] = {0};
	for (size_t i = 0; i < task_edge_count; i++) {
		const struct task_edge *e = &task_edges[i];
		assert_true(e->from != 0 && e->from < 1u << TASK_STATES);
		assert_true(strlen(e->en) > 8 && strlen(e->zh) > 8);
		assert_true(text_is_utf8(e->zh, strlen(e->zh)) && text_is_printable(e->en, strlen(e->en)));
		for (unsigned from = 0; from < TASK_STATES; from++) {
			if ((e->from >> from) & 1u) {
				assert_false(seen[from][e->event]);
				seen[from][e->event] = true;
			}
		}
	}
}

static bool is_among(const char *name, const char *list)
{
	char word[24];
	snprintf(word, sizeof word, " %s ", name);
	return strstr(list, word) != NULL;
}

static void the_sets_of_states_are_those_of_the_design(void **state)
{
	(void)state;
	for (int i = 0; i < TASK_STATES; i++) {
		enum task_state s = (enum task_state)i;
		const char *name = task_state_name(s);
		assert_int_equal(task_state_is_live(s), is_among(name, " queued notified accepted downloading downloaded installing "));
		assert_int_equal(task_state_is_revivable(s), is_among(name, " failed timed_out unconfirmed "));
		assert_int_equal(task_state_is_sendable(s), is_among(name, " queued notified accepted downloading "));
	}
}

static void names_are_read_back_and_others_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "Queued", "queued ", "live", "downloade"};
	for (int i = 0; i < TASK_STATES; i++) {
		enum task_state back = TASK_STATES;
		assert_true(task_state_parse(task_state_name((enum task_state)i), &back));
		assert_int_equal(back, i);
		assert_true(strlen(task_state_name((enum task_state)i)) < sizeof((struct task *)0)->stage);
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		enum task_state back = TASK_REJECTED;
		assert_false(task_state_parse(wrong[i], &back));
		assert_int_equal(back, TASK_REJECTED);
	}
	for (int i = 0; i < TASK_EVENTS; i++) {
		assert_true(strlen(task_event_name((enum task_event)i)) > 3);
	}
}

static struct task task_in(enum task_state s)
{
	return (struct task){.state = s, .rev = 7, .created_ms = 100, .updated_ms = 200};
}

static void an_edge_taken_changes_state_revision_and_times(void **state)
{
	(void)state;
	struct task t = task_in(TASK_QUEUED);
	assert_non_null(task_apply(&t, EVENT_SENT, "", 300));
	assert_int_equal(t.state, TASK_NOTIFIED);
	assert_int_equal(t.rev, 8);
	assert_int_equal(t.created_ms, 100);
	assert_int_equal(t.updated_ms, 300);
	assert_int_equal(t.ended_ms, 0);
	assert_string_equal(t.stage, "");
	assert_non_null(task_apply(&t, EVENT_RIGHT, "", 400));
	assert_int_equal(t.state, TASK_SUCCEEDED);
	assert_int_equal(t.ended_ms, 400);
}

static void no_edge_leaves_the_task_as_it_was(void **state)
{
	(void)state;
	for (int s = 0; s < TASK_STATES; s++) {
		for (int e = 0; e < TASK_EVENTS; e++) {
			struct task t = task_in((enum task_state)s);
			struct task before = t;
			if (!task_edge_find(t.state, (enum task_event)e)) {
				assert_null(task_apply(&t, (enum task_event)e, "x", 300));
				assert_memory_equal(&t, &before, sizeof t);
			}
		}
	}
}

static void failed_and_timed_out_keep_the_stage_others_do_not(void **state)
{
	(void)state;
	for (int s = TASK_QUEUED; s <= TASK_INSTALLING; s++) {
		struct task failed = task_in((enum task_state)s);
		struct task late = failed;
		struct task cancelled = failed;
		task_apply(&failed, EVENT_FAILED, "verify_failed", 300);
		assert_string_equal(failed.stage, task_state_name((enum task_state)s));
		assert_string_equal(failed.code, "verify_failed");
		assert_int_equal(failed.ended_ms, 300);
		task_apply(&late, EVENT_EXPIRED, "", 300);
		assert_string_equal(late.stage, task_state_name((enum task_state)s));
		task_apply(&cancelled, EVENT_CANCELLED, "", 300);
		assert_string_equal(cancelled.stage, "");
		assert_int_equal(cancelled.ended_ms, 300);
	}
}

static void a_late_success_forgets_stage_and_code(void **state)
{
	(void)state;
	struct task t = task_in(TASK_INSTALLING);
	task_apply(&t, EVENT_FAILED, "rolled_back", 300);
	assert_non_null(task_apply(&t, EVENT_RIGHT, "", 400));
	assert_int_equal(t.state, TASK_SUCCEEDED);
	assert_string_equal(t.stage, "");
	assert_string_equal(t.code, "");
	assert_int_equal(t.ended_ms, 400);
	assert_int_equal(t.rev, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_state_and_event_does_what_is_drawn),
		cmocka_unit_test(no_pair_has_two_edges_and_each_edge_a_sentence_in_both_languages),
		cmocka_unit_test(the_sets_of_states_are_those_of_the_design),
		cmocka_unit_test(names_are_read_back_and_others_refused),
		cmocka_unit_test(an_edge_taken_changes_state_revision_and_times),
		cmocka_unit_test(no_edge_leaves_the_task_as_it_was),
		cmocka_unit_test(failed_and_timed_out_keep_the_stage_others_do_not),
		cmocka_unit_test(a_late_success_forgets_stage_and_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
