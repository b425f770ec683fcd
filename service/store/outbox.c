#include "store/outbox.h"

#include "common/scoped.h"
#include "store/sql.h"

static const struct sql put = {"outbox_put",
	"INSERT INTO outbox (task_id, due_at) SELECT id, now() + make_interval(secs => $2::float8 / 1000) FROM unnest($1::bigint[]) u(id)"
	" ON CONFLICT (task_id) DO UPDATE SET due_at = excluded.due_at, attempt = 0"};
static const struct sql claim = {"outbox_claim",
	"UPDATE outbox o SET due_at = now() + make_interval(secs => $2::float8 / 1000) WHERE o.task_id IN"
	" (SELECT task_id FROM outbox WHERE due_at <= now() ORDER BY due_at LIMIT $1::int FOR UPDATE SKIP LOCKED) RETURNING o.task_id, o.attempt"};
static const struct sql next_due = {"outbox_next", "SELECT (extract(epoch FROM min(due_at) - now()) * 1000)::bigint FROM outbox"};
static const struct sql sent = {"outbox_sent",
	"UPDATE outbox SET attempt = least(attempt + 1, 30), due_at = now() + make_interval(secs => least($3::float8, $2::float8 * 2 ^ attempt)"
	" / 1000 * (0.75 + 0.5 * random())) WHERE task_id = ANY($1::bigint[])"};
static const struct sql delay = {"outbox_delay",
	"UPDATE outbox SET due_at = now() + make_interval(secs => $2::float8 / 1000) WHERE task_id = ANY($1::bigint[])"};
static const struct sql restart = {"outbox_restart",
	"UPDATE outbox SET attempt = 0, due_at = now() + make_interval(secs => $1::float8 / 1000 * random())"
	" WHERE due_at > now() + make_interval(secs => $1::float8 / 1000)"};
static const struct sql drop = {"outbox_drop", "DELETE FROM outbox WHERE task_id = ANY($1::bigint[])"};

static bool run(struct db *db, const struct sql *stmt, const int64_t *tasks, size_t n, const int64_t *extra, size_t extras, struct err *err)
{
	struct sql_args a = {0};
	scoped_list struct sql_list ids;
	sql_list_init(&ids);
	for (size_t i = 0; i < n; i++) {
		sql_list_i64(&ids, tasks[i]);
	}
	sql_array(&a, &ids);
	for (size_t i = 0; i < extras; i++) {
		sql_i64(&a, extra[i]);
	}
	return sql_run(db, stmt, &a, err);
}

bool store_outbox_put(struct db *db, const int64_t *tasks, size_t n, int64_t delay_ms, struct err *err)
{
	return run(db, &put, tasks, n, &delay_ms, 1, err);
}

bool store_outbox_delay(struct db *db, const int64_t *tasks, size_t n, int64_t delay_ms, struct err *err)
{
	return run(db, &delay, tasks, n, &delay_ms, 1, err);
}

bool store_outbox_drop(struct db *db, const int64_t *tasks, size_t n, struct err *err) { return run(db, &drop, tasks, n, NULL, 0, err); }

bool store_outbox_sent(struct db *db, const int64_t *tasks, size_t n, int64_t min_ms, int64_t max_ms, struct err *err)
{
	return run(db, &sent, tasks, n, (const int64_t[]){min_ms, max_ms}, 2, err);
}

bool store_outbox_restart(struct db *db, int64_t window_ms, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, window_ms);
	return sql_run(db, &restart, &a, err);
}

bool store_outbox_claim(struct db *db, size_t max, int64_t lease_ms, struct outbox_row *out, size_t *count, int64_t *next_ms, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, (int64_t)max);
	sql_i64(&a, lease_ms);
	scoped_result PGresult *r = sql_query(db, &claim, &a, err);
	if (!r) {
		return false;
	}
	*count = (size_t)PQntuples(r);
	for (size_t i = 0; i < *count; i++) {
		out[i] = (struct outbox_row){.task_id = sql_get_i64(r, (int)i, 0), .attempt = sql_get_i64(r, (int)i, 1)};
	}
	*next_ms = 0;
	if (*count == 0) {
		scoped_result PGresult *n = sql_query(db, &next_due, NULL, err);
		if (!n) {
			return false;
		}
		*next_ms = PQgetisnull(n, 0, 0) ? -1 : sql_get_i64(n, 0, 0);
	}
	return true;
}
