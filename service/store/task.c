#include "store/task.h"

#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "store/rows.h"
#include "store/sql.h"

static const struct sql lock_of_devices = {"tasks_lock",
					   "SELECT " TASK_COLUMNS " FROM tasks t WHERE t.id IN ("
					   " SELECT x.id FROM unnest($1::bigint[]) d(id) CROSS JOIN LATERAL ("
					   "  (SELECT l.id FROM tasks l WHERE l.device_id = d.id AND l.ended_at IS NULL)"
					   "  UNION ALL (SELECT r.id FROM tasks r WHERE r.device_id = d.id ORDER BY r.id DESC LIMIT 3)) x"
					   " UNION ALL SELECT unnest($2::bigint[])) ORDER BY t.id FOR UPDATE"};
static const struct sql lock_named = {"tasks_lock_named",
				      "SELECT " TASK_COLUMNS " FROM tasks t WHERE t.id = ANY($1::bigint[]) ORDER BY t.id FOR UPDATE"};

bool store_tasks_lock(struct db *db, const struct task_wish *wish, struct task **out, size_t *count, struct err *err)
{
	struct sql_args a = {0};
	scoped_list struct sql_list devices;
	scoped_list struct sql_list tasks;
	sql_list_ids(&devices, wish->devices, wish->device_count);
	sql_list_ids(&tasks, wish->tasks, wish->task_count);
	if (wish->device_count) {
		sql_array(&a, &devices);
	}
	sql_array(&a, &tasks);
	scoped_result PGresult *r = sql_query(db, wish->device_count ? &lock_of_devices : &lock_named, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		rows_task(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

static const struct sql lock_devices = {"orders_lock_devices",
					"SELECT id FROM devices WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE"};
static const struct sql lock_firmware = {
	"orders_lock_firmware", "SELECT id FROM firmware WHERE id = ANY($1::bigint[]) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE"};

static bool lock_present(struct db *db, const struct sql *stmt, const int64_t *ids, size_t n, int64_t *out, size_t *count, struct err *err)
{
	struct sql_args a = {0};
	scoped_list struct sql_list list;
	sql_list_ids(&list, ids, n);
	sql_array(&a, &list);
	scoped_result PGresult *r = sql_query(db, stmt, &a, err);
	*count = r ? (size_t)PQntuples(r) : 0;
	for (size_t i = 0; i < *count; i++) {
		out[i] = sql_get_i64(r, (int)i, 0);
	}
	return r != NULL;
}

bool store_orders_lock(struct db *db, const struct order_wish *wish, int64_t *devices, size_t *device_count, int64_t *firmware,
		       size_t *firmware_count, struct err *err)
{
	return lock_present(db, &lock_devices, wish->devices, wish->device_count, devices, device_count, err) &&
	       lock_present(db, &lock_firmware, wish->firmware, wish->firmware_count, firmware, firmware_count, err);
}

static const struct sql relaxed = {"commit_relaxed", "SELECT set_config('synchronous_commit', 'off', true)"};

bool store_commit_relaxed(struct db *db, struct err *err)
{
	return sql_run(db, &relaxed, NULL, err);
}

static const struct sql new_ids = {"task_ids",
				   "SELECT nextval('rollouts_id_seq'), nextval('tasks_id_seq') FROM generate_series(1, $1::int)"};

bool store_task_ids(struct db *db, size_t n, int64_t *rollouts, int64_t *tasks, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, (int64_t)n);
	scoped_result PGresult *r = sql_query(db, &new_ids, &a, err);
	for (size_t i = 0; r && i < n; i++) {
		rollouts[i] = sql_get_i64(r, (int)i, 0);
		tasks[i] = sql_get_i64(r, (int)i, 1);
	}
	return r != NULL;
}

static const struct sql insert_rollouts = {
	"rollouts_insert", "INSERT INTO rollouts (id, kind, way, product_id, device_id, firmware_id, component, version_name, description, "
			   "created_by, created_at,"
			   " ended_at, end_reason) OVERRIDING SYSTEM VALUE SELECT id, CASE way WHEN 'standing' THEN 'standing' ELSE "
			   "'single' END, way, product, device,"
			   " firmware, component, version_name, description, created_by, " SQL_TIME("created") ", " SQL_TIME(
				   "ended") ", end_reason"
					    " FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], "
					    "$7::text[], $8::text[],"
					    " $9::text[], $10::bigint[], $11::bigint[], $12::text[])"
					    " u(id, way, product, device, firmware, component, version_name, description, created_by, "
					    "created, ended, end_reason)"};

bool store_rollouts_insert(struct db *db, const struct rollout_insert *rows, size_t n, struct err *err)
{
	struct sql_list l[12];
	for (size_t c = 0; c < 12; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		const struct rollout *r = &rows[i].rollout;
		sql_list_i64(&l[0], r->id);
		sql_list_text(&l[1], rollout_way_name(r->way));
		sql_list_i64(&l[2], r->product_id);
		sql_list_i64(&l[3], r->device_id);
		sql_list_i64(&l[4], r->firmware_id);
		sql_list_text(&l[5], r->component);
		sql_list_text_or_null(&l[6], r->version_name);
		sql_list_text(&l[7], r->description);
		sql_list_text(&l[8], rows[i].created_by);
		sql_list_ms(&l[9], r->created_ms);
		sql_list_ms(&l[10], r->ended_ms);
		sql_list_text_or_null(&l[11], rows[i].end_reason ? rows[i].end_reason : "");
	}
	return sql_run_lists(db, &insert_rollouts, l, 12, err);
}

static const struct sql lock_assignments = {
	"assignments_lock",
	"SELECT " ROLLOUT_COLUMNS " FROM rollouts r WHERE r.device_id = ANY($1::bigint[]) AND r.way = 'passive' AND r.ended_at IS NULL"
	" ORDER BY r.id FOR UPDATE"};

bool store_assignments_lock(struct db *db, const int64_t *devices, size_t n, struct rollout **out, size_t *count, struct err *err)
{
	struct sql_args a = {0};
	scoped_list struct sql_list ids;
	sql_list_ids(&ids, devices, n);
	sql_array(&a, &ids);
	scoped_result PGresult *r = sql_query(db, &lock_assignments, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		rows_rollout(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

static const struct sql describe_rollouts = {
	"rollouts_describe", "UPDATE rollouts r SET version_name = u.version_name, description = u.description"
			     " FROM unnest($1::bigint[], $2::text[], $3::text[]) u(id, version_name, description) WHERE r.id = u.id"};

bool store_rollouts_describe(struct db *db, const struct rollout *const *rollouts, size_t n, struct err *err)
{
	struct sql_list l[3];
	for (size_t c = 0; c < 3; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		sql_list_i64(&l[0], rollouts[i]->id);
		sql_list_text_or_null(&l[1], rollouts[i]->version_name);
		sql_list_text(&l[2], rollouts[i]->description);
	}
	return sql_run_lists(db, &describe_rollouts, l, 3, err);
}

static const struct sql end_rollouts = {
	"rollouts_end", "UPDATE rollouts SET ended_at = now(), end_reason = $2 WHERE id = ANY($1::bigint[]) AND ended_at IS NULL"};

bool store_rollouts_end(struct db *db, const int64_t *ids, size_t n, const char *reason, struct err *err)
{
	struct sql_args a = {0};
	scoped_list struct sql_list list;
	sql_list_ids(&list, ids, n);
	sql_array(&a, &list);
	sql_text(&a, reason);
	return sql_run(db, &end_rollouts, &a, err);
}

static const struct sql insert_tasks = {
	"tasks_insert", "INSERT INTO tasks (id, rollout_id, device_id, firmware_id, way, component, state, code, token, "
			"source_version, rev, created_at, updated_at, ended_at, offers, turns)"
			" OVERRIDING SYSTEM VALUE SELECT id, rollout, device, firmware, way, component, state, code, "
			"token::uuid, source, rev, " SQL_TIME("created") ", " SQL_TIME("updated") ", " SQL_TIME(
				"ended") ", offers, turns FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], "
					 "$6::text[], $7::text[], $8::text[], $9::text[], $10::text[],"
					 " $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::int[], $16::int[])"
					 " u(id, rollout, device, firmware, way, component, state, code, token, source, "
					 "rev, created, updated, ended, offers, turns)"};

bool store_tasks_insert(struct db *db, const struct task *const *tasks, size_t n, struct err *err)
{
	enum { TASK_LISTS = 16 };
	struct sql_list l[TASK_LISTS];
	for (size_t c = 0; c < TASK_LISTS; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		const struct task *t = tasks[i];
		sql_list_i64(&l[0], t->id);
		sql_list_i64(&l[1], t->rollout_id);
		sql_list_i64(&l[2], t->device_id);
		sql_list_i64(&l[3], t->firmware_id);
		sql_list_text(&l[4], rollout_way_name(t->way));
		sql_list_text(&l[5], t->component);
		sql_list_text(&l[6], task_state_name(t->state));
		sql_list_text(&l[7], t->code);
		sql_list_text(&l[8], t->token);
		sql_list_text(&l[9], t->source_version);
		sql_list_i64(&l[10], t->rev);
		sql_list_ms(&l[11], t->created_ms);
		sql_list_ms(&l[12], t->updated_ms);
		sql_list_ms(&l[13], t->ended_ms);
		sql_list_i64(&l[14], t->offers);
		sql_list_i64(&l[15], t->turns);
	}
	return sql_run_lists(db, &insert_tasks, l, TASK_LISTS, err);
}

static const struct sql update_tasks = {
	"tasks_update",
	"UPDATE tasks t SET state = u.state, stage = u.stage, code = u.code, source_version = u.source, seen_version = u.seen, got = u.got,"
	" fetched = u.fetched, rev = u.rev, updated_at = " SQL_TIME("u.updated") ", ended_at = " SQL_TIME(
		"u.ended") " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bool[], "
			   "$9::bigint[], $10::bigint[],"
			   " $11::bigint[]) u(id, state, stage, code, source, seen, got, fetched, rev, updated, ended) WHERE t.id = u.id"};

bool store_tasks_update(struct db *db, const struct task *const *tasks, size_t n, struct err *err)
{
	struct sql_list l[11];
	for (size_t c = 0; c < 11; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		const struct task *t = tasks[i];
		char got[COVERAGE_TEXT_SIZE];
		coverage_print(&t->got, got);
		sql_list_i64(&l[0], t->id);
		sql_list_text(&l[1], task_state_name(t->state));
		sql_list_text(&l[2], t->stage);
		sql_list_text(&l[3], t->code);
		sql_list_text(&l[4], t->source_version);
		sql_list_text(&l[5], t->seen_version);
		sql_list_text(&l[6], got);
		sql_list_bool(&l[7], t->fetched);
		sql_list_i64(&l[8], t->rev);
		sql_list_ms(&l[9], t->updated_ms);
		sql_list_ms(&l[10], t->ended_ms);
	}
	return sql_run_lists(db, &update_tasks, l, 11, err);
}

static const struct sql insert_events = {
	"events_insert", "INSERT INTO events (task_id, at, event, from_state, to_state, detail) SELECT task, " SQL_TIME(
				 "$6::bigint") ", event, from_state, to_state, detail FROM unnest($1::bigint[], $2::text[],"
					       " $3::text[], $4::text[], $5::text[]) u(task, event, from_state, to_state, detail)"};

bool store_events_insert(struct db *db, const struct event_insert *rows, size_t n, int64_t now_ms, struct err *err)
{
	enum { LISTS = 5 };
	struct sql_args a = {0};
	struct sql_list l[LISTS];
	for (size_t c = 0; c < LISTS; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		sql_list_i64(&l[0], rows[i].task_id);
		sql_list_text(&l[1], rows[i].event);
		sql_list_text(&l[2], rows[i].from);
		sql_list_text(&l[3], rows[i].to);
		sql_list_text(&l[4], rows[i].detail);
	}
	bool whole = true;
	for (size_t c = 0; c < LISTS; c++) {
		whole = whole && buf_ok(&l[c].text);
		sql_array(&a, &l[c]);
	}
	sql_i64(&a, now_ms);
	bool ok = whole ? sql_run(db, &insert_events, &a, err) : err_set(err, ERR_INTERNAL, "out of memory");
	for (size_t c = 0; c < LISTS; c++) {
		sql_list_free(&l[c]);
	}
	return ok;
}

static const struct sql insert_audits = {"audits_insert",
					 "INSERT INTO audit (actor, address, request, action, target, detail)"
					 " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])"};

bool store_audits_insert(struct db *db, const struct audit_insert *rows, size_t n, struct err *err)
{
	struct sql_list l[6];
	for (size_t c = 0; c < 6; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		sql_list_text(&l[0], rows[i].actor.name);
		sql_list_text(&l[1], rows[i].actor.address);
		sql_list_text(&l[2], rows[i].actor.request);
		sql_list_text(&l[3], rows[i].action);
		sql_list_text(&l[4], rows[i].target);
		sql_list_text(&l[5], rows[i].detail);
	}
	return sql_run_lists(db, &insert_audits, l, 6, err);
}

static const struct sql write_versions = {
	"versions_write", "WITH u AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[]) u(device, component, version)),"
			  " app AS (UPDATE devices d SET version = u.version, rev = rev + 1, updated_at = now() FROM u"
			  "  WHERE d.id = u.device AND u.component = 'app' AND d.version IS DISTINCT FROM u.version)"
			  " INSERT INTO device_versions (device_id, component, version) SELECT d.id, u.component, u.version FROM u JOIN "
			  "devices d ON d.id = u.device WHERE u.component = 'app' OR EXISTS (SELECT FROM device_versions v WHERE "
			  "v.device_id = d.id AND v.component = u.component)"
			  " OR (SELECT count(*) FROM device_versions v WHERE v.device_id = d.id) < 16"
			  " ON CONFLICT (device_id, component) DO UPDATE SET version = excluded.version, reported_at = now()"};

bool store_versions_write(struct db *db, const struct version_fact *facts, size_t n, struct err *err)
{
	struct sql_list l[3];
	for (size_t c = 0; c < 3; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		sql_list_i64(&l[0], facts[i].device_id);
		sql_list_text(&l[1], facts[i].component);
		sql_list_text(&l[2], facts[i].version);
	}
	return sql_run_lists(db, &write_versions, l, 3, err);
}

static const struct sql learn_version = {
	"firmware_learn", "UPDATE firmware SET version = $2, rev = rev + 1, updated_at = now() WHERE id = $1 AND version IS NULL"};

bool store_firmware_learn(struct db *db, int64_t firmware_id, const char *version, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, firmware_id);
	sql_text(&a, version);
	return sql_run(db, &learn_version, &a, err);
}

static const struct sql write_seen = {"seen_write",
				      "UPDATE devices d SET last_seen = to_timestamp(u.s) FROM unnest($1::bigint[], $2::bigint[]) u(id, s)"
				      " WHERE d.id = u.id AND (d.last_seen IS NULL OR d.last_seen < to_timestamp(u.s))"};

bool store_seen_write(struct db *db, const int64_t *devices, const int64_t *seconds, size_t n, struct err *err)
{
	struct sql_list l[2];
	sql_list_init(&l[0]);
	sql_list_init(&l[1]);
	for (size_t i = 0; i < n; i++) {
		sql_list_i64(&l[0], devices[i]);
		sql_list_i64(&l[1], seconds[i]);
	}
	return sql_run_lists(db, &write_seen, l, 2, err);
}
