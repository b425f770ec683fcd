/* A private PostgreSQL for one test program: booted on first use in a temporary directory, on a Unix socket only, gone when the program
 * ends, however it ends. As root it runs as postgres or nobody. Any failure of the server itself prints why and ends the program. One
 * thread.
 */
#ifndef TESTS_STORE_PG_H
#define TESTS_STORE_PG_H

#include <stdint.h>

enum { PG_URI_SIZE = 128 };

/* A database of one's own with the schema of sql/ *.sql in it. uri: for libpq. */
void pg_fresh(char uri[PG_URI_SIZE]);

/* The same without the schema. */
void pg_empty(char uri[PG_URI_SIZE]);

/* SQL behind the tested code's back, on a connection of its own: several statements; or the one number a query answers (NULL and no row are
 * 0). */
void pg_run(const char *uri, const char *sql);
int64_t pg_number(const char *uri, const char *sql);

/* The same in a transaction that stays open, with what it has locked, until pg_let_go() rolls it back. */
struct pg_hold;
struct pg_hold *pg_hold(const char *uri, const char *sql);
void pg_let_go(struct pg_hold **hold);

/* An outage: at once, without a checkpoint, as a crash would; pg_up() recovers. */
void pg_down(void);
void pg_up(void);

#endif
