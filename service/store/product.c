#include "store/product.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "model/listing.h"
#include "store/rows.h"

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

/* A board is one product's only, and every key is a board, so that a device finds one product. Two who write at once wait for each other.
 */
static bool check_boards(struct db *db, const struct product *p, struct err *err)
{
	static const struct sql lock = {"product_boards_lock", "SELECT pg_advisory_xact_lock(7305423)"};
	static const struct sql taken = {
		"product_boards", "SELECT x.key, x.board FROM (SELECT key, unnest(boards || key) AS board FROM products WHERE id <> $1) x "
				  "WHERE x.board = ANY($2::text[]) AND NOT (x.board = x.key AND x.board = $3) LIMIT 1"};
	struct sql_args a = {0};
	scoped_list struct sql_list names;
	sql_list_init(&names);
	sql_list_text(&names, p->key);
	for (size_t i = 0; i < p->board_count; i++) {
		sql_list_text(&names, p->boards[i]);
	}
	sql_i64(&a, p->id);
	sql_array(&a, &names);
	sql_text(&a, p->key);
	if (!buf_ok(&names.text)) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	scoped_result PGresult *r = sql_run(db, &lock, NULL, err) ? sql_query(db, &taken, &a, err) : NULL;
	if (!r) {
		return false;
	}
	return PQntuples(r) == 0 || err_set(err, ERR_EXISTS, "the board \"%s\" is of the product \"%s\" already, by its key or its boards",
					    sql_get_text(r, 0, 1), sql_get_text(r, 0, 0));
}

/* $1..$12 of both writes. */
static bool add_fields(struct sql_args *a, const struct product *p, struct sql_list *boards, struct sql_list *partitions, struct err *err)
{
	for (size_t i = 0; i < p->board_count; i++) {
		sql_list_text(boards, p->boards[i]);
	}
	for (size_t i = 0; i < p->partition_count; i++) {
		sql_list_text(partitions, p->partitions[i]);
	}
	sql_text(a, p->key);
	sql_text(a, p->name);
	sql_text(a, p->description);
	sql_text(a, product_images_name(p->images));
	sql_text(a, identity_policy_name(p->identity));
	sql_bool(a, p->unbound_updates);
	sql_array(a, boards);
	sql_array(a, partitions);
	sql_bool(a, p->auto_register);
	sql_bool(a, p->device_token);
	sql_text(a, p->together ? "together" : "independent");
	sql_i64(a, p->auto_register_max ? p->auto_register_max : AUTO_REGISTER_DEFAULT);
	return (buf_ok(&boards->text) && buf_ok(&partitions->text)) || err_set(err, ERR_INTERNAL, "out of memory");
}

/* The row as it is now, or none where the revision was another; NULL: refused. */
static PGresult *write_row(struct db *db, const struct sql *stmt, const struct product *p, int64_t rev, struct err *err)
{
	struct sql_args a = {0};
	struct err why = {0};
	scoped_list struct sql_list boards;
	scoped_list struct sql_list partitions;
	sql_list_init(&boards);
	sql_list_init(&partitions);
	if (!check_boards(db, p, err) || !add_fields(&a, p, &boards, &partitions, err)) {
		return NULL;
	}
	if (p->id) {
		sql_i64(&a, p->id);
		sql_i64_or_null(&a, rev);
	}
	PGresult *r = sql_query(db, stmt, &a, &why);
	if (!r) {
		refuse(p, &why, err);
	}
	return r;
}

bool store_product_create(struct db *db, struct product *inout, struct err *err)
{
	static const struct sql insert = {
		"product_insert",
		"INSERT INTO products AS p (key, name, description, images, identity, unbound_updates, boards, partitions, "
		"auto_register, device_token, bundle, auto_register_max) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7::text[], $8::text[], $9, $10, $11, $12) "
		"RETURNING " PRODUCT_COLUMNS};
	inout->id = 0;
	scoped_result PGresult *r = write_row(db, &insert, inout, 0, err);
	if (!r) {
		return false;
	}
	rows_product(r, 0, inout);
	return true;
}

bool store_product_update(struct db *db, struct product *inout, int64_t rev, struct err *err)
{
	static const struct sql update = {
		"product_update",
		"UPDATE products p SET key = $1, name = $2, description = $3, images = $4, identity = $5, unbound_updates = $6, "
		"boards = $7::text[], partitions = $8::text[], auto_register = $9, device_token = $10, bundle = $11, "
		"auto_register_max = $12, rev = rev + 1, updated_at = now() "
		"WHERE id = $13 AND rev = coalesce($14::bigint, rev) RETURNING " PRODUCT_COLUMNS};
	scoped_result PGresult *r = write_row(db, &update, inout, rev, err);
	if (!r) {
		return false;
	}
	if (PQntuples(r) == 0) {
		struct product now;
		return store_product_get(db, inout->id, &now, err) &&
		       err_set(err, ERR_CONFLICT, "product %" PRId64 " was changed by someone else meanwhile; read it again", inout->id);
	}
	rows_product(r, 0, inout);
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
	static const struct sql select = {"product_get", "SELECT " PRODUCT_COLUMNS " FROM products p WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(id, err);
	}
	rows_product(r, 0, out);
	return true;
}

bool store_product_list(struct db *db, const struct page *page, struct product **out, size_t *count, struct err *err)
{
	static const struct sql select = {"product_list", "SELECT " PRODUCT_COLUMNS
							  " FROM products p WHERE id > $1 AND ($3 = '' OR key = $3) ORDER BY id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	sql_text(&a, page->name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		rows_product(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}
