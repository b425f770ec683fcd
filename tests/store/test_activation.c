/* Activation on a real database: codes, challenges, who owns a device in the end, and what forged MACs cannot fill. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/seal.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/activation.h"
#include "engine/admin.h"
#include "engine/private.h"
#include "engine/teller.h"
#include "engine/throttle.h"
#include "fleet/fleet.h"
#include "model/licence.h"
#include "pg.h"
#include "store/activation.h"
#include "store/db.h"
#include "work/pool.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define MAC "94A9902C84B8"
#define UUID "e2314aed-0a16-43f0-8128-766fbd3207f2"
#define OTHER_UUID "36c98363-3656-43cb-a00f-8bced2391a90"

/* A worker is its connection here. */
struct worker {
	struct db *db;
};

static struct worker worker;
static struct engine engine;
static struct config config;
static char uri[PG_URI_SIZE];
static struct db_config where = {.uri = uri, .name = "test"};
static const struct actor alice = {.name = "alice", .address = "192.0.2.1", .request = "0123456789abcdef"};
static struct err err;
static int64_t lamp;

struct db *worker_db(struct worker *w, struct err *why)
{
	if (!w->db) {
		w->db = db_open(&where, why);
		return w->db;
	}
	return db_revive(w->db, why) ? w->db : NULL;
}

void engine_log_audit(const struct actor *actor, const char *action, const char *target, const char *detail)
{
	(void)actor, (void)action, (void)target, (void)detail;
}

void engine_settle(struct engine *e, int64_t pos)
{
	(void)e, (void)pos;
}

static void must(bool ok)
{
	if (!ok) {
		fail_msg("%s: %s", err_kind_name(err.kind), err.text);
	}
}

static void assert_err(bool ok, enum err_kind kind, const char *part)
{
	assert_false(ok);
	if (err.kind != kind || !strstr(err.text, part)) {
		fail_msg("%s: %s", err_kind_name(err.kind), err.text);
	}
}

static void assert_number(const char *sql, int64_t expected)
{
	assert_int_equal(pg_number(uri, sql), expected);
}

static int64_t make_product(const char *key, enum identity_policy identity)
{
	struct product p = {.identity = identity};
	text_copy(p.key, sizeof p.key, key);
	must(admin_product_create(&engine, &worker, &alice, &p, &err));
	assert_int_equal(p.identity, identity);
	return p.id;
}

static int64_t make_licence(const char *serial, const char *encoding, int64_t product)
{
	struct licence_new l = {.licence.product_id = product};
	must(licence_take(&l, serial, KEY, encoding, &err));
	must(admin_licence_create(&engine, &worker, &alice, &l, &err));
	return l.licence.id;
}

static int setup(void **state)
{
	(void)state;
	static const uint8_t key[32] = {1};
	pg_fresh(uri);
	throttle_reset();
	err = (struct err){0};
	config = (struct config){.activation_ttl = 24 * 3600 * 1000, .activation_max = 100000, .activation_per_address = 200};
	engine.config = &config;
	engine.seal_key = seal_key_new(key);
	engine.teller = teller_new();
	engine.alias_key = digest_key_new(key, sizeof key);
	engine.fleet = fleet_new(engine.alias_key, 1000);
	worker.db = db_open(&where, &err);
	lamp = make_product("lamp", IDENTITY_MAC);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	db_close(&worker.db);
	seal_key_free(&engine.seal_key);
	teller_free(&engine.teller);
	fleet_free(&engine.fleet);
	digest_key_free(&engine.alias_key);
	return 0;
}

static struct activation_facts facts_of(const char *mac, const char *uuid)
{
	struct activation_facts f = {.board_type = "bread-compact-ml307", .board_name = "bread-compact-ml307", .address = "198.51.100.7"};
	text_copy(f.mac, sizeof f.mac, mac);
	text_copy(f.client_uuid, sizeof f.client_uuid, uuid);
	return f;
}

