/* What is secret at rest: licences, gateways and the answers kept for Idempotency-Keys are sealed, each for its own row. */
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

#include "common/err.h"
#include "common/scoped.h"
#include "common/seal.h"
#include "common/secret.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/admin.h"
#include "engine/licence.h"
#include "engine/private.h"
#include "engine/teller.h"
#include "model/gateway.h"
#include "model/licence.h"
#include "model/voice.h"
#include "pg.h"
#include "store/db.h"
#include "work/pool.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define PART "112233445566778899" /* of the key, as it would show in hex */

/* A worker is its connection here: these tests are about the database, not about threads. */
struct worker {
	struct db *db;
};

static struct worker worker;
static struct engine engine;
static struct engine stranger; /* has another master key */
static char uri[PG_URI_SIZE];
static struct db_config where = {.uri = uri, .name = "test"};
static char logged[8192]; /* every operator's write */
static const struct actor alice = {.name = "alice", .address = "192.0.2.1", .request = "0123456789abcdef"};
static struct err err;

struct db *worker_db(struct worker *w, struct err *why)
{
	return db_revive(w->db, why) ? w->db : NULL;
}

void engine_log_audit(const struct actor *actor, const char *action, const char *target, const char *detail)
{
	size_t len = strlen(logged);
	snprintf(logged + len, sizeof logged - len, "%s %s %s %s\n", actor->name, action, target, detail);
}

void engine_settle(struct engine *e, int64_t pos)
{
	(void)e;
	(void)pos;
}

static int setup(void **state)
{
	(void)state;
	static const uint8_t keys[2][32] = {{1}, {2}};
	pg_fresh(uri);
	*logged = '\0';
	err = (struct err){0};
	engine.seal_key = seal_key_new(keys[0]);
	static struct config config;
	atomic_store(&engine.config, &config);
	engine.teller = teller_new();
	stranger.seal_key = seal_key_new(keys[1]);
	worker.db = db_open(&where, &err);
	return worker.db && engine.seal_key && stranger.seal_key ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	db_close(&worker.db);
	seal_key_free(&engine.seal_key);
	teller_free(&engine.teller);
	seal_key_free(&stranger.seal_key);
	return 0;
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
	assert_null(strstr(err.text, PART));
}

static void assert_number(const char *sql, int64_t expected)
{
	assert_int_equal(pg_number(uri, sql), expected);
}

static int64_t make_product(const char *key)
{
	struct product p = {0};
	text_copy(p.key, sizeof p.key, key);
	must(admin_product_create(&engine, &worker, &alice, &p, &err));
	return p.id;
}

/* ---- licences ---- */

static bool add(const char *serial, const char *encoding, int64_t product, int64_t *id)
{
	struct licence_new l = {.licence.product_id = product};
	must(licence_take(&l, serial, KEY, encoding, &err));
	bool ok = admin_licence_create(&engine, &worker, &alice, &l, &err);
	if (id) {
		*id = l.licence.id;
	}
	return ok;
}

static void assert_key(const char *serial, enum licence_encoding encoding, const void *expected, size_t len)
{
	struct licence licence;
	struct licence_key key;
	must(licence_open(&engine, &worker, serial, &licence, &key, &err));
	assert_string_equal(licence.serial, serial);
	assert_int_equal(licence.encoding, encoding);
	assert_int_equal(key.len, len);
	assert_memory_equal(key.bytes, expected, len);
	licence_key_wipe(&key);
}

static void a_licence_key_is_sealed_and_comes_out_as_the_bytes_that_key_the_hmac(void **state)
{
	(void)state;
	uint8_t raw[32];
	int64_t id = 0;
	text_unhex(KEY, raw, sizeof raw);
	must(add("A1", "raw", 0, &id));
	must(add("A2", "hex_text", make_product("lamp"), NULL));
	assert_key("A1", LICENCE_RAW, raw, sizeof raw);
	assert_key("A2", LICENCE_HEX_TEXT, KEY, 64);
	assert_number("SELECT count(*) FROM licences WHERE length(key_sealed) IN (61, 93)", 2);
	assert_number("SELECT count(*) FROM licences l WHERE l::text LIKE '%" PART "%'", 0);
	/* the text of a hex_text key, in hex */
	assert_number("SELECT count(*) FROM licences WHERE position(convert_to('" PART "', 'UTF8') IN key_sealed) > 0", 0);
	struct licence l;
	must(admin_licence_get(&worker, id, &l, &err));
	assert_string_equal(l.serial, "A1");
	assert_int_equal(l.product_id, 0);
	assert_int_equal(l.device_id, 0);
	assert_true(l.created_ms > 0);
}

