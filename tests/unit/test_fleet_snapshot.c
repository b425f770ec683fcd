/* The snapshot alone: an older row never overwrites a newer one, what has ended does not come back, a full load drops what it did not see.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/alias.h"
#include "common/digest.h"
#include "common/text.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/fleet_token.h"

enum { TTL_MS = 3600 * 1000 };

static struct fleet *fleet;
static struct digest_key *key;

static struct firmware firmware(int64_t id, const char *name, uint8_t head, const char *version, int64_t rev)
{
	struct firmware f = {.id = id, .product_id = 1, .rev = rev, .component = "app", .artifact = {.size = 100}};
	memset(f.artifact.sha256, head, sizeof f.artifact.sha256);
	text_copy(f.name, sizeof f.name, name);
	text_copy(f.version, sizeof f.version, version);
	return f;
}

static struct task task(int64_t id, int64_t device, enum task_state s, int64_t rev)
{
	return (struct task){.id = id,
			     .rollout_id = id + 100,
			     .device_id = device,
			     .firmware_id = 1,
			     .state = s,
			     .rev = rev,
			     .component = "app",
			     .token = "t",
			     .created_ms = 1};
}

static void put(struct task t)
{
	assert_true(fleet_put_task(fleet, &t));
}

static bool put_device(int64_t id, const char *name, const char *version)
{
	return fleet_put_device_row(
		fleet,
		&(struct fleet_device){.id = id, .product_id = 1, .name = name, .mac = "", .serial = "", .version = version, .parts = ""});
}

static int setup(void **state)
{
	(void)state;
	key = digest_key_new("key", 3);
	fleet = fleet_new(key, TTL_MS);
	struct firmware f = firmware(1, "blink", 0xab, "2.0", 1);
	return put_device(1, "esp-1", "1.0") && put_device(2, "esp-2", "") && fleet_put_firmware(fleet, &f) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fleet_free(&fleet);
	assert_null(fleet);
	digest_key_free(&key);
	return 0;
}

/* --- devices --- */

static void a_row_sets_all_that_is_kept_of_a_device(void **state)
{
	(void)state;
	struct fleet_device row = {.id = 1,
				   .product_id = 3,
				   .epoch = 7,
				   .pin = 11,
				   .told = UINT64_MAX,
				   .blocked = true,
				   .bound = true,
				   .auto_update = true,
				   .name = "esp-1",
				   .mac = "94A9902C84B8",
				   .serial = "SN-1",
				   .version = "2.0",
				   .parts = "mcu\x1f"
					    "1.0"};
	assert_true(fleet_put_device_row(fleet, &row));
	const struct device_entry *e = fleet_device_by_mac(fleet, "94A9902C84B8");
	assert_ptr_equal(e, fleet_device(fleet, "esp-1"));
	assert_true(e->product_id == 3 && e->epoch == 7 && e->blocked && e->bound && e->auto_update && e->pin == 11);
	assert_true(fleet_told(e) == UINT64_MAX);
	assert_string_equal(fleet_device_version(fleet, e, "app"), "2.0");
	assert_string_equal(fleet_device_version(fleet, e, "mcu"), "1.0");
	assert_ptr_equal(fleet_device_by_serial(fleet, "SN-1"), e);
	assert_string_equal(fleet_device_serial(fleet, e), "SN-1");
	row = (struct fleet_device){
		.id = 1, .product_id = 3, .epoch = 8, .name = "esp-1", .mac = "", .serial = "", .version = "", .parts = ""};
	assert_true(fleet_put_device_row(fleet, &row));
	assert_null(fleet_device_by_mac(fleet, "94A9902C84B8"));
	assert_true(e->epoch == 8 && !e->blocked && !e->bound && !e->auto_update && e->pin == 0);
	assert_true(fleet_told(e) == 0);
	assert_string_equal(fleet_device_version(fleet, e, "app"), "");
}

static void a_row_does_not_take_back_what_is_still_to_be_written(void **state)
{
	(void)state;
	const struct device_entry *e = fleet_device(fleet, "esp-2");
	struct fleet_device row = {.id = e->id,
				   .product_id = 3,
				   .epoch = 8,
				   .name = "esp-2",
				   .mac = "",
				   .serial = "",
				   .version = "1.0",
				   .parts = "mcu\x1f"
					    "1",
				   .told = 5};
	fleet_set_noted(e, true);
	fleet_note_told(e, 7);
	fleet_set_version(fleet, e->id, "app", "2.0");
	fleet_set_version(fleet, e->id, "mcu", "2");
	assert_true(fleet_put_device_row(fleet, &row));
	assert_true(fleet_told(e) == 7 && e->epoch == 8);
	assert_string_equal(fleet_device_version(fleet, e, "app"), "2.0");
	row.name = "renamed";
	assert_true(fleet_put_device_row(fleet, &row));
	e = fleet_device(fleet, "renamed");
	assert_string_equal(fleet_device_version(fleet, e, "mcu"), "2");
	assert_true(fleet_set_noted(e, false)); /* it said something else */
	assert_true(fleet_put_device_row(fleet, &row));
	assert_true(fleet_told(e) == 5);
	assert_string_equal(fleet_device_version(fleet, e, "app"), "1.0");
	assert_string_equal(fleet_device_version(fleet, e, "mcu"), "1");
}