static struct activation begin(const char *mac, const char *uuid)
{
	struct activation a;
	struct activation_facts f = facts_of(mac, uuid);
	must(activation_begin(&engine, &worker, &f, &a, &err));
	return a;
}

static bool confirm(const char *code, int64_t product, const char *nick, struct device *out)
{
	struct activation_confirmation c = {.code = code, .nick_name = nick, .product_id = product};
	return activation_confirm(&engine, &worker, &alice, &c, out, &err);
}

static struct device bind(const char *mac, const char *uuid, int64_t product)
{
	struct device d;
	struct activation a = begin(mac, uuid);
	must(confirm(a.code, product, NULL, &d));
	return d;
}

static void hmac_of(const char *challenge, bool raw, char out[65])
{
	uint8_t bytes[64];
	uint8_t mac[32];
	memcpy(bytes, KEY, 64);
	if (raw) {
		text_unhex(KEY, bytes, 32);
	}
	struct digest_key *key = digest_key_new(bytes, raw ? 32 : 64);
	digest_mac(key, challenge, strlen(challenge), mac);
	digest_key_free(&key);
	text_hex(out, mac, 32);
}

static bool prove(const char *mac, const char *serial, const char *challenge, const char *hmac, int64_t product, struct activation *out)
{
	struct activation_facts f = facts_of(mac, UUID);
	text_copy(f.serial, sizeof f.serial, serial);
	struct activation_proof p = {.facts = &f, .challenge = challenge, .hmac = hmac, .product_id = product};
	return activation_prove(&engine, &worker, &p, out, &err);
}