static void a_licence_is_audited_without_its_key_and_wakes_no_replica(void **state)
{
	(void)state;
	int64_t id = 0;
	must(add("A1", "", 0, &id));
	must(admin_licence_delete(&engine, &worker, &alice, id, &err));
	assert_number("SELECT count(*) FROM audit WHERE action IN ('licence.create', 'licence.delete') AND target LIKE 'licence/%' "
		      "AND detail = 'serial A1, encoding raw'",
		      2);
	assert_number("SELECT count(*) FROM audit a WHERE a::text ILIKE '%" PART "%'", 0);
	assert_number("SELECT count(*) FROM changes", 0);
	assert_null(strstr(logged, PART));
	assert_non_null(strstr(logged, "licence.delete"));
	assert_err(admin_licence_delete(&engine, &worker, &alice, id, &err), ERR_NOT_FOUND, "there is no licence");
	assert_err(admin_licence_get(&worker, id, &(struct licence){0}, &err), ERR_NOT_FOUND, "there is no licence");
}

static void a_refused_licence_leaves_nothing(void **state)
{
	(void)state;
	must(add("A1", "", 0, NULL));
	assert_err(add("A1", "hex_text", 0, NULL), ERR_EXISTS, "there is a licence with the serial \"A1\" already");
	assert_err(add("A2", "", 999, NULL), ERR_INVALID, "there is no product 999");
	assert_number("SELECT count(*) FROM licences", 1);
	assert_number("SELECT count(*) FROM audit WHERE action = 'licence.create'", 1);
}

