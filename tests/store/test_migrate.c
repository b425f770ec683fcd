/* The schema: applied once however many replicas start, refused when newer, and in step with the code. */
#include <glob.h>
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

#include "common/err.h"
#include "common/log.h"
#include "model/task.h"
#include "pg.h"
#include "store/db.h"
#include "store/migrate.h"

static char uri[PG_URI_SIZE];
static const struct db_config where = {.uri = uri, .name = "test"};
static struct db *db;

static int setup(void **state)
{
	(void)state;
	struct err err = {0};
	pg_empty(uri);
	db = db_open(&where, &err);
	return db ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	db_close(&db);
	return 0;
}

static int files(void)
{
	glob_t found;
	assert_int_equal(glob(PG_SQL_DIR "/[0-9]*.sql", 0, NULL, &found), 0);
	int n = (int)found.gl_pathc;
	globfree(&found);
	return n;
}

static int migrate(void)
{
	struct err err = {0};
	int applied = -1;
	if (!store_migrate(db, &applied, &err)) {
		fail_msg("%s", err.text);
	}
	return applied;
}

static void assert_refused(bool ok, const struct err *err, const char *part)
{
	assert_false(ok);
	assert_int_equal(err->kind, ERR_CONFLICT);
	assert_non_null(strstr(err->text, part));
}

static void every_migration_is_applied_once(void **state)
{
	(void)state;
	struct err err = {0};
	assert_int_equal(migrate(), files());
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM schema_migrations"), files());
	assert_int_equal(migrate(), 0);
	assert_true(store_schema_check(db, &err));
}

static void a_database_without_the_schema_says_what_to_run(void **state)
{
	(void)state;
	struct err err = {0};
	assert_refused(store_schema_check(db, &err), &err, "otad migrate");
	migrate();
	pg_run(uri, "DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations)");
	assert_refused(store_schema_check(db, &err), &err, "otad migrate");
}

static void a_newer_schema_is_refused(void **state)
{
	(void)state;
	struct err err = {0};
	int applied;
	migrate();
	pg_run(uri, "INSERT INTO schema_migrations (number, name) VALUES (9999, 'future')");
	assert_refused(store_schema_check(db, &err), &err, "9999");
	err = (struct err){0};
	assert_refused(store_migrate(db, &applied, &err), &err, "newer otad");
	assert_int_equal(applied, 0);
}

struct replica {
	pthread_t thread;
	bool ok;
	int applied;
	struct err err;
};

static void *start(void *arg)
{
	struct replica *r = arg;
	struct db *own = db_open(&where, &r->err);
	r->ok = own && store_migrate(own, &r->applied, &r->err);
	db_close(&own);
	return NULL;
}

static void replicas_that_start_at_once_migrate_once(void **state)
{
	(void)state;
	enum { REPLICAS = 4 };
	struct replica replicas[REPLICAS] = {0};
	int applied = 0;
	for (int i = 0; i < REPLICAS; i++) {
		assert_int_equal(pthread_create(&replicas[i].thread, NULL, start, &replicas[i]), 0);
	}
	for (int i = 0; i < REPLICAS; i++) {
		pthread_join(replicas[i].thread, NULL);
	}
	for (int i = 0; i < REPLICAS; i++) {
		if (!replicas[i].ok) {
			fail_msg("%s", replicas[i].err.text);
		}
		applied += replicas[i].applied;
	}
	assert_int_equal(applied, files());
}

static void a_migration_that_fails_leaves_nothing_and_can_be_repeated(void **state)
{
	(void)state;
	struct err err = {0};
	int applied;
	pg_run(uri, "CREATE TABLE tokens (id bigint)"); /* in the way of what comes late in the first one */
	assert_false(store_migrate(db, &applied, &err));
	assert_non_null(strstr(err.text, "0001"));
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM schema_migrations"), 0);
	assert_int_equal(
		pg_number(uri,
			  "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ('products', 'tasks')"),
		0);
	pg_run(uri, "DROP TABLE tokens");
	assert_int_equal(migrate(), files()); /* the lock is free, too */
}

