/* Activation on a real database: codes, challenges, who owns a device in the end, and what forged MACs cannot fill. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "activation_scene.h"
#include "common/err.h"
#include "config/config.h"
#include "engine/activation.h"
#include "engine/admin.h"
#include "engine/private.h"
#include "pg.h"
#include "store/activation.h"
#include "store/db.h"

static struct device bind(const char *mac, const char *uuid, int64_t product)
{
	struct device d;
	struct activation a = begin(mac, uuid);
	must(confirm(a.code, product, NULL, &d));
	return d;
}

/* ---- codes ---- */

static void the_code_stays_and_each_check_brings_a_fresh_challenge(void **state)
{
	(void)state;
	struct activation first = begin(MAC, UUID);
	struct activation second = begin(MAC, UUID);
	assert_true(activation_is_code(first.code));
	assert_string_equal(first.code, second.code);
	assert_string_not_equal(first.challenge, second.challenge);
	assert_int_equal(strlen(second.challenge), 36);
	assert_false(second.bound);
	assert_int_equal(second.device_id, 0);
	for (int i = 0; i < 6; i++) {
		begin(MAC, UUID);
	}
	assert_number("SELECT max(cardinality(challenges)) FROM activations", 4);
	assert_number("SELECT n FROM activation_count", 1);
}

static void a_check_renews_a_code_that_would_have_expired(void **state)
{
	(void)state;
	struct activation a = begin(MAC, UUID);
	pg_run(uri, "UPDATE activations SET touched_at = now() - interval '23 hours'");
	assert_string_equal(begin(MAC, UUID).code, a.code);
	pg_run(uri, "UPDATE activations SET touched_at = touched_at - interval '23 hours'");
	assert_string_equal(begin(MAC, UUID).code, a.code);
}

static void unknown_expired_and_used_codes_are_told_apart(void **state)
{
	(void)state;
	struct device d;
	struct activation a = begin(MAC, UUID);
	const char *unknown = strcmp(a.code, "123456") == 0 ? "654321" : "123456";
	assert_err(confirm(unknown, lamp, "", &d), ERR_NOT_FOUND, "unknown here");
	assert_err(confirm("12345", lamp, "", &d), ERR_INVALID, "six digits");
	assert_err(confirm("12345x", lamp, "", &d), ERR_INVALID, "six digits");
	pg_run(uri, "UPDATE activations SET touched_at = now() - interval '25 hours'");
	assert_err(confirm(a.code, lamp, "", &d), ERR_GONE, "has expired");
	struct activation b = begin(MAC, UUID);
	assert_string_not_equal(a.code, b.code);
	assert_err(confirm(a.code, lamp, "", &d), ERR_GONE, "has expired"); /* also when the device shows another one by now */
	must(confirm(b.code, lamp, "", &d));
	assert_err(confirm(b.code, lamp, "", &d), ERR_EXISTS, "bound already");
	pg_run(uri, "UPDATE activations SET touched_at = now() - interval '49 hours'");
	must(store_activation_sweep(worker.db, config.activation_ttl, &err));
	assert_err(confirm(b.code, lamp, "", &d), ERR_NOT_FOUND, "unknown here");
	assert_number("SELECT n FROM activation_count", 0);
}

static void guessing_codes_is_limited(void **state)
{
	(void)state;
	struct device d;
	for (int i = 0; i < 30; i++) {
		assert_err(confirm("000001", lamp, "", &d), ERR_NOT_FOUND, "");
	}
	assert_err(confirm("000001", lamp, "", &d), ERR_BUSY, "wrong codes");
}

/* ---- binding ---- */

