#include "store/firmware.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "model/listing.h"
#include "store/rows.h"
#include "store/sql.h"

#define FROM_LIVING " FROM firmware f LEFT JOIN artifacts a USING (sha256) WHERE f.deleted_at IS NULL"

static bool refuse(const struct firmware *firmware, const struct err *why, struct err *err)
{
	if (why->kind == ERR_EXISTS) {
		return err_set(err, ERR_EXISTS, "the product has a firmware with the name \"%s\" already", firmware->name);
	}
	if (why->kind == ERR_CONFLICT && strstr(why->text, "firmware_product_id_fkey")) {
		return err_set(err, ERR_NOT_FOUND, "there is no product %" PRId64, firmware->product_id);
	}
	if (why->kind == ERR_CONFLICT && strstr(why->text, "firmware_sha256_fkey")) {
		return err_set(err, ERR_UNAVAILABLE, "the uploaded bytes are gone; upload them again");
	}
	return err_set(err, why->kind, "%s", why->text);
}

static bool none(int64_t id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no firmware %" PRId64, id);
}

bool store_firmware_create(struct db *db, struct firmware *inout, const char *created_by, struct err *err)
{
	static const struct sql insert = {
		"firmware_insert",
		"INSERT INTO firmware (product_id, component, name, file_name, sha256, version, created_by, chip, project, "
		"image_version, idf_version, elf_sha256) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
		"RETURNING id, rev, " SQL_MS("created_at")};
	struct sql_args a = {0};
	struct err why = {0};
	if (!*inout->component) {
		text_copy(inout->component, sizeof inout->component, COMPONENT_DEFAULT);
	}
	sql_i64(&a, inout->product_id);
	sql_text(&a, inout->component);
	sql_text(&a, inout->name);
	sql_text(&a, inout->file_name);
	sql_bytes(&a, inout->artifact.sha256, sizeof inout->artifact.sha256);
	sql_text_or_null(&a, inout->version);
	sql_text(&a, created_by);
	rows_add_image(&a, &inout->image);
	scoped_result PGresult *r = sql_query(db, &insert, &a, &why);
	if (!r) {
		return refuse(inout, &why, err);
	}
	inout->id = sql_get_i64(r, 0, 0);
	inout->rev = sql_get_i64(r, 0, 1);
	inout->created_ms = sql_get_i64(r, 0, 2);
	return true;
}

bool store_firmware_check(struct db *db, int64_t product_id, const char *name, struct err *err)
{
	static const struct sql select = {"firmware_check",
					  "SELECT EXISTS (SELECT FROM products WHERE id = $1), "
					  "EXISTS (SELECT FROM firmware WHERE product_id = $1 AND name = $2 AND deleted_at IS NULL)"};
	struct sql_args a = {0};
	sql_i64(&a, product_id);
	sql_text(&a, name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r) {
		return false;
	}
	if (!sql_get_bool(r, 0, 0)) {
		return err_set(err, ERR_NOT_FOUND, "there is no product %" PRId64, product_id);
	}
	return !sql_get_bool(r, 0, 1) || err_set(err, ERR_EXISTS, "the product has a firmware with the name \"%s\" already", name);
}

/* Reads and locks it, so that no rollout begins meanwhile. */
static bool lock_firmware(struct db *db, int64_t id, struct firmware *out, struct err *err)
{
	static const struct sql lock = {"firmware_lock", "SELECT " FIRMWARE_COLUMNS FROM_LIVING " AND f.id = $1 FOR UPDATE OF f"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &lock, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(id, err);
	}
	rows_firmware(r, 0, out);
	return true;
}

static bool check_unused(struct db *db, int64_t id, struct err *err)
{
	static const struct sql use = {
		"firmware_use",
		"SELECT count(*), min(t.id), (SELECT name FROM devices WHERE id = (array_agg(t.device_id ORDER BY t.id))[1]), "
		"(SELECT count(*) FROM rollouts WHERE firmware_id = $1 AND ended_at IS NULL), "
		"(SELECT min(id) FROM rollouts WHERE firmware_id = $1 AND ended_at IS NULL), "
		"(SELECT way FROM rollouts WHERE firmware_id = $1 AND ended_at IS NULL ORDER BY id LIMIT 1) "
		"FROM (SELECT t.id, t.device_id FROM rollouts r JOIN tasks t ON t.device_id = r.device_id AND t.rollout_id = r.id "
		"AND t.ended_at IS NULL WHERE r.firmware_id = $1 AND r.ended_at IS NULL "
		/* of a standing one also when it was replaced: what had begun goes on */
		"UNION ALL SELECT t.id, t.device_id FROM rollouts r JOIN tasks t ON t.rollout_id = r.id AND t.way = 'standing' "
		"AND t.ended_at IS NULL WHERE r.firmware_id = $1 AND r.way = 'standing') t"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &use, &a, err);
	if (!r) {
		return false;
	}
	int64_t tasks = sql_get_i64(r, 0, 0);
	int64_t rollouts = sql_get_i64(r, 0, 3);
	if (tasks) {
		return err_set(err, ERR_CONFLICT, "the firmware is in use by task %" PRId64 " of device \"%s\" (live tasks: %" PRId64 ")",
			       sql_get_i64(r, 0, 1), sql_get_text(r, 0, 2), tasks);
	}
	if (rollouts) {
		return err_set(err, ERR_CONFLICT,
			       "the firmware is in use by %s %" PRId64 " (active rollouts: %" PRId64 "); delete them first",
			       strcmp(sql_get_text(r, 0, 5), "standing") == 0 ? "rollout" : "assignment", sql_get_i64(r, 0, 4), rollouts);
	}
	return true;
}

bool store_firmware_delete(struct db *db, int64_t id, struct firmware *out, struct err *err)
{
	static const struct sql update = {
		"firmware_delete",
		"UPDATE firmware SET deleted_at = now(), updated_at = now(), rev = rev + 1, sha256 = NULL WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	return lock_firmware(db, id, out, err) && check_unused(db, id, err) && sql_run(db, &update, &a, err);
}

bool store_firmware_get(struct db *db, int64_t id, struct firmware *out, struct err *err)
{
	static const struct sql select = {"firmware_get", "SELECT " FIRMWARE_COLUMNS FROM_LIVING " AND f.id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(id, err);
	}
	rows_firmware(r, 0, out);
	return true;
}

bool store_firmware_list(struct db *db, const struct page *page, struct firmware **out, size_t *count, struct err *err)
{
	static const struct sql select = {"firmware_list",
					  "SELECT " FIRMWARE_COLUMNS FROM_LIVING
					  " AND f.id > $1 AND ($3::bigint IS NULL OR f.product_id = $3) AND ($4 = '' OR f.name = $4) "
					  "AND NOT ($5 AND f.sha256 IS NULL) ORDER BY f.id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	sql_i64_or_null(&a, page->product_id);
	sql_text(&a, page->name);
	sql_bool(&a, page->held);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		rows_firmware(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}
