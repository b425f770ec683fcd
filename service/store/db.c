#include "store/db.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/text.h"
#include "metrics/metrics.h"
#include "store/sql.h"

enum { PREPARED_MAX = 128 };

struct db {
	PGconn *conn;
	const struct db_config *config;
	const struct sql *prepared[PREPARED_MAX]; /* what this connection has prepared */
	size_t prepared_count;
	bool lost; /* libpq may still call the connection good after the answer that says it is gone */
};

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
	db->conn = PQconnectdbParams(keys, values, 1);
	if (PQstatus(db->conn) != CONNECTION_OK) {
		char text[200];
		snprintf(text, sizeof text, "%s", PQerrorMessage(db->conn));
		text[strcspn(text, "\n")] = '\0';
		PQfinish(db->conn);
		db->conn = NULL;
		metrics_add(METRIC_DB_ERRORS, 1);
		return err_set(err, ERR_UNAVAILABLE, "database: %s", text);
	}
	return session_setup(db, err);
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
		PQfinish((*db)->conn);
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
	PQfinish(db->conn);
	db->conn = NULL;
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

static bool ensure_prepared(struct db *db, const struct sql *stmt, struct err *err)
{
	for (size_t i = 0; i < db->prepared_count; i++) {
		if (db->prepared[i] == stmt) {
			return true;
		}
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
	scoped_result PGresult *r = sql_query(db, stmt, args, err);
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

void sql_clear_(PGresult **r)
{
	PQclear(*r);
}

bool db_begin(struct db *db, struct err *err)
{
	return sql_exec(db, "BEGIN", err);
}

bool db_commit(struct db *db, struct err *err)
{
	if (!ensure_conn(db, err)) {
		return false;
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
	if (db_is_alive(db) && PQtransactionStatus(db->conn) != PQTRANS_IDLE) {
		sql_exec(db, "ROLLBACK", NULL);
	}
}
