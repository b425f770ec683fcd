/* Inside store/ only: statements, parameters, results, text arrays. */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/scoped.h"
#include "store/db.h"

/* A statement: static storage; its address is its identity, its name is made at first use. */
struct sql {
	const char *name;
	const char *text;
};

enum { SQL_ARGS_MAX = 20, SQL_SCRATCH = 24 };

/* Parameters, in order. Text and bytes are borrowed until the call; numbers are kept inside. */
struct sql_args {
	int count;
	const char *values[SQL_ARGS_MAX];
	int lengths[SQL_ARGS_MAX];
	int formats[SQL_ARGS_MAX];
	char numbers[SQL_ARGS_MAX][SQL_SCRATCH];
};

void sql_text(struct sql_args *a, const char *s);
void sql_text_or_null(struct sql_args *a, const char *s); /* "" -> NULL */
void sql_i64(struct sql_args *a, int64_t v);
void sql_i64_or_null(struct sql_args *a, int64_t v); /* 0 -> NULL */
void sql_bool(struct sql_args *a, bool v);
void sql_bytes(struct sql_args *a, const void *data, size_t len); /* bytea, binary */
void sql_null(struct sql_args *a);

/* A text array literal "{..}" under construction, for unnest(); sql_array() closes it and adds it as a parameter. */
struct sql_list {
	struct buf text;
};
void sql_list_init(struct sql_list *l);
void sql_list_free(struct sql_list *l);
void sql_list_ids(struct sql_list *l, const int64_t *ids, size_t n); /* instead of sql_list_init(): a list of these */
void sql_list_i64(struct sql_list *l, int64_t v);
void sql_list_text(struct sql_list *l, const char *s);
void sql_list_text_or_null(struct sql_list *l, const char *s); /* "" -> NULL */
void sql_list_bool(struct sql_list *l, bool v);
void sql_list_bytes(struct sql_list *l, const void *data, size_t len); /* bytea */
void sql_list_ms(struct sql_list *l, int64_t wall_ms);                 /* bigint ms for SQL_TIME(); 0 -> NULL */
void sql_array(struct sql_args *a, struct sql_list *l);
#define scoped_list scoped(sql_list_free)

/* Runs it; the result (text format) is the caller's to PQclear. NULL and err: the kind by SQLSTATE; 23505 ERR_EXISTS, 23503 ERR_CONFLICT,
 * 23514 and 22xxx ERR_INVALID, 53100 ERR_NO_SPACE, lost connection, shutdown, 53xxx, 57xxx ERR_UNAVAILABLE, 40xxx ERR_BUSY, else
 * ERR_INTERNAL. */
PGresult *sql_query(struct db *db, const struct sql *stmt, const struct sql_args *args, struct err *err);
bool sql_run(struct db *db, const struct sql *stmt, const struct sql_args *args, struct err *err); /* result dropped */
/* For statements that answer one whole number. In a pipeline *out is set by db_commit(). out may be NULL. */
bool sql_run_i64(struct db *db, const struct sql *stmt, const struct sql_args *args, int64_t *out, struct err *err);
/* Runs it with n lists as its only parameters, and frees the lists. */
bool sql_run_lists(struct db *db, const struct sql *stmt, struct sql_list *lists, size_t n, struct err *err);
/* The same in binary result format (bytea without escaping). */
PGresult *sql_query_binary(struct db *db, const struct sql *stmt, const struct sql_args *args, struct err *err);
bool sql_exec(struct db *db, const char *text, struct err *err); /* simple protocol, several statements allowed */
/* Runs "COPY ... TO STDOUT" (text) and gives each line, which sql_copy_fields() may cut: nothing of the whole is kept in memory. Lines come
 * in bursts of SQL_BURST, so that no burst waits for the server between its lines. */
enum { SQL_BURST = 500 };
bool sql_copy_out(struct db *db, const char *text, void (*row)(void *ctx, char *line), void *ctx, struct err *err);
/* Cuts the line into n fields, in place; NULL reads as "". False: it has another number of them. */
bool sql_copy_fields(char *line, char **fields, size_t n);
/* Runs "COPY ... FROM STDIN" (text) with what next() puts into the buffer, line by line, until it says false; *count lines.
 * A line has at most 4,096 bytes. */
bool sql_copy_in(struct db *db, const char *text, bool (*next)(void *ctx, struct buf *line), void *ctx, int64_t *count, struct err *err);
/* A field of such a line: escaped; NULL = NULL. */
void sql_copy_field(struct buf *line, const char *s, size_t len);
PGconn *sql_conn(struct db *db);
/* Does this server process serve a connection of the same configuration as db's (the same engine's)? Any thread. */
bool sql_is_own_backend(const struct db *db, int pid);
void sql_clear_(PGresult **r);
#define scoped_result scoped(sql_clear_)

/* Zeroed room for all rows of r, in a fresh array: the caller frees. NULL and no rows: r is NULL, whose err stands, or out of memory. */
void *sql_rows(const PGresult *r, size_t size, size_t *count, struct err *err);

/* Cells of a text-format result. NULL cells read as 0, "" and false. */
int64_t sql_get_i64(const PGresult *r, int row, int col);
const char *sql_get_text(const PGresult *r, int row, int col);
bool sql_get_bool(const PGresult *r, int row, int col);
bool sql_get_bytes(const PGresult *r, int row, int col, void *out, size_t len); /* exactly len */
void sql_copy_text(const PGresult *r, int row, int col, char *dst, size_t size);

/* SQL fragment that makes ms since 1970 of a timestamptz. */
#define SQL_MS(expr) "(date_part('epoch', " expr ") * 1000)::bigint"

/* And back: a timestamptz of bigint ms (NULL stays NULL). */
#define SQL_TIME(expr) "to_timestamp((" expr ")::float8 / 1000)"

#endif
