/* One connection to PostgreSQL: statements prepared on first use, errors told apart by SQLSTATE, reconnection by the caller's next call.
 *
 * Belongs to one thread. Only store/ includes libpq: other rooms pass `struct db *` on to the typed functions of store's other headers.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

struct db;
struct err;

struct db_config {
	const char *uri;      /* libpq URI or keyword string; "" = libpq's environment */
	const char *name;     /* application_name: "otad/worker" ... */
	int64_t statement_ms; /* statement_timeout; 0 = none */
	bool cut;             /* only db.c's, under a lock of its own */
};

/* Connects. NULL and ERR_UNAVAILABLE if that fails. config must outlive the connection. */
struct db *db_open(const struct db_config *config, struct err *err);
void db_close(struct db **db);

/* For the end of the program: whoever waits for the server in a connection of this config (NULL = of any) finds it lost at once, be the
 * server frozen or a row locked by somebody else, and no further one is made: ERR_UNAVAILABLE. There is no way back. Any thread. */
void db_cut(struct db_config *config);

/* Is the connection usable? After a lost connection: db_revive() tries once to connect again and prepares anew. */
bool db_is_alive(const struct db *db);
bool db_revive(struct db *db, struct err *err);

/* Writes in a row: from here to db_commit() or db_rollback() statements are only sent, so that the server works on one while the next is
 * being written. Their results, and so their errors, come with db_commit(). Nothing may be read meanwhile. Only inside a transaction. */
bool db_pipeline(struct db *db, struct err *err);

/* Transactions. db_commit: ERR_UNAVAILABLE may mean that it was committed all the same: callers are idempotent. db_rollback never fails. */
bool db_begin(struct db *db, struct err *err);
bool db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);

#endif