static void a_row_that_was_passed_over_is_known_of_until_what_was_noted_is_written(void **state)
{
	(void)state;
	const struct device_entry *e = fleet_device(fleet, "esp-2");
	struct fleet_device same = {
		.id = e->id, .product_id = 3, .name = "esp-2", .mac = "", .serial = "", .version = "2.0", .parts = "", .told = 7};
	struct fleet_device version = same;
	struct fleet_device part = same;
	struct fleet_device told = same;
	version.version = "2.1";
	part.parts = "mcu\x1f"
		     "1";
	told.told = 8;
	fleet_set_version(fleet, e->id, "app", "2.0");
	fleet_note_told(e, 7);
	const struct fleet_device *rows[] = {&version, &part, &told, &same};
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool differs = rows[i] != &same;
		fleet_set_noted(e, true);
		assert_true(fleet_put_device_row(fleet, rows[i]));
		assert_true(fleet_put_device_row(fleet, &same));
		fleet_set_noted(e, true); /* once more */
		assert_int_equal(fleet_set_noted(e, false), differs);
		assert_false(fleet_set_noted(e, false));
	}
}

/* --- tasks --- */

static void an_older_row_of_a_task_is_ignored(void **state)
{
	(void)state;
	put(task(1, 1, TASK_DOWNLOADING, 5));
	put(task(1, 1, TASK_NOTIFIED, 4));
	assert_int_equal(fleet_task(fleet, 1)->state, TASK_DOWNLOADING);
	put(task(1, 1, TASK_SUCCEEDED, 4)); /* nor does it end the task */
	assert_non_null(fleet_task(fleet, 1));
	put(task(1, 1, TASK_DOWNLOADED, 6));
	assert_int_equal(fleet_task(fleet, 1)->state, TASK_DOWNLOADED);
	assert_int_equal(fleet_task_count(fleet), 1);
}

static void an_ended_task_does_not_come_back(void **state)
{
	(void)state;
	put(task(1, 1, TASK_NOTIFIED, 2));
	put(task(1, 1, TASK_SUCCEEDED, 3));
	assert_null(fleet_task(fleet, 1));
	assert_null(fleet_tasks_of(fleet, 1));
	put(task(1, 1, TASK_DOWNLOADING, 2));
	put(task(1, 1, TASK_DOWNLOADING, 3));
	assert_null(fleet_task(fleet, 1));
	put(task(2, 1, TASK_QUEUED, 1)); /* the next one is not taken for it */
	assert_non_null(fleet_task(fleet, 2));
}

static void a_task_that_ended_before_it_was_heard_of_does_not_appear(void **state)
{
	(void)state;
	put(task(1, 1, TASK_FAILED, 9));
	put(task(1, 1, TASK_QUEUED, 1));
	assert_null(fleet_task(fleet, 1));
	assert_int_equal(fleet_task_count(fleet), 0);
}

static void what_an_operator_withdrew_is_revoked_and_what_failed_is_not(void **state)
{
	(void)state;
	static const struct {
		enum task_state state;
		bool revoked;
	} ends[] = {{TASK_CANCELLED, true}, {TASK_SUPERSEDED, true}, {TASK_REJECTED, true},     {TASK_SUCCEEDED, false},
		    {TASK_FAILED, false},   {TASK_TIMED_OUT, false}, {TASK_UNCONFIRMED, false}, {TASK_SKIPPED, false}};
	for (size_t i = 0; i < COUNT(ends); i++) {
		int64_t id = (int64_t)i + 10;
		put(task(id, 1, TASK_QUEUED, 1));
		assert_false(fleet_is_revoked(fleet, id));
		put(task(id, 1, ends[i].state, 2));
		assert_int_equal(fleet_is_revoked(fleet, id), ends[i].revoked);
	}
}

