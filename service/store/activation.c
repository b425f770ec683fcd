#include "store/activation.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "model/product.h"
#include "store/credential.h"
#include "store/device.h"
#include "store/product.h"
#include "store/sql.h"

#define TTL(n) "make_interval(secs => $" n "::float8 / 1000)"

enum { CANDIDATES = 32 }; /* of a million codes a tenth may be taken: that none of so many is free does not happen */

/* --- checks --- */

static enum activation_state state_of(const char *name)
{
	static const char *const names[] = {[ACTIVATION_UNKNOWN] = "unknown",
					    [ACTIVATION_WAITING] = "waiting",
					    [ACTIVATION_BOUND] = "bound",
					    [ACTIVATION_FULL] = "full"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]) == 0) {
			return (enum activation_state)i;
		}
	}
	return ACTIVATION_UNKNOWN;
}

static void put_candidates(struct sql_list *list)
{
	sql_list_init(list);
	for (int i = 0; i < CANDIDATES; i++) {
		char code[ACTIVATION_CODE_SIZE];
		activation_code(code);
		sql_list_text(list, code);
	}
}

bool store_activation_begin(struct db *db, const struct activation_facts *facts, const char *challenge,
			    const struct activation_limits *limits, struct activation_found *out, struct err *err)
{
	static const struct sql begin = {
		"activation_begin", "SELECT outcome, given, device, licensed FROM activation_begin($1, $2, $3, $4, $5, $6, $7::text[], "
				    "$8::uuid, " TTL("9") ", $10, $11)"};
	scoped_list struct sql_list codes;
	struct sql_args a = {0};
	char network[64];
	activation_network(facts->address, network);
	put_candidates(&codes);
	sql_text(&a, facts->mac);
	sql_text(&a, facts->client_uuid);
	sql_text(&a, facts->board_type);
	sql_text(&a, facts->board_name);
	sql_text(&a, facts->serial);
	sql_text(&a, network);
	sql_array(&a, &codes);
	sql_text(&a, challenge);
	sql_i64(&a, limits->ttl_ms);
	sql_i64(&a, limits->max);
	sql_i64(&a, limits->per_network);
	scoped_result PGresult *r = sql_query(db, &begin, &a, err);
	if (!r) {
		return false;
	}
	*out = (struct activation_found){
		.state = state_of(sql_get_text(r, 0, 0)), .device_id = sql_get_i64(r, 0, 2), .licensed = sql_get_bool(r, 0, 3)};
	sql_copy_text(r, 0, 1, out->code, sizeof out->code);
	return true;
}

bool store_activation_ask(struct db *db, const char *mac, const char *client_uuid, int64_t ttl_ms, struct activation_found *out,
			  struct err *err)
{
	static const struct sql ask = {
		"activation_ask",
		"SELECT CASE WHEN b.believed THEN 'bound' WHEN EXISTS (SELECT FROM activations WHERE mac = $1 AND client_uuid = $2 "
		"AND ended IS NULL AND touched_at > now() - " TTL("3") ") THEN 'waiting' ELSE 'unknown' END, b.device_id "
								       "FROM (SELECT) one LEFT JOIN activation_bound($1, $2) b ON true"};
	struct sql_args a = {0};
	sql_text(&a, mac);
	sql_text(&a, client_uuid);
	sql_i64(&a, ttl_ms);
	scoped_result PGresult *r = sql_query(db, &ask, &a, err);
	if (!r) {
		return false;
	}
	*out = (struct activation_found){.state = state_of(sql_get_text(r, 0, 0)), .device_id = sql_get_i64(r, 0, 1)};
	return true;
}

/* --- one in the hand --- */

static void read_row(const PGresult *r, int row, struct activation_row *out)
{
	*out = (struct activation_row){.id = sql_get_i64(r, row, 0), .licence_id = sql_get_i64(r, row, 1)};
	sql_copy_text(r, row, 2, out->mac, sizeof out->mac);
	sql_copy_text(r, row, 3, out->client_uuid, sizeof out->client_uuid);
	sql_copy_text(r, row, 4, out->board_name, sizeof out->board_name);
	sql_copy_text(r, row, 5, out->board_type, sizeof out->board_type);
}

