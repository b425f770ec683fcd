#include "store/fix.h"

#include <inttypes.h>

#include "common/err.h"
#include "common/scoped.h"
#include "model/fix.h"
#include "model/listing.h"
#include "store/rows.h"

static bool none(int64_t id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no forced fix %" PRId64, id);
}

bool store_fix_create(struct db *db, struct fix *inout, struct err *err)
{
	static const struct sql insert = {"fix_insert", "INSERT INTO forced_fixes AS x (from_version, board) SELECT $1, $2 "
							"WHERE (SELECT count(*) FROM forced_fixes) < $3 RETURNING " FIX_COLUMNS};
	struct sql_args a = {0};
	struct err why = {0};
	sql_text(&a, inout->from_version);
	sql_text(&a, inout->board);
	sql_i64(&a, FIX_MAX);
	scoped_result PGresult *r = sql_query(db, &insert, &a, &why);
	if (!r && why.kind == ERR_EXISTS) {
		return err_set(err, ERR_EXISTS, "there is a forced fix of version \"%s\" on board \"%s\" already", inout->from_version,
			       inout->board);
	}
	if (!r) {
		return err_set(err, why.kind, "%s", why.text);
	}
	if (PQntuples(r) == 0) {
		return err_set(err, ERR_CONFLICT,
			       "there are %d forced fixes already, and each check looks at all of them; delete one first", FIX_MAX);
	}
	rows_fix(r, 0, inout);
	return true;
}

static bool read_one(struct db *db, const struct sql *stmt, int64_t id, struct fix *out, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, stmt, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(id, err);
	}
	rows_fix(r, 0, out);
	return true;
}

bool store_fix_delete(struct db *db, int64_t id, struct fix *gone, struct err *err)
{
	static const struct sql delete = {"fix_delete", "DELETE FROM forced_fixes x WHERE id = $1 RETURNING " FIX_COLUMNS};
	return read_one(db, &delete, id, gone, err);
}

bool store_fix_get(struct db *db, int64_t id, struct fix *out, struct err *err)
{
	static const struct sql select = {"fix_get", "SELECT " FIX_COLUMNS " FROM forced_fixes x WHERE id = $1"};
	return read_one(db, &select, id, out, err);
}

bool store_fix_list(struct db *db, const struct page *page, struct fix **out, size_t *count, struct err *err)
{
	static const struct sql select = {"fix_list", "SELECT " FIX_COLUMNS " FROM forced_fixes x WHERE id > $1 ORDER BY id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		rows_fix(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}
