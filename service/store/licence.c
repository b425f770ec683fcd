#include "store/licence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "common/seal.h"
#include "model/licence.h"
#include "model/listing.h"
#include "store/sealed.h"
#include "store/sql.h"

#define COLUMNS "id, product_id, device_id, serial, encoding, rev, " SQL_MS("created_at")

enum { COLUMN_COUNT = 7, CONTEXT_SIZE = sizeof "licence/" + SERIAL_SIZE };

/* A key opens for its own serial only. */
static void context_of(const char *serial, char out[CONTEXT_SIZE])
{
	snprintf(out, CONTEXT_SIZE, "licence/%s", serial);
}

static void read_row(const PGresult *r, int row, struct licence *out)
{
	*out = (struct licence){
		.id = sql_get_i64(r, row, 0),
		.product_id = sql_get_i64(r, row, 1),
		.device_id = sql_get_i64(r, row, 2),
		.rev = sql_get_i64(r, row, 5),
		.created_ms = sql_get_i64(r, row, 6),
	};
	sql_copy_text(r, row, 3, out->serial, sizeof out->serial);
	licence_encoding_parse(sql_get_text(r, row, 4), &out->encoding);
}

/* Puts our words on what a constraint refused, passes anything else on. */
static bool refuse(const struct licence *licence, const struct err *why, struct err *err)
{
	if (why->kind == ERR_EXISTS) {
		return err_set(err, ERR_EXISTS, "there is a licence with the serial \"%s\" already", licence->serial);
	}
	if (why->kind == ERR_CONFLICT && strstr(why->text, "licences_product_id_fkey")) {
		return err_set(err, ERR_INVALID, "there is no product %" PRId64, licence->product_id);
	}
	return err_set(err, why->kind, "%s", why->text);
}

bool store_licence_create(struct db *db, const struct seal_key *seal, struct licence_new *inout, struct err *err)
{
	static const struct sql insert = {"licence_insert", "INSERT INTO licences (product_id, serial, key_sealed, encoding) "
							    "VALUES ($1, $2, $3, $4) RETURNING " COLUMNS};
	struct licence *l = &inout->licence;
	struct sql_args a = {0};
	struct err why = {0};
	char context[CONTEXT_SIZE];
	context_of(l->serial, context);
	scoped_free uint8_t *sealed = sealed_new(seal, context, inout->key.bytes, inout->key.len, err);
	if (!sealed) {
		return false;
	}
	sql_i64_or_null(&a, l->product_id);
	sql_text(&a, l->serial);
	sql_bytes(&a, sealed, inout->key.len + SEAL_OVERHEAD);
	sql_text(&a, licence_encoding_name(l->encoding));
	scoped_result PGresult *r = sql_query(db, &insert, &a, &why);
	if (!r) {
		return refuse(l, &why, err);
	}
	read_row(r, 0, l);
	return true;
}

/* ---- import ---- */

static bool list_serials(const struct licence_new *rows, size_t n, struct sql_list *out, struct err *err)
{
	sql_list_init(out);
	for (size_t i = 0; i < n; i++) {
		sql_list_text(out, rows[i].licence.serial);
	}
	return buf_ok(&out->text) || err_set(err, ERR_INTERNAL, "out of memory");
}

/* The first row whose serial is taken already, by an earlier row or in the table. */
static bool refuse_taken(struct db *db, const struct licence_new *rows, size_t n, size_t *bad, struct err *err)
{
	static const struct sql select = {
		"licence_taken",
		"SELECT place, earlier FROM (SELECT serial, place, min(place) OVER (PARTITION BY serial) AS earlier "
		"FROM unnest($1::text[]) WITH ORDINALITY AS file (serial, place)) AS f "
		"WHERE earlier < place OR EXISTS (SELECT 1 FROM licences l WHERE l.serial = f.serial) ORDER BY place LIMIT 1"};
	struct sql_args a = {0};
	scoped_list struct sql_list serials;
	if (!list_serials(rows, n, &serials, err)) {
		return false;
	}
	sql_array(&a, &serials);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r != NULL;
	}
	size_t earlier = (size_t)sql_get_i64(r, 0, 1) - 1;
	*bad = (size_t)sql_get_i64(r, 0, 0) - 1;
	if (earlier < *bad) {
		return err_set(err, ERR_EXISTS, "the serial \"%s\" stands in line %zu already", rows[*bad].licence.serial,
			       rows[earlier].line);
	}
	return refuse(&rows[*bad].licence, &(struct err){.kind = ERR_EXISTS}, err);
}