static void tasks_of_a_device_are_a_list(void **state)
{
	(void)state;
	for (int64_t id = 1; id <= 4; id++) {
		put(task(id, 1, TASK_QUEUED, 1));
	}
	put(task(5, 2, TASK_QUEUED, 1));
	put(task(2, 1, TASK_SUCCEEDED, 2)); /* from the middle */
	put(task(4, 1, TASK_SUCCEEDED, 2)); /* the first */
	put(task(1, 1, TASK_SUCCEEDED, 2)); /* the last */
	const struct fleet_task *left = fleet_tasks_of(fleet, 1);
	assert_int_equal(left->id, 3);
	assert_null(left->next);
	fleet_drop_task(fleet, 3);
	fleet_drop_task(fleet, 3);
	assert_null(fleet_tasks_of(fleet, 1));
	assert_int_equal(fleet_tasks_of(fleet, 2)->id, 5);
	size_t at = 0;
	assert_int_equal(fleet_task_next(fleet, &at)->id, 5);
	assert_null(fleet_task_next(fleet, &at));
}

static void a_task_knows_what_its_device_told(void **state)
{
	(void)state;
	struct task t = task(1, 1, TASK_DOWNLOADED, 1);
	put(t);
	assert_false(fleet_task(fleet, 1)->reports);
	t.rev++;
	text_copy(t.source_version, sizeof t.source_version, "1.0");
	put(t);
	assert_true(fleet_task(fleet, 1)->reports);
	assert_false(fleet_task(fleet, 1)->told);
	t.rev++;
	text_copy(t.seen_version, sizeof t.seen_version, "1.0");
	put(t);
	assert_true(fleet_task(fleet, 1)->told == text_hash("1.0", 3));
}

static void the_alias_of_a_push_names_task_device_and_bytes_and_expires(void **state)
{
	(void)state;
	struct alias a;
	struct task t = task(7, 1, TASK_QUEUED, 1);
	t.created_ms = 1000LL * TTL_MS;
	put(t);
	assert_true(alias_verify(key, fleet_task(fleet, 7)->alias, &a));
	assert_int_equal(a.kind, ALIAS_TASK);
	assert_int_equal(a.id, 7);
	assert_int_equal(a.device, 1);
	assert_int_equal(a.sha_head[0], 0xab);
	assert_int_equal(a.expires_h, 1000 + 1 + 24); /* a day after the task's own life */
}

/* --- devices --- */

static void a_dropped_device_takes_its_tasks_and_assignments_along(void **state)
{
	(void)state;
	struct rollout r = {.id = 50, .way = WAY_PASSIVE, .device_id = 1, .firmware_id = 1, .component = "app"};
	put(task(1, 1, TASK_QUEUED, 1));
	put(task(2, 2, TASK_QUEUED, 1));
	assert_true(fleet_put_assignment(fleet, &r));
	fleet_drop_device(fleet, 1);
	assert_null(fleet_device(fleet, "esp-1"));
	assert_null(fleet_task(fleet, 1));
	assert_true(fleet_is_revoked(fleet, 1));
	assert_null(fleet_assignments_of(fleet, 1));
	assert_non_null(fleet_task(fleet, 2));
	assert_int_equal(fleet_device_count(fleet), 1);
}

static void being_seen_is_noted_once_a_second_and_taken_once(void **state)
{
	(void)state;
	int64_t ids[8];
	int64_t seconds[8];
	size_t cursor = 0;
	fleet_read(fleet);
	const struct device_entry *e = fleet_device(fleet, "esp-1");
	assert_int_equal(fleet_seen(e, 5000), INT64_MAX);
	assert_int_equal(fleet_seen(e, 5900), 0);
	assert_int_equal(fleet_seen(e, 65000), 60);
	fleet_done(fleet);
	assert_int_equal(fleet_take_seen(fleet, &cursor, ids, seconds, 8), 1);
	assert_int_equal(cursor, 0);
	assert_int_equal(ids[0], 1);
	assert_int_equal(seconds[0], 65);
	assert_int_equal(fleet_take_seen(fleet, &cursor, ids, seconds, 8), 0);
}

static void seen_devices_are_taken_in_pieces(void **state)
{
	(void)state;
	enum { DEVICES = 10000 };
	static bool taken[DEVICES + 1];
	char name[16];
	for (int64_t id = 3; id <= DEVICES; id++) {
		snprintf(name, sizeof name, "d%d", (int)id);
		assert_true(put_device(id, name, ""));
	}
	fleet_read(fleet);
	for (int64_t id = 1; id <= DEVICES; id++) {
		fleet_seen(fleet_device_by_id(fleet, id), 1000 * id);
	}
	fleet_done(fleet);
	int64_t ids[64];
	int64_t seconds[64];
	size_t cursor = 0;
	size_t sum = 0;
	do {
		size_t n = fleet_take_seen(fleet, &cursor, ids, seconds, 64);
		sum += n;
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(seconds[i], ids[i]);
			assert_false(taken[ids[i]]);
			taken[ids[i]] = true;
		}
	} while (cursor);
	assert_int_equal(sum, DEVICES);
}

