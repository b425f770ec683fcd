/* Products, their voices and forced fixes: what is written is what every replica's snapshot shows, and a board is one product's only. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/seal.h"
#include "common/secret.h"
#include "common/text.h"
#include "fleet/feed.h"
#include "fleet/fleet.h"
#include "fleet/products.h"
#include "model/fix.h"
#include "model/gateway.h"
#include "model/listing.h"
#include "pg.h"
#include "store/change.h"
#include "store/db.h"
#include "store/fix.h"
#include "store/gateway.h"
#include "store/product.h"
#include "store/voice.h"

enum { FOLLOW_MS = 1000, WAIT_MS = 30000, LATE_MAX = 1 /* a loaded machine may stumble once */ };

static char uri[PG_URI_SIZE];
static const struct db_config where = {.uri = uri, .name = "test"};
static const struct db_config followers = {.uri = uri, .name = "feed"}; /* as another replica: it follows, and has not written itself */
static struct db *db;
static struct fleet *fleet;
static struct feed *feed;
static struct digest_key *key;
static struct seal_key *seal;
static struct err err;
static int followed, late; /* changes in all tests, and those that took longer than a second to show */

static void must(bool ok)
{
	if (!ok) {
		fail_msg("%s: %s", err_kind_name(err.kind), err.text);
	}
}

static void assert_refused(bool ok, enum err_kind kind, const char *part)
{
	assert_false(ok);
	if (err.kind != kind || !strstr(err.text, part)) {
		fail_msg("%s: %s", err_kind_name(err.kind), err.text);
	}
	db_rollback(db);
}

static void follow(uint8_t master)
{
	feed_stop(&feed);
	fleet_free(&fleet);
	seal_key_free(&seal);
	uint8_t bytes[32] = {master};
	seal = seal_key_new(bytes);
	fleet = fleet_new(key, 1000);
	feed = feed_start(fleet, &followers, seal, 1000, &err);
	must(feed != NULL);
}

