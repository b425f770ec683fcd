/* What operators do: each write leaves its audit and change rows, refusals leave nothing, conflicts say by what. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin_scene.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "engine/admin.h"
#include "pg.h"
#include "store/artifact.h"
#include "store/db.h"
#include "store/feed.h"

static int64_t make_device(int64_t product, const char *name)
{
	struct err err = {0};
	struct device d = {.product_id = product};
	snprintf(d.name, sizeof d.name, "%s", name);
	if (!admin_device_create(&engine, &worker, &alice, &d, &err)) {
		fail_msg("%s", err.text);
	}
	return d.id;
}

static int64_t make_firmware(int64_t product, const char *name)
{
	struct err err = {0};
	struct firmware f = {.product_id = product, .artifact = {.md5 = {7}, .size = 5}};
	int64_t upload = 0;
	digest_sha256(f.artifact.sha256, "bytes", 5);
	snprintf(f.name, sizeof f.name, "%s", name);
	if (!store_upload_begin(worker.db, &upload, &err) || !store_upload_chunk(worker.db, upload, 0, "bytes", 5, &err) ||
	    !store_upload_seal(worker.db, upload, &f.artifact, &err) || !admin_firmware_create(&engine, &worker, &alice, &f, &err)) {
		fail_msg("%s", err.text);
	}
	return f.id;
}

/* A push or passive rollout with one task, as an order leaves it. */
static void make_task(int64_t device, int64_t firmware, const char *way, const char *state, bool ended)
{
	char sql[1200];
	snprintf(sql, sizeof sql,
		 "WITH r AS (INSERT INTO rollouts (kind, way, product_id, device_id, firmware_id, component, created_by, ended_at) "
		 "SELECT 'single', '%s', product_id, %" PRId64 ", id, 'app', 'alice', %s FROM firmware WHERE id = %" PRId64
		 " RETURNING id) "
		 "INSERT INTO tasks (rollout_id, device_id, firmware_id, way, component, state, token, ended_at) "
		 "SELECT id, %" PRId64 ", %" PRId64 ", '%s', 'app', '%s', gen_random_uuid(), %s FROM r",
		 way, device, ended && strcmp(way, "push") == 0 ? "now()" : "NULL", firmware, device, firmware, way, state,
		 ended ? "now()" : "NULL");
	pg_run(uri, sql);
}

/* ---- products ---- */

static void a_write_leaves_one_audit_row_and_one_change_and_settles(void **state)
{
	(void)state;
	int64_t id = make_product("lamp");
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT pos FROM changes WHERE kind = 'product' AND ids = '{%" PRId64 "}'", id);
	assert_int_equal(settled, pg_number(uri, sql));
	assert_true(settled > 0);
	assert_number("SELECT count(*) FROM changes", 1);
	assert_number("SELECT count(*) FROM audit WHERE actor = 'alice' AND address = '192.0.2.1' AND request = '0123456789abcdef' "
		      "AND action = 'product.create' AND target = 'product/1' AND detail = 'key lamp'",
		      1);
}

static void a_refused_write_leaves_nothing(void **state)
{
	(void)state;
	struct err err = {0};
	struct product p = {.key = "lamp"};
	make_product("lamp");
	int64_t before = settled;
	assert_err(admin_product_create(&engine, &worker, &alice, &p, &err), &err, ERR_EXISTS, "key \"lamp\"");
	assert_number("SELECT count(*) FROM changes", 1);
	assert_number("SELECT count(*) FROM audit", 1);
	assert_int_equal(settled, before);
	make_product("other"); /* the connection is usable */
}

static void a_write_wakes_the_listeners(void **state)
{
	(void)state;
	struct err err = {0};
	scoped(db_close) struct db *listener = db_open(&where, &err);
	assert_true(store_feed_listen(listener, &err));
	make_product("lamp");
	struct change *changes = NULL;
	size_t count = 0;
	int64_t began = clock_mono_ms();
	bool look;
	assert_true(store_feed_wait(listener, -1, 20000, &look));
	assert_false(look); /* by one of our own connections: it wakes, but is not worth a look */
	assert_true(clock_mono_ms() - began < 10000);
	assert_true(store_feed_read(listener, 0, &changes, &count, &err));
	assert_int_equal(count, 1);
	assert_int_equal(changes[0].kind, CHANGE_PRODUCT);
	store_changes_free(&changes, count);
}

