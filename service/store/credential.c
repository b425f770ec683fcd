#include "store/credential.h"

#include <inttypes.h>

#include "common/credential.h"
#include "common/err.h"
#include "store/device.h"
#include "store/sql.h"

static bool lock(struct db *db, int64_t id, struct device *out, struct err *err)
{
	static const struct sql stmt = {"credential_lock", "SELECT 1 FROM devices WHERE id = $1 FOR NO KEY UPDATE"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	return sql_run(db, &stmt, &a, err) && store_device_get(db, id, out, err);
}

bool store_credential_revoke(struct db *db, const char *name, int64_t epoch, bool blocked, int64_t *rev, struct err *err)
{
	static const struct sql stmt = {"credential_revoke", "SELECT revocation_put($1, $2::int, $3::bool)"};
	struct sql_args a = {0};
	sql_text(&a, name);
	sql_i64(&a, epoch);
	sql_bool(&a, blocked);
	return sql_run_i64(db, &stmt, &a, rev, err);
}

bool store_credential_rotate(struct db *db, int64_t id, struct device *out, int64_t *rev, struct err *err)
{
	static const struct sql stmt = {
		"credential_rotate",
		"UPDATE devices SET epoch = epoch + 1, shown_epoch = epoch + 1, rev = rev + 1, updated_at = now() WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	if (!lock(db, id, out, err)) {
		return false;
	}
	if (out->epoch >= CREDENTIAL_EPOCH_MAX) {
		return err_set(err, ERR_CONFLICT,
			       "the device's credentials cannot be rotated any more; delete it and make it again under another name");
	}
	return sql_run(db, &stmt, &a, err) && store_device_get(db, id, out, err) &&
	       store_credential_revoke(db, out->name, out->epoch, out->blocked_ms != 0, rev, err);
}

bool store_credential_show(struct db *db, int64_t id, struct device *out, struct err *err)
{
	static const struct sql stmt = {"credential_show", "UPDATE devices SET shown_epoch = epoch WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	if (!lock(db, id, out, err)) {
		return false;
	}
	if (out->shown_epoch == out->epoch) {
		return err_set(err, ERR_CONFLICT,
			       "the password of device %" PRId64 " has been shown; rotate its credentials to get a new one", id);
	}
	out->shown_epoch = out->epoch;
	return sql_run(db, &stmt, &a, err);
}

bool store_credential_block(struct db *db, int64_t id, bool blocked, struct device *out, int64_t *rev, struct err *err)
{
	static const struct sql stmt = {
		"credential_block",
		"UPDATE devices SET blocked_at = CASE WHEN $2::bool THEN now() END, rev = rev + 1, updated_at = now() WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	sql_bool(&a, blocked);
	if (!lock(db, id, out, err)) {
		return false;
	}
	if ((out->blocked_ms != 0) == blocked) {
		return true;
	}
	return sql_run(db, &stmt, &a, err) && store_device_get(db, id, out, err) &&
	       store_credential_revoke(db, out->name, out->epoch, blocked, rev, err);
}

bool store_revocations_read(struct db *db, int64_t after, struct revocation *out, size_t max, size_t *count, struct err *err)
{
	static const struct sql stmt = {"revocations_read",
					"SELECT device, epoch, blocked, rev FROM revocations WHERE rev > $1 ORDER BY rev LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, after);
	sql_i64(&a, (int64_t)max);
	scoped_result PGresult *r = sql_query(db, &stmt, &a, err);
	if (!r) {
		return false;
	}
	*count = (size_t)PQntuples(r);
	for (size_t i = 0; i < *count; i++) {
		out[i] = (struct revocation){
			.epoch = sql_get_i64(r, (int)i, 1), .blocked = sql_get_bool(r, (int)i, 2), .rev = sql_get_i64(r, (int)i, 3)};
		sql_copy_text(r, (int)i, 0, out[i].device, sizeof out[i].device);
	}
	return true;
}

bool store_revocations_newest(struct db *db, int64_t *out, struct err *err)
{
	static const struct sql stmt = {"revocations_newest", "SELECT coalesce(max(rev), 0) FROM revocations"};
	return sql_run_i64(db, &stmt, NULL, out, err);
}