static int setup(void **state)
{
	(void)state;
	err = (struct err){0};
	pg_fresh(uri);
	key = digest_key_new("key", 3);
	db = db_open(&where, &err);
	must(db != NULL);
	follow(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	feed_stop(&feed);
	fleet_free(&fleet);
	digest_key_free(&key);
	seal_key_free(&seal);
	db_close(&db);
	return 0;
}

/* ---- writes, as the engine frames them ---- */

static void begin(void)
{
	must(db_begin(db, &err));
}

/* Until the snapshot shows it. */
static void end(enum change_kind kind, int64_t id)
{
	int64_t pos = 0;
	must(store_change(db, kind, &id, 1, true, &pos, &err) && db_commit(db, &err));
	followed++;
	if (!feed_wait(feed, pos, FOLLOW_MS)) {
		late++;
		assert_true(feed_wait(feed, pos, WAIT_MS));
	}
}

static struct product product(const char *name, const char *board)
{
	struct product p = {.board_count = *board != '\0'};
	text_copy(p.key, sizeof p.key, name);
	text_copy(p.boards[0], sizeof p.boards[0], board);
	return p;
}

static int64_t make(const char *name, const char *board)
{
	struct product p = product(name, board);
	begin();
	must(store_product_create(db, &p, &err));
	end(CHANGE_PRODUCT, p.id);
	return p.id;
}

static void set_gateway(int64_t id, const char *endpoint, const char *signature)
{
	scoped(secret_clear) struct secret s = {0};
	struct gateway g = {.product_id = id};
	text_copy(g.endpoint, sizeof g.endpoint, endpoint);
	assert_true(secret_set(&s, signature));
	begin();
	must(store_gateway_put(db, seal, &g, &s, 0, &err));
	end(CHANGE_PRODUCT, id);
}

static bool put_voice(struct voice *v, const char *token, int64_t rev)
{
	scoped(secret_clear) struct secret s = {0};
	assert_true(secret_set(&s, token));
	begin();
	return store_voice_put(db, seal, v, &s, rev, &err);
}

static void set_voice(int64_t id, enum voice_mqtt mqtt, const char *url, const char *token)
{
	struct voice v = {.product_id = id, .mqtt = mqtt, .ws_version = *url ? 3 : 0};
	text_copy(v.ws_url, sizeof v.ws_url, url);
	must(put_voice(&v, token, 0));
	end(CHANGE_PRODUCT, id);
}

/* ---- what the snapshot shows ---- */

static int64_t of_board(const char *board)
{
	fleet_read(fleet);
	const struct fleet_product *p = fleet_product_of_board(fleet, board, "");
	int64_t id = p ? p->id : 0;
	fleet_done(fleet);
	return id;
}

static void assert_voice(int64_t id, enum voice_mqtt mqtt, const char *endpoint, const char *url, const char *token)
{
	fleet_read(fleet);
	const struct fleet_product *p = fleet_product(fleet, id);
	assert_non_null(p);
	assert_int_equal(p->voice.mqtt, mqtt);
	assert_string_equal(p->voice.endpoint, endpoint);
	assert_int_equal(p->voice.gateway_key != NULL, mqtt == VOICE_GATEWAY);
	assert_string_equal(p->voice.ws_url, url);
	assert_string_equal(p->voice.ws_token, token);
	assert_int_equal(p->voice.ws_version, *url ? 3 : 0);
	fleet_done(fleet);
}

/* ---- products ---- */

static void what_is_written_comes_back_and_is_followed(void **state)
{
	(void)state;
	struct product p = {.key = "lamp",
			    .auto_register = true,
			    .identity = IDENTITY_PINNED,
			    .unbound_updates = true,
			    .boards = {"bread, \"compact\" {1}\\", "NULL", "\xe9\x9d\xa2"},
			    .board_count = 3,
			    .partitions = {"assets"},
			    .partition_count = 1};
	struct product written = p;
	struct product read;
	begin();
	must(store_product_create(db, &written, &err));
	end(CHANGE_PRODUCT, written.id);
	must(store_product_get(db, written.id, &read, &err));
	assert_int_equal(read.board_count, 3);
	assert_memory_equal(read.boards, p.boards, sizeof p.boards);
	assert_int_equal(read.partition_count, 1);
	assert_memory_equal(read.partitions, p.partitions, sizeof p.partitions);
	assert_true(read.unbound_updates && read.auto_register);
	assert_true(read.auto_register_max == AUTO_REGISTER_DEFAULT && read.registered == 0);
	assert_int_equal(of_board("bread, \"compact\" {1}\\"), read.id);
	assert_int_equal(of_board("NULL"), read.id);
	fleet_read(fleet);
	const struct fleet_product *own = fleet_product(fleet, read.id);
	assert_true(own->unbound_updates && own->identity == IDENTITY_PINNED && own->partition_count == 1);
	assert_string_equal(own->partitions[0], "assets");
	fleet_done(fleet);
	read.auto_register_max = 7;
	read.board_count = 0;
	read.unbound_updates = false;
	begin();
	must(store_product_update(db, &read, read.rev, &err));
	end(CHANGE_PRODUCT, read.id);
	assert_int_equal(of_board("NULL"), 0);
	assert_int_equal(of_board("lamp"), read.id);
	fleet_read(fleet);
	assert_int_equal(fleet_product(fleet, read.id)->auto_register_max, 7);
	fleet_done(fleet);
	begin();
	must(store_product_delete(db, read.id, &err));
	end(CHANGE_PRODUCT, read.id);
	assert_int_equal(of_board("lamp"), 0);
}

static void a_full_load_has_as_many_as_there_are(void **state)
{
	(void)state;
	pg_run(uri, "INSERT INTO products (key, boards) SELECT 'p' || i, ARRAY['b' || i] FROM generate_series(1, 6000) i");
	follow(1);
	int64_t last = pg_number(uri, "SELECT max(id) FROM products");
	assert_int_equal(of_board("b6000"), last);
	assert_int_equal(of_board("p1"), pg_number(uri, "SELECT min(id) FROM products"));
}

static void a_board_is_one_product_s_only(void **state)
{
	(void)state;
	static const struct {
		const char *name, *board, *words;
	} cases[] = {
		{"bulb", "bread", "the board \"bread\" is of the product \"lamp\" already"},
		{"bulb", "lamp", "the board \"lamp\" is of the product \"lamp\" already"}, /* its key */
		{"bread", "", "the board \"bread\" is of the product \"lamp\" already"},   /* a key that is its board */
		{"lamp", "", "there is a product with the key \"lamp\" already"},
	};
	int64_t lamp = make("lamp", "bread");
	int64_t torch = make("torch", "");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct product p = product(cases[i].name, cases[i].board);
		begin();
		assert_refused(store_product_create(db, &p, &err), ERR_EXISTS, cases[i].words);
		p.id = torch;
		begin();
		assert_refused(store_product_update(db, &p, 0, &err), ERR_EXISTS, cases[i].words);
	}
	struct product same = product("lamp", "bread"); /* its own are no clash */
	same.id = lamp;
	begin();
	must(store_product_update(db, &same, 0, &err));
	end(CHANGE_PRODUCT, lamp);
	assert_int_equal(of_board("bread"), lamp);
}

