#include "store/listing.h"

#include <inttypes.h>

#include "common/err.h"
#include "common/scoped.h"
#include "model/listing.h"
#include "store/rows.h"
#include "store/sql.h"

static void put_page(struct sql_args *a, const struct page *page)
{
	sql_i64(a, page->after);
	sql_i64(a, page->limit);
	sql_i64_or_null(a, page->product_id);
	sql_i64_or_null(a, page->device_id);
}

/* ---- assignments ---- */

#define ASSIGNMENTS                                                                                                                       \
	"SELECT " ROLLOUT_COLUMNS ", d.name, f.name, (SELECT x.state FROM tasks x WHERE x.rollout_id = r.id ORDER BY x.id DESC LIMIT 1) " \
	"FROM rollouts r JOIN devices d ON d.id = r.device_id JOIN firmware f ON f.id = r.firmware_id "                                   \
	"WHERE r.way = 'passive' AND r.ended_at IS NULL"

static void read_assignment(const PGresult *r, int row, struct assignment *a)
{
	rows_rollout(r, row, &a->rollout);
	sql_copy_text(r, row, ROLLOUT_COLUMN_COUNT, a->device_name, sizeof a->device_name);
	sql_copy_text(r, row, ROLLOUT_COLUMN_COUNT + 1, a->firmware_name, sizeof a->firmware_name);
	task_state_parse(sql_get_text(r, row, ROLLOUT_COLUMN_COUNT + 2), &a->state);
}

bool store_assignment_list(struct db *db, const struct page *page, struct assignment **out, size_t *count, struct err *err)
{
	static const struct sql select = {
		"assignment_list",
		ASSIGNMENTS " AND r.id > $1 AND ($3::bigint IS NULL OR r.product_id = $3) AND ($4::bigint IS NULL OR r.device_id = $4) "
			    "ORDER BY r.id LIMIT $2"};
	struct sql_args a = {0};
	put_page(&a, page);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_assignment(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

bool store_assignment_get(struct db *db, int64_t rollout_id, struct assignment *out, struct err *err)
{
	static const struct sql select = {"assignment_get", ASSIGNMENTS " AND r.id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "there is no assignment %" PRId64, rollout_id);
	}
	read_assignment(r, 0, out);
	return true;
}

/* ---- tasks ---- */

#define TASKS                                                                                                  \
	"SELECT " TASK_COLUMNS ", d.name, f.name, a.size FROM tasks t JOIN rollouts r ON r.id = t.rollout_id " \
	"JOIN devices d ON d.id = t.device_id JOIN firmware f ON f.id = t.firmware_id LEFT JOIN artifacts a USING (sha256) "

static void read_task(const PGresult *r, int row, struct task_row *t)
{
	rows_task(r, row, &t->task);
	sql_copy_text(r, row, TASK_COLUMN_COUNT, t->device_name, sizeof t->device_name);
	sql_copy_text(r, row, TASK_COLUMN_COUNT + 1, t->firmware_name, sizeof t->firmware_name);
	t->size = sql_get_i64(r, row, TASK_COLUMN_COUNT + 2);
}

bool store_task_list(struct db *db, const struct page *page, struct task_row **out, size_t *count, struct err *err)
{
	static const struct sql select = {
		"task_list",
		TASKS "WHERE t.id > $1 AND ($3::bigint IS NULL OR r.product_id = $3) AND ($4::bigint IS NULL OR t.device_id = $4) "
		      "AND ($5 = '' OR t.state = $5) ORDER BY t.id LIMIT $2"};
	struct sql_args a = {0};
	put_page(&a, page);
	sql_text(&a, page->name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_task(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

bool store_task_get(struct db *db, int64_t id, struct task_row *out, struct err *err)
{
	static const struct sql select = {"task_get", TASKS "WHERE t.id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && err_set(err, ERR_NOT_FOUND, "there is no task %" PRId64, id);
	}
	read_task(r, 0, out);
	return true;
}

static void read_happening(const PGresult *r, int row, struct task_happening *h)
{
	h->at_ms = sql_get_i64(r, row, 0);
	sql_copy_text(r, row, 1, h->event, sizeof h->event);
	sql_copy_text(r, row, 2, h->from, sizeof h->from);
	sql_copy_text(r, row, 3, h->to, sizeof h->to);
	sql_copy_text(r, row, 4, h->detail, sizeof h->detail);
}

bool store_task_timeline(struct db *db, int64_t id, struct task_happening **out, size_t *count, struct err *err)
{
	static const struct sql select = {
		"task_timeline",
		/* what one commit wrote has one time: then the rows' order in the table tells */
		"SELECT ms, event, from_state, to_state, detail FROM (SELECT " SQL_MS(
			"at") " AS ms, at, ctid AS place, event, from_state, to_state, detail "
			      "FROM events WHERE task_id = $1 ORDER BY at DESC, ctid DESC LIMIT 1000) latest ORDER BY at, place"};
	struct sql_args a = {0};
	sql_i64(&a, id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_happening(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}

/* ---- audit ---- */

static void read_audit(const PGresult *r, int row, struct audit_row *a)
{
	a->id = sql_get_i64(r, row, 0);
	a->at_ms = sql_get_i64(r, row, 1);
	sql_copy_text(r, row, 2, a->actor.name, sizeof a->actor.name);
	sql_copy_text(r, row, 3, a->actor.address, sizeof a->actor.address);
	sql_copy_text(r, row, 4, a->actor.request, sizeof a->actor.request);
	sql_copy_text(r, row, 5, a->action, sizeof a->action);
	sql_copy_text(r, row, 6, a->target, sizeof a->target);
	sql_copy_text(r, row, 7, a->detail, sizeof a->detail);
}

bool store_audit_list(struct db *db, const struct page *page, struct audit_row **out, size_t *count, struct err *err)
{
	static const struct sql select = {
		"audit_list", "SELECT id, " SQL_MS("at") ", actor, address, request, action, target, detail FROM audit WHERE id > $1 "
							 "AND ($3 = '' OR actor = $3) ORDER BY id LIMIT $2"};
	struct sql_args a = {0};
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	sql_text(&a, page->name);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		read_audit(r, (int)i, &(*out)[i]);
	}
	return *out != NULL;
}