static void an_update_needs_the_revision_it_read(void **state)
{
	(void)state;
	struct err err = {0};
	struct product p = {.id = make_product("lamp"), .key = "lamp", .name = "Lamp"};
	assert_true(admin_product_update(&engine, &worker, &alice, &p, 1, &err));
	assert_int_equal(p.rev, 2);
	assert_true(p.updated_ms >= p.created_ms);
	assert_err(admin_product_update(&engine, &worker, &alice, &p, 1, &err), &err, ERR_CONFLICT, "changed by someone else");
	assert_true(admin_product_update(&engine, &worker, &alice, &p, 0, &err)); /* 0: whatever it is */
	assert_int_equal(p.rev, 3);
	p.id = 77;
	assert_err(admin_product_update(&engine, &worker, &alice, &p, 1, &err), &err, ERR_NOT_FOUND, "77");
}

static void a_product_in_use_is_not_deleted(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t id = make_product("lamp");
	int64_t device = make_device(id, "esp-1");
	int64_t firmware = make_firmware(id, "blink");
	assert_err(admin_product_delete(&engine, &worker, &alice, id, &err), &err, ERR_CONFLICT, "devices: 1, firmware: 1");
	assert_true(admin_device_delete(&engine, &worker, &alice, device, &err));
	assert_err(admin_product_delete(&engine, &worker, &alice, id, &err), &err, ERR_CONFLICT, "devices: 0, firmware: 1");
	assert_true(admin_firmware_delete(&engine, &worker, &alice, firmware, &err));
	assert_true(admin_product_delete(&engine, &worker, &alice, id, &err));
	assert_number("SELECT count(*) FROM products", 0);
	assert_number("SELECT count(*) FROM firmware", 0);
	assert_err(admin_product_delete(&engine, &worker, &alice, id, &err), &err, ERR_NOT_FOUND, "no product");
}

static void a_product_goes_with_the_history_that_others_made_in_it(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t id = make_product("lamp");
	int64_t other = make_product("bulb");
	struct device d = {.id = make_device(id, "esp-1"), .name = "esp-1", .client_id = "esp-1", .product_id = other};
	int64_t firmware = make_firmware(id, "blink");
	make_task(d.id, firmware, "push", "succeeded", true);
	assert_true(admin_device_update(&engine, &worker, &alice, &d, 0, &err)); /* moves on to the other product */
	assert_true(admin_firmware_delete(&engine, &worker, &alice, firmware, &err));
	assert_true(admin_product_delete(&engine, &worker, &alice, id, &err));
	assert_number("SELECT count(*) FROM tasks", 0);
	assert_number("SELECT count(*) FROM devices", 1);
}

static void pages_go_by_id_and_filter_by_key(void **state)
{
	(void)state;
	struct err err = {0};
	make_product("a");
	int64_t second = make_product("b");
	int64_t third = make_product("c");
	struct page page = {.after = 1, .limit = 1};
	struct product *rows = NULL;
	size_t count = 0;
	assert_true(admin_product_list(&worker, &page, &rows, &count, &err));
	assert_int_equal(count, 1);
	assert_int_equal(rows[0].id, second);
	free(rows);
	page = (struct page){.limit = 10, .name = "c"};
	assert_true(admin_product_list(&worker, &page, &rows, &count, &err));
	assert_int_equal(count, 1);
	assert_int_equal(rows[0].id, third);
	free(rows);
	page.after = third;
	assert_true(admin_product_list(&worker, &page, &rows, &count, &err));
	assert_int_equal(count, 0);
	free(rows);
}

/* ---- devices ---- */

static void a_device_is_its_own_client_unless_told_otherwise(void **state)
{
	(void)state;
	struct err err = {0};
	struct device d = {.product_id = make_product("lamp"), .name = "esp-1", .mac = "AABBCCDDEEFF"};
	struct device found;
	assert_true(admin_device_create(&engine, &worker, &alice, &d, &err));
	assert_string_equal(d.client_id, "esp-1");
	assert_true(admin_device_find(&worker, "esp-1", &found, &err));
	assert_int_equal(found.id, d.id);
	assert_string_equal(found.mac, "AABBCCDDEEFF");
	assert_string_equal(found.version, "");
	assert_int_equal(found.last_seen_ms, 0);
	assert_err(admin_device_find(&worker, "esp-2", &found, &err), &err, ERR_NOT_FOUND, "esp-2");
}

