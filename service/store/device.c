#include "store/device.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "model/listing.h"
#include "store/credential.h"
#include "store/sql.h"

#define COLUMNS                                                                                                           \
	"id, name, product_id, client_id, mac, version, " SQL_MS("last_seen") ", rev, " SQL_MS("created_at") ", " SQL_MS( \
		"updated_at") ", epoch, shown_epoch, " SQL_MS("blocked_at") ", nick_name, auto_update, " SQL_MS("bound_at") ", registered"

static void read_row(const PGresult *r, int row, struct device *out)
{
	*out = (struct device){
		.id = sql_get_i64(r, row, 0),
		.product_id = sql_get_i64(r, row, 2),
		.last_seen_ms = sql_get_i64(r, row, 6),
		.rev = sql_get_i64(r, row, 7),
		.created_ms = sql_get_i64(r, row, 8),
		.updated_ms = sql_get_i64(r, row, 9),
		.epoch = sql_get_i64(r, row, 10),
		.shown_epoch = sql_get_i64(r, row, 11),
		.blocked_ms = sql_get_i64(r, row, 12),
		.auto_update = sql_get_bool(r, row, 14),
		.bound_ms = sql_get_i64(r, row, 15),
		.registered = sql_get_bool(r, row, 16),
	};
	sql_copy_text(r, row, 1, out->name, sizeof out->name);
	sql_copy_text(r, row, 3, out->client_id, sizeof out->client_id);
	sql_copy_text(r, row, 4, out->mac, sizeof out->mac);
	sql_copy_text(r, row, 5, out->version, sizeof out->version);
	sql_copy_text(r, row, 13, out->nick_name, sizeof out->nick_name);
}

/* Puts our words on what a constraint refused, passes anything else on. */
static bool refuse(const struct device *device, const struct err *why, struct err *err)
{
	const struct {
		const char *constraint;
		const char *field;
		const char *value;
	} unique[] = {
		{"devices_name_key", "name", device->name},
		{"devices_client_id_key", "clientId", device->client_id},
		{"devices_mac_key", "mac", device->mac},
	};
	for (size_t i = 0; why->kind == ERR_EXISTS && i < sizeof unique / sizeof *unique; i++) {
		if (strstr(why->text, unique[i].constraint)) {
			return err_set(err, ERR_EXISTS, "there is a device with the %s \"%s\" already", unique[i].field, unique[i].value);
		}
	}
	if (why->kind == ERR_CONFLICT && strstr(why->text, "devices_product_id_fkey")) {
		return err_set(err, ERR_INVALID, "there is no product %" PRId64, device->product_id);
	}
	return err_set(err, why->kind, "%s", why->text);
}

static bool none(int64_t id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no device %" PRId64, id);
}

static void put_fields(struct sql_args *a, const struct device *device)
{
	sql_text(a, device->name);
	sql_i64(a, device->product_id);
	sql_text(a, device->client_id);
	sql_text_or_null(a, device->mac);
	sql_text(a, device->nick_name);
	sql_bool(a, device->auto_update);
}

/* A name that comes again goes on from the epoch it was revoked with. A statement of its own sees also a deletion that this creation waited
 * for.
 */
static bool go_on_from_revocation(struct db *db, struct device *inout, struct err *err)
{
	static const struct sql update = {
		"device_epoch", "UPDATE devices d SET epoch = greatest(d.epoch, r.epoch), shown_epoch = greatest(d.epoch, r.epoch) "
				"FROM revocations r WHERE d.id = $1 AND r.device = d.name RETURNING d.epoch"};
	struct sql_args a = {0};
	sql_i64(&a, inout->id);
	scoped_result PGresult *r = sql_query(db, &update, &a, err);
	if (!r) {
		return false;
	}
	if (PQntuples(r) > 0) {
		inout->epoch = sql_get_i64(r, 0, 0);
	}
	inout->shown_epoch = inout->epoch;
	return true;
}

bool store_device_create(struct db *db, struct device *inout, struct err *err)
{
	static const struct sql insert = {"device_insert",
					  "INSERT INTO devices (name, product_id, client_id, mac, nick_name, auto_update, registered, "
					  "shown_epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, 1) RETURNING " COLUMNS};
	struct sql_args a = {0};
	struct err why = {0};
	put_fields(&a, inout);
	sql_bool(&a, inout->registered);
	scoped_result PGresult *r = sql_query(db, &insert, &a, &why);
	if (!r) {
		return refuse(inout, &why, err);
	}
	read_row(r, 0, inout);
	return go_on_from_revocation(db, inout, err);
}