static void a_confirmed_code_makes_the_device_and_ends_the_waiting(void **state)
{
	(void)state;
	struct device d;
	struct activation a = begin(MAC, UUID);
	struct activation_facts f = facts_of(MAC, UUID);
	must(activation_ask(&engine, &worker, &f, &a, &err));
	assert_false(a.bound);
	a = begin(MAC, UUID);
	must(confirm(a.code, lamp, "厨房的灯", &d));
	assert_string_equal(d.name, "94_a9_90_2c_84_b8");
	assert_string_equal(d.mac, MAC);
	assert_string_equal(d.nick_name, "厨房的灯");
	assert_true(d.auto_update);
	assert_true(d.bound_ms > 0);
	assert_int_equal(d.product_id, lamp);
	must(activation_ask(&engine, &worker, &f, &a, &err));
	assert_true(a.bound);
	assert_int_equal(a.device_id, d.id);
	a = begin(MAC, OTHER_UUID); /* its product trusts the MAC alone */
	assert_true(a.bound);
	assert_string_equal(a.code, "");
	assert_string_equal(a.challenge, "");
	f = facts_of("000000000001", UUID);
	assert_err(activation_ask(&engine, &worker, &f, &a, &err), ERR_NOT_FOUND, "does not wait");
	assert_number("SELECT count(*) FROM audit WHERE actor = 'alice' AND action = 'device.activate' AND detail LIKE '%by code'", 1);
	assert_number("SELECT count(*) FROM changes WHERE kind = 'device'", 1);
}

static void a_device_another_dialect_knows_is_the_same_device(void **state)
{
	(void)state;
	struct device known = {.product_id = lamp, .name = "fog-7", .mac = MAC};
	struct device named = {.product_id = lamp, .name = "00_00_00_00_00_0a"};
	must(admin_device_create(&engine, &worker, &alice, &known, &err));
	must(admin_device_create(&engine, &worker, &alice, &named, &err));
	struct activation a = begin(MAC, UUID);
	assert_false(a.bound);
	assert_int_equal(a.device_id, known.id);
	assert_int_equal(bind(MAC, UUID, lamp).id, known.id);
	assert_int_equal(bind("00000000000A", UUID, lamp).id, named.id);
	assert_number("SELECT count(*) FROM devices", 2);
	assert_number("SELECT count(*) FROM devices WHERE name = 'fog-7' AND bound_at IS NOT NULL", 1);
}

static void a_refused_confirmation_leaves_the_code_as_it_was(void **state)
{
	(void)state;
	struct device d;
	struct device known = {.product_id = make_product("door", IDENTITY_MAC), .name = "fog-7", .mac = MAC};
	must(admin_device_create(&engine, &worker, &alice, &known, &err));
	struct activation a = begin(MAC, UUID);
	assert_err(confirm(a.code, lamp, "", &d), ERR_CONFLICT, "belongs to product");
	assert_err(confirm(a.code, 99, "", &d), ERR_INVALID, "no product 99");
	must(confirm(a.code, known.product_id, "", &d));
	assert_int_equal(d.id, known.id);
}

static void an_unbound_device_must_activate_again_and_its_credentials_are_dead(void **state)
{
	(void)state;
	struct device d = bind(MAC, UUID, lamp);
	must(activation_unbind(&engine, &worker, &alice, d.id, &err));
	assert_err(activation_unbind(&engine, &worker, &alice, d.id, &err), ERR_NOT_FOUND, "no bound device");
	assert_number("SELECT count(*) FROM revocations WHERE device = '94_a9_90_2c_84_b8' AND epoch = 2", 1);
	struct activation a = begin(MAC, UUID);
	assert_false(a.bound);
	must(confirm(a.code, lamp, "", &d));
	assert_int_equal(d.epoch, 2);
	assert_number("SELECT count(*) FROM devices", 1);
}

/* ---- races ---- */

enum { RACERS = 20, EACH = 50 };

struct racer {
	pthread_t thread;
	const char *codes[2];
	int n;
	int won, lost, odd;
	char winner[NICK_NAME_SIZE];
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct worker mine = {0};
	struct actor me = {.address = "192.0.2.2"};
	snprintf(me.name, sizeof me.name, "racer-%d", r->n);
	for (int i = 0; i < EACH; i++) {
		struct device d;
		struct err why = {0};
		char nick[NICK_NAME_SIZE];
		snprintf(nick, sizeof nick, "%d-%d", r->n, i);
		struct activation_confirmation c = {.code = r->codes[i % 2], .nick_name = nick, .product_id = lamp};
		if (activation_confirm(&engine, &mine, &me, &c, &d, &why)) {
			r->won++;
			memcpy(r->winner, nick, sizeof nick);
		} else if (why.kind == ERR_EXISTS) {
			r->lost++;
		} else {
			fprintf(stderr, "%s: %s\n", err_kind_name(why.kind), why.text);
			r->odd++;
		}
	}
	db_close(&mine.db);
	return NULL;
}

