#include "store/artifact.h"

#include <string.h>

#include "common/err.h"
#include "model/nouns.h"
#include "store/sql.h"

#define CHUNK_SIZE_TEXT "262144"
_Static_assert(STORE_CHUNK_SIZE == 262144, "as in the statements");

/* Chunks and uploads without a seal are worth nothing, so their commits need not wait for the disk. The seal's commit does, and it flushes
 * the log of all before it. */
#define WITHOUT_WAIT "set_config('synchronous_commit', 'off', true) = 'off'"

bool store_upload_begin(struct db *db, int64_t *upload, struct err *err)
{
	static const struct sql stmt = {"upload_begin",
					"INSERT INTO uploads (touched_at) SELECT now() WHERE " WITHOUT_WAIT " RETURNING id"};
	scoped_result PGresult *r = sql_query(db, &stmt, NULL, err);
	if (!r) {
		return false;
	}
	*upload = sql_get_i64(r, 0, 0);
	return true;
}

bool store_upload_chunk(struct db *db, int64_t upload, int seq, const void *data, size_t len, struct err *err)
{
	/* once a minute is touch enough for a sweep after an hour */
	static const struct sql stmt = {
		"upload_chunk",
		"WITH touched AS (UPDATE uploads SET touched_at = now() WHERE id = $1 AND touched_at < now() - interval '1 minute') "
		"INSERT INTO chunks (upload_id, seq, data) SELECT $1, $2, $3 WHERE " WITHOUT_WAIT
		" ON CONFLICT (upload_id, seq) DO NOTHING"};
	struct sql_args args = {0};
	sql_i64(&args, upload);
	sql_i64(&args, seq);
	sql_bytes(&args, data, len);
	return sql_run(db, &stmt, &args, err);
}

/* Are these bytes there already? Then nothing else matters. */
static bool touch(struct db *db, const struct artifact *artifact, struct err *err)
{
	static const struct sql stmt = {"artifact_touch", "UPDATE artifacts SET sealed_at = now() WHERE sha256 = $1 RETURNING size"};
	struct sql_args args = {0};
	sql_bytes(&args, artifact->sha256, sizeof artifact->sha256);
	scoped_result PGresult *r = sql_query(db, &stmt, &args, err);
	if (!r) {
		return false;
	}
	return PQntuples(r) == 1 || err_set(err, ERR_UNAVAILABLE, "the database lost a part of the upload: repeat it");
}

bool store_upload_seal(struct db *db, int64_t upload, const struct artifact *artifact, struct err *err)
{
	/* ON CONFLICT waits for whoever seals or sweeps the same bytes at this moment and then sees what came of it. */
	static const struct sql stmt = {
		"upload_seal",
		"WITH held AS (SELECT count(*) AS n, coalesce(max(seq), -1) AS last, coalesce(sum(octet_length(data)), 0) AS bytes "
		"FROM chunks WHERE upload_id = $4), "
		"sealed AS (INSERT INTO artifacts (sha256, md5, size, upload_id) SELECT $1, $2, $3, $4 FROM held "
		"WHERE bytes = $3 AND n = last + 1 AND n = ($3 + " CHUNK_SIZE_TEXT " - 1) / " CHUNK_SIZE_TEXT " "
		"ON CONFLICT (sha256) DO UPDATE SET sealed_at = now() RETURNING upload_id), "
		"dropped AS (DELETE FROM uploads USING sealed WHERE id = $4 AND sealed.upload_id <> $4) "
		"SELECT upload_id FROM sealed"};
	struct sql_args args = {0};
	sql_bytes(&args, artifact->sha256, sizeof artifact->sha256);
	sql_bytes(&args, artifact->md5, sizeof artifact->md5);
	sql_i64(&args, artifact->size);
	sql_i64(&args, upload);
	scoped_result PGresult *r = sql_query(db, &stmt, &args, err);
	if (!r) {
		return false;
	}
	return PQntuples(r) == 1 || touch(db, artifact, err);
}

bool store_upload_drop(struct db *db, int64_t upload, struct err *err)
{
	static const struct sql stmt = {
		"upload_drop", "DELETE FROM uploads u WHERE id = $1 AND NOT EXISTS (SELECT FROM artifacts a WHERE a.upload_id = u.id)"};
	struct sql_args args = {0};
	sql_i64(&args, upload);
	return sql_run(db, &stmt, &args, err);
}

bool store_chunk_read(struct db *db, const uint8_t sha256[32], int seq, void *out, size_t *len, struct err *err)
{
	static const struct sql stmt = {
		"chunk_read",
		"SELECT c.data FROM artifacts a LEFT JOIN chunks c ON c.upload_id = a.upload_id AND c.seq = $2 WHERE a.sha256 = $1"};
	struct sql_args args = {0};
	sql_bytes(&args, sha256, 32);
	sql_i64(&args, seq);
	scoped_result PGresult *r = sql_query_binary(db, &stmt, &args, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "the firmware's bytes are not in the database");
	}
	size_t n = (size_t)PQgetlength(r, 0, 0);
	if (n > STORE_CHUNK_SIZE) {
		return err_set(err, ERR_INTERNAL, "database: a chunk of %zu bytes", n);
	}
	memcpy(out, PQgetvalue(r, 0, 0), n);
	*len = n;
	return true;
}

static bool sweep_some(struct db *db, const struct sql *stmt, int64_t *count, struct err *err)
{
	scoped_result PGresult *r = sql_query(db, stmt, NULL, err);
	if (!r) {
		return false;
	}
	*count += strtoll(PQcmdTuples(r), NULL, 10);
	return true;
}

bool store_artifact_sweep(struct db *db, int64_t *count, struct err *err)
{
	/* SKIP LOCKED: rows that an upload or a new firmware holds at this moment are not left-overs. Foreign keys guard the rest. */
	static const struct sql artifacts = {
		"artifact_sweep",
		"DELETE FROM artifacts WHERE sha256 IN (SELECT sha256 FROM artifacts a WHERE sealed_at < now() - interval '1 hour' "
		"AND NOT EXISTS (SELECT FROM firmware f WHERE f.sha256 = a.sha256) "
		"AND NOT EXISTS (SELECT FROM objects o WHERE o.sha256 = a.sha256) LIMIT 16 FOR UPDATE SKIP LOCKED)"};
	static const struct sql uploads = {
		"upload_sweep", "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads u WHERE touched_at < now() - interval '1 hour' "
				"AND NOT EXISTS (SELECT FROM artifacts a WHERE a.upload_id = u.id) LIMIT 16 FOR UPDATE SKIP LOCKED)"};
	*count = 0;
	return sweep_some(db, &artifacts, count, err) && sweep_some(db, &uploads, count, err);
}
