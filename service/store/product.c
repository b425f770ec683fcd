#include "store/product.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "model/listing.h"
#include "store/sql.h"

#define COLUMNS "id, key, name, description, rev, " SQL_MS("created_at") ", " SQL_MS("updated_at") ", images, identity"

static void read_row(const PGresult *r, int row, struct product *out)
{
	*out = (struct product){
		.id = sql_get_i64(r, row, 0),
		.rev = sql_get_i64(r, row, 4),
		.created_ms = sql_get_i64(r, row, 5),
		.updated_ms = sql_get_i64(r, row, 6),
	};
	sql_copy_text(r, row, 1, out->key, sizeof out->key);
	sql_copy_text(r, row, 2, out->name, sizeof out->name);
	sql_copy_text(r, row, 3, out->description, sizeof out->description);
	product_images_parse(sql_get_text(r, row, 7), &out->images);
	identity_policy_parse(sql_get_text(r, row, 8), &out->identity);
}

/* Puts our words on a clash of keys, passes anything else on. */
static bool refuse(const struct product *product, const struct err *why, struct err *err)
{
	if (why->kind == ERR_EXISTS) {
		return err_set(err, ERR_EXISTS, "there is a product with the key \"%s\" already", product->key);
	}
	return err_set(err, why->kind, "%s", why->text);
}

static bool none(int64_t id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no product %" PRId64, id);
}

bool store_product_create(struct db *db, struct product *inout, struct err *err)
{
	static const struct sql insert = {
		"product_insert",
		"INSERT INTO products (key, name, description, images, identity) VALUES ($1, $2, $3, $4, $5) RETURNING " COLUMNS};
	struct sql_args a = {0};
	struct err why = {0};
	sql_text(&a, inout->key);
	sql_text(&a, inout->name);
	sql_text(&a, inout->description);
	sql_text(&a, product_images_name(inout->images));
	sql_text(&a, identity_policy_name(inout->identity));
	scoped_result PGresult *r = sql_query(db, &insert, &a, &why);
	if (!r) {
		return refuse(inout, &why, err);
	}
	read_row(r, 0, inout);
	return true;
}

bool store_product_update(struct db *db, struct product *inout, int64_t rev, struct err *err)
{
	static const struct sql update = {
		"product_update",
		"UPDATE products SET key = $2, name = $3, description = $4, images = $6, identity = $7, rev = rev + 1, updated_at = now() "
		"WHERE id = $1 AND rev = coalesce($5::bigint, rev) RETURNING " COLUMNS};
	struct sql_args a = {0};
	struct err why = {0};
	sql_i64(&a, inout->id);
	sql_text(&a, inout->key);
	sql_text(&a, inout->name);
	sql_text(&a, inout->description);
	sql_i64_or_null(&a, rev);
	sql_text(&a, product_images_name(inout->images));
	sql_text(&a, identity_policy_name(inout->identity));
	scoped_result PGresult *r = sql_query(db, &update, &a, &why);
	if (!r) {
		return refuse(inout, &why, err);
	}
	if (PQntuples(r) == 0) {
		struct product now;
		return store_product_get(db, inout->id, &now, err) &&
		       err_set(err, ERR_CONFLICT, "product %" PRId64 " was changed by someone else meanwhile; read it again", inout->id);
	}
	read_row(r, 0, inout);
	return true;
}

/* What still belongs to it? The row is locked, so that nothing joins meanwhile. */
static bool check_unused(struct db *db, int64_t id, struct err *err)
{
	static const struct sql lock = {"product_lock", "SELECT 1 FROM products WHERE id = $1 FOR UPDATE"};
	static const struct sql use = {"product_use", "SELECT (SELECT count(*) FROM devices WHERE product_id = $1), "
						      "(SELECT count(*) FROM firmware WHERE product_id = $1 AND deleted_at IS NULL), "
						      "(SELECT count(*) FROM rollouts WHERE product_id = $1 AND ended_at IS NULL), "
						      "(SELECT count(*) FROM licences WHERE product_id = $1)"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *locked = sql_query(db, &lock, &a, err);
	if (!locked) {
		return false;
	}
	if (PQntuples(locked) == 0) {
		return none(id, err);
	}
	scoped_result PGresult *r = sql_query(db, &use, &a, err);
	if (!r) {
		return false;
	}
	int64_t devices = sql_get_i64(r, 0, 0);
	int64_t firmware = sql_get_i64(r, 0, 1);
	int64_t rollouts = sql_get_i64(r, 0, 2);
	int64_t licences = sql_get_i64(r, 0, 3);
	if (devices || firmware || rollouts || licences) {
		return err_set(err, ERR_CONFLICT,
			       "the product is in use (devices: %" PRId64 ", firmware: %" PRId64 ", active rollouts: %" PRId64
			       ", licences: %" PRId64 ")",
			       devices, firmware, rollouts, licences);
	}
	return true;
}

bool store_product_delete(struct db *db, int64_t id, struct err *err)
{
	/* what has ended or was deleted is history and goes along */
	static const struct sql rollouts = {"product_delete_rollouts", "WITH gone AS (DELETE FROM rollouts WHERE product_id = $1 RETURNING "
								       "id) DELETE FROM tasks WHERE rollout_id IN (SELECT id FROM gone)"};
	static const struct sql firmware = {"product_delete_firmware", "DELETE FROM firmware WHERE product_id = $1"};
	static const struct sql product = {"product_delete", "DELETE FROM products WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	return check_unused(db, id, err) && sql_run(db, &rollouts, &a, err) && sql_run(db, &firmware, &a, err) &&
	       sql_run(db, &product, &a, err);
}

bool store_product_get(struct db *db, int64_t id, struct product *out, struct err *err)
{
	static const struct sql select = {"product_get", "SELECT " COLUMNS " FROM products WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r) {
		return false;
	}
	if (PQntuples(r) == 0) {
		return none(id, err);
	}
	read_row(r, 0, out);
	return true;
}

bool store_product_list(struct db *db, const struct page *page, struct product **out, size_t *count, struct err *err)
{
	static const struct sql select = {"product_list",
					  "SELECT " COLUMNS " FROM products WHERE id > $1 AND ($3 = '' OR key = $3) ORDER BY id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	sql_text(&a, page->name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r) {
		return false;
	}
	*count = (size_t)PQntuples(r);
	*out = calloc(*count + 1, sizeof **out);
	if (!*out) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	for (size_t i = 0; i < *count; i++) {
		read_row(r, (int)i, &(*out)[i]);
	}
	return true;
}
