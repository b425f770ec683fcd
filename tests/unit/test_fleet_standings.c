/* Standing rollouts in the snapshot: by product, and what became of them at those who have had them. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/digest.h"
#include "common/text.h"
#include "fleet/fleet.h"
#include "fleet/fleet_order.h"
#include "fleet/standings.h"

static struct fleet *fleet;
static struct digest_key *key;

static int setup(void **state)
{
	(void)state;
	key = digest_key_new("key", 3);
	fleet = fleet_new(key, 1000);
	return fleet ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fleet_free(&fleet);
	digest_key_free(&key);
	return 0;
}

static void put(int64_t id, int64_t product, int64_t ended_ms)
{
	struct rollout r = {
		.id = id, .way = WAY_STANDING, .product_id = product, .firmware_id = 7, .component = "app", .ended_ms = ended_ms};
	assert_true(fleet_put_standing(fleet, &r));
}

static struct task task(int64_t id, int64_t rollout, enum task_state state, int64_t offers)
{
	return (struct task){.id = id,
			     .rollout_id = rollout,
			     .device_id = 5,
			     .firmware_id = 7,
			     .way = WAY_STANDING,
			     .state = state,
			     .offers = offers,
			     .rev = 1,
			     .component = "app"};
}

static struct standing_past past(int64_t rollout)
{
	return standings_past(standings_get(fleet_standings(fleet), rollout), 5);
}

static size_t count_of(int64_t product)
{
	size_t n = 0;
	for (const struct standing_rollout *s = standings_of(fleet_standings(fleet), product); s; s = s->next) {
		n++;
	}
	return n;
}

static void rollouts_are_found_by_their_product(void **state)
{
	(void)state;
	for (int64_t id = 1; id <= 3; id++) {
		put(id, 1, 0);
	}
	put(4, 2, 0);
	put(2, 1, 0); /* again */
	assert_int_equal(count_of(1), 3);
	assert_int_equal(count_of(2), 1);
	assert_int_equal(count_of(3), 0);
	static const int64_t order[] = {2, 3, 1, 1}; /* the middle, the first, the last, one that is gone */
	static const size_t left[] = {2, 1, 0, 0};
	for (size_t i = 0; i < COUNT(order); i++) {
		fleet_drop_rollout(fleet, order[i]);
		assert_int_equal(count_of(1), left[i]);
	}
	assert_int_equal(standings_of(fleet_standings(fleet), 2)->id, 4);
}

static void the_latest_task_of_a_device_is_remembered_after_its_end(void **state)
{
	(void)state;
	put(1, 1, 0);
	assert_int_equal(past(1).offers, 0);
	struct task t = task(10, 1, TASK_NOTIFIED, 1);
	assert_true(fleet_put_task(fleet, &t));
	assert_int_equal(past(1).offers, 1);
	t.rev++;
	t.state = TASK_FAILED;
	text_copy(t.code, sizeof t.code, "rolled_back");
	assert_true(fleet_put_task(fleet, &t));
	assert_int_equal(past(1).state, TASK_FAILED);
	assert_true(past(1).rolled_back);
	struct task next = task(11, 1, TASK_QUEUED, 2);
	fleet_note_past(fleet, &next);
	assert_int_equal(past(1).offers, 2);
	assert_false(past(1).rolled_back);
	fleet_note_past(fleet, &t); /* read before, comes later */
	assert_int_equal(past(1).task_id, 11);
}

static void an_earlier_row_does_not_take_an_end_back(void **state)
{
	(void)state;
	put(1, 1, 0);
	static const enum task_state order[] = {TASK_QUEUED, TASK_FAILED, TASK_NOTIFIED, TASK_SUCCEEDED, TASK_FAILED, TASK_DOWNLOADING};
	static const enum task_state is[] = {TASK_QUEUED, TASK_FAILED, TASK_FAILED, TASK_SUCCEEDED, TASK_SUCCEEDED, TASK_SUCCEEDED};
	for (size_t i = 0; i < COUNT(order); i++) {
		struct task t = task(10, 1, order[i], 1);
		fleet_note_past(fleet, &t);
		assert_int_equal(past(1).state, is[i]);
	}
}

static void an_ended_rollout_stays_for_its_tasks_but_forgets_its_past(void **state)
{
	(void)state;
	put(1, 1, 0);
	struct task t = task(10, 1, TASK_DOWNLOADING, 1);
	assert_true(fleet_put_task(fleet, &t));
	fleet_outrank(fleet, 1, 6);
	put(1, 1, 99);
	put(1, 1, 0); /* a row that was read before */
	assert_int_equal(standings_get(fleet_standings(fleet), 1)->ended_ms, 99);
	assert_int_equal(past(1).task_id, 0);
	fleet_note_past(fleet, &t);
	fleet_outrank(fleet, 1, 5);
	assert_int_equal(past(1).task_id, 0);
	assert_false(past(1).outranked);
}

static void a_task_that_goes_over_to_another_rollout_counts_there(void **state)
{
	(void)state;
	put(1, 1, 0);
	struct task t = task(10, 1, TASK_NOTIFIED, 3);
	assert_true(fleet_put_task(fleet, &t));
	put(1, 1, 99);
	put(2, 1, 0);
	t.rollout_id = 2;
	t.offers = 1;
	t.rev++;
	assert_true(fleet_put_task(fleet, &t));
	assert_int_equal(fleet_task(fleet, 10)->rollout_id, 2);
	assert_int_equal(past(2).offers, 1);
}

static void a_newer_order_for_a_device_outlasts_its_tasks(void **state)
{
	(void)state;
	put(1, 1, 0);
	fleet_outrank(fleet, 1, 5);
	assert_true(past(1).outranked);
	assert_int_equal(past(1).offers, 0);
	struct task t = task(10, 1, TASK_NOTIFIED, 1);
	fleet_note_past(fleet, &t);
	assert_true(past(1).outranked);
}

static void a_full_load_drops_what_it_did_not_see(void **state)
{
	(void)state;
	put(1, 1, 0);
	put(2, 1, 0);
	fleet_load_begin(fleet);
	put(2, 1, 0);
	fleet_load_end(fleet);
	assert_int_equal(count_of(1), 1);
	assert_null(standings_get(fleet_standings(fleet), 1));
	fleet_forget(fleet);
	assert_int_equal(count_of(1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rollouts_are_found_by_their_product, setup, teardown),
		cmocka_unit_test_setup_teardown(the_latest_task_of_a_device_is_remembered_after_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(an_earlier_row_does_not_take_an_end_back, setup, teardown),
		cmocka_unit_test_setup_teardown(an_ended_rollout_stays_for_its_tasks_but_forgets_its_past, setup, teardown),
		cmocka_unit_test_setup_teardown(a_task_that_goes_over_to_another_rollout_counts_there, setup, teardown),
		cmocka_unit_test_setup_teardown(a_newer_order_for_a_device_outlasts_its_tasks, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_load_drops_what_it_did_not_see, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