struct racer {
	pthread_t thread;
	int n;
	bool won;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct err why = {0};
	struct db *own = db_open(&where, &why);
	char name[16];
	snprintf(name, sizeof name, "p%d", r->n);
	struct product p = product(name, "bread");
	r->won = own && db_begin(own, &why) && store_product_create(own, &p, &why) && db_commit(own, &why);
	if (own && !r->won) {
		db_rollback(own);
	}
	db_close(&own);
	return NULL;
}

static void of_two_who_claim_a_board_at_once_one_gets_it(void **state)
{
	(void)state;
	enum { RACERS = 6 };
	struct racer racers[RACERS] = {{0}};
	int won = 0;
	for (int i = 0; i < RACERS; i++) {
		racers[i].n = i;
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		won += racers[i].won;
	}
	assert_int_equal(won, 1);
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM products"), 1);
}

/* ---- voices ---- */

static void a_voice_is_sealed_and_followed(void **state)
{
	(void)state;
	int64_t lamp = make("lamp", "");
	assert_voice(lamp, VOICE_OWN, "", "", "");
	set_gateway(lamp, "mqtt.example.com:1883", "the signature key");
	assert_voice(lamp, VOICE_OWN, "", "", ""); /* a gateway that no voice goes by */
	set_voice(lamp, VOICE_GATEWAY, "wss://voice.example.com/", "the token of voice");
	assert_voice(lamp, VOICE_GATEWAY, "mqtt.example.com:1883", "wss://voice.example.com/", "the token of voice");
	assert_int_equal(
		pg_number(uri,
			  "SELECT count(*) FROM voices v WHERE position('token'::bytea IN ws_token) > 0 OR v::text LIKE '%746f6b656e%'"),
		0);
	set_gateway(lamp, "other.example.com", "another key");
	assert_voice(lamp, VOICE_GATEWAY, "other.example.com", "wss://voice.example.com/", "the token of voice");
	set_voice(lamp, VOICE_NONE, "ws://voice", "");
	assert_voice(lamp, VOICE_NONE, "", "ws://voice", "");
	begin();
	must(store_voice_delete(db, lamp, 0, &err));
	end(CHANGE_PRODUCT, lamp);
	assert_voice(lamp, VOICE_OWN, "", "", "");
}

static void a_revision_is_asked_for_and_what_is_not_there_is_said(void **state)
{
	(void)state;
	int64_t lamp = make("lamp", "");
	struct voice v = {.product_id = lamp};
	struct voice none = {.product_id = 999};
	assert_refused(store_voice_get(db, lamp, &v, &err), ERR_NOT_FOUND, "no voice is said");
	assert_refused(put_voice(&none, "", 0), ERR_NOT_FOUND, "there is no product 999");
	v = (struct voice){.product_id = lamp, .ws_url = "ws://voice", .ws_version = 1};
	must(put_voice(&v, "token", 0));
	end(CHANGE_PRODUCT, lamp);
	assert_true(v.rev == 1 && v.ws_token_set && v.ws_version == 1 && v.created_ms > 0);
	assert_refused(put_voice(&v, "token", 7), ERR_CONFLICT, "changed by someone else");
	must(put_voice(&v, "", 1));
	end(CHANGE_PRODUCT, lamp);
	assert_true(v.rev == 2 && !v.ws_token_set);
	begin();
	assert_refused(store_voice_delete(db, lamp, 1, &err), ERR_CONFLICT, "changed by someone else");
	begin();
	must(store_voice_delete(db, lamp, 2, &err));
	end(CHANGE_PRODUCT, lamp);
	begin();
	assert_refused(store_voice_delete(db, lamp, 0, &err), ERR_NOT_FOUND, "no voice is said");
}

static void a_gateway_that_a_voice_goes_by_is_there_and_stays(void **state)
{
	(void)state;
	int64_t lamp = make("lamp", "");
	struct voice v = {.product_id = lamp, .mqtt = VOICE_GATEWAY};
	assert_refused(put_voice(&v, "", 0), ERR_CONFLICT, "has no gateway");
	set_gateway(lamp, "mqtt.example.com", "the signature key");
	set_voice(lamp, VOICE_GATEWAY, "", "");
	begin();
	assert_refused(store_gateway_delete(db, lamp, 0, &err), ERR_CONFLICT, "use this gateway by its voice");
	assert_voice(lamp, VOICE_GATEWAY, "mqtt.example.com", "", "");
	begin();
	must(store_product_delete(db, lamp, &err)); /* both go along */
	end(CHANGE_PRODUCT, lamp);
	assert_int_equal(pg_number(uri, "SELECT (SELECT count(*) FROM voices) + (SELECT count(*) FROM gateways)"), 0);
}