static void a_clash_names_the_field(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	struct device d = {.product_id = product, .name = "esp-1", .client_id = "one", .mac = "AABBCCDDEEFF"};
	assert_true(admin_device_create(&engine, &worker, &alice, &d, &err));
	d = (struct device){.product_id = product, .name = "esp-1", .client_id = "two"};
	assert_err(admin_device_create(&engine, &worker, &alice, &d, &err), &err, ERR_EXISTS, "the name \"esp-1\"");
	d = (struct device){.product_id = product, .name = "esp-2", .client_id = "one"};
	assert_err(admin_device_create(&engine, &worker, &alice, &d, &err), &err, ERR_EXISTS, "the clientId \"one\"");
	d = (struct device){.product_id = product, .name = "esp-2", .mac = "AABBCCDDEEFF"};
	assert_err(admin_device_create(&engine, &worker, &alice, &d, &err), &err, ERR_EXISTS, "the mac \"AABBCCDDEEFF\"");
	d = (struct device){.product_id = 99, .name = "esp-2"};
	assert_err(admin_device_create(&engine, &worker, &alice, &d, &err), &err, ERR_INVALID, "no product 99");
}

static void a_device_with_a_live_task_stays_and_keeps_its_name(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	struct device d = {.id = make_device(product, "esp-1"), .name = "esp-2", .client_id = "esp-1", .product_id = product};
	make_task(d.id, make_firmware(product, "blink"), "push", "notified", false);
	assert_err(admin_device_delete(&engine, &worker, &alice, d.id, &err), &err, ERR_CONFLICT, "task 1");
	assert_err(admin_device_update(&engine, &worker, &alice, &d, 0, &err), &err, ERR_CONFLICT, "task 1");
	snprintf(d.name, sizeof d.name, "esp-1");
	snprintf(d.client_id, sizeof d.client_id, "other");
	assert_true(admin_device_update(&engine, &worker, &alice, &d, 0, &err));
}

static void a_device_goes_with_its_tasks_and_assignments(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	int64_t device = make_device(product, "esp-1");
	int64_t firmware = make_firmware(product, "blink");
	make_task(device, firmware, "passive", "succeeded", true);
	make_task(device, firmware, "push", "failed", true);
	assert_true(admin_device_delete(&engine, &worker, &alice, device, &err));
	assert_number("SELECT count(*) FROM tasks", 0);
	assert_number("SELECT count(*) FROM rollouts", 0);
	assert_number("SELECT count(*) FROM changes WHERE kind = 'rollout' AND ids = '{1}'", 1); /* the assignment; the push had ended */
	assert_number("SELECT count(*) FROM changes WHERE kind = 'device' AND pos = (SELECT max(pos) FROM changes)", 1);
	assert_int_equal(settled, pg_number(uri, "SELECT max(pos) FROM changes"));
}

static void an_assigned_device_does_not_change_its_product(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	struct device d = {.id = make_device(product, "esp-1"), .name = "esp-1", .client_id = "esp-1", .product_id = make_product("bulb")};
	make_task(d.id, make_firmware(product, "blink"), "passive", "succeeded", true);
	assert_err(admin_device_update(&engine, &worker, &alice, &d, 0, &err), &err, ERR_CONFLICT, "assignment 1");
}

/* ---- firmware ---- */

static void a_firmware_name_is_taken_until_it_is_deleted(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	int64_t id = make_firmware(product, "blink");
	assert_err(admin_firmware_check(&engine, &worker, product, "blink", &err), &err, ERR_EXISTS, "blink");
	assert_err(admin_firmware_check(&engine, &worker, 99, "blink", &err), &err, ERR_NOT_FOUND, "no product 99");
	assert_true(admin_firmware_check(&engine, &worker, product, "other", &err));
	struct firmware f = {0};
	assert_true(admin_firmware_get(&worker, id, &f, &err));
	assert_string_equal(f.component, "app");
	assert_int_equal(f.artifact.size, 5);
	assert_err(admin_firmware_create(&engine, &worker, &alice, &f, &err), &err, ERR_EXISTS, "blink");
	assert_true(admin_firmware_delete(&engine, &worker, &alice, id, &err));
	assert_err(admin_firmware_get(&worker, id, &f, &err), &err, ERR_NOT_FOUND, "no firmware");
	assert_true(make_firmware(product, "blink") != id);
}

