#include "store/idempotency.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/seal.h"
#include "model/listing.h"
#include "store/sealed.h"
#include "store/sql.h"

enum { CONTEXT_MAX = 1024 };

/* An answer opens for its own actor and key only. Neither may hold a newline. */
static bool context_of(const struct idempotency *i, struct buf *out, struct err *err)
{
	buf_init(out, CONTEXT_MAX);
	buf_putf(out, "idempotency/%s\n%s", i->actor, i->key);
	return buf_ok(out) || err_set(err, ERR_INTERNAL, "out of memory");
}

/* A status of 0 stands for a claim whose answer is still to come. */
static bool claim(struct db *db, const struct idempotency *request, bool *claimed, struct err *err)
{
	static const struct sql sweep = {"idempotency_sweep", "DELETE FROM idempotency WHERE at < now() - interval '1 day'"};
	static const struct sql insert = {"idempotency_claim",
					  "INSERT INTO idempotency AS i (actor, key, request, status, body) VALUES ($1, $2, $3, 0, '') "
					  "ON CONFLICT (actor, key) DO UPDATE SET request = excluded.request, at = now() "
					  "WHERE i.status = 0 AND i.at < now() - interval '1 minute' RETURNING 1"};
	struct sql_args a = {0};
	sql_text(&a, request->actor);
	sql_text(&a, request->key);
	sql_bytes(&a, request->request, sizeof request->request);
	if (!sql_run(db, &sweep, NULL, err)) {
		return false;
	}
	scoped_result PGresult *r = sql_query(db, &insert, &a, err);
	if (!r) {
		return false;
	}
	*claimed = PQntuples(r) == 1;
	return true;
}

static bool read_answer(const PGresult *r, const struct seal_key *seal, struct idempotency *inout, struct err *err)
{
	uint8_t earlier[32];
	if (!sql_get_bytes(r, 0, 0, earlier, sizeof earlier) || !digest_equal(earlier, inout->request, sizeof earlier)) {
		return err_set(err, ERR_CONFLICT, "this Idempotency-Key was used for another request");
	}
	inout->status = (int)sql_get_i64(r, 0, 1);
	if (inout->status == 0) {
		return err_set(err, ERR_CONFLICT, "the request with this Idempotency-Key is still running");
	}
	size_t len = 0;
	scoped(buf_free) struct buf context;
	if (context_of(inout, &context, err)) {
		inout->body = sealed_get(r, 0, 2, seal, buf_cstr(&context), &len, err);
	}
	return inout->body != NULL;
}

bool store_idempotency_claim(struct db *db, const struct seal_key *seal, struct idempotency *inout, struct err *err)
{
	static const struct sql select = {"idempotency_find",
					  "SELECT request, status, body FROM idempotency WHERE actor = $1 AND key = $2"};
	bool claimed = false;
	inout->status = 0;
	inout->body = NULL;
	if (!claim(db, inout, &claimed, err)) {
		return false;
	}
	if (claimed) {
		return true;
	}
	struct sql_args a = {0};
	sql_text(&a, inout->actor);
	sql_text(&a, inout->key);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r) {
		return false;
	}
	if (PQntuples(r) == 0) { /* whoever held it gave it up just now */
		return err_set(err, ERR_BUSY, "the request with this Idempotency-Key failed a moment ago; try again");
	}
	return read_answer(r, seal, inout, err);
}

bool store_idempotency_keep(struct db *db, const struct seal_key *seal, const struct idempotency *answer, struct err *err)
{
	static const struct sql update = {"idempotency_keep",
					  "UPDATE idempotency SET status = $3, body = $4 WHERE actor = $1 AND key = $2"};
	struct sql_args a = {0};
	size_t len = strlen(answer->body);
	scoped(buf_free) struct buf context;
	if (!context_of(answer, &context, err)) {
		return false;
	}
	scoped_free uint8_t *sealed = sealed_new(seal, buf_cstr(&context), answer->body, len, err);
	if (!sealed) {
		return false;
	}
	sql_text(&a, answer->actor);
	sql_text(&a, answer->key);
	sql_i64(&a, answer->status);
	sql_bytes(&a, sealed, len + SEAL_OVERHEAD);
	return sql_run(db, &update, &a, err);
}

bool store_idempotency_drop(struct db *db, const struct idempotency *held, struct err *err)
{
	static const struct sql delete = {"idempotency_drop", "DELETE FROM idempotency WHERE actor = $1 AND key = $2 AND status = 0"};
	struct sql_args a = {0};
	sql_text(&a, held->actor);
	sql_text(&a, held->key);
	return sql_run(db, &delete, &a, err);
}