static bool prove_right(const char *mac, const char *serial, const char *challenge, int64_t product, struct activation *out)
{
	char hmac[65];
	hmac_of(challenge, true, hmac);
	return prove(mac, serial, challenge, hmac, product, out);
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

static void a_licence_product_takes_no_code_without_a_proof(void **state)
{
	(void)state;
	struct device d;
	int64_t product = make_product("licensed", IDENTITY_LICENCE);
	make_licence("SN-1", "raw", 0);
	struct activation a = begin(MAC, UUID);
	struct activation proven;
	assert_err(confirm(a.code, product, "", &d), ERR_CONFLICT, "has not proven");
	must(prove_right(MAC, "SN-1", a.challenge, 0, &proven));
	assert_false(proven.bound); /* for which product? whoever enters the code says it */
	must(confirm(a.code, product, "", &d));
	assert_number("SELECT count(*) FROM licences l JOIN devices d ON d.id = l.device_id WHERE d.mac = '" MAC "'", 1);
	assert_true(begin(MAC, UUID).bound);
	assert_false(begin(MAC, OTHER_UUID).bound);
}

/* ---- proofs ---- */

static void a_licence_binds_silently_by_either_encoding(void **state)
{
	(void)state;
	static const char *const encodings[] = {"raw", "hex_text"};
	for (int i = 0; i < 2; i++) {
		char mac[MAC_SIZE];
		char hmac[65];
		struct activation out;
		snprintf(mac, sizeof mac, "%012X", (unsigned)i);
		make_licence(encodings[i], encodings[i], lamp);
		struct activation_facts f = facts_of(mac, UUID);
		text_copy(f.serial, sizeof f.serial, encodings[i]);
		struct activation a;
		must(activation_begin(&engine, &worker, &f, &a, &err));
		assert_true(a.licensed);
		hmac_of(a.challenge, i == 1, hmac); /* as the other encoding would */
		assert_err(prove(mac, encodings[i], a.challenge, hmac, 0, &out), ERR_DENIED, "no licence");
		hmac_of(a.challenge, i == 0, hmac);
		must(prove(mac, encodings[i], a.challenge, hmac, 0, &out));
		assert_true(out.bound);
		assert_true(out.device_id > 0);
		assert_true(begin(mac, UUID).bound);
	}
	assert_number("SELECT count(*) FROM audit WHERE actor = 'device' AND action = 'device.prove' AND detail LIKE '%by licence'", 2);
}

static void a_challenge_serves_once_for_its_own_device(void **state)
{
	(void)state;
	struct activation out;
	make_licence("SN-1", "raw", 0);
	make_licence("SN-2", "raw", 0);
	struct activation a = begin(MAC, UUID);
	struct activation b = begin("000000000002", UUID);
	assert_err(prove_right(MAC, "SN-1", b.challenge, 0, &out), ERR_DENIED, "not outstanding");
	struct activation later = begin(MAC, UUID); /* an earlier challenge counts as well */
	must(prove_right(MAC, "SN-1", a.challenge, 0, &out));
	assert_err(prove_right(MAC, "SN-1", a.challenge, 0, &out), ERR_DENIED, "not outstanding");
	must(prove_right(MAC, "SN-1", later.challenge, lamp, &out)); /* its board tells the product now */
	assert_true(out.bound);
	assert_err(prove_right("000000000002", "SN-1", b.challenge, lamp, &out), ERR_CONFLICT, "another device");
	must(prove_right("000000000002", "SN-2", b.challenge, lamp, &out)); /* what was refused used nothing up */
	assert_err(prove_right(MAC, "SN-1", "not a uuid", lamp, &out), ERR_DENIED, "not given here");
}

static void an_unknown_serial_is_told_in_the_words_of_a_wrong_hmac(void **state)
{
	(void)state;
	struct activation out;
	char said[256];
	make_licence("SN-1", "raw", lamp);
	struct activation a = begin(MAC, UUID);
	assert_err(prove_right(MAC, "SN-9", a.challenge, 0, &out), ERR_DENIED, "");
	text_copy(said, sizeof said, err.text);
	assert_err(prove(MAC, "SN-1", a.challenge, KEY, 0, &out), ERR_DENIED, said);
	assert_err(prove(MAC, "SN-1", a.challenge, "", 0, &out), ERR_DENIED, said);
	assert_false(out.bound);
}

static void failed_proofs_are_limited_by_device_and_by_address(void **state)
{
	(void)state;
	struct activation out;
	char mac[MAC_SIZE];
	make_licence("SN-1", "raw", lamp);
	make_licence("SN-2", "raw", lamp);
	struct activation a = begin(MAC, UUID);
	for (int i = 0; i < 10; i++) {
		assert_err(prove(MAC, "SN-1", a.challenge, KEY, 0, &out), ERR_DENIED, "");
	}
	assert_err(prove(MAC, "SN-1", a.challenge, KEY, 0, &out), ERR_BUSY, "for this device");
	must(prove_right(MAC, "SN-1", a.challenge, 0, &out)); /* who knows its MAC does not lock it out */
	struct activation other = begin("000000000001", UUID);
	must(prove_right("000000000001", "SN-2", other.challenge, 0, &out));
	for (int i = 0; i < 90; i++) {
		snprintf(mac, sizeof mac, "%012X", 0x100u + (unsigned)i);
		assert_err(prove(mac, "SN-1", a.challenge, KEY, 0, &out), ERR_DENIED, "");
	}
	assert_err(prove("0000000002FF", "SN-1", a.challenge, KEY, 0, &out), ERR_BUSY, "from this address");
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
		TEST(a_licence_product_takes_no_code_without_a_proof),
		TEST(a_licence_binds_silently_by_either_encoding),
		TEST(a_challenge_serves_once_for_its_own_device),
		TEST(an_unknown_serial_is_told_in_the_words_of_a_wrong_hmac),
		TEST(failed_proofs_are_limited_by_device_and_by_address),
		TEST(one_address_can_not_make_many_devices_wait),
		TEST(forged_macs_of_many_addresses_leave_a_bounded_table),
		TEST(what_has_ended_makes_room_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
