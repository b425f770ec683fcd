#include "store/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "model/file.h"
#include "model/listing.h"
#include "store/firmware.h"
#include "store/rows.h"
#include "store/sql.h"
#include "store/task.h"

#define FILES                                                                                                                           \
	"SELECT " FIRMWARE_COLUMNS ", r.id, r.stage, r.description, (SELECT max(m.place) FROM mac_ranges m WHERE m.rollout_id = r.id) " \
	"FROM firmware f LEFT JOIN artifacts a USING (sha256) "                                                                         \
	"JOIN rollouts r ON r.firmware_id = f.id AND r.ranked AND r.ended_at IS NULL WHERE f.url <> '' AND f.deleted_at IS NULL "

static void read_row(const PGresult *r, int row, struct file *out)
{
	rows_firmware(r, row, &out->firmware);
	out->object[0] = '\0';
	out->imported = false;
	out->rollout_id = sql_get_i64(r, row, FIRMWARE_COLUMN_COUNT);
	rollout_stage_parse(sql_get_text(r, row, FIRMWARE_COLUMN_COUNT + 1), &out->stage);
	sql_copy_text(r, row, FIRMWARE_COLUMN_COUNT + 2, out->description, sizeof out->description);
	out->range_count = sql_get_i64(r, row, FIRMWARE_COLUMN_COUNT + 3);
}

bool store_file_product(struct db *db, const char *key_or_id, int64_t *out, struct err *err)
{
	static const struct sql select = {
		"file_product",
		"SELECT id FROM products WHERE key = $1 OR ($1 ~ '^[0-9]{1,18}$' AND id = $2) ORDER BY key = $1 DESC LIMIT 1"};
	struct sql_args a = {0};
	sql_text(&a, key_or_id);
	sql_i64(&a, strtoll(key_or_id, NULL, 10));
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "there is no product \"%s\"", key_or_id);
	}
	*out = sql_get_i64(r, 0, 0);
	return true;
}

/* What other lists call it: unique, since its version is. */
static void make_name(const struct firmware *fw, char out[FIRMWARE_NAME_SIZE])
{
	snprintf(out, FIRMWARE_NAME_SIZE, "%s/%s", fw->component, fw->version);
}

static bool refuse(const struct firmware *fw, const struct err *why, struct err *err)
{
	if (why->kind == ERR_EXISTS) {
		return err_set(err, ERR_EXISTS, "the product has a file of the component %s with version %s", fw->component, fw->version);
	}
	if (why->kind == ERR_CONFLICT && strstr(why->text, "firmware_product_id_fkey")) {
		return err_set(err, ERR_NOT_FOUND, "there is no product %" PRId64, fw->product_id);
	}
	return err_set(err, why->kind, "%s", why->text);
}

/* $1..$15 of both writes. */
static void add_members(struct sql_args *a, const struct firmware *fw, char name[FIRMWARE_NAME_SIZE])
{
	make_name(fw, name);
	sql_text(a, name);
	sql_text(a, fw->file_name);
	if (fw->external) {
		sql_null(a);
	} else {
		sql_bytes(a, fw->artifact.sha256, sizeof fw->artifact.sha256);
	}
	sql_text(a, fw->version);
	sql_text(a, fw->url);
	sql_text(a, fw->told_md5);
	sql_text(a, fw->told_size);
	sql_text(a, fw->customize);
	sql_bool(a, fw->force);
	sql_bool(a, fw->allow_downgrade);
	rows_add_image(a, &fw->image);
}

static bool insert_rollout(struct db *db, struct file *f, const char *created_by, int64_t now_ms, struct err *err)
{
	static const struct sql insert = {
		"file_insert_rollout",
		"INSERT INTO rollouts (kind, way, ranked, stage, product_id, firmware_id, component, description, created_by, created_at)"
		" VALUES ('standing', 'standing', true, $1, $2, $3, $4, $5, $6, " SQL_TIME("$7::bigint") ") RETURNING id"};
	struct sql_args a = {0};
	sql_text(&a, rollout_stage_name(f->stage));
	sql_i64(&a, f->firmware.product_id);
	sql_i64(&a, f->firmware.id);
	sql_text(&a, f->firmware.component);
	sql_text(&a, f->description);
	sql_text(&a, created_by);
	sql_i64(&a, now_ms);
	return sql_run_i64(db, &insert, &a, &f->rollout_id, err);
}