/* All of the MAC are locked in one order, so that two codes of one device meet in no deadlock. A row that another confirmation has ended
 * meanwhile is still found by its code. */
bool store_activation_by_code(struct db *db, const char *code, int64_t ttl_ms, struct activation_row *out, struct err *err)
{
	static const struct sql lock = {
		"activation_by_code",
		"SELECT id, licence_id, mac, client_uuid, board_name, board_type, coalesce(ended, CASE WHEN touched_at <= now() - " TTL(
			"2") " THEN 'expired' ELSE '' END), "
			     "code = $1 FROM activations WHERE mac = (SELECT mac FROM activations WHERE code = $1) "
			     "AND (ended IS NULL OR code = $1) "
			     "ORDER BY id FOR UPDATE"};
	struct sql_args a = {0};
	sql_text(&a, code);
	sql_i64(&a, ttl_ms);
	scoped_result PGresult *r = sql_query(db, &lock, &a, err);
	for (int i = 0; r && i < PQntuples(r); i++) {
		const char *ended = sql_get_text(r, i, 6);
		if (!sql_get_bool(r, i, 7)) {
			continue;
		}
		if (strcmp(ended, "bound") == 0) {
			return err_set(err, ERR_EXISTS, "the code %s has been used: its device is bound already", code);
		}
		if (*ended) {
			return err_set(err, ERR_GONE, "the code %s has expired: let the device check again, it then shows another one",
				       code);
		}
		read_row(r, i, out);
		return true;
	}
	return r &&
	       err_set(err, ERR_NOT_FOUND,
		       "the code %s is unknown here: is the device's OTA address this service's, and does it show this code now?", code);
}

bool store_activation_by_challenge(struct db *db, const struct activation_facts *facts, const char *challenge, int64_t ttl_ms,
				   struct activation_row *out, struct err *err)
{
	static const struct sql lock = {"activation_lock_mac",
					"SELECT id FROM activations WHERE mac = $1 AND ended IS NULL ORDER BY id FOR UPDATE"};
	static const struct sql use = {
		"activation_by_challenge",
		"UPDATE activations SET challenges = array_remove(challenges, $3::uuid) WHERE mac = $1 AND client_uuid = $2 "
		"AND $3::uuid = ANY (challenges) AND ended IS NULL AND touched_at > now() - " TTL(
			"4") " RETURNING id, "
			     "licence_id, mac, client_uuid, board_name, board_type"};
	struct sql_args one = {0};
	sql_text(&one, facts->mac);
	struct sql_args a = {0};
	sql_text(&a, facts->mac);
	sql_text(&a, facts->client_uuid);
	sql_text(&a, challenge);
	sql_i64(&a, ttl_ms);
	if (!sql_run(db, &lock, &one, err)) {
		return false;
	}
	scoped_result PGresult *r = sql_query(db, &use, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_DENIED, "this challenge is not outstanding: it was used, has expired, or is another device's");
	}
	read_row(r, 0, out);
	return true;
}

bool store_activation_offer(struct db *db, const struct activation_facts *facts, int64_t rollout_id, int64_t max, bool *counted,
			    struct err *err)
{
	static const struct sql update = {
		"activation_offer",
		"UPDATE activations SET offers = CASE WHEN offered = $3 THEN offers + 1 ELSE 1 END, offered = $3 "
		"WHERE mac = $1 AND client_uuid = $2 AND ended IS NULL AND (offered IS DISTINCT FROM $3 OR offers < $4) "
		"RETURNING 1"};
	struct sql_args a = {0};
	sql_text(&a, facts->mac);
	sql_text(&a, facts->client_uuid);
	sql_i64(&a, rollout_id);
	sql_i64(&a, max);
	scoped_result PGresult *r = sql_query(db, &update, &a, err);
	*counted = r && PQntuples(r) > 0;
	return r != NULL;
}

