#include "store/operator.h"

#include <inttypes.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "store/sql.h"

#define TOKEN_PREFIX "otad_"
#define OPERATOR_COLUMNS "id, name, role, " SQL_MS("created_at") ", " SQL_MS("disabled_at") ", password_hash"

bool store_operator_create(struct db *db, struct operator_row *inout, struct err *err)
{
	static const struct sql insert = {
		"operator_insert",
		"INSERT INTO operators (name, role, password_hash) VALUES ($1, $2, $3) RETURNING id, " SQL_MS("created_at")};
	struct sql_args a = {0};
	sql_text(&a, inout->name);
	sql_text(&a, role_name(inout->role));
	sql_text(&a, inout->password_hash);
	struct err why = {0};
	scoped_result PGresult *r = sql_query(db, &insert, &a, &why);
	if (!r && why.kind == ERR_EXISTS) {
		return err_set(err, ERR_EXISTS, "there is a user \"%s\" already", inout->name);
	}
	if (!r) {
		return err_set(err, why.kind, "%s", why.text);
	}
	inout->id = sql_get_i64(r, 0, 0);
	inout->created_ms = sql_get_i64(r, 0, 1);
	return true;
}

static void read_operator(const PGresult *r, int row, struct operator_row *out)
{
	*out = (struct operator_row){
		.id = sql_get_i64(r, row, 0),
		.role = role_parse(sql_get_text(r, row, 2)),
		.created_ms = sql_get_i64(r, row, 3),
		.disabled_ms = sql_get_i64(r, row, 4),
	};
	sql_copy_text(r, row, 1, out->name, sizeof out->name);
	sql_copy_text(r, row, 5, out->password_hash, sizeof out->password_hash);
}

bool store_operator_find(struct db *db, const char *name, struct operator_row *out, struct err *err)
{
	static const struct sql select = {"operator_find", "SELECT " OPERATOR_COLUMNS " FROM operators WHERE name = $1"};
	struct sql_args a = {0};
	sql_text(&a, name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "there is no user \"%s\"", name);
	}
	read_operator(r, 0, out);
	return true;
}

bool store_operator_list(struct db *db, struct operator_row **out, size_t *count, struct err *err)
{
	static const struct sql select = {"operator_list", "SELECT " OPERATOR_COLUMNS " FROM operators ORDER BY name"};
	scoped_result PGresult *r = sql_query(db, &select, NULL, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_operator(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

bool store_operator_set_password(struct db *db, int64_t id, const char *password_hash, struct err *err)
{
	static const struct sql update = {"operator_password", "WITH revoked AS (UPDATE tokens SET revoked_at = now() WHERE operator_id = "
							       "$1 AND revoked_at IS NULL AND label = '" OPERATOR_LOGIN_LABEL
							       "') UPDATE operators SET password_hash = $2 WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	sql_text(&a, password_hash);
	return sql_run(db, &update, &a, err);
}

bool store_operator_set_disabled(struct db *db, int64_t id, bool disabled, struct err *err)
{
	static const struct sql update = {
		"operator_disable",
		"UPDATE operators SET disabled_at = CASE WHEN $2::boolean THEN coalesce(disabled_at, now()) END WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	sql_bool(&a, disabled);
	return sql_run(db, &update, &a, err);
}

void store_token_hash(const char *token, uint8_t out[32])
{
	digest_sha256(out, token, strlen(token));
}

bool store_token_create(struct db *db, struct operator_token *inout, int64_t ttl_ms, char token[OPERATOR_TOKEN_SIZE], struct err *err)
{
	static const struct sql insert = {
		"token_insert", "WITH old AS (DELETE FROM tokens WHERE operator_id = $1 AND expires_at < now() - interval '1 day') "
				"INSERT INTO tokens (operator_id, hash, label, expires_at) "
				"VALUES ($1, $2, $3, now() + $4::bigint * interval '1 millisecond') RETURNING id"};
	uint8_t random[32];
	uint8_t hash[32];
	digest_random(random, sizeof random);
	memcpy(token, TOKEN_PREFIX, strlen(TOKEN_PREFIX));
	text_base64url(token + strlen(TOKEN_PREFIX), random, sizeof random);
	store_token_hash(token, hash);
	struct sql_args a = {0};
	sql_i64(&a, inout->operator_id);
	sql_bytes(&a, hash, sizeof hash);
	sql_text(&a, inout->label);
	sql_i64_or_null(&a, ttl_ms);
	scoped_result PGresult *r = sql_query(db, &insert, &a, err);
	if (!r) {
		return false;
	}
	inout->id = sql_get_i64(r, 0, 0);
	return true;
}

bool store_token_list(struct db *db, int64_t operator_id, struct operator_token **out, size_t *count, struct err *err)
{
	static const struct sql select = {"token_list", "SELECT id, label, " SQL_MS("created_at") ", " SQL_MS("expires_at") ", " SQL_MS(
								"revoked_at") " FROM tokens WHERE operator_id = $1 ORDER BY id"};
	struct sql_args a = {0};
	sql_i64(&a, operator_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		struct operator_token *t = &(*out)[i];
		int row = (int)i;
		*t = (struct operator_token){
			.id = sql_get_i64(r, row, 0),
			.operator_id = operator_id,
			.created_ms = sql_get_i64(r, row, 2),
			.expires_ms = sql_get_i64(r, row, 3),
			.revoked_ms = sql_get_i64(r, row, 4),
		};
		sql_copy_text(r, row, 1, t->label, sizeof t->label);
	}
	return *out != NULL;
}

bool store_token_revoke(struct db *db, int64_t id, int64_t *operator_id, struct err *err)
{
	static const struct sql update = {"token_revoke",
					  "UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING operator_id"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &update, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "there is no token %" PRId64, id);
	}
	*operator_id = sql_get_i64(r, 0, 0);
	return true;
}
