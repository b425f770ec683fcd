#include "store/voice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/seal.h"
#include "common/secret.h"
#include "model/voice.h"
#include "store/sealed.h"

#define COLUMNS "product_id, mqtt, ws_url, ws_token IS NOT NULL, ws_version, rev, " SQL_MS("created_at") ", " SQL_MS("updated_at")

static void read_row(const PGresult *r, struct voice *out)
{
	*out = (struct voice){
		.product_id = sql_get_i64(r, 0, 0),
		.ws_token_set = sql_get_bool(r, 0, 3),
		.ws_version = sql_get_i64(r, 0, 4),
		.rev = sql_get_i64(r, 0, 5),
		.created_ms = sql_get_i64(r, 0, 6),
		.updated_ms = sql_get_i64(r, 0, 7),
	};
	voice_mqtt_parse(sql_get_text(r, 0, 1), &out->mqtt);
	sql_copy_text(r, 0, 2, out->ws_url, sizeof out->ws_url);
}

static bool none(int64_t product_id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "of product %" PRId64 " no voice is said: its devices use the broker of this service",
		       product_id);
}

/* No row was touched: there is none, or it has another revision. */
static bool missed(struct db *db, int64_t product_id, struct err *err)
{
	struct voice now;
	return store_voice_get(db, product_id, &now, err) &&
	       err_set(err, ERR_CONFLICT, "the voice of product %" PRId64 " was changed by someone else meanwhile; read it again",
		       product_id);
}

static bool no_gateway(int64_t product_id, struct err *err)
{
	return err_set(err, ERR_CONFLICT, "product %" PRId64 " has no gateway that its devices could use; set it first", product_id);
}

/* The foreign keys see to it as well; their sentences name no words of ours. */
static bool check(struct db *db, const struct voice *v, struct err *err)
{
	static const struct sql look = {"voice_check", "SELECT EXISTS (SELECT FROM products WHERE id = $1), "
						       "EXISTS (SELECT FROM gateways WHERE product_id = $1)"};
	struct sql_args a = {0};
	sql_i64(&a, v->product_id);
	scoped_result PGresult *r = sql_query(db, &look, &a, err);
	if (!r) {
		return false;
	}
	if (!sql_get_bool(r, 0, 0)) {
		return err_set(err, ERR_NOT_FOUND, "there is no product %" PRId64, v->product_id);
	}
	return v->mqtt != VOICE_GATEWAY || sql_get_bool(r, 0, 1) || no_gateway(v->product_id, err);
}

/* The statement's parameters; *sealed is malloc'd and must live as long as they. */
static bool add_fields(struct sql_args *a, const struct seal_key *seal, const struct voice *v, const struct secret *token, uint8_t **sealed,
		       struct err *err)
{
	char context[SEALED_CONTEXT_SIZE];
	size_t len = token->reveal ? strlen(token->reveal) : 0;
	snprintf(context, sizeof context, VOICE_CONTEXT, v->product_id);
	sql_i64(a, v->product_id);
	sql_text(a, voice_mqtt_name(v->mqtt));
	sql_text(a, v->ws_url);
	sql_i64(a, v->ws_version);
	if (len == 0) {
		sql_null(a);
		return true;
	}
	*sealed = sealed_new(seal, context, token->reveal, len, err);
	sql_bytes(a, *sealed, len + SEAL_OVERHEAD);
	return *sealed != NULL;
}

bool store_voice_put(struct db *db, const struct seal_key *seal, struct voice *inout, const struct secret *token, int64_t rev,
		     struct err *err)
{
	static const struct sql upsert = {
		"voice_put",
		"INSERT INTO voices AS v (product_id, mqtt, ws_url, ws_version, ws_token) VALUES ($1, $2, $3, $4::bigint, $5) "
		"ON CONFLICT (product_id) DO UPDATE SET mqtt = $2, ws_url = $3, ws_version = $4::bigint, ws_token = $5, rev = v.rev + 1, "
		"updated_at = now() RETURNING " COLUMNS};
	static const struct sql update = {
		"voice_update", "UPDATE voices SET mqtt = $2, ws_url = $3, ws_version = $4::bigint, ws_token = $5, rev = rev + 1, "
				"updated_at = now() WHERE product_id = $1 AND rev = $6 RETURNING " COLUMNS};
	struct sql_args a = {0};
	struct err why = {0};
	scoped_free uint8_t *sealed = NULL;
	if (!check(db, inout, err) || !add_fields(&a, seal, inout, token, &sealed, err)) {
		return false;
	}
	if (rev) {
		sql_i64(&a, rev);
	}
	scoped_result PGresult *r = sql_query(db, rev ? &update : &upsert, &a, &why);
	if (!r) { /* somebody took the gateway or the product away just now */
		return why.kind == ERR_CONFLICT ? no_gateway(inout->product_id, err) : err_set(err, why.kind, "%s", why.text);
	}
	if (PQntuples(r) == 0) {
		return missed(db, inout->product_id, err);
	}
	read_row(r, inout);
	return true;
}

bool store_voice_delete(struct db *db, int64_t product_id, int64_t rev, struct err *err)
{
	static const struct sql delete = {"voice_delete",
					  "DELETE FROM voices WHERE product_id = $1 AND rev = coalesce($2::bigint, rev) RETURNING 1"};
	struct sql_args a = {0};
	sql_i64(&a, product_id);
	sql_i64_or_null(&a, rev);
	scoped_result PGresult *r = sql_query(db, &delete, &a, err);
	return r && (PQntuples(r) == 1 || missed(db, product_id, err));
}

bool store_voice_get(struct db *db, int64_t product_id, struct voice *out, struct err *err)
{
	static const struct sql select = {"voice_get", "SELECT " COLUMNS " FROM voices WHERE product_id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, product_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(product_id, err);
	}
	read_row(r, out);
	return true;
}
