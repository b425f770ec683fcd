#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "activation_scene.h"
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
#include "pg.h"
#include "store/db.h"
#include "work/pool.h"

struct worker worker;
struct engine engine;
struct config config;
char uri[PG_URI_SIZE];
static struct db_config where = {.uri = uri, .name = "test"};
const struct actor alice = {.name = "alice", .address = "192.0.2.1", .request = "0123456789abcdef"};
struct err err;
int64_t lamp;

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

void must(bool ok)
{
	if (!ok) {
		fail_msg("%s: %s", err_kind_name(err.kind), err.text);
	}
}

void assert_err(bool ok, enum err_kind kind, const char *part)
{
	assert_false(ok);
	if (err.kind != kind || !strstr(err.text, part)) {
		fail_msg("%s: %s", err_kind_name(err.kind), err.text);
	}
}

void assert_number(const char *sql, int64_t expected)
{
	assert_int_equal(pg_number(uri, sql), expected);
}

int64_t make_product(const char *key, enum identity_policy identity)
{
	struct product p = {.identity = identity};
	text_copy(p.key, sizeof p.key, key);
	must(admin_product_create(&engine, &worker, &alice, &p, &err));
	assert_int_equal(p.identity, identity);
	return p.id;
}

int activation_scene_setup(void **state)
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

int activation_scene_teardown(void **state)
{
	(void)state;
	db_close(&worker.db);
	seal_key_free(&engine.seal_key);
	teller_free(&engine.teller);
	fleet_free(&engine.fleet);
	digest_key_free(&engine.alias_key);
	return 0;
}

struct activation_facts facts_of(const char *mac, const char *uuid)
{
	struct activation_facts f = {.board_type = "bread-compact-ml307", .board_name = "bread-compact-ml307", .address = "198.51.100.7"};
	text_copy(f.mac, sizeof f.mac, mac);
	text_copy(f.client_uuid, sizeof f.client_uuid, uuid);
	return f;
}

struct activation begin(const char *mac, const char *uuid)
{
	struct activation a;
	struct activation_facts f = facts_of(mac, uuid);
	must(activation_begin(&engine, &worker, &f, &a, &err));
	return a;
}

bool confirm(const char *code, int64_t product, const char *nick, struct device *out)
{
	struct activation_confirmation c = {.code = code, .nick_name = nick, .product_id = product};
	return activation_confirm(&engine, &worker, &alice, &c, out, &err);
}