/* --- firmware --- */

static void firmware_is_found_by_id_name_and_head(void **state)
{
	(void)state;
	uint8_t head[8];
	memset(head, 0xab, sizeof head);
	assert_int_equal(fleet_firmware(fleet, 1)->firmware.id, 1);
	assert_int_equal(fleet_firmware_by_name(fleet, 1, "blink")->firmware.id, 1);
	assert_null(fleet_firmware_by_name(fleet, 2, "blink"));
	assert_null(fleet_firmware_by_name(fleet, 1, "blin"));
	assert_int_equal(fleet_firmware_by_head(fleet, head)->firmware.id, 1);
	fleet_drop_firmware(fleet, 1);
	assert_null(fleet_firmware(fleet, 1));
	assert_null(fleet_firmware_by_name(fleet, 1, "blink"));
	assert_null(fleet_firmware_by_head(fleet, head));
}

static void bytes_stay_to_be_had_while_another_firmware_has_them(void **state)
{
	(void)state;
	uint8_t head[8];
	memset(head, 0xab, sizeof head);
	struct firmware twin = firmware(2, "twin", 0xab, "", 1);
	assert_true(fleet_put_firmware(fleet, &twin));
	fleet_drop_firmware(fleet, 2);
	assert_int_equal(fleet_firmware_by_head(fleet, head)->firmware.id, 1);
	assert_true(fleet_put_firmware(fleet, &twin));
	fleet_drop_firmware(fleet, 1);
	assert_int_equal(fleet_firmware_by_head(fleet, head)->firmware.id, 2);
}

static void a_version_is_learnt_once_and_an_older_row_does_not_unlearn_it(void **state)
{
	(void)state;
	struct firmware f = firmware(2, "new", 0xcd, "", 1);
	assert_true(fleet_put_firmware(fleet, &f));
	fleet_learn_version(fleet, 2, "3.0");
	fleet_learn_version(fleet, 2, "4.0");
	assert_string_equal(fleet_firmware(fleet, 2)->firmware.version, "3.0");
	assert_true(fleet_put_firmware(fleet, &f)); /* read before it was learnt */
	assert_string_equal(fleet_firmware(fleet, 2)->firmware.version, "3.0");
	f = firmware(2, "new", 0xcd, "5.0", 2);
	assert_true(fleet_put_firmware(fleet, &f));
	assert_string_equal(fleet_firmware(fleet, 2)->firmware.version, "5.0");
}

/* --- assignments --- */

static void an_assignment_keeps_its_alias_while_it_is_reworded_and_ends(void **state)
{
	(void)state;
	struct rollout r = {.id = 50, .way = WAY_PASSIVE, .device_id = 1, .firmware_id = 1, .component = "app", .version_name = "9"};
	struct rollout other = {.id = 51, .way = WAY_PASSIVE, .device_id = 1, .firmware_id = 1, .component = "mcu"};
	struct alias a;
	char before[ALIAS_SIZE];
	assert_true(fleet_put_assignment(fleet, &r));
	assert_true(fleet_put_assignment(fleet, &other));
	memcpy(before, fleet_assignments_of(fleet, 1)->next->alias, ALIAS_SIZE);
	assert_true(alias_verify(key, before, &a));
	assert_int_equal(a.kind, ALIAS_ROLLOUT);
	assert_int_equal(a.id, 50);
	assert_int_equal(a.expires_h, 0);
	text_copy(r.version_name, sizeof r.version_name, "10");
	assert_true(fleet_put_assignment(fleet, &r));
	assert_string_equal(fleet_assignments_of(fleet, 1)->next->alias, before);
	assert_string_equal(fleet_assignments_of(fleet, 1)->next->version_name, "10");
	r.ended_ms = 5;
	assert_true(fleet_put_assignment(fleet, &r));
	assert_int_equal(fleet_assignments_of(fleet, 1)->id, 51);
	assert_null(fleet_assignments_of(fleet, 1)->next);
	fleet_drop_rollout(fleet, 51);
	assert_null(fleet_assignments_of(fleet, 1));
}

/* --- tokens --- */

static void put_token(int64_t operator_id, uint8_t mark)
{
	struct fleet_token t = {.operator_id = operator_id, .role = ROLE_VIEWER};
	memset(t.hash, mark, sizeof t.hash);
	assert_true(fleet_put_token(fleet, &t));
}

