/* Logins, idempotency keys, and a connection that dies. */
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
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "engine/admin.h"
#include "engine/throttle.h"
#include "pg.h"
#include "store/feed.h"
#include "store/operator.h"

/* ---- login ---- */

static void make_operator(const char *name, const char *password)
{
	struct err err = {0};
	struct operator_row row = {.role = ROLE_OPERATOR};
	snprintf(row.name, sizeof row.name, "%s", name);
	assert_true(digest_password_hash(password, row.password_hash));
	assert_true(store_operator_create(worker.db, &row, &err));
	assert_err(store_operator_create(worker.db, &row, &err), &err, ERR_EXISTS, name);
}

static void copy_token(void *ctx, const struct token_row *row)
{
	*(struct token_row *)ctx = *row;
}

static void a_login_gives_a_token_that_is_stored_as_its_hash(void **state)
{
	(void)state;
	struct err err = {0};
	char token[64];
	uint8_t hash[32];
	make_operator("alice", "long enough");
	assert_true(admin_login(&engine, &worker, &alice, "long enough", token, &err));
	assert_int_equal(strlen(token), OPERATOR_TOKEN_SIZE - 1);
	assert_memory_equal(token, "otad_", 5);
	store_token_hash(token, hash);
	struct token_row found = {0};
	struct load load = {.ctx = &found};
	assert_true(store_load_tokens(worker.db, &load, copy_token, &err));
	assert_memory_equal(found.hash, hash, sizeof hash);
	assert_int_equal(found.role, ROLE_OPERATOR);
	assert_string_equal(found.name, "alice");
	assert_number(
		"SELECT count(*) FROM tokens WHERE expires_at BETWEEN now() + interval '59 minutes' AND now() + interval '61 minutes'", 1);
	assert_number("SELECT count(*) FROM changes WHERE kind = 'token' AND ids = '{1}'", 1);
	assert_number("SELECT count(*) FROM audit WHERE action = 'user.login' AND target = 'user/alice'", 1);
}

static void a_wrong_login_says_which_part_is_wrong(void **state)
{
	(void)state;
	struct err err = {0};
	char token[64];
	make_operator("alice", "long enough");
	const struct actor bob = {.name = "bob", .address = "192.0.2.2"};
	assert_err(admin_login(&engine, &worker, &alice, "wrong", token, &err), &err, ERR_DENIED, "password");
	assert_err(admin_login(&engine, &worker, &bob, "wrong", token, &err), &err, ERR_NOT_FOUND, "no such user");
	assert_true(store_operator_set_disabled(worker.db, 1, true, &err));
	assert_err(admin_login(&engine, &worker, &alice, "long enough", token, &err), &err, ERR_DENIED, "disabled");
	assert_number("SELECT count(*) FROM tokens", 0);
}

static void the_eleventh_failure_of_an_address_waits(void **state)
{
	(void)state;
	struct err err = {0};
	char token[64];
	make_operator("alice", "long enough");
	struct actor stranger = {.name = "nobody", .address = "198.51.100.7"};
	for (int i = 0; i < THROTTLE_FAILURES; i++) {
		assert_err(admin_login(&engine, &worker, &stranger, "wrong", token, &err), &err, ERR_NOT_FOUND, "");
	}
	assert_err(admin_login(&engine, &worker, &stranger, "wrong", token, &err), &err, ERR_BUSY, "wait");
	snprintf(stranger.name, sizeof stranger.name, "alice");
	assert_err(admin_login(&engine, &worker, &stranger, "long enough", token, &err), &err, ERR_BUSY, "wait");
	assert_true(admin_login(&engine, &worker, &alice, "long enough", token, &err)); /* from elsewhere */
}

static void a_new_password_ends_the_sessions_but_not_the_named_tokens(void **state)
{
	(void)state;
	struct err err = {0};
	char token[64];
	make_operator("alice", "long enough");
	struct operator_token named = {.operator_id = 1, .label = "ci"};
	assert_true(admin_login(&engine, &worker, &alice, "long enough", token, &err));
	assert_true(store_token_create(worker.db, &named, 0, token, &err));
	assert_true(store_operator_set_password(worker.db, 1, "scrypt$1$8$1$00$00", &err));
	assert_number("SELECT count(*) FROM tokens WHERE revoked_at IS NULL", 1);
	assert_number("SELECT count(*) FROM tokens WHERE revoked_at IS NULL AND label = 'ci' AND expires_at IS NULL", 1);
	int64_t owner = 0;
	assert_true(store_token_revoke(worker.db, named.id, &owner, &err));
	assert_int_equal(owner, 1);
	assert_err(store_token_revoke(worker.db, 99, &owner, &err), &err, ERR_NOT_FOUND, "99");
}

