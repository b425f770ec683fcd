/* The schema: forward-only numbered migrations (sql/), embedded in the program, applied one transaction each under an advisory lock. */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include <stdbool.h>

struct db;
struct err;

/* Applies what is missing. *applied = how many. A schema newer than this program is refused (ERR_CONFLICT). Safe to run from many replicas
 * at once. */
bool store_migrate(struct db *db, int *applied, struct err *err);

/* Is the schema just the one this program knows? ERR_CONFLICT and what to do, if not. */
bool store_schema_check(struct db *db, struct err *err);

#endif
