#include "store/db.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/text.h"
#include "metrics/metrics.h"
#include "store/sql.h"

enum { PREPARED_MAX = 128, PIPELINE_MAX = 64, COPY_BLOCK = 64 * 1024, COPY_LINE_MAX = 4096 };

/* A statement that was sent in a pipeline and not yet answered. */
struct sent {
	const char *name;
	int64_t *out; /* the whole number it answers; NULL = nobody asks */
};

struct db {
	PGconn *conn;
	const struct db_config *config;
	const struct sql *prepared[PREPARED_MAX]; /* what this connection has prepared */
	size_t prepared_count;
	int backend; /* the server's process id */
	bool pipeline;
	bool doubtful; /* a pipeline failed: what is prepared is not known */
	struct sent sent[PIPELINE_MAX];
	size_t sent_count;
	bool lost; /* libpq may still call the connection good after the answer that says it is gone */
};

/* The server processes of this program's connections and whose they are, so that a feed knows its own engine's NOTIFY; and the sockets to
 * them, so that they can be cut. */
struct backend {
	int pid; /* 0 = free */
	const struct db_config *config;
	int socket;
};
static struct backend backends[256];
static bool all_cut;
static pthread_mutex_t backends_lock = PTHREAD_MUTEX_INITIALIZER;

/* Where it stands; NULL: nowhere. With the lock. */
static struct backend *find_backend(int pid, const struct db_config *config)
{
	for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
		if (backends[i].pid == pid && backends[i].config == config) {
			return &backends[i];
		}
	}
	return NULL;
}

static void delist(const struct db *db)
{
	pthread_mutex_lock(&backends_lock);
	struct backend *at = find_backend(db->backend, db->config);
	if (at) {
		*at = (struct backend){0};
	}
	pthread_mutex_unlock(&backends_lock);
}

bool sql_is_own_backend(const struct db *db, int pid)
{
	pthread_mutex_lock(&backends_lock);
	bool own = find_backend(pid, db->config) != NULL;
	pthread_mutex_unlock(&backends_lock);
	return own;
}

/* With the lock. */
static bool is_cut(const struct db_config *config)
{
	return all_cut || config->cut;
}

/* Before a connection is made, and once it is, with db->backend: from then until hang_up() another thread may shut its socket down. A full
 * table only costs the feed a look. */
static bool enlist(struct db *db, struct err *err)
{
	pthread_mutex_lock(&backends_lock);
	bool cut = is_cut(db->config);
	struct backend *at = cut || !db->backend ? NULL : find_backend(0, NULL);
	if (at) {
		*at = (struct backend){db->backend, db->config, PQsocket(db->conn)};
	}
	pthread_mutex_unlock(&backends_lock);
	return !cut || err_set(err, ERR_UNAVAILABLE, "database: the service stops");
}

void db_cut(struct db_config *config)
{
	pthread_mutex_lock(&backends_lock);
	*(config ? &config->cut : &all_cut) = true;
	for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
		if (backends[i].pid && is_cut(backends[i].config)) {
			shutdown(backends[i].socket, SHUT_RDWR);
		}
	}
	pthread_mutex_unlock(&backends_lock);
}

static void hang_up(struct db *db)
{
	if (db->backend) {
		delist(db);
	}
	db->backend = 0;
	PQfinish(db->conn);
	db->conn = NULL;
}

static bool session_setup(struct db *db, struct err *err)
{
	char text[256];
	snprintf(text, sizeof text,
		 "SET client_min_messages = warning; SET timezone = 'UTC'; SET statement_timeout = %" PRId64 "; SET lock_timeout = 15000",
		 db->config->statement_ms);
	return sql_exec(db, text, err);
}

static bool connect_now(struct db *db, struct err *err)
{
	/* dbname is first: an expanded URI must not override what follows it */
	const char *const keys[] = {"dbname",
				    "fallback_application_name",
				    "connect_timeout",
				    "keepalives_idle",
				    "keepalives_interval",
				    "keepalives_count",
				    "tcp_user_timeout",
				    NULL};
	const char *const values[] = {db->config->uri, db->config->name, "5", "10", "5", "3", "20000", NULL};
	db->prepared_count = 0;
	db->lost = false;
	db->pipeline = false;
	db->doubtful = false;
	if (!enlist(db, err)) {
		return false;
	}
	db->conn = PQconnectdbParams(keys, values, 1);
	if (PQstatus(db->conn) != CONNECTION_OK) {
		char text[200];
		snprintf(text, sizeof text, "%s", PQerrorMessage(db->conn));
		text[strcspn(text, "\n")] = '\0';
		hang_up(db);
		metrics_add(METRIC_DB_ERRORS, 1);
		return err_set(err, ERR_UNAVAILABLE, "database: %s", text);
	}
	db->backend = PQbackendPID(db->conn);
	if (!enlist(db, err) || !session_setup(db, err)) {
		hang_up(db);
		return false;
	}
	return true;
}