static void a_licence_is_found_by_serial_and_product(void **state)
{
	(void)state;
	int64_t lamp = make_product("lamp");
	must(add("A1", "", lamp, NULL));
	must(add("A2", "", 0, NULL));
	must(add("A3", "", lamp, NULL));
	const struct {
		struct page page;
		size_t count;
		const char *first;
	} cases[] = {
		{{.limit = 10}, 3, "A1"},
		{{.limit = 10, .product_id = lamp}, 2, "A1"},
		{{.limit = 10, .name = "A2"}, 1, "A2"},
		{{.limit = 1, .after = 1}, 1, "A2"},
		{{.limit = 10, .name = "A2", .product_id = lamp}, 0, ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		scoped_free struct licence *rows = NULL;
		size_t count = 0;
		must(admin_licence_list(&worker, &cases[i].page, &rows, &count, &err));
		assert_int_equal(count, cases[i].count);
		assert_string_equal(rows[0].serial, cases[i].first);
	}
}

static void a_key_opens_in_its_own_row_and_under_its_own_master_key_only(void **state)
{
	(void)state;
	struct licence licence;
	struct licence_key key = {.len = 7};
	must(add("A1", "", 0, NULL));
	must(add("A2", "", 0, NULL));
	assert_err(licence_open(&stranger, &worker, "A1", &licence, &key, &err), ERR_INTERNAL, "licence/A1: a sealed value does not open");
	assert_int_equal(key.len, 0);
	pg_run(uri, "UPDATE licences SET key_sealed = (SELECT key_sealed FROM licences WHERE serial = 'A1') WHERE serial = 'A2'");
	assert_err(licence_open(&engine, &worker, "A2", &licence, &key, &err), ERR_INTERNAL, "belongs elsewhere");
	pg_run(uri, "UPDATE licences SET key_sealed = set_byte(key_sealed, 20, get_byte(key_sealed, 20) # 1) WHERE serial = 'A1'");
	assert_err(licence_open(&engine, &worker, "A1", &licence, &key, &err), ERR_INTERNAL, "altered");
	pg_run(uri, "UPDATE licences SET key_sealed = ''");
	assert_err(licence_open(&engine, &worker, "A1", &licence, &key, &err), ERR_INTERNAL, "no sealed value");
	assert_err(licence_open(&engine, &worker, "A3", &licence, &key, &err), ERR_NOT_FOUND, "no licence with this serial");
}

static void a_product_with_licences_stays_and_a_device_that_goes_frees_its_own(void **state)
{
	(void)state;
	int64_t lamp = make_product("lamp");
	int64_t id = 0;
	must(add("A1", "", lamp, &id));
	struct device d = {.product_id = lamp, .name = "d"};
	must(admin_device_create(&engine, &worker, &alice, &d, &err));
	pg_run(uri, "UPDATE licences SET device_id = (SELECT id FROM devices)");
	struct licence l;
	must(admin_licence_get(&worker, id, &l, &err));
	assert_int_equal(l.device_id, d.id);
	must(admin_device_delete(&engine, &worker, &alice, d.id, &err));
	must(admin_licence_get(&worker, id, &l, &err));
	assert_int_equal(l.device_id, 0);
	assert_err(admin_product_delete(&engine, &worker, &alice, lamp, &err), ERR_CONFLICT, "licences: 1");
	must(admin_licence_delete(&engine, &worker, &alice, id, &err));
	must(admin_product_delete(&engine, &worker, &alice, lamp, &err));
}

/* ---- import ---- */

enum { MANY = 3000 };

static struct licence_new file[MANY];

static void make_file(size_t n, int64_t product)
{
	memset(file, 0, sizeof file);
	for (size_t i = 0; i < n; i++) {
		char serial[SERIAL_SIZE];
		snprintf(serial, sizeof serial, "SN-%05zu", i);
		must(licence_take(&file[i], serial, KEY, i % 2 ? "hex_text" : "", &err));
		file[i].licence.product_id = product;
		file[i].line = i + 2;
	}
}

static void an_import_takes_all_rows_in_order(void **state)
{
	(void)state;
	size_t bad = 0;
	make_file(MANY, make_product("lamp"));
	must(admin_licence_import(&engine, &worker, &alice, file, MANY, &bad, &err));
	assert_number("SELECT count(*) FROM licences WHERE product_id IS NOT NULL AND encoding = 'hex_text'", MANY / 2);
	assert_number(
		"SELECT count(*) FROM (SELECT serial, lag(serial) OVER (ORDER BY id) AS before FROM licences) x WHERE serial < before", 0);
	assert_number("SELECT count(*) FROM audit WHERE action = 'licence.import' AND detail = '3000 licences'", 1);
	assert_key("SN-02999", LICENCE_HEX_TEXT, KEY, 64);
	assert_number("SELECT count(*) FROM licences l WHERE l::text ILIKE '%" PART "%'", 0);
	must(admin_licence_import(&engine, &worker, &alice, file, 0, &bad, &err)); /* nothing is fine */
}

static void an_import_names_the_first_taken_row_and_takes_none(void **state)
{
	(void)state;
	size_t bad = 0;
	must(add("SN-00007", "", 0, NULL));
	make_file(10, 0);
	assert_err(admin_licence_import(&engine, &worker, &alice, file, 10, &bad, &err), ERR_EXISTS,
		   "there is a licence with the serial \"SN-00007\" already");
	assert_int_equal(bad, 7);
	text_copy(file[5].licence.serial, sizeof file[5].licence.serial, "SN-00003");
	assert_err(admin_licence_import(&engine, &worker, &alice, file, 10, &bad, &err), ERR_EXISTS,
		   "the serial \"SN-00003\" stands in line 5 already");
	assert_int_equal(bad, 5);
	make_file(5, 999);
	assert_err(admin_licence_import(&engine, &worker, &alice, file, 5, &bad, &err), ERR_INVALID, "there is no product 999");
	assert_int_equal(bad, 5); /* no row's own fault */
	assert_number("SELECT count(*) FROM licences", 1);
	assert_number("SELECT count(*) FROM audit WHERE action = 'licence.import'", 0);
}

/* ---- gateways ---- */

static bool put(int64_t product, const char *endpoint, const char *key, int64_t rev, struct gateway *out)
{
	scoped(secret_clear) struct secret secret = {0};
	struct gateway g = {.product_id = product};
	assert_true(secret_set(&secret, key));
	text_copy(g.endpoint, sizeof g.endpoint, endpoint);
	bool ok = admin_gateway_put(&engine, &worker, &alice, &g, &secret, rev, &err);
	if (out) {
		*out = g;
	}
	return ok;
}

static void assert_gateway(int64_t product, const char *endpoint)
{
	struct gateway g;
	must(admin_gateway_get(&worker, product, &g, &err));
	assert_string_equal(g.endpoint, endpoint);
}

static void a_gateway_is_made_replaced_and_taken_away(void **state)
{
	(void)state;
	int64_t lamp = make_product("lamp");
	struct gateway g;
	must(put(lamp, "mqtt.example.com", "first key", 0, &g));
	assert_int_equal(g.rev, 1);
	assert_gateway(lamp, "mqtt.example.com");
	must(put(lamp, "mqtt.example.com:1883", "\xe5\xaf\x86\xe9\x92\xa5", 0, &g));
	assert_int_equal(g.rev, 2);
	assert_gateway(lamp, "mqtt.example.com:1883");
	assert_err(put(lamp, "x", "y", 1, NULL), ERR_CONFLICT, "changed by someone else");
	must(put(lamp, "x", "third key", 2, &g));
	assert_err(admin_gateway_delete(&engine, &worker, &alice, lamp, 2, &err), ERR_CONFLICT, "changed by someone else");
	must(admin_gateway_delete(&engine, &worker, &alice, lamp, 3, &err));
	assert_err(admin_gateway_delete(&engine, &worker, &alice, lamp, 0, &err), ERR_NOT_FOUND, "has no gateway");
	assert_err(put(lamp, "x", "y", 3, NULL), ERR_NOT_FOUND, "has no gateway");
	assert_err(put(999, "x", "y", 0, NULL), ERR_NOT_FOUND, "there is no product 999");
	assert_number("SELECT count(*) FROM audit WHERE action = 'gateway.put'", 3);
	assert_number("SELECT count(*) FROM audit a WHERE a::text LIKE '%key%' AND action LIKE 'gateway%'", 0);
	assert_null(strstr(logged, "first key"));
}

static void a_signature_key_is_sealed_and_goes_with_its_product(void **state)
{
	(void)state;
	int64_t lamp = make_product("lamp");
	int64_t bulb = make_product("bulb");
	must(put(lamp, "a", "a key", 0, NULL));
	must(put(bulb, "b", "b key", 0, NULL));
	assert_number("SELECT count(*) FROM gateways WHERE position('key'::bytea IN key_sealed) > 0", 0);
	must(admin_product_delete(&engine, &worker, &alice, lamp, &err)); /* it goes along */
	assert_number("SELECT count(*) FROM gateways", 1);
}

/* ---- voices ---- */

static bool put_voice(int64_t product, enum voice_mqtt mqtt, const char *url, const char *token)
{
	scoped(secret_clear) struct secret secret = {0};
	struct voice v = {.product_id = product, .mqtt = mqtt};
	assert_true(secret_set(&secret, token));
	text_copy(v.ws_url, sizeof v.ws_url, url);
	return admin_voice_put(&engine, &worker, &alice, &v, &secret, 0, &err);
}

static void a_voice_s_token_is_sealed_and_nowhere_told(void **state)
{
	(void)state;
	struct voice v;
	int64_t lamp = make_product("lamp");
	must(put_voice(lamp, VOICE_OWN, "wss://voice.example.com/v1/?key=in-the-url", "the token"));
	must(admin_voice_get(&worker, lamp, &v, &err));
	assert_true(v.ws_token_set);
	assert_string_equal(v.ws_url, "wss://voice.example.com/v1/?key=in-the-url");
	assert_err(put_voice(lamp, VOICE_GATEWAY, "", ""), ERR_CONFLICT, "has no gateway");
	must(admin_voice_delete(&engine, &worker, &alice, lamp, 0, &err));
	assert_err(admin_voice_delete(&engine, &worker, &alice, lamp, 0, &err), ERR_NOT_FOUND, "no voice is said");
	assert_number("SELECT count(*) FROM audit WHERE action IN ('voice.put', 'voice.delete') AND target LIKE 'product/%/voice'", 2);
	assert_number("SELECT count(*) FROM audit WHERE detail = 'mqtt own, websocket wss://voice.example.com/v1/, revision 1'", 1);
	assert_number("SELECT count(*) FROM audit a WHERE a::text LIKE '%token%' OR a::text LIKE '%in-the-url%'", 0);
	assert_number("SELECT count(*) FROM changes WHERE kind = 'product'", 3);
	assert_null(strstr(logged, "token"));
	assert_null(strstr(logged, "in-the-url"));
}

/* ---- answers ---- */

static void keep_answer(const char *actor, const char *key, char *body)
{
	struct idempotency one = {.actor = actor, .key = key, .request = {1}};
	must(admin_idempotency_find(&engine, &worker, &one, &err));
	assert_int_equal(one.status, 0);
	one.status = 201;
	one.body = body;
	must(admin_idempotency_store(&engine, &worker, &one, &err));
}

static void a_kept_answer_is_sealed_for_its_actor_and_key(void **state)
{
	(void)state;
	char body[] = "{\"password\":\"do not show\"}";
	keep_answer("alice", "k", body);
	assert_number("SELECT count(*) FROM idempotency WHERE position('show'::bytea IN body) > 0", 0);
	struct idempotency again = {.actor = "alice", .key = "k", .request = {1}};
	assert_err(admin_idempotency_find(&stranger, &worker, &again, &err), ERR_INTERNAL, "another master key");
	assert_null(again.body);
	must(admin_idempotency_find(&engine, &worker, &again, &err));
	assert_string_equal(again.body, body);
	free(again.body);
	pg_run(uri, "UPDATE idempotency SET actor = 'mallory'");
	struct idempotency stolen = {.actor = "mallory", .key = "k", .request = {1}};
	assert_err(admin_idempotency_find(&engine, &worker, &stolen, &err), ERR_INTERNAL, "belongs elsewhere");
	assert_null(stolen.body);
}

static void an_empty_and_a_large_answer_come_back(void **state)
{
	(void)state;
	enum { LARGE = 1 << 20 };
	scoped_free char *body = calloc(1, LARGE + 1);
	memset(body, 'a', LARGE);
	keep_answer("alice", "empty", (char[]){""});
	keep_answer("alice", "large", body);
	struct idempotency empty = {.actor = "alice", .key = "empty", .request = {1}};
	struct idempotency large = {.actor = "alice", .key = "large", .request = {1}};
	must(admin_idempotency_find(&engine, &worker, &empty, &err));
	must(admin_idempotency_find(&engine, &worker, &large, &err));
	assert_string_equal(empty.body, "");
	assert_true(strcmp(large.body, body) == 0);
	free(empty.body);
	free(large.body);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_licence_key_is_sealed_and_comes_out_as_the_bytes_that_key_the_hmac),
		TEST(a_licence_is_audited_without_its_key_and_wakes_no_replica),
		TEST(a_refused_licence_leaves_nothing),
		TEST(a_licence_is_found_by_serial_and_product),
		TEST(a_key_opens_in_its_own_row_and_under_its_own_master_key_only),
		TEST(a_product_with_licences_stays_and_a_device_that_goes_frees_its_own),
		TEST(an_import_takes_all_rows_in_order),
		TEST(an_import_names_the_first_taken_row_and_takes_none),
		TEST(a_gateway_is_made_replaced_and_taken_away),
		TEST(a_signature_key_is_sealed_and_goes_with_its_product),
		TEST(a_voice_s_token_is_sealed_and_nowhere_told),
		TEST(a_kept_answer_is_sealed_for_its_actor_and_key),
		TEST(an_empty_and_a_large_answer_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
