#include "store/outbox.h"

#include "common/clock.h"
#include "common/scoped.h"
#include "store/sql.h"

#define AFTER_MS(expr) "now() + make_interval(secs => (" expr ")::float8 / 1000)"

static const struct sql put_due = {"outbox_put_due",
				   "INSERT INTO outbox (task_id, due_at) SELECT id, now() FROM (SELECT DISTINCT unnest($1::bigint[])) u(id)"
				   " ON CONFLICT (task_id) DO UPDATE SET due_at = excluded.due_at, attempt = 0"};
static const struct sql put_taken = {
	"outbox_put_taken",
	"INSERT INTO outbox (task_id, due_at, attempt, taken_at) SELECT id, " AFTER_MS(
		"$2::float8 * (1 + 0.5 * random())") ", 1, clock_timestamp() FROM (SELECT DISTINCT unnest($1::bigint[])) u(id)"
						     " ON CONFLICT (task_id) DO UPDATE SET due_at = excluded.due_at, attempt = 1, "
						     "taken_at = "
						     "excluded.taken_at"};
static const struct sql claim = {
	"outbox_claim",
	"UPDATE outbox o SET attempt = least(attempt + 1, 30), taken_at = clock_timestamp(),"
	" due_at = " AFTER_MS(
		"least($3::float8, $2::float8 * 2 ^ attempt) * (1 + 0.5 * random())") " WHERE o.task_id IN"
										      " (SELECT task_id FROM outbox WHERE due_at <= "
										      "now() ORDER BY due_at LIMIT $1::int FOR UPDATE "
										      "SKIP LOCKED) RETURNING o.task_id, o.attempt - 1"};
/* the age is small even where the machines' clocks differ; a message lies in a session's queue no longer than the interval it was sent with
 */
static const struct sql hasten = {
	"outbox_hasten",
	"UPDATE outbox o SET attempt = u.attempt, due_at = CASE WHEN u.wait < 0 THEN greatest(clock_timestamp(), o.taken_at +"
	" make_interval(secs => least($6::float8, $5::float8 * 2 ^ greatest(o.attempt - 1, 0)) / 1000))"
	" ELSE clock_timestamp() + make_interval(secs => u.wait::float8 / 1000) END"
	" FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::bigint[]) u(id, age, attempt, wait)"
	" WHERE o.task_id = u.id AND o.taken_at <= clock_timestamp() - make_interval(secs => u.age::float8 / 1000)"};
static const struct sql next_due = {"outbox_next", "SELECT (extract(epoch FROM min(due_at) - now()) * 1000)::bigint FROM outbox"};
static const struct sql retry = {"outbox_retry",
				 "UPDATE outbox SET due_at = now(), attempt = greatest(attempt - 1, 0) WHERE task_id = ANY($1::bigint[])"};
static const struct sql delay = {"outbox_delay", "UPDATE outbox SET due_at = " AFTER_MS("$2::bigint") " WHERE task_id = ANY($1::bigint[])"};
static const struct sql restart = {"outbox_restart", "UPDATE outbox SET attempt = 0, due_at = " AFTER_MS(
							     "$1::bigint * random()") " WHERE due_at > " AFTER_MS("$1::bigint")};
/* the row's lock keeps two replicas apart: the second one sees the first one's event, or comes within the interval of its lease */
static const struct sql reboot = {
	"outbox_reboot",
	"WITH t AS (SELECT id, device_id, state FROM tasks WHERE id = $1 AND ended_at IS NULL FOR UPDATE)"
	" INSERT INTO events (task_id, event, from_state, to_state) SELECT t.id, 'reboot', t.state, t.state FROM t"
	" WHERE NOT EXISTS (SELECT FROM events e JOIN tasks o ON o.id = e.task_id WHERE o.device_id = t.device_id AND e.event = 'reboot'"
	" AND e.at > now() - make_interval(secs => $2::float8 / 1000))"
	" AND NOT EXISTS (SELECT FROM events e WHERE e.task_id = t.id AND e.event = 'reboot' AND e.at > (SELECT max(o.at) FROM events o"
	" WHERE o.task_id = t.id AND o.event IN ('ordered', 'ordered_again')))"
	" RETURNING 1"};