static void race_for(const char *one, const char *other)
{
	struct racer racers[RACERS] = {0};
	const char *winner = "";
	int won = 0;
	int lost = 0;
	for (int i = 0; i < RACERS; i++) {
		racers[i].n = i;
		racers[i].codes[0] = one;
		racers[i].codes[1] = other;
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		won += racers[i].won;
		lost += racers[i].lost;
		assert_int_equal(racers[i].odd, 0);
		winner = racers[i].won ? racers[i].winner : winner;
	}
	assert_int_equal(won, 1);
	assert_int_equal(lost, RACERS * EACH - 1);
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM devices WHERE nick_name = '%s' AND mac = '" MAC "'", winner);
	assert_number(sql, 1);
	assert_number("SELECT count(*) FROM devices", 1);
	assert_number("SELECT count(*) FROM audit WHERE action = 'device.activate'", 1);
}

static void a_thousand_racing_confirmations_make_one_owner(void **state)
{
	(void)state;
	struct activation a = begin(MAC, UUID);
	race_for(a.code, a.code);
}

static void two_codes_of_one_mac_make_one_owner_too(void **state)
{
	(void)state;
	struct activation a = begin(MAC, UUID);
	struct activation b = begin(MAC, OTHER_UUID);
	assert_string_not_equal(a.code, b.code); /* who borrows a MAC does not get the code on its screen */
	race_for(a.code, b.code);
}

/* ---- policies ---- */

static void another_client_id_must_activate_again_where_it_is_pinned(void **state)
{
	(void)state;
	int64_t product = make_product("pinned", IDENTITY_PINNED);
	struct device d = bind(MAC, UUID, product);
	assert_true(begin(MAC, UUID).bound);
	struct activation a = begin(MAC, OTHER_UUID);
	assert_false(a.bound);
	assert_int_equal(a.device_id, d.id);
	begin(MAC, OTHER_UUID);
	assert_false(begin(MAC, "").bound);
	assert_number("SELECT count(*) FROM audit WHERE action = 'device.stranger' AND target LIKE 'device/%'", 1); /* once an hour */
	assert_true(begin(MAC, UUID).bound); /* the strangers took nothing away */
	must(confirm(a.code, product, NULL, &d));
	assert_true(begin(MAC, OTHER_UUID).bound);
	assert_false(begin(MAC, UUID).bound);
	assert_int_equal(d.epoch, 2); /* what the first one was issued is dead */
	assert_number("SELECT count(*) FROM revocations WHERE epoch = 2", 1);
	assert_number("SELECT count(*) FROM audit WHERE action = 'device.activate' AND detail LIKE '%bound anew'", 1);
}

static void a_pinned_product_refuses_firmware_without_client_id(void **state)
{
	(void)state;
	struct device d;
	int64_t product = make_product("pinned", IDENTITY_PINNED);
	struct activation a = begin(MAC, "");
	assert_err(confirm(a.code, product, "", &d), ERR_CONFLICT, "tells none");
	must(confirm(a.code, lamp, "", &d));
	assert_true(begin(MAC, "").bound);
}

/* ---- floods ---- */

static void one_address_can_not_make_many_devices_wait(void **state)
{
	(void)state;
	struct activation a;
	int full = 0;
	int busy = 0;
	for (unsigned i = 0; i < 200000; i++) {
		struct activation_facts f = facts_of(MAC, UUID);
		snprintf(f.mac, sizeof f.mac, "%012X", i);
		snprintf(f.address, sizeof f.address, "2001:db8:1:2::%x", i & 0xffff); /* one customer's */
		assert_true(i < 200 ? activation_begin(&engine, &worker, &f, &a, &err)
				    : !activation_begin(&engine, &worker, &f, &a, &err) && err.kind == ERR_BUSY);
		full += i >= 200 && strstr(err.text, "wait to be activated");
		busy += i >= 200 && strstr(err.text, "asks too often");
	}
	assert_true(busy > 150000); /* refused without the database */
	assert_int_equal(full + busy, 199800);
	assert_number("SELECT count(*) FROM activations", 200);
	assert_number("SELECT n FROM activation_count", 200);
	begin(MAC, UUID); /* another address: as ever */
}