bool store_activation_prove(struct db *db, int64_t id, int64_t licence_id, struct err *err)
{
	static const struct sql update = {"activation_prove", "UPDATE activations SET licence_id = $2 WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	sql_i64(&a, licence_id);
	return sql_run(db, &update, &a, err);
}

/* --- binding --- */

/* The device as it was before. */
struct before {
	int64_t id; /* 0 = there is none */
	int64_t product_id;
	int64_t licence_id; /* 0 = it has none */
	bool bound;
};

static bool find_device(struct db *db, const char *mac, const char *name, struct before *out, struct err *err)
{
	static const struct sql select = {
		"activation_device",
		"SELECT d.id, d.product_id, d.bound_at IS NOT NULL, (SELECT l.id FROM licences l WHERE l.device_id = d.id) "
		"FROM devices d WHERE d.mac = $1 OR (d.mac IS NULL AND d.name = $2) "
		"ORDER BY d.mac NULLS LAST LIMIT 1 FOR UPDATE OF d"};
	struct sql_args a = {0};
	sql_text(&a, mac);
	sql_text(&a, name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r) {
		return false;
	}
	*out = (struct before){0};
	if (PQntuples(r)) {
		*out = (struct before){.id = sql_get_i64(r, 0, 0),
				       .product_id = sql_get_i64(r, 0, 1),
				       .bound = sql_get_bool(r, 0, 2),
				       .licence_id = sql_get_i64(r, 0, 3)};
	}
	return true;
}

static bool may_bind(const struct activation_binding *b, const struct before *before, const struct product *product, struct err *err)
{
	if (before->id && before->product_id != b->product_id) {
		return err_set(err, ERR_CONFLICT,
			       "this device is known and belongs to product %" PRId64 ": name that one, or move it first",
			       before->product_id);
	}
	if (before->bound && product->identity == IDENTITY_MAC) {
		return err_set(err, ERR_EXISTS, "this device is bound already");
	}
	if (before->bound && b->by_proof &&
	    before->licence_id != b->licence_id) { /* whoever has a licence does not get every device by it */
		return err_set(err, ERR_CONFLICT, "this device is bound already, and not by this licence: its owner must enter its code");
	}
	if (product->identity != IDENTITY_MAC && !*b->row->client_uuid) {
		return err_set(err, ERR_CONFLICT, "the product pins each device's Client-Id, and this device's firmware tells none");
	}
	if (product->identity == IDENTITY_LICENCE && !b->licence_id) {
		return err_set(err, ERR_CONFLICT, "the product takes only devices with a licence, and this one has not proven any");
	}
	return true;
}

/* The licence becomes this device's, if it is nobody's and the product's. */
static bool bind_licence(struct db *db, int64_t licence_id, const struct device *device, struct err *err)
{
	static const struct sql update = {"activation_licence",
					  "UPDATE licences SET device_id = $2, rev = rev + 1 WHERE id = $1 AND (device_id IS "
					  "NULL OR device_id = $2) AND coalesce(product_id, $3) = $3 RETURNING 1"};
	struct sql_args a = {0};
	struct err why = {0};
	sql_i64(&a, licence_id);
	sql_i64(&a, device->id);
	sql_i64(&a, device->product_id);
	scoped_result PGresult *r = sql_query(db, &update, &a, &why);
	if (!r) {
		return why.kind == ERR_EXISTS ? err_set(err, ERR_CONFLICT, "this device has another licence already")
					      : err_set(err, why.kind, "%s", why.text);
	}
	return PQntuples(r) == 1 || err_set(err, ERR_CONFLICT, "the licence belongs to another device or product");
}

static bool make_device(struct db *db, const struct activation_binding *b, const char *name, int64_t *id, struct err *err)
{
	struct device device = {.product_id = b->product_id, .auto_update = true};
	struct err why = {0};
	text_copy(device.name, sizeof device.name, name);
	text_copy(device.client_id, sizeof device.client_id, name);
	text_copy(device.mac, sizeof device.mac, b->row->mac);
	if (!store_device_create(db, &device, &why)) { /* also when somebody makes it at this moment */
		return why.kind == ERR_EXISTS ? err_set(err, ERR_CONFLICT, "the device of this code cannot be made: %s", why.text)
					      : err_set(err, why.kind, "%s", why.text);
	}
	*id = device.id;
	return true;
}

static bool write_binding(struct db *db, const struct activation_binding *b, int64_t id, struct err *err)
{
	static const struct sql bind = {"activation_bind",
					"UPDATE devices SET mac = $2, client_uuid = $3, nick_name = coalesce($4, nick_name), "
					"bound_at = now(), rev = rev + 1, updated_at = now() WHERE id = $1"};
	static const struct sql end = {"activation_end", "UPDATE activations SET ended = 'bound', touched_at = now(), challenges = '{}' "
							 "WHERE mac = $1 AND ended IS NULL"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	sql_text(&a, b->row->mac);
	sql_text_or_null(&a, b->row->client_uuid);
	if (b->nick_name) {
		sql_text(&a, b->nick_name);
	} else {
		sql_null(&a);
	}
	struct sql_args mac = {0};
	sql_text(&mac, b->row->mac);
	return sql_run(db, &bind, &a, err) && sql_run(db, &end, &mac, err);
}

bool store_activation_bind(struct db *db, const struct activation_binding *b, struct device *out, bool *fresh, int64_t *revoked,
			   struct err *err)
{
	char name[NAME_SIZE];
	struct before before;
	struct product product;
	struct err why = {0};
	*revoked = 0;
	activation_name(b->row->mac, name);
	if (!store_product_get(db, b->product_id, &product, &why)) {
		return err_set(err, why.kind == ERR_NOT_FOUND ? ERR_INVALID : why.kind, "%s", why.text);
	}
	if (!find_device(db, b->row->mac, name, &before, err) || !may_bind(b, &before, &product, err) ||
	    (!before.id && !make_device(db, b, name, &before.id, err))) {
		return false;
	}
	*fresh = !before.bound;
	bool ok = !before.bound || store_credential_rotate(db, before.id, out, revoked, err);
	return ok && write_binding(db, b, before.id, err) && store_device_get(db, before.id, out, err) &&
	       (!b->licence_id || bind_licence(db, b->licence_id, out, err));
}

bool store_activation_unbind(struct db *db, int64_t device_id, struct device *out, int64_t *revoked, struct err *err)
{
	static const struct sql lock = {
		"activation_unbind_lock",
		"SELECT bound_at IS NOT NULL, (SELECT min(t.id) FROM tasks t WHERE t.device_id = d.id AND t.ended_at IS NULL) "
		"FROM devices d WHERE id = $1 FOR UPDATE OF d"};
	static const struct sql unbind = {"activation_unbind",
					  "UPDATE devices SET bound_at = NULL, client_uuid = NULL, nick_name = '' WHERE id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, device_id);
	scoped_result PGresult *r = sql_query(db, &lock, &a, err);
	if (!r) {
		return false;
	}
	if (PQntuples(r) == 0 || !sql_get_bool(r, 0, 0)) {
		return err_set(err, ERR_NOT_FOUND, "there is no bound device %" PRId64, device_id);
	}
	int64_t live = sql_get_i64(r, 0, 1);
	if (live) {
		return err_set(err, ERR_CONFLICT, "the device is in use by task %" PRId64 ", which is live; cancel it first", live);
	}
	return store_credential_rotate(db, device_id, out, revoked, err) && sql_run(db, &unbind, &a, err) &&
	       store_device_get(db, device_id, out, err);
}

bool store_activation_sweep(struct db *db, int64_t ttl_ms, struct err *err)
{
	static const struct sql sweep = {"activation_sweep", "SELECT activation_sweep(" TTL("1") ")"};
	struct sql_args a = {0};
	sql_i64(&a, ttl_ms);
	return sql_run(db, &sweep, &a, err);
}