static const struct sql drop = {"outbox_drop", "DELETE FROM outbox WHERE task_id = ANY($1::bigint[])"};

/* A statement on a list of tasks, with one number more if extra is not NULL. */
static bool run(struct db *db, const struct sql *stmt, const int64_t *tasks, size_t n, const int64_t *extra, struct err *err)
{
	struct sql_args a = {0};
	scoped_list struct sql_list ids;
	sql_list_ids(&ids, tasks, n);
	sql_array(&a, &ids);
	if (extra) {
		sql_i64(&a, *extra);
	}
	return sql_run(db, stmt, &a, err);
}

bool store_outbox_put(struct db *db, const int64_t *tasks, size_t n, bool taken, int64_t min_ms, struct err *err)
{
	return taken ? run(db, &put_taken, tasks, n, &min_ms, err) : run(db, &put_due, tasks, n, NULL, err);
}

bool store_outbox_hasten(struct db *db, const struct outbox_hasten *rows, size_t n, const struct outbox_pace *pace, struct err *err)
{
	struct sql_args a = {0};
	struct sql_list lists[4];
	int64_t now = clock_mono_ms();
	for (size_t i = 0; i < 4; i++) {
		sql_list_init(&lists[i]);
	}
	for (size_t i = 0; i < n; i++) {
		sql_list_i64(&lists[0], rows[i].task_id);
		sql_list_i64(&lists[1], rows[i].since_ms < now ? now - rows[i].since_ms : 0);
		sql_list_i64(&lists[2], rows[i].attempt);
		sql_list_i64(&lists[3], rows[i].wait_ms);
	}
	for (size_t i = 0; i < 4; i++) {
		sql_array(&a, &lists[i]);
	}
	sql_i64(&a, pace->min_ms);
	sql_i64(&a, pace->max_ms);
	bool ok = sql_run(db, &hasten, &a, err);
	for (size_t i = 0; i < 4; i++) {
		sql_list_free(&lists[i]);
	}
	return ok;
}

bool store_outbox_retry(struct db *db, const int64_t *tasks, size_t n, struct err *err)
{
	return run(db, &retry, tasks, n, NULL, err);
}

bool store_outbox_delay(struct db *db, const int64_t *tasks, size_t n, int64_t delay_ms, struct err *err)
{
	return run(db, &delay, tasks, n, &delay_ms, err);
}

bool store_outbox_drop(struct db *db, const int64_t *tasks, size_t n, struct err *err)
{
	return run(db, &drop, tasks, n, NULL, err);
}

bool store_outbox_reboot(struct db *db, int64_t task_id, int64_t gap_ms, bool *granted, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, task_id);
	sql_i64(&a, gap_ms);
	scoped_result PGresult *r = sql_query(db, &reboot, &a, err);
	*granted = r && PQntuples(r) > 0;
	return r != NULL;
}

bool store_outbox_restart(struct db *db, int64_t window_ms, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, window_ms);
	return sql_run(db, &restart, &a, err);
}

bool store_outbox_claim(struct db *db, size_t max, const struct outbox_pace *pace, struct outbox_row *out, size_t *count, int64_t *next_ms,
			struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, (int64_t)max);
	sql_i64(&a, pace->min_ms);
	sql_i64(&a, pace->max_ms);
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
		int64_t ms = PQgetisnull(n, 0, 0) ? -1 : sql_get_i64(n, 0, 0);
		*next_ms = ms < 0 && !PQgetisnull(n, 0, 0) ? 0 : ms; /* overdue: a batch holds it just now */
	}
	return true;
}
