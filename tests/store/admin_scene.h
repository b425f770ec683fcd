/* The verbs of operators on a database of its own, anew for each test: a worker is its connection, nothing else of the engine runs. */
#ifndef TESTS_STORE_ADMIN_SCENE_H
#define TESTS_STORE_ADMIN_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "engine/private.h"
#include "pg.h"
#include "store/db.h"

struct actor;
struct db;

/* A worker is its connection here: these tests are about the database, not about threads. */
struct worker {
	struct db *db;
};

extern struct worker worker;
extern struct engine engine;
extern char uri[PG_URI_SIZE];
extern struct db_config where;
extern int64_t settled;
extern const struct actor alice;

int admin_scene_start(void **state); /* once: what outlives the tests */
int admin_scene_setup(void **state);
int admin_scene_teardown(void **state);
void assert_err(bool ok, const struct err *err, enum err_kind kind, const char *part);
void assert_number(const char *sql, int64_t expected);
int64_t make_product(const char *key);

#endif