bool store_file_insert(struct db *db, struct file *f, const char *created_by, int64_t now_ms, struct err *err)
{
	static const struct sql insert = {
		"file_insert",
		"INSERT INTO firmware (name, file_name, sha256, version, url, told_md5, told_size, customize, force, allow_downgrade, "
		"chip, project, image_version, idf_version, elf_sha256, product_id, component, created_by) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id, rev, " SQL_MS(
			"created_at")};
	struct sql_args a = {0};
	struct err why = {0};
	struct firmware *fw = &f->firmware;
	add_members(&a, fw, fw->name);
	sql_i64(&a, fw->product_id);
	sql_text(&a, fw->component);
	sql_text(&a, created_by);
	scoped_result PGresult *r = sql_query(db, &insert, &a, &why);
	if (!r) {
		return refuse(fw, &why, err);
	}
	fw->id = sql_get_i64(r, 0, 0);
	fw->rev = sql_get_i64(r, 0, 1);
	fw->created_ms = fw->updated_ms = sql_get_i64(r, 0, 2);
	return insert_rollout(db, f, created_by, now_ms, err);
}

bool store_file_lock(struct db *db, int64_t product_id, int64_t id, struct file *out, struct err *err)
{
	static const struct sql lock = {"file_lock",
					FILES "AND ($1::bigint IS NULL OR f.product_id = $1) AND f.id = $2 FOR UPDATE OF f, r"};
	struct sql_args a = {0};
	sql_i64_or_null(&a, product_id);
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &lock, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "the product has no file %" PRId64, id);
	}
	read_row(r, 0, out);
	return true;
}

static bool update_rollout(struct db *db, const struct file *f, int64_t anew_ms, struct err *err)
{
	static const struct sql update = {"file_update_rollout",
					  "UPDATE rollouts SET stage = $2, description = $3, "
					  "created_at = coalesce(" SQL_TIME("$4::bigint") ", created_at) WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, f->rollout_id);
	sql_text(&a, rollout_stage_name(f->stage));
	sql_text(&a, f->description);
	sql_i64_or_null(&a, anew_ms);
	return sql_run(db, &update, &a, err);
}

bool store_file_update(struct db *db, struct file *f, int64_t anew_ms, struct err *err)
{
	static const struct sql update = {
		"file_update",
		"UPDATE firmware SET name = $1, file_name = $2, sha256 = $3, version = $4, url = $5, told_md5 = $6, "
		"told_size = $7, customize = $8, force = $9, allow_downgrade = $10, chip = $11, project = $12, image_version = $13, "
		"idf_version = $14, elf_sha256 = $15, updated_at = clock_timestamp(), rev = rev + 1 WHERE id = $16 RETURNING rev, " SQL_MS(
			"updated_at")};
	struct sql_args a = {0};
	struct err why = {0};
	struct firmware *fw = &f->firmware;
	add_members(&a, fw, fw->name);
	sql_i64(&a, fw->id);
	scoped_result PGresult *r = sql_query(db, &update, &a, &why);
	if (!r) {
		return refuse(fw, &why, err);
	}
	fw->rev = sql_get_i64(r, 0, 0);
	fw->updated_ms = sql_get_i64(r, 0, 1);
	return update_rollout(db, f, anew_ms, err);
}

bool store_file_delete(struct db *db, const struct file *f, struct err *err)
{
	struct firmware gone;
	return store_rollouts_end(db, &f->rollout_id, 1, "cancelled", err) && store_firmware_delete(db, f->firmware.id, &gone, err);
}

static bool read_rows(const PGresult *r, struct file **out, size_t *count, struct err *err)
{
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_row(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

bool store_file_list(struct db *db, const struct page *page, struct file **out, size_t *count, struct err *err)
{
	static const struct sql select = {"file_list",
					  FILES "AND f.id > $1 AND ($3::bigint IS NULL OR f.product_id = $3) ORDER BY f.id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	sql_i64_or_null(&a, page->product_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	return read_rows(r, out, count, err);
}

bool store_file_read(struct db *db, int64_t product_id, const int64_t *ids, size_t n, struct file **out, size_t *count, struct err *err)
{
	static const struct sql select = {"file_read", FILES "AND f.product_id = $1 AND f.id = ANY($2::bigint[]) ORDER BY f.id"};
	struct sql_args a = {0};
	scoped_list struct sql_list list;
	sql_list_ids(&list, ids, n);
	sql_i64(&a, product_id);
	sql_array(&a, &list);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	return read_rows(r, out, count, err);
}