/* --- in step with the code --- */

static void the_check_on_states_is_the_task_tables_list(void **state)
{
	(void)state;
	char sql[256];
	migrate();
	for (int i = 0; i < TASK_STATES; i++) {
		snprintf(sql, sizeof sql,
			 "SELECT count(*) FROM pg_constraint WHERE conname = 'tasks_state_check' AND pg_get_constraintdef(oid) LIKE "
			 "'%%''%s''%%'",
			 task_state_name((enum task_state)i));
		if (pg_number(uri, sql) != 1) {
			fail_msg("the database does not know %s", task_state_name((enum task_state)i));
		}
	}
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM pg_constraint, regexp_matches(pg_get_constraintdef(oid), '''[a-z_]+''', 'g')"
					" WHERE conname = 'tasks_state_check'"),
			 TASK_STATES);
}

static void the_services_role_works_on_rows_and_nothing_else(void **state)
{
	(void)state;
	pg_run(uri, "CREATE ROLE otad_service LOGIN");
	migrate();
	static const char *const may[] = {
		"has_table_privilege('otad_service', 'tasks', 'SELECT, INSERT, UPDATE, DELETE')",
		"has_table_privilege('otad_service', 'events', 'INSERT')",
		"has_table_privilege('otad_service', 'audit', 'INSERT')",
		"has_table_privilege('otad_service', 'schema_migrations', 'SELECT')",
		"has_function_privilege('otad_service', 'events_maintain(timestamptz)', 'EXECUTE')",
	};
	static const char *const may_not[] = {
		"has_table_privilege('otad_service', 'audit', 'UPDATE')",
		"has_table_privilege('otad_service', 'audit', 'DELETE')",
		"has_table_privilege('otad_service', 'events', 'UPDATE')",
		"has_table_privilege('otad_service', 'schema_migrations', 'INSERT')",
		"has_schema_privilege('otad_service', 'public', 'CREATE')",
		"has_table_privilege('otad_service', 'tasks', 'TRUNCATE')",
		"has_function_privilege('public', 'events_maintain(timestamptz)', 'EXECUTE')",
	};
	char sql[160];
	for (size_t i = 0; i < sizeof may / sizeof *may; i++) {
		snprintf(sql, sizeof sql, "SELECT (%s)::int", may[i]);
		if (pg_number(uri, sql) != 1) {
			fail_msg("may not: %s", may[i]);
		}
	}
	for (size_t i = 0; i < sizeof may_not / sizeof *may_not; i++) {
		snprintf(sql, sizeof sql, "SELECT (%s)::int", may_not[i]);
		if (pg_number(uri, sql) != 0) {
			fail_msg("may: %s", may_not[i]);
		}
	}
}

static void months_of_events_are_made_ahead_and_dropped_when_old(void **state)
{
	(void)state;
	migrate();
	pg_run(uri, "INSERT INTO events (task_id, at, event, from_state, to_state) VALUES (1, now() - interval '500 days', 'x', '', ''), "
		    "(2, now(), 'x', '', '');"
		    "CREATE TABLE events_202001 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');"
		    "SELECT events_maintain(now() - interval '400 days'); SELECT events_maintain(now() - interval '400 days')");
	assert_int_equal(pg_number(uri, "SELECT sum(task_id) FROM events"), 2);
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM pg_class WHERE relname = 'events_202001'"), 0);
	assert_int_equal(pg_number(uri,
				   "SELECT count(*) FROM pg_class WHERE relname ="
				   " 'events_' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYYMM')"),
			 1);
}

int main(void)
{
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_migration_is_applied_once),
		TEST(a_database_without_the_schema_says_what_to_run),
		TEST(a_newer_schema_is_refused),
		TEST(replicas_that_start_at_once_migrate_once),
		TEST(a_migration_that_fails_leaves_nothing_and_can_be_repeated),
		TEST(the_check_on_states_is_the_task_tables_list),
		TEST(the_services_role_works_on_rows_and_nothing_else),
		TEST(months_of_events_are_made_ahead_and_dropped_when_old),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