/* ---- idempotency ---- */

static void a_key_has_one_request_and_one_answer(void **state)
{
	(void)state;
	struct err err = {0};
	struct idempotency one = {.actor = "alice", .key = "k", .request = {1}};
	assert_true(admin_idempotency_find(&engine, &worker, &one, &err));
	assert_int_equal(one.status, 0);
	struct idempotency again = {.actor = "alice", .key = "k", .request = {1}};
	assert_err(admin_idempotency_find(&engine, &worker, &again, &err), &err, ERR_CONFLICT, "still running");
	char body[] = "{\"id\":1}";
	one.status = 201;
	one.body = body;
	assert_true(admin_idempotency_store(&engine, &worker, &one, &err));
	assert_true(admin_idempotency_find(&engine, &worker, &again, &err));
	assert_int_equal(again.status, 201);
	assert_string_equal(again.body, body);
	free(again.body);
	pg_run(uri, "UPDATE idempotency SET at = now() - interval '23 hours'");
	assert_true(admin_idempotency_find(&engine, &worker, &again, &err));
	assert_int_equal(again.status, 201);
	free(again.body);
	struct idempotency other = {.actor = "alice", .key = "k", .request = {2}};
	assert_err(admin_idempotency_find(&engine, &worker, &other, &err), &err, ERR_CONFLICT, "another request");
	other.actor = "bob"; /* keys are each actor's own */
	assert_true(admin_idempotency_find(&engine, &worker, &other, &err));
	assert_int_equal(other.status, 0);
}

static void a_key_is_free_again_after_a_failure_a_crash_or_a_day(void **state)
{
	(void)state;
	struct err err = {0};
	struct idempotency one = {.actor = "alice", .key = "k", .request = {1}};
	struct idempotency other = {.actor = "alice", .key = "k", .request = {2}};
	assert_true(admin_idempotency_find(&engine, &worker, &one, &err));
	assert_true(admin_idempotency_drop(&worker, &one, &err));
	assert_true(admin_idempotency_find(&engine, &worker, &other, &err));
	pg_run(uri, "UPDATE idempotency SET at = now() - interval '2 minutes'"); /* whoever held it died */
	assert_true(admin_idempotency_find(&engine, &worker, &one, &err));
	one.status = 201;
	one.body = (char[]){""};
	assert_true(admin_idempotency_store(&engine, &worker, &one, &err));
	pg_run(uri, "UPDATE idempotency SET at = now() - interval '25 hours'");
	assert_true(admin_idempotency_find(&engine, &worker, &other, &err));
	assert_int_equal(other.status, 0);
}

/* ---- the neighbour falls ---- */

static void the_connection_is_found_dead_and_replaced(void **state)
{
	(void)state;
	struct err err = {0};
	struct product p;
	int64_t id = make_product("lamp");
	pg_down();
	assert_err(admin_product_get(&worker, id, &p, &err), &err, ERR_UNAVAILABLE, "database");
	pg_up();
	assert_true(admin_product_get(&worker, id, &p, &err));
	pg_down();
	pg_up();
	make_product("bulb"); /* a write notices on its own */
	pg_down();
	pg_up();
	assert_true(admin_product_get(&worker, id, &p, &err)); /* and so does a read */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, admin_scene_setup, admin_scene_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_login_gives_a_token_that_is_stored_as_its_hash),
		TEST(a_wrong_login_says_which_part_is_wrong),
		TEST(the_eleventh_failure_of_an_address_waits),
		TEST(a_new_password_ends_the_sessions_but_not_the_named_tokens),
		TEST(a_key_has_one_request_and_one_answer),
		TEST(a_key_is_free_again_after_a_failure_a_crash_or_a_day),
		TEST(the_connection_is_found_dead_and_replaced),
	};
	return cmocka_run_group_tests(tests, admin_scene_start, NULL);
}