static void a_firmware_keeps_what_its_image_says(void **state)
{
	(void)state;
	struct err err = {0};
	struct firmware f = {.product_id = make_product("lamp"), .name = "one", .version = "2.4.2"};
	struct firmware got = {0};
	make_firmware(f.product_id, "none");
	digest_sha256(f.artifact.sha256, "bytes", 5);
	f.image = (struct image){.chip = "esp32c3", .project = "xiaozhi", .version = "2.4.2", .idf = "v5.4", .elf_sha256 = {1, 2}};
	assert_true(admin_firmware_create(&engine, &worker, &alice, &f, &err));
	assert_true(admin_firmware_get(&worker, f.id, &got, &err));
	assert_memory_equal(&got.image, &f.image, sizeof f.image);
	/* of an image that leaves its texts empty, chip and ELF are known all the same */
	f.image = (struct image){.chip = "esp32"};
	snprintf(f.name, sizeof f.name, "two");
	assert_true(admin_firmware_create(&engine, &worker, &alice, &f, &err));
	assert_true(admin_firmware_get(&worker, f.id, &got, &err));
	assert_memory_equal(&got.image, &f.image, sizeof f.image);
	assert_number("SELECT count(*) FROM firmware WHERE chip IS NULL AND elf_sha256 IS NULL AND project IS NULL", 1);
	assert_number("SELECT count(*) FROM firmware WHERE chip = 'esp32' AND length(elf_sha256) = 32 AND image_version IS NULL", 1);
}

static void a_product_says_what_its_images_are(void **state)
{
	(void)state;
	struct err err = {0};
	struct product p = {.key = "lamp"};
	struct product got = {0};
	assert_true(admin_product_create(&engine, &worker, &alice, &p, &err));
	assert_number("SELECT count(*) FROM products WHERE images = 'any'", 1);
	p.images = IMAGES_ESP32;
	assert_true(admin_product_update(&engine, &worker, &alice, &p, 0, &err));
	assert_true(admin_product_get(&worker, p.id, &got, &err));
	assert_int_equal(got.images, IMAGES_ESP32);
	p = (struct product){.key = "door", .images = IMAGES_ESP32};
	assert_true(admin_product_create(&engine, &worker, &alice, &p, &err));
	assert_number("SELECT count(*) FROM products WHERE images = 'esp32'", 2);
}

static void a_firmware_without_product_or_bytes_is_refused(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	make_firmware(product, "blink");
	struct firmware f = {.product_id = 99, .name = "x"};
	digest_sha256(f.artifact.sha256, "bytes", 5);
	assert_err(admin_firmware_create(&engine, &worker, &alice, &f, &err), &err, ERR_NOT_FOUND, "no product 99");
	f.product_id = product;
	f.artifact.sha256[0] ^= 1;
	assert_err(admin_firmware_create(&engine, &worker, &alice, &f, &err), &err, ERR_UNAVAILABLE, "upload them again");
}

static void a_firmware_in_use_is_not_deleted(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	int64_t device = make_device(product, "esp-1");
	int64_t firmware = make_firmware(product, "blink");
	make_task(device, firmware, "passive", "queued", false);
	assert_err(admin_firmware_delete(&engine, &worker, &alice, firmware, &err), &err, ERR_CONFLICT, "task 1 of device \"esp-1\"");
	pg_run(uri, "UPDATE tasks SET state = 'succeeded', ended_at = now()");
	assert_err(admin_firmware_delete(&engine, &worker, &alice, firmware, &err), &err, ERR_CONFLICT, "assignment 1");
	pg_run(uri, "UPDATE rollouts SET ended_at = now()");
	assert_true(admin_firmware_delete(&engine, &worker, &alice, firmware, &err));
}

static void deleted_firmware_leaves_its_history_and_frees_its_bytes(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	int64_t firmware = make_firmware(product, "blink");
	make_task(make_device(product, "esp-1"), firmware, "push", "succeeded", true);
	assert_true(admin_firmware_delete(&engine, &worker, &alice, firmware, &err));
	pg_run(uri, "UPDATE artifacts SET sealed_at = now() - interval '2 hours'");
	pg_run(uri, "UPDATE uploads SET touched_at = now() - interval '2 hours'");
	int64_t swept = 0;
	assert_true(store_artifact_sweep(worker.db, &swept, &err));
	assert_number("SELECT count(*) FROM chunks", 0);
	struct task_row task;
	assert_true(admin_task_get(&worker, 1, &task, &err));
	assert_string_equal(task.firmware_name, "blink");
	assert_int_equal(task.size, 0);
}

/* ---- what is listed ---- */

