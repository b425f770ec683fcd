#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/err.h"
#include "feed_scene.h"
#include "pg.h"
#include "store/db.h"
#include "store/feed.h"
#include "store/migrate.h"

char uri[PG_URI_SIZE];
static const struct db_config where = {.uri = uri, .name = "test"};
const struct db_config followers = {.uri = uri, .name = "feed"};
struct db *db;

static const char seeds[] = "INSERT INTO products (key) VALUES ('lamp');"
			    "INSERT INTO devices (name, product_id, client_id, version) SELECT 'd' || i, 1, 'd' || i, '1.0' FROM "
			    "generate_series(1, 5) i ORDER BY i;"
			    "INSERT INTO uploads SELECT FROM generate_series(1, 2);"
			    "INSERT INTO artifacts (sha256, md5, size, upload_id) SELECT sha256(id::text::bytea), decode(md5(id::text), "
			    "'hex'), 10, id FROM uploads;"
			    "INSERT INTO firmware (product_id, name, sha256) VALUES (1, 'blink', sha256('1'));";

int feed_scene_setup(void **state)
{
	(void)state;
	struct err err = {0};
	int applied;
	pg_empty(uri);
	db = db_open(&where, &err);
	if (!db || !store_migrate(db, &applied, &err)) {
		fail_msg("%s", err.text);
	}
	pg_run(uri, seeds);
	return 0;
}

int feed_scene_teardown(void **state)
{
	(void)state;
	db_close(&db);
	return 0;
}

void ok_or_fail(bool ok, const struct err *err)
{
	if (!ok) {
		fail_msg("%s", err->text);
	}
}

/* --- writers --- */

bool does(PGconn *conn, const char *sql)
{
	PGresult *r = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(r);
	PQclear(r);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}
