/* Files in the snapshot: pages of them by number, what has no bytes has no hash, and a ranked rollout that is ordered again begins anew. */
#include "unit.h"

#include <stdio.h>

#include <stdbool.h>
#include <string.h>

#include "common/digest.h"
#include "common/text.h"
#include "fleet/fleet.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/front.h"
#include "fleet/roster.h"
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

static void put(int64_t id, int64_t product, int64_t rev, const char *url)
{
	struct firmware fw = {.id = id, .product_id = product, .rev = rev, .external = true, .component = "mcu", .version = "1"};
	text_copy(fw.url, sizeof fw.url, url);
	text_copy(fw.name, sizeof fw.name, url);
	assert_true(fleet_put_firmware(fleet, &fw));
}

static void pages_come_by_number_whatever_the_order_they_came_in(void **state)
{
	(void)state;
	int64_t ids[4];
	for (int64_t id = 20; id > 0; id -= 2) {
		put(id, 1, 1, "http://a");
		put(id - 1, 2, 1, "http://b");
	}
	put(6, 1, 1, "http://a");
	assert_int_equal(roster_count(fleet_roster(fleet), 1), 10);
	assert_int_equal(roster_page(fleet_roster(fleet), 1, 8, ids, 4), 2);
	assert_int_equal(ids[0], 18);
	assert_int_equal(ids[1], 20);
	fleet_drop_firmware(fleet, 2);
	fleet_drop_firmware(fleet, 2);
	assert_int_equal(roster_page(fleet_roster(fleet), 1, 0, ids, 4), 4);
	assert_int_equal(ids[0], 4);
	assert_int_equal(roster_count(fleet_roster(fleet), 1), 9);
	assert_int_equal(roster_page(fleet_roster(fleet), 1, 9, ids, 4), 0);
	assert_int_equal(roster_page(fleet_roster(fleet), 3, 0, ids, 4), 0);
	for (int64_t id = 1; id <= 20; id++) {
		fleet_drop_firmware(fleet, id);
	}
	assert_int_equal(roster_count(fleet_roster(fleet), 1), 0);
	assert_int_equal(roster_count(fleet_roster(fleet), 2), 0);
}

static void a_file_changes_and_an_older_row_does_not_take_it_back(void **state)
{
	(void)state;
	put(1, 1, 2, "http://new");
	put(1, 1, 1, "http://old");
	assert_string_equal(fleet_firmware(fleet, 1)->firmware.url, "http://new");
	put(1, 1, 3, "http://newer");
	assert_string_equal(fleet_firmware(fleet, 1)->firmware.url, "http://newer");
	assert_non_null(fleet_firmware_by_name(fleet, 1, "http://newer"));
	assert_null(fleet_firmware_by_name(fleet, 1, "http://new"));
	assert_int_equal(roster_count(fleet_roster(fleet), 1), 1);
}

static void what_has_no_bytes_is_found_by_no_hash_and_has_no_alias(void **state)
{
	(void)state;
	static const uint8_t none[32];
	put(1, 1, 1, "http://a");
	assert_null(fleet_firmware_by_head(fleet, none));
	assert_string_equal(fleet_firmware(fleet, 1)->sha256, "");
	struct task task = {.id = 3, .rollout_id = 2, .device_id = 5, .firmware_id = 1, .way = WAY_STANDING, .rev = 1, .component = "mcu"};
	assert_true(fleet_put_task(fleet, &task));
	assert_string_equal(fleet_task(fleet, 3)->alias, "");
}

static void bytes_that_have_come_are_found_and_live_tasks_get_their_name(void **state)
{
	(void)state;
	struct firmware fw = {.id = 1,
			      .product_id = 1,
			      .rev = 2,
			      .url = "http://a",
			      .name = "a",
			      .component = "mcu",
			      .version = "1",
			      .artifact.sha256 = {7}};
	struct task task = {.id = 3, .rollout_id = 2, .device_id = 5, .firmware_id = 1, .way = WAY_STANDING, .rev = 1, .component = "mcu"};
	struct task other = {.id = 4, .rollout_id = 2, .device_id = 6, .firmware_id = 2, .way = WAY_STANDING, .rev = 1, .component = "mcu"};
	put(1, 1, 1, "http://a");
	put(2, 1, 1, "http://b");
	assert_true(fleet_put_task(fleet, &task) && fleet_put_task(fleet, &other));
	assert_true(fleet_put_firmware(fleet, &fw));
	assert_ptr_equal(fleet_firmware_by_head(fleet, fw.artifact.sha256), fleet_firmware(fleet, 1));
	assert_string_not_equal(fleet_task(fleet, 3)->alias, "");
	assert_string_equal(fleet_task(fleet, 4)->alias, "");
}

