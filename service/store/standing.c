#include "store/standing.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "model/listing.h"
#include "store/rows.h"
#include "store/sql.h"

static bool none(int64_t id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no active rollout %" PRId64, id);
}

/* --- orders --- */

bool store_standing_prepare(struct db *db, int64_t product_id, int64_t firmware_id, struct firmware *out, struct err *err)
{
	static const struct sql product = {"standing_product", "SELECT 1 FROM products WHERE id = $1 FOR NO KEY UPDATE"};
	static const struct sql firmware = {"standing_firmware",
					    "SELECT " FIRMWARE_COLUMNS " FROM firmware f LEFT JOIN artifacts a USING (sha256)"
					    " WHERE f.id = $1 AND f.deleted_at IS NULL FOR KEY SHARE OF f"};
	struct sql_args of_product = {0};
	struct sql_args of_firmware = {0};
	sql_i64(&of_product, product_id);
	sql_i64(&of_firmware, firmware_id);
	scoped_result PGresult *p = sql_query(db, &product, &of_product, err);
	if (!p) {
		return false;
	}
	if (PQntuples(p) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no product %" PRId64, product_id);
	}
	scoped_result PGresult *f = sql_query(db, &firmware, &of_firmware, err);
	if (!f) {
		return false;
	}
	if (PQntuples(f) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no firmware %" PRId64, firmware_id);
	}
	rows_firmware(f, 0, out);
	return out->product_id == product_id ||
	       err_set(err, ERR_INVALID, "firmware %" PRId64 " belongs to product %" PRId64 ", not to %" PRId64, firmware_id,
		       out->product_id, product_id);
}

bool store_standing_present(struct db *db, int64_t product_id, const char *component, struct rollout *out, struct err *err)
{
	static const struct sql select = {"standing_present",
					  "SELECT " ROLLOUT_COLUMNS " FROM rollouts r WHERE r.product_id = $1 AND r.component = $2"
					  " AND r.way = 'standing' AND NOT r.ranked AND r.ended_at IS NULL FOR UPDATE"};
	struct sql_args a = {0};
	sql_i64(&a, product_id);
	sql_text(&a, component);
	*out = (struct rollout){0};
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (r && PQntuples(r)) {
		rows_rollout(r, 0, out);
	}
	return r != NULL;
}

bool store_standing_lock(struct db *db, int64_t rollout_id, struct rollout *out, struct err *err)
{
	static const struct sql select = {"standing_lock", "SELECT " ROLLOUT_COLUMNS " FROM rollouts r WHERE r.id = $1"
							   " AND r.way = 'standing' AND r.ended_at IS NULL FOR UPDATE"};
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(rollout_id, err);
	}
	rows_rollout(r, 0, out);
	return true;
}

bool store_standing_insert(struct db *db, struct rollout *inout, const char *created_by, struct err *err)
{
	static const struct sql insert = {
		"standing_insert",
		"INSERT INTO rollouts (kind, way, product_id, firmware_id, component, version_name, description, created_by, created_at)"
		" VALUES ('standing', 'standing', $1, $2, $3, $4, $5, $6, " SQL_TIME("$7::bigint") ") RETURNING id"};
	struct sql_args a = {0};
	sql_i64(&a, inout->product_id);
	sql_i64(&a, inout->firmware_id);
	sql_text(&a, inout->component);
	sql_text_or_null(&a, inout->version_name);
	sql_text(&a, inout->description);
	sql_text(&a, created_by);
	sql_i64(&a, inout->created_ms);
	return sql_run_i64(db, &insert, &a, &inout->id, err);
}

/* --- its tasks --- */

bool store_standing_tasks(struct db *db, int64_t rollout_id, int64_t after, size_t max, struct task **out, size_t *count, struct err *err)
{
	static const struct sql select = {"standing_tasks", "SELECT " TASK_COLUMNS
							    " FROM tasks t WHERE t.rollout_id = $1 AND t.id > $2 AND t.way = 'standing'"
							    " AND t.ended_at IS NULL ORDER BY t.id LIMIT $3 FOR UPDATE"};
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	sql_i64(&a, after);
	sql_i64(&a, (int64_t)max);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		rows_task(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

bool store_standing_adopt(struct db *db, const int64_t *tasks, size_t n, int64_t to, struct err *err)
{
	static const struct sql update = {"standing_adopt",
					  "UPDATE tasks SET rollout_id = $2, offers = 1, rev = rev + 1 WHERE id = ANY($1::bigint[])"};
	struct sql_args a = {0};
	scoped_list struct sql_list list;
	sql_list_ids(&list, tasks, n);
	sql_array(&a, &list);
	sql_i64(&a, to);
	return sql_run(db, &update, &a, err);
}

bool store_standing_hold(struct db *db, const int64_t *rollouts, size_t n, int64_t *out, size_t *count, struct err *err)
{
	static const struct sql select = {"standing_hold", "SELECT id FROM rollouts WHERE id = ANY($1::bigint[]) AND ended_at IS NULL"
							   " ORDER BY id FOR SHARE"};
	struct sql_args a = {0};
	scoped_list struct sql_list list;
	sql_list_ids(&list, rollouts, n);
	sql_array(&a, &list);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*count = r ? (size_t)PQntuples(r) : 0;
	for (size_t i = 0; i < *count; i++) {
		out[i] = sql_get_i64(r, (int)i, 0);
	}
	return r != NULL;
}

/* --- lists --- */

#define STANDING                                                                                                            \
	"SELECT " ROLLOUT_COLUMNS ", f.name, p.name, r.created_by FROM rollouts r JOIN firmware f ON f.id = r.firmware_id " \
	"JOIN products p ON p.id = r.product_id WHERE r.way = 'standing' AND r.ended_at IS NULL"

static void read_row(const PGresult *r, int row, struct standing_row *out)
{
	rows_rollout(r, row, &out->rollout);
	out->rollout.task_id = 0;
	sql_copy_text(r, row, ROLLOUT_COLUMN_COUNT, out->firmware_name, sizeof out->firmware_name);
	sql_copy_text(r, row, ROLLOUT_COLUMN_COUNT + 1, out->product_name, sizeof out->product_name);
	sql_copy_text(r, row, ROLLOUT_COLUMN_COUNT + 2, out->created_by, sizeof out->created_by);
}

bool store_standing_list(struct db *db, const struct page *page, struct standing_row **out, size_t *count, struct err *err)
{
	static const struct sql select = {
		"standing_list",
		STANDING " AND NOT r.ranked AND r.id > $1 AND ($3::bigint IS NULL OR r.product_id = $3) ORDER BY r.id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	sql_i64_or_null(&a, page->product_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_row(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

bool store_standing_get(struct db *db, int64_t rollout_id, struct standing_row *out, struct err *err)
{
	static const struct sql select = {"standing_get", STANDING " AND r.id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(rollout_id, err);
	}
	read_row(r, 0, out);
	return true;
}