bool store_device_register(struct db *db, struct device *inout, bool *full, struct err *err)
{
	static const struct sql count = {"device_register", "UPDATE products SET registered = registered + 1 WHERE id = $1 "
							    "AND auto_register AND registered < auto_register_max RETURNING 1"};
	struct sql_args a = {0};
	sql_i64(&a, inout->product_id);
	scoped_result PGresult *r = sql_query(db, &count, &a, err);
	*full = r && PQntuples(r) == 0;
	if (!r || *full) {
		return r && err_set(err, ERR_CONFLICT, "product %" PRId64 " registers no more devices", inout->product_id);
	}
	inout->registered = true;
	return store_device_create(db, inout, err);
}

/* Locks the row, so that no task begins meanwhile. *live: a live task of it, 0 = none. */
static bool lock_device(struct db *db, int64_t id, struct device *out, int64_t *live, struct err *err)
{
	static const struct sql lock = {"device_lock", "SELECT " COLUMNS " FROM devices WHERE id = $1 FOR UPDATE"};
	static const struct sql use = {"device_use", "SELECT min(id) FROM tasks WHERE device_id = $1 AND ended_at IS NULL"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *locked = sql_query(db, &lock, &a, err);
	if (!locked) {
		return false;
	}
	if (PQntuples(locked) == 0) {
		return none(id, err);
	}
	read_row(locked, 0, out);
	scoped_result PGresult *r = sql_query(db, &use, &a, err);
	if (!r) {
		return false;
	}
	*live = sql_get_i64(r, 0, 0);
	return true;
}

static bool may_become(const struct device *old, const struct device *new, int64_t rev, int64_t live, struct err *err)
{
	if (rev && rev != old->rev) {
		return err_set(err, ERR_CONFLICT, "device %" PRId64 " was changed by someone else meanwhile; read it again", old->id);
	}
	if (live && (strcmp(old->name, new->name) != 0 || old->product_id != new->product_id)) {
		return err_set(err, ERR_CONFLICT, "task %" PRId64 " of the device is live: its name and product cannot change now", live);
	}
	return true;
}

/* The active rollouts of a device, whose images are its product's. */
static bool active_rollouts(struct db *db, int64_t id, int64_t **out, size_t *count, struct err *err)
{
	static const struct sql select = {"device_rollouts",
					  "SELECT id FROM rollouts WHERE device_id = $1 AND ended_at IS NULL ORDER BY id"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		(*out)[i] = sql_get_i64(r, (int)i, 0);
	}
	return *out != NULL;
}

/* A device does not take an assignment of one product's firmware into another product. */
static bool check_move(struct db *db, const struct device *old, const struct device *new, struct err *err)
{
	if (old->product_id == new->product_id) {
		return true;
	}
	scoped_free int64_t *rollouts = NULL;
	size_t count = 0;
	if (!active_rollouts(db, old->id, &rollouts, &count, err)) {
		return false;
	}
	return count == 0 ||
	       err_set(err, ERR_CONFLICT,
		       "the device has the assignment %" PRId64 " of its product's firmware; delete that before it changes its product",
		       rollouts[0]);
}

/* Credentials are bound to name and client id: another one makes the old password a stranger's. */
static bool revoke_old(struct db *db, const struct device *old, struct device *now, int64_t *rev, struct err *err)
{
	bool renamed = strcmp(old->name, now->name) != 0;
	if (!renamed && strcmp(old->client_id, now->client_id) == 0) {
		return true;
	}
	static const struct sql next = {"device_next_epoch", "UPDATE devices SET epoch = epoch + 1, shown_epoch = epoch + 1 WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, now->id);
	now->epoch++;
	return sql_run(db, &next, &a, err) && store_credential_revoke(db, old->name, now->epoch, !renamed && old->blocked_ms, rev, err) &&
	       go_on_from_revocation(db, now, err) &&
	       (!renamed || !old->blocked_ms || store_credential_revoke(db, now->name, now->epoch, true, rev, err));
}

bool store_device_update(struct db *db, struct device *inout, int64_t rev, int64_t *revoked, struct err *err)
{
	static const struct sql update = {
		"device_update",
		"UPDATE devices SET name = $2, product_id = $3, client_id = $4, mac = $5, nick_name = $6, auto_update = $7, "
		"rev = rev + 1, updated_at = now() "
		"WHERE id = $1 RETURNING " COLUMNS};
	struct device old;
	int64_t live = 0;
	if (!lock_device(db, inout->id, &old, &live, err) || !may_become(&old, inout, rev, live, err) ||
	    !check_move(db, &old, inout, err)) {
		return false;
	}
	struct sql_args a = {0};
	struct err why = {0};
	sql_i64(&a, inout->id);
	put_fields(&a, inout);
	scoped_result PGresult *r = sql_query(db, &update, &a, &why);
	if (!r) {
		return refuse(inout, &why, err);
	}
	read_row(r, 0, inout);
	*revoked = 0;
	return revoke_old(db, &old, inout, revoked, err);
}

bool store_device_delete(struct db *db, int64_t id, struct device_deletion *out, struct err *err)
{
	static const struct sql delete = {
		"device_delete",
		"WITH gone AS (DELETE FROM tasks WHERE device_id = $1 RETURNING rollout_id), ended AS (DELETE FROM rollouts WHERE (id IN "
		"(SELECT rollout_id FROM gone) AND way <> 'standing') OR (device_id = $1 AND way = 'passive' AND ended_at IS NULL)) DELETE "
		"FROM devices WHERE id "
		"= $1"};
	struct device old;
	int64_t live = 0;
	if (!lock_device(db, id, &old, &live, err)) {
		return false;
	}
	if (live) {
		return err_set(err, ERR_CONFLICT, "the device is in use by task %" PRId64 ", which is live; cancel it first", live);
	}
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_free int64_t *ids = NULL;
	size_t n = 0;
	if (!active_rollouts(db, id, &ids, &n, err) || !sql_run(db, &delete, &a, err) ||
	    !store_credential_revoke(db, old.name, old.epoch + 1, false, &out->revoked, err)) {
		return false;
	}
	out->rollouts = steal(&ids);
	out->rollout_count = n;
	return true;
}

bool store_device_get(struct db *db, int64_t id, struct device *out, struct err *err)
{
	static const struct sql select = {"device_get", "SELECT " COLUMNS " FROM devices WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(id, err);
	}
	read_row(r, 0, out);
	return true;
}

bool store_device_versions(struct db *db, int64_t id, struct device_version *out, size_t *count, struct err *err)
{
	static const struct sql select = {
		"device_versions", "SELECT component, version, " SQL_MS("reported_at") " FROM device_versions "
										       "WHERE device_id = $1 ORDER BY component LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	sql_i64(&a, DEVICE_VERSIONS_MAX);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*count = r ? (size_t)PQntuples(r) : 0;
	for (size_t i = 0; i < *count; i++) {
		sql_copy_text(r, (int)i, 0, out[i].component, sizeof out[i].component);
		sql_copy_text(r, (int)i, 1, out[i].version, sizeof out[i].version);
		out[i].reported_ms = sql_get_i64(r, (int)i, 2);
	}
	return r != NULL;
}

bool store_device_find(struct db *db, const char *name, struct device *out, struct err *err)
{
	static const struct sql select = {"device_find", "SELECT " COLUMNS " FROM devices WHERE name = $1"};
	struct sql_args a = {0};
	sql_text(&a, name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "there is no device \"%s\"", name);
	}
	read_row(r, 0, out);
	return true;
}

bool store_device_is_there(struct db *db, const char *name, const char *mac, bool *out, struct err *err)
{
	static const struct sql select = {"device_is_there", "SELECT EXISTS (SELECT FROM devices WHERE name = $1 OR mac = $2)"};
	struct sql_args a = {0};
	sql_text(&a, name);
	sql_text_or_null(&a, mac);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = r && sql_get_bool(r, 0, 0);
	return r != NULL;
}

bool store_device_list(struct db *db, const struct page *page, struct device **out, size_t *count, struct err *err)
{
	static const struct sql select = {
		"device_list",
		"SELECT " COLUMNS " FROM devices WHERE id > $1 AND ($3::bigint IS NULL OR product_id = $3) AND ($4 = '' OR name = $4) "
		"AND (NOT $5::bool OR bound_at IS NOT NULL) "
		"ORDER BY id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	sql_i64_or_null(&a, page->product_id);
	sql_text(&a, page->name);
	sql_bool(&a, page->bound);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_row(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}