static void order(int64_t created_ms, enum rollout_stage stage)
{
	struct rollout r = {.id = 2,
			    .way = WAY_STANDING,
			    .product_id = 1,
			    .firmware_id = 1,
			    .component = "mcu",
			    .ranked = true,
			    .stage = stage,
			    .created_ms = created_ms};
	assert_true(fleet_put_standing(fleet, &r));
}

static int64_t offers(void)
{
	return standings_past(standings_get(fleet_standings(fleet), 2), 5).offers;
}

static void a_ranked_rollout_stands_apart_and_begins_anew_when_it_is_ordered_again(void **state)
{
	(void)state;
	order(100, STAGE_TEST);
	assert_null(standings_of(fleet_standings(fleet), 1));
	assert_int_equal(standings_ranked(fleet_standings(fleet), 1, "mcu")->id, 2);
	struct task task = {
		.id = 3, .rollout_id = 2, .device_id = 5, .way = WAY_STANDING, .offers = 3, .state = TASK_FAILED, .created_ms = 150};
	fleet_note_past(fleet, &task);
	assert_int_equal(offers(), 3);
	order(100, STAGE_ONLINE);
	assert_int_equal(standings_ranked(fleet_standings(fleet), 1, "mcu")->stage, STAGE_ONLINE);
	assert_int_equal(offers(), 3);
	order(200, STAGE_ONLINE);
	assert_int_equal(offers(), 0);
	fleet_note_past(fleet, &task);
	assert_int_equal(offers(), 0);
	task.created_ms = 200;
	fleet_note_past(fleet, &task);
	assert_int_equal(offers(), 3);
	fleet_drop_rollout(fleet, 2);
	assert_null(standings_ranked(fleet_standings(fleet), 1, "mcu"));
}

static void stand(int64_t id, const char *version, enum rollout_stage stage, bool named)
{
	struct firmware fw = {.id = id, .product_id = 1, .rev = 1, .external = true, .component = "mcu"};
	snprintf(fw.url, sizeof fw.url, "http://%d", (int)id);
	snprintf(fw.name, sizeof fw.name, "%d", (int)id);
	snprintf(fw.version, sizeof fw.version, "%s", version);
	assert_true(fleet_put_firmware(fleet, &fw));
	struct rollout r = {.id = id,
			    .way = WAY_STANDING,
			    .product_id = 1,
			    .firmware_id = id,
			    .component = "mcu",
			    .ranked = true,
			    .stage = stage,
			    .named = named,
			    .created_ms = id};
	assert_true(fleet_put_standing(fleet, &r));
}

static int64_t front(const char *component)
{
	const struct standing_rollout *s = front_of(fleet, 1, component);
	return s ? s->id : 0;
}

static void the_front_is_the_highest_of_those_that_are_for_all_after_every_change(void **state)
{
	(void)state;
	assert_int_equal(front("mcu"), 0);
	stand(1, "1.9", STAGE_ONLINE, false);
	assert_int_equal(front("mcu"), 1);
	stand(2, "1.10", STAGE_ONLINE, false);
	assert_int_equal(front("mcu"), 2);
	stand(3, "2.0", STAGE_ONLINE, true);
	stand(4, "3.0", STAGE_TEST, false);
	stand(5, "4.0", STAGE_INVALID, false);
	assert_int_equal(front("mcu"), 2);
	assert_int_equal(front("wifi"), 0);
	stand(4, "3.0", STAGE_ONLINE, false);
	assert_int_equal(front("mcu"), 4);
	fleet_drop_firmware(fleet, 4);
	assert_int_equal(front("mcu"), 2);
	fleet_drop_rollout(fleet, 2);
	assert_int_equal(front("mcu"), 1);
	stand(3, "2.0", STAGE_ONLINE, false);
	assert_int_equal(front("mcu"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pages_come_by_number_whatever_the_order_they_came_in, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_changes_and_an_older_row_does_not_take_it_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_no_bytes_is_found_by_no_hash_and_has_no_alias, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_that_have_come_are_found_and_live_tasks_get_their_name, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ranked_rollout_stands_apart_and_begins_anew_when_it_is_ordered_again, setup, teardown),
		cmocka_unit_test_setup_teardown(the_front_is_the_highest_of_those_that_are_for_all_after_every_change, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
