/* Standing rollouts: no task until a device is offered, then one, whoever asks at once; a bad image is not fetched at every boot. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/text.h"
#include "engine/explain.h"
#include "metrics/metrics.h"
#include "site.h"
#include "standing_scene.h"

/* --- devices --- */

static void assert_nothing(struct replica *r, const char *device)
{
	struct answer p = poll_as(r, device, "");
	assert_done(p, ERR_NONE);
	assert_false(p.offered);
}

/* Until the replica has heard of what another one did. */
static void until_nothing(struct replica *r, const char *device)
{
	for (int64_t deadline = 0; poll_as(r, device, "").offered; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
}

static void fetch_all(struct replica *r, const struct offer *offer)
{
	assert_int_equal(fetch(r, offer->alias, 0, SITE_SIZE), ERR_NONE);
	site_until(1, "SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND state = 'downloaded'", offer->task_id);
}

static void explain(struct replica *r, const char *device, char out[1024])
{
	struct buf text;
	buf_init_fixed(&text, out, 1024);
	assert_true(explain_device(r->engine, device, "app", NULL, false, &text));
	buf_cstr(&text);
}

static void assert_explained(struct replica *r, const char *device, const char *part)
{
	char text[1024];
	explain(r, device, text);
	if (!strstr(text, part)) {
		fail_msg("\"%s\" is not in: %s", part, text);
	}
}

/* --- offers --- */

static void a_device_has_no_task_until_it_is_offered_one(void **state)
{
	(void)state;
	const char *device = site_device();
	const char *other = site_device();
	int64_t rollout = order_all(KNOWN, "9");
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE rollout_id = %" PRId64, rollout), 0);
	assert_explained(a, device, "covers this device's product");
	struct offer offer = offered(a, device);
	assert_int_equal(offer.rollout_id, rollout);
	assert_string_equal(offer.version, "9");
	assert_string_equal(offer.description, "for all");
	assert_true(site_task_is(offer.task_id, "notified")); /* committed before the answer */
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE rollout_id = %" PRId64, rollout), 1);
	assert_int_equal(tasks_of(other), 0);
	struct offer again = offered(a, device);
	assert_int_equal(again.task_id, offer.task_id);
	assert_string_equal(again.alias, offer.alias);
	fetch_all(a, &offer);
	assert_done(report_version(a, device, "9", false), ERR_NONE);
	assert_true(site_task_is(offer.task_id, "succeeded"));
	assert_nothing(a, device);
	assert_int_equal(tasks_of(device), 1);
}

static void a_firmware_of_unknown_version_is_offered_by_the_task_s_token(void **state)
{
	(void)state;
	const char *device = site_device();
	order_all(UNKNOWN, "");
	struct offer offer = offered(a, device);
	assert_int_equal(strlen(offer.version), UUID_SIZE - 1);
	fetch_all(a, &offer);
	assert_done(report_version(a, device, offer.version, false), ERR_NONE);
	assert_true(site_task_is(offer.task_id, "succeeded"));
	assert_nothing(a, device);
}

static void a_device_on_target_is_left_alone(void **state)
{
	(void)state;
	const char *device = site_device();
	const char *called = site_device();
	order_all(KNOWN, "9");
	int64_t telling = metrics_get(METRIC_POLLS_TELLING);
	assert_false(poll_as(a, device, "2.0").offered);
	assert_false(poll_as(a, called, "9").offered);
	assert_nothing(a, device);
	assert_int_equal(metrics_get(METRIC_POLLS_TELLING), telling);
	assert_int_equal(tasks_of(device) + tasks_of(called), 0);
	assert_explained(a, device, "already runs");
}

static void what_a_poll_tells_is_the_source_of_its_task(void **state)
{
	(void)state;
	const char *device = site_device();
	order_all(KNOWN, "");
	struct answer p = poll_as(a, device, "1.7");
	assert_true(p.offered);
	assert_string_equal(p.offer.version, "2.0");
	assert_int_equal(site_number("SELECT count(*) FROM tasks t JOIN devices d ON d.id = t.device_id WHERE t.id = %" PRId64
				     " AND t.source_version = '1.7' AND d.version = '1.7'",
				     p.offer.task_id),
			 1);
}

static void a_blocked_device_gets_nothing(void **state)
{
	(void)state;
	const char *device = site_device();
	site_run("BEGIN; UPDATE devices SET blocked_at = now() WHERE id = %" PRId64 "; SELECT change_append('device', ARRAY[%" PRId64
		 "]), pg_notify('otad', ''); COMMIT",
		 site_id(device), site_id(device));
	for (int64_t deadline = 0; poll_as(a, device, "").err.kind != ERR_BLOCKED; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	order_all(KNOWN, "");
	assert_done(poll_as(a, device, ""), ERR_BLOCKED);
	assert_int_equal(tasks_of(device), 0);
}

/* --- not for ever --- */

static void an_image_is_offered_three_times_until_it_is_ordered_again(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t rollout = order_all(KNOWN, "");
	int64_t last = 0;
	for (int64_t i = 1; i <= 3; i++) {
		struct offer offer = offered_anew(i == 2 ? b : a, device, last); /* whoever answers: it counts */
		last = offer.task_id;
		assert_int_equal(offer.rollout_id, rollout);
		assert_int_equal(site_number("SELECT offers FROM tasks WHERE id = %" PRId64, offer.task_id), i);
		assert_done(report_step(i == 2 ? b : a, device, -2), ERR_NONE);
		assert_true(site_task_is(offer.task_id, "failed"));
	}
	assert_nothing(a, device);
	until_nothing(b, device);
	assert_int_equal(tasks_of(device), 3);
	assert_explained(a, device, "three times");
	replica_stop(&b); /* nor by one that starts later */
	b = replica_start("");
	assert_nothing(b, device);
	assert_int_not_equal(order_all(KNOWN, ""), rollout);
	offered(a, device);
	assert_int_equal(tasks_of(device), 4);
}

static void after_a_rollback_it_waits_for_an_operator(void **state)
{
	(void)state;
	const char *device = site_device();
	order_all(KNOWN, "");
	struct offer offer = offered(a, device);
	fetch_all(a, &offer);
	assert_done(report_version(a, device, "1.0", true), ERR_NONE);
	assert_true(site_task_is(offer.task_id, "failed"));
	assert_nothing(a, device);
	until_nothing(b, device);
	assert_int_equal(tasks_of(device), 1);
	assert_explained(a, device, "rolled back");
	replica_stop(&b);
	b = replica_start("");
	assert_nothing(b, device);
	order_all(KNOWN, "");
	offered(a, device);
}

static void a_task_that_an_operator_cancelled_does_not_come_back_at_the_next_poll(void **state)
{
	(void)state;
	const char *device = site_device();
	order_all(KNOWN, "");
	struct offer offer = offered(a, device);
	assert_done(cancel_task(a, offer.task_id, device), ERR_NONE);
	assert_int_equal(open_alias(a, offer.alias), ERR_GONE);
	assert_nothing(a, device);
	assert_int_equal(tasks_of(device), 1);
	assert_explained(a, device, "cancelled rollout");
}

static void a_later_order_for_the_device_alone_is_not_undone(void **state)
{
	(void)state;
	const char *device = site_device();
	order_all(KNOWN, "");
	int64_t task = push(a, device, SITE_KNOWN_3);
	assert_done(report_version(a, device, "3.0", false), ERR_NONE);
	assert_true(site_task_is(task, "succeeded"));
	assert_nothing(a, device);
	int64_t telling = metrics_get(METRIC_POLLS_TELLING);
	assert_nothing(a, device); /* found out once */
	assert_int_equal(metrics_get(METRIC_POLLS_TELLING), telling);
	assert_explained(a, device, "newer order");
	assert_int_equal(tasks_of(device), 1);
	order_all(KNOWN, ""); /* but by an order that is newer still */
	offered(a, device);
}

/* --- orders --- */

static void a_cancelled_rollout_ends_its_tasks_and_refuses_their_names(void **state)
{
	(void)state;
	const char *device = site_device();
	const char *begun = site_device();
	int64_t rollout = order_all(KNOWN, "");
	struct offer first = offered(a, device);
	struct offer second = offered(a, begun);
	fetch_all(a, &second);
	cancel_all(rollout);
	assert_true(site_task_is(first.task_id, "cancelled"));
	assert_true(site_task_is(second.task_id, "cancelled"));
	assert_int_equal(open_alias(a, first.alias), ERR_GONE); /* at once on this replica */
	assert_int_equal(open_alias(a, second.alias), ERR_GONE);
	assert_nothing(a, device);
	for (int64_t deadline = 0; open_alias(b, first.alias) != ERR_GONE; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
	until_nothing(b, device);
	assert_int_equal(site_number("SELECT count(*) FROM audit WHERE action = 'rollout.cancel' AND actor = 'alice' AND target = "
				     "'product/1/rollout/%" PRId64 "' AND detail = 'cancelled tasks: 2'",
				     rollout),
			 1);
	assert_int_equal(site_number("SELECT count(*) FROM events WHERE task_id = %" PRId64 " AND event = 'cancelled' AND detail = 'alice'",
				     second.task_id),
			 1);
	struct call again = {.r = a, .verb = CANCEL, .id = rollout};
	call(&again);
	assert_done(again, ERR_NOT_FOUND);
}

static void an_order_of_another_firmware_replaces_what_has_not_begun(void **state)
{
	(void)state;
	const char *device = site_device();
	const char *begun = site_device();
	int64_t old = order_all(KNOWN, "8");
	struct offer first = offered(a, device);
	struct offer second = offered(a, begun);
	fetch_all(a, &second);
	int64_t rollout = order_all(KNOWN_3, "");
	assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE id = %" PRId64 " AND end_reason = 'replaced'", old), 1);
	assert_true(site_task_is(first.task_id, "superseded"));
	assert_int_equal(open_alias(a, first.alias), ERR_GONE);
	assert_int_equal(offered(a, device).rollout_id, rollout);
	struct offer still = offered(a, begun);
	assert_int_equal(still.task_id, second.task_id); /* what is being written is not torn */
	assert_string_equal(still.version, "8");
	replica_stop(&b);
	b = replica_start("");
	assert_string_equal(offered(b, begun).version, "8"); /* as it was told, also after a standing_scene_start */
	struct call deletion = {.r = a, .verb = DELETE_FIRMWARE, .id = KNOWN};
	call(&deletion);
	assert_done(deletion, ERR_CONFLICT);
	assert_non_null(strstr(deletion.err.text, "in use by task"));
	assert_done(report_version(a, begun, "8", false), ERR_NONE);
	assert_true(site_task_is(second.task_id, "succeeded"));
	assert_int_equal(offered(a, begun).rollout_id, rollout); /* and then the new one */
}

static void an_order_of_the_same_firmware_goes_on_with_its_tasks(void **state)
{
	(void)state;
	const char *device = site_device();
	order_all(KNOWN, "");
	struct offer first = offered(a, device);
	assert_done(report_step(a, device, -2), ERR_NONE);
	struct offer second = offered(a, device);
	assert_int_not_equal(first.task_id, second.task_id);
	int64_t rollout = order_all(KNOWN, "9");
	struct offer still = offered(a, device);
	assert_int_equal(still.task_id, second.task_id);
	assert_int_equal(still.rollout_id, rollout);
	assert_string_equal(still.version, "9");
	assert_int_equal(open_alias(a, second.alias), ERR_NONE);
	assert_int_equal(site_number("SELECT offers FROM tasks WHERE id = %" PRId64, second.task_id), 1);
	cancel_all(rollout);
	assert_true(site_task_is(second.task_id, "cancelled"));
}

static void orders_that_cannot_be_are_refused(void **state)
{
	(void)state;
	site_run("INSERT INTO products (key) VALUES ('door')");
	static const struct {
		int64_t product, firmware;
		enum err_kind kind;
	} bad[] = {{99, KNOWN, ERR_NOT_FOUND}, {1, 999, ERR_NOT_FOUND}, {2, KNOWN, ERR_INVALID}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct call c = ordering(bad[i].product, bad[i].firmware, "");
		call(&c);
		assert_done(c, bad[i].kind);
	}
	struct call c = ordering(1, KNOWN, "");
	text_copy(c.row.rollout.component, sizeof c.row.rollout.component, "wifi");
	call(&c);
	assert_done(c, ERR_INVALID);
	assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE way = 'standing' AND ended_at IS NULL"), 0);
}

static void a_firmware_that_stands_cannot_be_deleted(void **state)
{
	(void)state;
	int64_t rollout = order_all(UNKNOWN + 1, "");
	struct call c = {.r = a, .verb = DELETE_FIRMWARE, .id = UNKNOWN + 1};
	call(&c);
	assert_done(c, ERR_CONFLICT);
	assert_non_null(strstr(c.err.text, "in use by rollout"));
	cancel_all(rollout);
	c = (struct call){.r = a, .verb = DELETE_FIRMWARE, .id = UNKNOWN + 1};
	call(&c);
	assert_done(c, ERR_NONE);
}

static void a_device_that_is_deleted_leaves_the_rollout_standing(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t rollout = order_all(KNOWN, "");
	offered(a, device);
	assert_done(report_step(a, device, -1), ERR_NONE);
	struct call c = {.r = a, .verb = DELETE_DEVICE, .id = site_id(device)};
	call(&c);
	assert_done(c, ERR_NONE);
	assert_int_equal(site_number("SELECT count(*) FROM rollouts WHERE id = %" PRId64 " AND ended_at IS NULL", rollout), 1);
	assert_int_equal(offered(a, site_device()).rollout_id, rollout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STANDING_TEST(a_device_has_no_task_until_it_is_offered_one),
		STANDING_TEST(a_firmware_of_unknown_version_is_offered_by_the_task_s_token),
		STANDING_TEST(a_device_on_target_is_left_alone),
		STANDING_TEST(what_a_poll_tells_is_the_source_of_its_task),
		STANDING_TEST(a_blocked_device_gets_nothing),
		STANDING_TEST(an_image_is_offered_three_times_until_it_is_ordered_again),
		STANDING_TEST(after_a_rollback_it_waits_for_an_operator),
		STANDING_TEST(a_task_that_an_operator_cancelled_does_not_come_back_at_the_next_poll),
		STANDING_TEST(a_later_order_for_the_device_alone_is_not_undone),
		STANDING_TEST(a_cancelled_rollout_ends_its_tasks_and_refuses_their_names),
		STANDING_TEST(an_order_of_another_firmware_replaces_what_has_not_begun),
		STANDING_TEST(an_order_of_the_same_firmware_goes_on_with_its_tasks),
		STANDING_TEST(orders_that_cannot_be_are_refused),
		STANDING_TEST(a_firmware_that_stands_cannot_be_deleted),
		STANDING_TEST(a_device_that_is_deleted_leaves_the_rollout_standing),
	};
	return cmocka_run_group_tests(tests, standing_scene_start, standing_scene_stop);
}