static void tasks_are_listed_by_device_product_and_state(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	int64_t other = make_product("bulb");
	int64_t device = make_device(product, "esp-1");
	make_task(device, make_firmware(product, "blink"), "push", "failed", true);
	make_task(make_device(product, "esp-2"), 1, "push", "notified", false);
	make_task(make_device(other, "esp-3"), make_firmware(other, "glow"), "push", "notified", false);
	const struct {
		struct page page;
		size_t count;
		int64_t first;
	} rows[] = {
		{{.limit = 10}, 3, 1},
		{{.limit = 10, .device_id = device}, 1, 1},
		{{.limit = 10, .product_id = other}, 1, 3},
		{{.limit = 10, .name = "notified"}, 2, 2},
		{{.limit = 10, .name = "notified", .product_id = product}, 1, 2},
		{{.limit = 1, .after = 1}, 1, 2},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		scoped_free struct task_row *found = NULL;
		size_t count = 0;
		assert_true(admin_task_list(&worker, &rows[i].page, &found, &count, &err));
		assert_int_equal(count, rows[i].count);
		assert_int_equal(found[0].task.id, rows[i].first);
		assert_int_equal(found[0].size, 5);
	}
}

static void a_timeline_is_told_in_order(void **state)
{
	(void)state;
	struct err err = {0};
	pg_run(uri, "INSERT INTO events (task_id, at, event, from_state, to_state) VALUES (1, now(), 'sent', 'queued', 'notified'), "
		    "(1, now() - interval '1 hour', 'ordered', '', 'queued'), (2, now(), 'ordered', '', 'queued'); "
		    "INSERT INTO events (task_id, at, event, from_state, to_state) SELECT 3, '2026-01-01', i::text, '', 'x' FROM "
		    "generate_series(1, 50) i");
	struct task_happening *lines = NULL;
	size_t count = 0;
	assert_true(admin_task_timeline(&worker, 1, &lines, &count, &err));
	assert_int_equal(count, 2);
	assert_string_equal(lines[0].event, "ordered");
	assert_string_equal(lines[1].to, "notified");
	assert_true(lines[0].at_ms < lines[1].at_ms);
	free(lines);
	assert_true(admin_task_timeline(&worker, 3, &lines, &count, &err)); /* of one instant */
	assert_int_equal(count, 50);
	for (int i = 0; i < 50; i++) {
		char expected[16];
		snprintf(expected, sizeof expected, "%d", i + 1);
		assert_string_equal(lines[i].event, expected);
	}
	free(lines);
}

static void assignments_are_listed_with_names_and_state(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t product = make_product("lamp");
	int64_t device = make_device(product, "esp-1");
	int64_t firmware = make_firmware(product, "blink");
	make_task(device, firmware, "passive", "downloading", false);
	make_task(make_device(product, "esp-2"), firmware, "push", "notified", false);
	struct assignment *rows = NULL;
	size_t count = 0;
	struct page page = {.limit = 10};
	assert_true(admin_assignment_list(&worker, &page, &rows, &count, &err));
	assert_int_equal(count, 1);
	assert_string_equal(rows[0].device_name, "esp-1");
	assert_string_equal(rows[0].firmware_name, "blink");
	assert_int_equal(rows[0].state, TASK_DOWNLOADING);
	assert_int_equal(rows[0].rollout.task_id, 1);
	free(rows);
	struct assignment one;
	assert_true(admin_assignment_get(&worker, 1, &one, &err));
	assert_err(admin_assignment_get(&worker, 2, &one, &err), &err, ERR_NOT_FOUND, "no assignment 2");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_scene_setup, admin_scene_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_write_leaves_one_audit_row_and_one_change_and_settles),
		TEST(a_refused_write_leaves_nothing),
		TEST(a_write_wakes_the_listeners),
		TEST(an_update_needs_the_revision_it_read),
		TEST(a_product_in_use_is_not_deleted),
		TEST(a_product_goes_with_the_history_that_others_made_in_it),
		TEST(pages_go_by_id_and_filter_by_key),
		TEST(a_device_is_its_own_client_unless_told_otherwise),
		TEST(a_clash_names_the_field),
		TEST(a_device_with_a_live_task_stays_and_keeps_its_name),
		TEST(a_device_goes_with_its_tasks_and_assignments),
		TEST(an_assigned_device_does_not_change_its_product),
		TEST(a_firmware_name_is_taken_until_it_is_deleted),
		TEST(a_firmware_keeps_what_its_image_says),
		TEST(a_product_says_what_its_images_are),
		TEST(a_firmware_without_product_or_bytes_is_refused),
		TEST(a_firmware_in_use_is_not_deleted),
		TEST(deleted_firmware_leaves_its_history_and_frees_its_bytes),
		TEST(tasks_are_listed_by_device_product_and_state),
		TEST(a_timeline_is_told_in_order),
		TEST(assignments_are_listed_with_names_and_state),
	};
	return cmocka_run_group_tests(tests, admin_scene_start, NULL);
}