/* From as many addresses as it takes. */
static void flood(int count)
{
	char sql[700];
	snprintf(
		sql, sizeof sql,
		"DO $$ BEGIN FOR i IN 1..%d LOOP PERFORM activation_begin(upper(lpad(to_hex(i), 12, '0')), '', '', '', '', '10.0.' || i / "
		"25000 || "
		"'.' || i / 100, ARRAY[lpad((i * 7)::text, 6, '0'), lpad((i * 7 + 1)::text, 6, '0')], gen_random_uuid(), interval '1 day', "
		"%" PRId64 ", 200); IF i %% 50 = 0 THEN COMMIT; END IF; END LOOP; END $$",
		count, config.activation_max);
	pg_run(uri, sql);
}

static void forged_macs_of_many_addresses_leave_a_bounded_table(void **state)
{
	(void)state;
	config.activation_max = 3000;
	struct activation waiting = begin(MAC, UUID);
	flood(6000);
	assert_number("SELECT count(*) FROM activations", 3000);
	assert_number("SELECT n FROM activation_count", 3000);
	assert_number("SELECT count(DISTINCT code) FROM activations", 3000);
	assert_string_equal(begin(MAC, UUID).code, waiting.code); /* who waits keeps its code */
	struct activation a;
	struct activation_facts f = facts_of("FF00000000AA", UUID);
	assert_err(activation_begin(&engine, &worker, &f, &a, &err), ERR_BUSY, "too many devices wait");
	pg_run(uri, "UPDATE activations SET touched_at = now() - interval '11 minutes' WHERE mac <> '" MAC "'");
	must(activation_begin(&engine, &worker, &f, &a, &err)); /* the silent ones make room, one for one */
	assert_number("SELECT count(*) FROM activations", 3000);
	assert_number("SELECT n FROM activation_count", 3000);
	assert_string_equal(begin(MAC, UUID).code, waiting.code);
}

static void what_has_ended_makes_room_first(void **state)
{
	(void)state;
	config.activation_max = 2;
	struct activation a = begin("000000000001", UUID);
	struct device d;
	must(confirm(a.code, lamp, "", &d));
	begin("000000000002", UUID);
	begin("000000000003", UUID);
	assert_number("SELECT count(*) FROM activations WHERE ended IS NOT NULL", 0);
	struct activation_facts f = facts_of("000000000004", UUID);
	assert_err(activation_begin(&engine, &worker, &f, &a, &err), ERR_BUSY, "");
	assert_number("SELECT n FROM activation_count", 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, activation_scene_setup, activation_scene_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_code_stays_and_each_check_brings_a_fresh_challenge),
		TEST(a_check_renews_a_code_that_would_have_expired),
		TEST(unknown_expired_and_used_codes_are_told_apart),
		TEST(guessing_codes_is_limited),
		TEST(a_confirmed_code_makes_the_device_and_ends_the_waiting),
		TEST(a_device_another_dialect_knows_is_the_same_device),
		TEST(a_refused_confirmation_leaves_the_code_as_it_was),
		TEST(an_unbound_device_must_activate_again_and_its_credentials_are_dead),
		TEST(a_thousand_racing_confirmations_make_one_owner),
		TEST(two_codes_of_one_mac_make_one_owner_too),
		TEST(another_client_id_must_activate_again_where_it_is_pinned),
		TEST(a_pinned_product_refuses_firmware_without_client_id),
		TEST(one_address_can_not_make_many_devices_wait),
		TEST(forged_macs_of_many_addresses_leave_a_bounded_table),
		TEST(what_has_ended_makes_room_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