static void a_secret_that_does_not_open_costs_its_product_only_that(void **state)
{
	(void)state;
	int64_t lamp = make("lamp", "bread");
	int64_t bulb = make("bulb", "");
	set_gateway(lamp, "mqtt.example.com", "the signature key");
	set_voice(lamp, VOICE_GATEWAY, "ws://voice", "the token");
	set_gateway(bulb, "mqtt.example.com", "the signature key");
	set_voice(bulb, VOICE_GATEWAY, "ws://voice", "");
	pg_run(uri, "UPDATE gateways SET key_sealed = (SELECT key_sealed FROM gateways ORDER BY product_id LIMIT 1)");
	follow(1);
	assert_voice(lamp, VOICE_GATEWAY, "mqtt.example.com", "ws://voice", "the token");
	assert_voice(bulb, VOICE_NONE, "", "ws://voice", ""); /* another product's key */
	follow(2);                                            /* another master key */
	assert_voice(lamp, VOICE_NONE, "", "", "");
	assert_voice(bulb, VOICE_NONE, "", "ws://voice", "");
	assert_int_equal(of_board("bread"), lamp);
}

/* ---- forced fixes ---- */

static bool is_forced(const char *version, const char *board)
{
	fleet_read(fleet);
	bool is = fleet_is_forced_fix(fleet, version, "", board);
	fleet_done(fleet);
	return is;
}

static void forced_fixes_are_followed(void **state)
{
	(void)state;
	struct fix fix = {.from_version = "1.0.1", .board = "lamp"};
	struct fix read;
	assert_true(is_forced("0.9.8", "bread-compact-wifi")); /* comes with the schema */
	assert_false(is_forced("1.0.1", "lamp"));
	begin();
	must(store_fix_create(db, &fix, &err));
	end(CHANGE_FIX, fix.id);
	assert_true(is_forced("1.0.1", "lamp"));
	must(store_fix_get(db, fix.id, &read, &err));
	assert_string_equal(read.from_version, "1.0.1");
	assert_string_equal(read.board, "lamp");
	begin();
	assert_refused(store_fix_create(db, &read, &err), ERR_EXISTS, "version \"1.0.1\" on board \"lamp\" already");
	scoped_free struct fix *rows = NULL;
	size_t count = 0;
	must(store_fix_list(db, &(struct page){.limit = 10}, &rows, &count, &err));
	assert_int_equal(count, 2);
	assert_string_equal(rows[0].board, "bread-*");
	for (size_t i = 0; i < count; i++) {
		begin();
		must(store_fix_delete(db, rows[i].id, &read, &err));
		end(CHANGE_FIX, rows[i].id);
	}
	assert_string_equal(read.board, "lamp");
	assert_false(is_forced("0.9.8", "bread-compact-wifi") || is_forced("1.0.1", "lamp"));
	assert_refused(store_fix_get(db, fix.id, &read, &err), ERR_NOT_FOUND, "no forced fix");
	begin();
	assert_refused(store_fix_delete(db, fix.id, &read, &err), ERR_NOT_FOUND, "no forced fix");
}

static void there_are_at_most_so_many_fixes(void **state)
{
	(void)state;
	struct fix fix = {.from_version = "1", .board = "one more"};
	pg_run(uri, "INSERT INTO forced_fixes (from_version, board) SELECT '1', 'b' || i FROM generate_series(2, 200) i");
	begin();
	assert_refused(store_fix_create(db, &fix, &err), ERR_CONFLICT, "there are 200 forced fixes already");
}

static void a_change_shows_within_a_second(void **state)
{
	(void)state;
	assert_in_range(late, 0, LATE_MAX);
	assert_in_range(followed, 20, 1000); /* by the tests before */
}

int main(void)
{
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(what_is_written_comes_back_and_is_followed),
		WITH(a_full_load_has_as_many_as_there_are),
		WITH(a_board_is_one_product_s_only),
		WITH(of_two_who_claim_a_board_at_once_one_gets_it),
		WITH(a_voice_is_sealed_and_followed),
		WITH(a_revision_is_asked_for_and_what_is_not_there_is_said),
		WITH(a_gateway_that_a_voice_goes_by_is_there_and_stays),
		WITH(a_secret_that_does_not_open_costs_its_product_only_that),
		WITH(forced_fixes_are_followed),
		WITH(there_are_at_most_so_many_fixes),
		cmocka_unit_test(a_change_shows_within_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