struct db *db_open(const struct db_config *config, struct err *err)
{
	struct db *db = calloc(1, sizeof *db);
	if (!db) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	db->config = config;
	if (!connect_now(db, err)) {
		db_close(&db);
	}
	return db;
}

void db_close(struct db **db)
{
	if (*db) {
		hang_up(*db);
		free(*db);
		*db = NULL;
	}
}

bool db_is_alive(const struct db *db)
{
	return db->conn && !db->lost && PQstatus(db->conn) == CONNECTION_OK;
}

/* A server that went away has closed its end, which is seen without a round trip: otherwise each worker's first job after a restart would
 * fail. */
static bool hung_up(PGconn *conn)
{
	struct pollfd socket = {.fd = PQsocket(conn), .events = POLLIN};
	for (int i = 0; i < 3 && poll(&socket, 1, 0) > 0; i++) { /* its last words, then the end */
		if (!PQconsumeInput(conn)) {
			return true;
		}
	}
	return false;
}

bool db_revive(struct db *db, struct err *err)
{
	if (db_is_alive(db) && !hung_up(db->conn)) {
		return true;
	}
	hang_up(db);
	return connect_now(db, err);
}

PGconn *sql_conn(struct db *db)
{
	return db->conn;
}

static enum err_kind kind_of(const char *state)
{
	static const struct {
		const char *prefix;
		enum err_kind kind;
	} table[] = {
		{"23505", ERR_EXISTS},   {"23503", ERR_CONFLICT},    {"23514", ERR_INVALID},  {"23502", ERR_INVALID},  {"22", ERR_INVALID},
		{"53100", ERR_NO_SPACE}, {"53", ERR_UNAVAILABLE},    {"57", ERR_UNAVAILABLE}, {"08", ERR_UNAVAILABLE}, {"40", ERR_BUSY},
		{"55P03", ERR_BUSY},     {"25006", ERR_UNAVAILABLE}, {"58030", ERR_NO_SPACE},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0) {
			return table[i].kind;
		}
	}
	return ERR_INTERNAL;
}

/* Turns a failed result into an error; the database's own words go into the sentence (they name constraint or column, never data of other
 * rows). */
static bool fail(struct db *db, const PGresult *r, const char *what, struct err *err)
{
	metrics_add(METRIC_DB_ERRORS, 1);
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *severity = r ? PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED) : NULL;
	db->lost = !state || !severity || strcmp(severity, "ERROR") != 0; /* FATAL and PANIC end the session */
	if (!state || PQstatus(db->conn) != CONNECTION_OK) {
		return err_set(err, ERR_UNAVAILABLE, "database connection lost during %s", what);
	}
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	return err_set(err, kind_of(state), "database, %s: %s (%s)", what, text ? text : "?", state);
}

static bool ensure_conn(struct db *db, struct err *err)
{
	return db && db->conn ? true : err_set(err, ERR_UNAVAILABLE, "database not connected");
}

bool sql_exec(struct db *db, const char *text, struct err *err)
{
	if (!ensure_conn(db, err)) {
		return false;
	}
	scoped_result PGresult *r = PQexec(db->conn, text);
	ExecStatusType status = PQresultStatus(r);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		return fail(db, r, "command", err);
	}
	return true;
}

static bool is_prepared(const struct db *db, const struct sql *stmt)
{
	for (size_t i = 0; i < db->prepared_count; i++) {
		if (db->prepared[i] == stmt) {
			return true;
		}
	}
	return false;
}

static bool ensure_prepared(struct db *db, const struct sql *stmt, struct err *err)
{
	if (is_prepared(db, stmt)) {
		return true;
	}
	scoped_result PGresult *r = PQprepare(db->conn, stmt->name, stmt->text, 0, NULL);
	if (PQresultStatus(r) != PGRES_COMMAND_OK) {
		return fail(db, r, stmt->name, err);
	}
	if (db->prepared_count == PREPARED_MAX) {
		return err_set(err, ERR_INTERNAL, "too many statements prepared");
	}
	db->prepared[db->prepared_count++] = stmt;
	return true;
}

static PGresult *query(struct db *db, const struct sql *stmt, const struct sql_args *a, int format, struct err *err)
{
	if (!ensure_conn(db, err) || !ensure_prepared(db, stmt, err)) {
		return NULL;
	}
	int n = a ? a->count : 0;
	PGresult *r = PQexecPrepared(db->conn, stmt->name, n, n ? a->values : NULL, n ? a->lengths : NULL, n ? a->formats : NULL, format);
	ExecStatusType status = PQresultStatus(r);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		fail(db, r, stmt->name, err);
		PQclear(r);
		return NULL;
	}
	return r;
}

/* --- pipelines --- */