static bool has_token(uint8_t mark)
{
	uint8_t hash[32];
	memset(hash, mark, sizeof hash);
	return fleet_token(fleet, hash) != NULL;
}

static void tokens_come_as_the_whole_set_of_an_operator(void **state)
{
	(void)state;
	fleet_tokens_begin(fleet);
	put_token(1, 1);
	put_token(1, 2);
	put_token(2, 3);
	fleet_tokens_end(fleet, 0);
	assert_true(has_token(1) && has_token(2) && has_token(3));
	fleet_tokens_begin(fleet);
	put_token(1, 2);
	fleet_tokens_end(fleet, 1);
	assert_true(!has_token(1) && has_token(2) && has_token(3));
	fleet_tokens_begin(fleet);
	fleet_tokens_end(fleet, 0);
	assert_false(has_token(2) || has_token(3));
}

static void a_token_is_compared_whole(void **state)
{
	(void)state;
	uint8_t hash[32];
	fleet_tokens_begin(fleet);
	put_token(1, 7);
	memset(hash, 7, sizeof hash);
	hash[31]++;
	assert_null(fleet_token(fleet, hash));
}

/* --- loads --- */

static void a_full_load_drops_what_it_did_not_see(void **state)
{
	(void)state;
	struct rollout r = {.id = 50, .way = WAY_PASSIVE, .device_id = 1, .firmware_id = 1, .component = "app"};
	struct firmware f = firmware(2, "other", 0xcd, "", 1);
	assert_true(fleet_put_assignment(fleet, &r));
	assert_true(fleet_put_firmware(fleet, &f));
	put(task(1, 1, TASK_QUEUED, 1));
	put(task(2, 2, TASK_QUEUED, 1));
	fleet_load_begin(fleet);
	assert_true(put_device(1, "esp-1", "1.0"));
	assert_true(fleet_put_firmware(fleet, &f));
	put(task(1, 1, TASK_QUEUED, 1));
	fleet_load_end(fleet);
	assert_non_null(fleet_device(fleet, "esp-1"));
	assert_null(fleet_device(fleet, "esp-2"));
	assert_non_null(fleet_task(fleet, 1));
	assert_null(fleet_task(fleet, 2));
	assert_null(fleet_firmware(fleet, 1));
	assert_non_null(fleet_firmware(fleet, 2));
	assert_null(fleet_assignments_of(fleet, 1));
}

static void a_load_with_older_rows_keeps_the_newer_ones(void **state)
{
	(void)state;
	put(task(1, 1, TASK_DOWNLOADING, 5));
	fleet_load_begin(fleet);
	assert_true(put_device(1, "esp-1", "1.0"));
	put(task(1, 1, TASK_NOTIFIED, 4)); /* read before this replica's own commit */
	put(task(3, 1, TASK_QUEUED, 1));   /* committed while the load ran */
	fleet_load_end(fleet);
	assert_int_equal(fleet_task(fleet, 1)->state, TASK_DOWNLOADING);
	assert_non_null(fleet_task(fleet, 3));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_row_sets_all_that_is_kept_of_a_device),
		TEST(a_row_does_not_take_back_what_is_still_to_be_written),
		TEST(a_row_that_was_passed_over_is_known_of_until_what_was_noted_is_written),
		TEST(an_older_row_of_a_task_is_ignored),
		TEST(an_ended_task_does_not_come_back),
		TEST(a_task_that_ended_before_it_was_heard_of_does_not_appear),
		TEST(what_an_operator_withdrew_is_revoked_and_what_failed_is_not),
		TEST(tasks_of_a_device_are_a_list),
		TEST(a_task_knows_what_its_device_told),
		TEST(the_alias_of_a_push_names_task_device_and_bytes_and_expires),
		TEST(a_dropped_device_takes_its_tasks_and_assignments_along),
		TEST(being_seen_is_noted_once_a_second_and_taken_once),
		TEST(seen_devices_are_taken_in_pieces),
		TEST(firmware_is_found_by_id_name_and_head),
		TEST(bytes_stay_to_be_had_while_another_firmware_has_them),
		TEST(a_version_is_learnt_once_and_an_older_row_does_not_unlearn_it),
		TEST(an_assignment_keeps_its_alias_while_it_is_reworded_and_ends),
		TEST(tokens_come_as_the_whole_set_of_an_operator),
		TEST(a_token_is_compared_whole),
		TEST(a_full_load_drops_what_it_did_not_see),
		TEST(a_load_with_older_rows_keeps_the_newer_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
