#include "store/migrate.h"

#include <stdlib.h>

#include "common/err.h"
#include "common/log.h"
#include "migrations.h"
#include "store/sql.h"

/* sql/0001_init.sql -> 1 */
static int number_of(const struct embedded *m)
{
	return (int)strtol(m->name, NULL, 10);
}

static int newest_known(void)
{
	int newest = 0;
	for (const struct embedded *m = migrations; m->name; m++) {
		newest = number_of(m);
	}
	return newest;
}

static const struct sql has_table = {"schema_has", "SELECT to_regclass('public.schema_migrations') IS NOT NULL"};
static const struct sql version = {"schema_version", "SELECT coalesce(max(number), 0) FROM schema_migrations"};
static const struct sql record = {"schema_record", "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)"};

static bool current(struct db *db, int64_t *out, struct err *err)
{
	*out = 0;
	scoped_result PGresult *has = sql_query(db, &has_table, NULL, err);
	if (!has) {
		return false;
	}
	if (!sql_get_bool(has, 0, 0)) {
		return true;
	}
	scoped_result PGresult *r = sql_query(db, &version, NULL, err);
	if (!r) {
		return false;
	}
	*out = sql_get_i64(r, 0, 0);
	return true;
}

static bool refuse_newer(int64_t now, struct err *err)
{
	if (now > newest_known()) {
		return err_set(err, ERR_CONFLICT,
			       "the database has schema %lld, this program knows %d: run a newer otad, or restore a backup", (long long)now,
			       newest_known());
	}
	return true;
}

static bool apply(struct db *db, const struct embedded *m, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, number_of(m));
	sql_text(&a, m->name);
	if (!db_begin(db, err)) {
		return false;
	}
	if (!sql_exec(db, m->text, err) || !sql_run(db, &record, &a, err) || !db_commit(db, err)) {
		db_rollback(db);
		return err_prefix(err, "migration %s", m->name);
	}
	log_info("migrated", LOG_S("migration", m->name));
	return true;
}

static bool apply_missing(struct db *db, int *applied, struct err *err)
{
	int64_t now;
	if (!sql_exec(db,
		      "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT NULL,"
		      " at timestamptz NOT NULL DEFAULT now())",
		      err) ||
	    !current(db, &now, err) || !refuse_newer(now, err)) {
		return false;
	}
	for (const struct embedded *m = migrations; m->name; m++) {
		if (number_of(m) > now) {
			if (!apply(db, m, err)) {
				return false;
			}
			(*applied)++;
		}
	}
	return true;
}

bool store_migrate(struct db *db, int *applied, struct err *err)
{
	*applied = 0;
	/* waiting for another replica's migration may take longer than a statement may */
	if (!sql_exec(db, "SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock(7305420)", err)) {
		return false;
	}
	bool ok = apply_missing(db, applied, err);
	sql_exec(db, "SELECT pg_advisory_unlock(7305420)", NULL);
	return ok;
}

bool store_schema_check(struct db *db, struct err *err)
{
	int64_t now;
	if (!current(db, &now, err) || !refuse_newer(now, err)) {
		return false;
	}
	if (now < newest_known()) {
		return err_set(err, ERR_CONFLICT, "the database has schema %lld, this program needs %d: run 'otad migrate'", (long long)now,
			       newest_known());
	}
	return true;
}