static bool note_sent(struct db *db, int ok, const char *name, int64_t *out, struct err *err)
{
	if (!ok) {
		return fail(db, NULL, name, err);
	}
	db->sent[db->sent_count++] = (struct sent){name, out};
	return true;
}

static bool send_statement(struct db *db, const struct sql *stmt, const struct sql_args *a, int64_t *out, struct err *err)
{
	if (db->sent_count + 2 > PIPELINE_MAX || db->prepared_count == PREPARED_MAX) {
		return err_set(err, ERR_INTERNAL, "too many statements");
	}
	if (!is_prepared(db, stmt)) {
		if (!note_sent(db, PQsendPrepare(db->conn, stmt->name, stmt->text, 0, NULL), stmt->name, NULL, err)) {
			return false;
		}
		db->prepared[db->prepared_count++] = stmt;
	}
	int n = a ? a->count : 0;
	int ok = PQsendQueryPrepared(db->conn, stmt->name, n, n ? a->values : NULL, n ? a->lengths : NULL, n ? a->formats : NULL, 0);
	return note_sent(db, ok, stmt->name, out, err);
}

/* One answer of the pipeline. err is set by the first that failed; what follows it was aborted by the server. */
static bool take_answer(struct db *db, const struct sent *sent, struct err *err)
{
	scoped_result PGresult *r = PQgetResult(db->conn);
	ExecStatusType status = PQresultStatus(r);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
	if (!ok && status != PGRES_PIPELINE_ABORTED) {
		fail(db, r, sent->name, err);
	}
	if (ok && sent->out) {
		*sent->out = sql_get_i64(r, 0, 0);
	}
	if (r) {
		scoped_result PGresult *end = PQgetResult(db->conn); /* NULL */
		(void)end;
	}
	return ok;
}

/* Ends the pipeline: all answers. After a failure nothing is known of what was prepared in it: db_rollback() forgets it all. */
static bool end_pipeline(struct db *db, struct err *err)
{
	bool ok = PQpipelineSync(db->conn) == 1;
	for (size_t i = 0; i < db->sent_count && PQstatus(db->conn) == CONNECTION_OK; i++) {
		ok = take_answer(db, &db->sent[i], ok ? err : NULL) && ok;
	}
	scoped_result PGresult *sync = PQgetResult(db->conn);
	ok = ok && PQresultStatus(sync) == PGRES_PIPELINE_SYNC && PQexitPipelineMode(db->conn) == 1;
	db->pipeline = false;
	db->sent_count = 0;
	if (!ok) {
		db->doubtful = true;
		PQexitPipelineMode(db->conn);
	}
	if (!ok && err && err->kind == ERR_NONE) {
		err_set(err, ERR_UNAVAILABLE, "database connection lost");
	}
	return ok;
}

bool db_pipeline(struct db *db, struct err *err)
{
	if (!ensure_conn(db, err)) {
		return false;
	}
	db->sent_count = 0;
	db->pipeline = PQenterPipelineMode(db->conn) == 1;
	return db->pipeline || err_set(err, ERR_INTERNAL, "database: no pipeline");
}

PGresult *sql_query(struct db *db, const struct sql *stmt, const struct sql_args *args, struct err *err)
{
	return query(db, stmt, args, 0, err);
}

PGresult *sql_query_binary(struct db *db, const struct sql *stmt, const struct sql_args *args, struct err *err)
{
	return query(db, stmt, args, 1, err);
}

bool sql_run(struct db *db, const struct sql *stmt, const struct sql_args *args, struct err *err)
{
	return sql_run_i64(db, stmt, args, NULL, err);
}

bool sql_run_i64(struct db *db, const struct sql *stmt, const struct sql_args *args, int64_t *out, struct err *err)
{
	if (db && db->pipeline) {
		return send_statement(db, stmt, args, out, err);
	}
	scoped_result PGresult *r = sql_query(db, stmt, args, err);
	if (r && out) {
		*out = sql_get_i64(r, 0, 0);
	}
	return r != NULL;
}

bool sql_run_lists(struct db *db, const struct sql *stmt, struct sql_list *lists, size_t n, struct err *err)
{
	struct sql_args a = {0};
	bool whole = true;
	for (size_t i = 0; i < n; i++) {
		sql_array(&a, &lists[i]);
		whole = whole && buf_ok(&lists[i].text);
	}
	bool ok = whole ? sql_run(db, stmt, &a, err) : err_set(err, ERR_INTERNAL, "out of memory");
	for (size_t i = 0; i < n; i++) {
		sql_list_free(&lists[i]);
	}
	return ok;
}

/* Lines that have come: how many, and *end: the last one was among them, or the connection is lost. */
static int take_burst(PGconn *conn, char *lines[SQL_BURST], bool *end)
{
	int n = 0;
	while (n < SQL_BURST && !*end) {
		int len = PQgetCopyData(conn, &lines[n], 0);
		*end = len < 0;
		if (len > 0) {
			lines[n][len - 1] = '\0'; /* its newline */
			n++;
		}
	}
	return n;
}

