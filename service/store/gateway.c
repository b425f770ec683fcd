#include "store/gateway.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/seal.h"
#include "common/secret.h"
#include "model/gateway.h"
#include "store/sealed.h"

#define COLUMNS "product_id, endpoint, rev, " SQL_MS("created_at") ", " SQL_MS("updated_at")

enum { COLUMN_COUNT = 5 };

static void context_of(int64_t product_id, char out[SEALED_CONTEXT_SIZE])
{
	snprintf(out, SEALED_CONTEXT_SIZE, GATEWAY_CONTEXT, product_id);
}

static void read_row(const PGresult *r, struct gateway *out)
{
	*out = (struct gateway){
		.product_id = sql_get_i64(r, 0, 0),
		.rev = sql_get_i64(r, 0, 2),
		.created_ms = sql_get_i64(r, 0, 3),
		.updated_ms = sql_get_i64(r, 0, 4),
	};
	sql_copy_text(r, 0, 1, out->endpoint, sizeof out->endpoint);
}

static bool none(int64_t product_id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "product %" PRId64 " has no gateway", product_id);
}

/* No row was touched: there is none, or it has another revision. */
static bool missed(struct db *db, int64_t product_id, struct err *err)
{
	struct gateway now;
	return store_gateway_get(db, product_id, &now, err) &&
	       err_set(err, ERR_CONFLICT, "the gateway of product %" PRId64 " was changed by someone else meanwhile; read it again",
		       product_id);
}

bool store_gateway_put(struct db *db, const struct seal_key *seal, struct gateway *inout, const struct secret *key, int64_t rev,
		       struct err *err)
{
	static const struct sql upsert = {"gateway_put",
					  "INSERT INTO gateways AS g (product_id, endpoint, key_sealed) VALUES ($1, $2, $3) "
					  "ON CONFLICT (product_id) DO UPDATE SET endpoint = $2, key_sealed = $3, rev = g.rev + 1, "
					  "updated_at = now() RETURNING " COLUMNS};
	static const struct sql update = {"gateway_update",
					  "UPDATE gateways SET endpoint = $2, key_sealed = $3, rev = rev + 1, updated_at = now() "
					  "WHERE product_id = $1 AND rev = $4 RETURNING " COLUMNS};
	struct sql_args a = {0};
	struct err why = {0};
	char context[SEALED_CONTEXT_SIZE];
	size_t len = strlen(key->reveal);
	context_of(inout->product_id, context);
	scoped_free uint8_t *sealed = sealed_new(seal, context, key->reveal, len, err);
	if (!sealed) {
		return false;
	}
	sql_i64(&a, inout->product_id);
	sql_text(&a, inout->endpoint);
	sql_bytes(&a, sealed, len + SEAL_OVERHEAD);
	if (rev) {
		sql_i64(&a, rev);
	}
	scoped_result PGresult *r = sql_query(db, rev ? &update : &upsert, &a, &why);
	if (!r) {
		return why.kind == ERR_CONFLICT ? err_set(err, ERR_NOT_FOUND, "there is no product %" PRId64, inout->product_id)
						: err_set(err, why.kind, "%s", why.text);
	}
	if (PQntuples(r) == 0) {
		return missed(db, inout->product_id, err);
	}
	read_row(r, inout);
	return true;
}

bool store_gateway_delete(struct db *db, int64_t product_id, int64_t rev, struct err *err)
{
	static const struct sql delete = {"gateway_delete",
					  "DELETE FROM gateways WHERE product_id = $1 AND rev = coalesce($2::bigint, rev) RETURNING 1"};
	struct sql_args a = {0};
	sql_i64(&a, product_id);
	sql_i64_or_null(&a, rev);
	struct err why = {0};
	scoped_result PGresult *r = sql_query(db, &delete, &a, &why);
	if (!r && why.kind == ERR_CONFLICT) {
		return err_set(err, ERR_CONFLICT, "the devices of product %" PRId64 " use this gateway by its voice; change that first",
			       product_id);
	}
	if (!r) {
		return err_set(err, why.kind, "%s", why.text);
	}
	return PQntuples(r) == 1 || missed(db, product_id, err);
}

bool store_gateway_get(struct db *db, int64_t product_id, struct gateway *out, struct err *err)
{
	static const struct sql select = {"gateway_get", "SELECT " COLUMNS " FROM gateways WHERE product_id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, product_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(product_id, err);
	}
	read_row(r, out);
	return true;
}
