#include "store/object.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "model/nouns.h"
#include "store/sql.h"

bool store_object_put(struct db *db, const char *key, const struct artifact *artifact, const char *created_by, struct err *err)
{
	static const struct sql put = {"object_put", "INSERT INTO objects AS o (key, sha256, size, created_by) VALUES ($1, $2, $3, $4) "
						     "ON CONFLICT (key) DO UPDATE SET touched_at = now() WHERE o.sha256 = $2"};
	struct sql_args a = {0};
	struct err why = {0};
	sql_text(&a, key);
	sql_bytes(&a, artifact->sha256, sizeof artifact->sha256);
	sql_i64(&a, artifact->size);
	sql_text(&a, created_by);
	scoped_result PGresult *r = sql_query(db, &put, &a, &why);
	if (!r) {
		return why.kind == ERR_CONFLICT ? err_set(err, ERR_UNAVAILABLE, "the uploaded bytes are gone; upload them again")
						: err_set(err, why.kind, "%s", why.text);
	}
	return strcmp(PQcmdTuples(r), "1") == 0 || err_set(err, ERR_EXISTS, "there are other bytes with this key");
}

static bool read_one(struct db *db, const struct sql *stmt, const char *key, struct artifact *out, struct err *err)
{
	struct sql_args a = {0};
	sql_text(&a, key);
	scoped_result PGresult *r = sql_query(db, stmt, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "nothing has been uploaded as %s", key);
	}
	*out = (struct artifact){.size = sql_get_i64(r, 0, 2)};
	return (sql_get_bytes(r, 0, 0, out->sha256, sizeof out->sha256) && sql_get_bytes(r, 0, 1, out->md5, sizeof out->md5)) ||
	       err_set(err, ERR_INTERNAL, "database: digests of an odd length");
}

bool store_object_get(struct db *db, const char *key, struct artifact *out, struct err *err)
{
	static const struct sql get = {"object_get",
				       "SELECT a.sha256, a.md5, a.size FROM objects o JOIN artifacts a USING (sha256) WHERE o.key = $1"};
	return read_one(db, &get, key, out, err);
}

bool store_object_use(struct db *db, const char *key, struct artifact *out, struct err *err)
{
	static const struct sql use = {"object_use", "UPDATE objects o SET touched_at = now() FROM artifacts a "
						     "WHERE o.key = $1 AND a.sha256 = o.sha256 RETURNING a.sha256, a.md5, a.size"};
	return read_one(db, &use, key, out, err);
}

bool store_object_names(struct db *db, const char *url, const struct artifact *artifact, bool *out, struct err *err)
{
	static const struct sql names = {
		"object_names", "SELECT EXISTS (SELECT FROM objects o WHERE o.key = substring($1 from '/oss/(.*)$') AND o.sha256 = $2)"};
	struct sql_args a = {0};
	sql_text(&a, url);
	sql_bytes(&a, artifact->sha256, sizeof artifact->sha256);
	scoped_result PGresult *r = sql_query(db, &names, &a, err);
	*out = r && sql_get_bool(r, 0, 0);
	return r != NULL;
}

bool store_object_sweep(struct db *db, int64_t *count, struct err *err)
{
	/* FOR UPDATE looks again at a row that was touched meanwhile. */
	static const struct sql sweep = {
		"object_sweep", "DELETE FROM objects WHERE key IN (SELECT key FROM objects o WHERE touched_at < now() - interval '1 day' "
				"AND NOT EXISTS (SELECT FROM firmware f WHERE f.sha256 = o.sha256) "
				"AND NOT EXISTS (SELECT FROM firmware f WHERE f.url <> '' AND f.deleted_at IS NULL "
				"AND substring(f.url from '/oss/(.*)$') = o.key) LIMIT 16 FOR UPDATE SKIP LOCKED)"};
	scoped_result PGresult *r = sql_query(db, &sweep, NULL, err);
	if (!r) {
		return false;
	}
	*count = strtoll(PQcmdTuples(r), NULL, 10);
	return true;
}