bool sql_copy_out(struct db *db, const char *text, void (*row)(void *ctx, char *line), void *ctx, struct err *err)
{
	if (!ensure_conn(db, err)) {
		return false;
	}
	scoped_result PGresult *begun = PQexec(db->conn, text);
	if (PQresultStatus(begun) != PGRES_COPY_OUT) {
		return fail(db, begun, "copy", err);
	}
	char *lines[SQL_BURST];
	for (bool end = false; !end;) {
		int n = take_burst(db->conn, lines, &end);
		for (int i = 0; i < n; i++) {
			row(ctx, lines[i]);
			PQfreemem(lines[i]);
		}
	}
	scoped_result PGresult *ended = PQgetResult(db->conn);
	bool ok = PQresultStatus(ended) == PGRES_COMMAND_OK || fail(db, ended, "copy", err);
	scoped_result PGresult *none = ended ? PQgetResult(db->conn) : NULL;
	(void)none;
	return ok;
}

/* Sends the lines in blocks. False: the connection is lost. */
static bool send_lines(PGconn *conn, bool (*next)(void *ctx, struct buf *line), void *ctx, int64_t *count)
{
	char block[COPY_BLOCK];
	struct buf out;
	bool sent = true;
	buf_init_fixed(&out, block, sizeof block);
	for (bool more = true; sent && more;) {
		size_t before = out.len;
		more = next(ctx, &out);
		if (more) {
			buf_putc(&out, '\n');
			(*count)++;
		}
		if (!buf_ok(&out)) {
			return PQputCopyEnd(conn, "a line is too long") == 1; /* and the answer says so */
		}
		if (out.len > COPY_BLOCK - COPY_LINE_MAX || (!more && before > 0)) {
			sent = PQputCopyData(conn, out.data, (int)out.len) == 1;
			buf_reset(&out);
		}
	}
	return sent && PQputCopyEnd(conn, NULL) == 1;
}

bool sql_copy_in(struct db *db, const char *text, bool (*next)(void *ctx, struct buf *line), void *ctx, int64_t *count, struct err *err)
{
	*count = 0;
	if (!ensure_conn(db, err)) {
		return false;
	}
	scoped_result PGresult *begun = PQexec(db->conn, text);
	if (PQresultStatus(begun) != PGRES_COPY_IN) {
		return fail(db, begun, "copy", err);
	}
	if (!send_lines(db->conn, next, ctx, count)) {
		return fail(db, NULL, "copy", err);
	}
	scoped_result PGresult *ended = PQgetResult(db->conn);
	bool ok = PQresultStatus(ended) == PGRES_COMMAND_OK || fail(db, ended, "copy", err);
	scoped_result PGresult *none = ended ? PQgetResult(db->conn) : NULL;
	(void)none;
	return ok;
}

void sql_clear_(PGresult **r)
{
	PQclear(*r);
}

bool db_begin(struct db *db, struct err *err)
{
	return sql_exec(db, "BEGIN", err);
}

/* COMMIT of an aborted transaction answers ROLLBACK, as a success: but in a pipeline it is never reached. */
static bool commit_pipeline(struct db *db, struct err *err)
{
	struct err why = {0};
	bool sent = db->sent_count < PIPELINE_MAX &&
		    note_sent(db, PQsendQueryParams(db->conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 0), "commit", NULL, &why);
	bool ok = end_pipeline(db, &why) && sent;
	if (!ok && err) {
		*err = why;
	}
	return ok;
}

bool db_commit(struct db *db, struct err *err)
{
	if (!ensure_conn(db, err)) {
		return false;
	}
	if (db->pipeline) {
		return commit_pipeline(db, err);
	}
	scoped_result PGresult *r = PQexec(db->conn, "COMMIT");
	if (PQresultStatus(r) != PGRES_COMMAND_OK) {
		return fail(db, r, "commit", err);
	}
	/* COMMIT of an aborted transaction answers ROLLBACK, as a success */
	if (strcmp(PQcmdStatus(r), "COMMIT") != 0) {
		return err_set(err, ERR_INTERNAL, "database: the transaction had been aborted");
	}
	return true;
}

void db_rollback(struct db *db)
{
	if (db->pipeline && db->conn) {
		end_pipeline(db, NULL);
	}
	if (db_is_alive(db) && PQtransactionStatus(db->conn) != PQTRANS_IDLE) {
		sql_exec(db, "ROLLBACK", NULL);
	}
	if (db_is_alive(db) && db->doubtful) {
		sql_exec(db, "DEALLOCATE ALL", NULL);
		db->prepared_count = 0;
	}
	db->doubtful = false;
}