static bool list_sealed(const struct seal_key *seal, const struct licence_new *row, struct sql_list *out, struct err *err)
{
	char context[CONTEXT_SIZE];
	uint8_t sealed[sizeof row->key.bytes + SEAL_OVERHEAD];
	context_of(row->licence.serial, context);
	if (!seal_close(seal, context, row->key.bytes, row->key.len, sealed, err)) {
		return false;
	}
	sql_list_bytes(out, sealed, row->key.len + SEAL_OVERHEAD);
	return true;
}

static bool insert_all(struct db *db, const struct seal_key *seal, const struct licence_new *rows, size_t n, struct err *err)
{
	static const struct sql insert = {
		"licence_import",
		"INSERT INTO licences (product_id, serial, key_sealed, encoding) "
		"SELECT product, serial, sealed, encoding FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[]) WITH ORDINALITY "
		"AS file (product, serial, sealed, encoding, place) ORDER BY place"};
	struct sql_list lists[4];
	struct err why = {0};
	for (size_t i = 0; i < 4; i++) {
		sql_list_init(&lists[i]);
	}
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++) {
		const struct licence *l = &rows[i].licence;
		char product[24] = "";
		if (l->product_id) {
			snprintf(product, sizeof product, "%" PRId64, l->product_id);
		}
		sql_list_text_or_null(&lists[0], product);
		sql_list_text(&lists[1], l->serial);
		ok = list_sealed(seal, &rows[i], &lists[2], &why);
		sql_list_text(&lists[3], licence_encoding_name(l->encoding));
	}
	if (ok) {
		ok = sql_run_lists(db, &insert, lists, 4, &why);
	} else {
		for (size_t i = 0; i < 4; i++) {
			sql_list_free(&lists[i]);
		}
	}
	return ok || (why.kind == ERR_EXISTS ? err_set(err, ERR_BUSY, "one of these serials is being added by someone else")
					     : refuse(&rows[0].licence, &why, err));
}

bool store_licence_import(struct db *db, const struct seal_key *seal, const struct licence_new *rows, size_t n, size_t *bad,
			  struct err *err)
{
	*bad = n;
	return n == 0 || (refuse_taken(db, rows, n, bad, err) && insert_all(db, seal, rows, n, err));
}

/* ---- one, many ---- */

bool store_licence_delete(struct db *db, int64_t id, struct err *err)
{
	static const struct sql delete = {"licence_delete", "DELETE FROM licences WHERE id = $1 RETURNING 1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &delete, &a, err);
	return r && (PQntuples(r) == 1 || err_set(err, ERR_NOT_FOUND, "there is no licence %" PRId64, id));
}

bool store_licence_get(struct db *db, int64_t id, struct licence *out, struct err *err)
{
	static const struct sql select = {"licence_get", "SELECT " COLUMNS " FROM licences WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "there is no licence %" PRId64, id);
	}
	read_row(r, 0, out);
	return true;
}

bool store_licence_open(struct db *db, const struct seal_key *seal, const char *serial, struct licence *out, struct licence_key *key,
			struct err *err)
{
	static const struct sql select = {"licence_open", "SELECT " COLUMNS ", key_sealed FROM licences WHERE serial = $1"};
	struct sql_args a = {0};
	char context[CONTEXT_SIZE];
	size_t len = 0;
	sql_text(&a, serial);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "there is no licence with this serial");
	}
	read_row(r, 0, out);
	context_of(out->serial, context);
	char *clear = sealed_get(r, 0, COLUMN_COUNT, seal, context, &len, err);
	if (!clear) {
		return false;
	}
	bool ok = len <= sizeof key->bytes;
	key->len = ok ? len : 0;
	memcpy(key->bytes, clear, key->len);
	explicit_bzero(clear, len);
	free(clear);
	return ok || err_set(err, ERR_INTERNAL, "%s: %zu bytes are no key", context, len);
}

bool store_licence_list(struct db *db, const struct page *page, struct licence **out, size_t *count, struct err *err)
{
	static const struct sql select = {"licence_list",
					  "SELECT " COLUMNS " FROM licences WHERE id > $1 AND ($3::bigint IS NULL OR product_id = $3) "
					  "AND ($4 = '' OR serial = $4) ORDER BY id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	sql_i64_or_null(&a, page->product_id);
	sql_text(&a, page->name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_row(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}
