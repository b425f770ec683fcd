#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin_scene.h"
#include "common/err.h"
#include "common/seal.h"
#include "config/config.h"
#include "engine/admin.h"
#include "engine/private.h"
#include "engine/teller.h"
#include "engine/throttle.h"
#include "pg.h"
#include "store/db.h"
#include "work/pool.h"

struct worker worker;
struct engine engine;
char uri[PG_URI_SIZE];
struct db_config where = {.uri = uri, .name = "test"};
int64_t settled;
const struct actor alice = {.name = "alice", .address = "192.0.2.1", .request = "0123456789abcdef"};

struct db *worker_db(struct worker *w, struct err *err)
{
	return db_revive(w->db, err) ? w->db : NULL;
}

void engine_log_audit(const struct actor *actor, const char *action, const char *target, const char *detail)
{
	(void)actor;
	(void)action;
	(void)target;
	(void)detail; /* the rows are looked at, not the log */
}

void engine_settle(struct engine *e, int64_t pos)
{
	(void)e;
	settled = pos;
}

int admin_scene_start(void **state)
{
	(void)state;
	static struct config config = {.login_ttl = INT64_C(3600000)};
	static const uint8_t key[32] = {1};
	atomic_store(&engine.config, &config);
	engine.seal_key = seal_key_new(key);
	engine.teller = teller_new();
	return 0;
}

int admin_scene_setup(void **state)
{
	(void)state;
	struct err err = {0};
	pg_fresh(uri);
	worker.db = db_open(&where, &err);
	throttle_reset();
	settled = 0;
	return worker.db ? 0 : -1;
}

int admin_scene_teardown(void **state)
{
	(void)state;
	db_close(&worker.db);
	return 0;
}

void assert_err(bool ok, const struct err *err, enum err_kind kind, const char *part)
{
	assert_false(ok);
	if (err->kind != kind || !strstr(err->text, part)) {
		fail_msg("%s: %s", err_kind_name(err->kind), err->text);
	}
}

void assert_number(const char *sql, int64_t expected)
{
	assert_int_equal(pg_number(uri, sql), expected);
}

int64_t make_product(const char *key)
{
	struct err err = {0};
	struct product p = {0};
	snprintf(p.key, sizeof p.key, "%s", key);
	if (!admin_product_create(&engine, &worker, &alice, &p, &err)) {
		fail_msg("%s", err.text);
	}
	return p.id;
}
