/* A database anew for each test, with a product, and a connection to it. */
#ifndef TESTS_STORE_FEED_SCENE_H
#define TESTS_STORE_FEED_SCENE_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "common/err.h"
#include "pg.h"
#include "store/db.h"
#include "store/feed.h"

enum { WAIT_MS = 30000 };

extern char uri[PG_URI_SIZE];
extern const struct db_config followers;
extern struct db *db;

int feed_scene_setup(void **state);
int feed_scene_teardown(void **state);
void ok_or_fail(bool ok, const struct err *err);
bool does(PGconn *conn, const char *sql);

#endif
