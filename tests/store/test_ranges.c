/* Ranges: written whole and in order, found by index, and in every replica's snapshot. */
#include <inttypes.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/seal.h"
#include "fleet/feed.h"
#include "fleet/fleet.h"
#include "fleet/ranges.h"
#include "fleet/standings.h"
#include "metrics/metrics.h"
#include "model/listing.h"
#include "pg.h"
#include "store/change.h"
#include "store/db.h"
#include "store/range.h"
#include "store/sql.h"

enum { MANY = 100000, WAIT_MS = 30000 };

static char uri[PG_URI_SIZE];
static const struct db_config where = {.uri = uri, .name = "test"};
static const struct db_config followers = {.uri = uri, .name = "feed"};
static struct db *db;
static struct fleet *fleet;
static struct feed *feed;
static struct digest_key *key;
static struct seal_key *seal;
static struct err err;

/* Ranked rollouts: 1 to 4 of product 1, 5 and 6 of product 2; 7 has ended. 8 is not ranked. */
static const char seeds[] =
	"INSERT INTO products (key) VALUES ('lamp'), ('fan');"
	"INSERT INTO firmware (product_id, component, name, version, url) SELECT 1 + i / 5, 'mcu', 'f' || i, '1.' || i, 'http://a/' || i"
	" FROM generate_series(1, 8) i ORDER BY i;"
	"INSERT INTO rollouts (kind, way, product_id, firmware_id, component, created_by, ended_at, ranked) SELECT 'standing', 'standing', "
	"1 + i / 5,"
	" i, 'mcu', 'test', CASE WHEN i = 7 THEN now() END, i < 8 FROM generate_series(1, 8) i ORDER BY i;";

static void must(bool ok)
{
	if (!ok) {
		fail_msg("%s: %s", err_kind_name(err.kind), err.text);
	}
}

static int setup(void **state)
{
	(void)state;
	err = (struct err){0};
	pg_fresh(uri);
	pg_run(uri, seeds);
	db = db_open(&where, &err);
	return db ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	db_close(&db);
	return 0;
}

static int follow(void **state)
{
	setup(state);
	key = digest_key_new("key", 3);
	fleet = fleet_new(key, 3600000);
	seal = seal_key_new((const uint8_t[32]){1});
	feed = feed_start(fleet, &followers, seal, 86400000, &err);
	must(feed != NULL);
	return 0;
}

static int unfollow(void **state)
{
	feed_stop(&feed);
	fleet_free(&fleet);
	digest_key_free(&key);
	seal_key_free(&seal);
	return teardown(state);
}

/* --- entries --- */

/* "A,B~C" again and again. */
struct listed {
	struct range_list list;
	size_t at;
};

static void rewind_list(void *ctx)
{
	((struct listed *)ctx)->at = 0;
}

static bool next_listed(void *ctx, struct range *out)
{
	struct listed *l = ctx;
	if (l->at == l->list.count) {
		return false;
	}
	*out = l->list.rows[l->at++];
	return true;
}

/* The write of an operator, with its changes. */
static int64_t written(int64_t rollout, const char *text,
		       bool (*write)(struct db *, int64_t, const struct range_source *, int64_t *, struct err *))
{
	struct listed l = {0};
	const struct range_source source = {rewind_list, next_listed, &l};
	int64_t product;
	int64_t count;
	int64_t pos;
	must(range_list_parse(&l.list, text, strlen(text), &err));
	must(db_begin(db, &err) && store_range_lock(db, rollout, &product, &err));
	must(write(db, rollout, &source, &count, &err));
	must(store_change(db, CHANGE_RANGES, &rollout, 1, true, &pos, &err) && db_commit(db, &err));
	assert_int_equal(count, l.list.count);
	range_list_free(&l.list);
	return pos;
}

static int64_t replace(int64_t rollout, const char *text)
{
	return written(rollout, text, store_range_replace);
}

static void assert_list(int64_t rollout, const char *wanted)
{
	scoped_free struct range_row *rows = NULL;
	char text[1024] = "";
	size_t count;
	int64_t total;
	must(store_range_list(db, rollout, &(struct page){.limit = 100}, &rows, &count, &total, &err));
	for (size_t i = 0; i < count; i++) {
		char plain[RANGE_TEXT_SIZE];
		size_t len = strlen(text);
		range_text(&rows[i].range, plain);
		snprintf(text + len, sizeof text - len, "%s%" PRId64 ":%s", i ? "," : "", rows[i].place,
			 strcmp(plain, rows[i].said) == 0 ? plain : rows[i].said);
	}
	assert_string_equal(text, wanted);
	assert_int_equal(total, count);
}

/* --- writing and reading --- */

static void a_list_comes_back_as_it_was_written(void **state)
{
	(void)state;
	replace(1, "c8:93:46*, DEF1LUK ,C89346000000~C89346FFFFFF,a\\b,\"q\"");
	assert_list(1, "1:c8:93:46*,2:DEF1LUK,3:C89346000000~C89346FFFFFF,4:a\\b,5:\"q\"");
	assert_list(2, "");
	replace(2, "OTHER");
	replace(1, "NEW");
	assert_list(1, "1:NEW");
	assert_list(2, "1:OTHER");
	written(1, "MORE,X*", store_range_add);
	assert_list(1, "1:NEW,2:MORE,3:X*");
	replace(1, "");
	assert_list(1, "");
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM mac_ranges"), 1);
}

static void entries_can_be_read_page_by_page(void **state)
{
	(void)state;
	scoped_free struct range_row *rows = NULL;
	size_t count;
	int64_t total;
	replace(1, "A,B,C,D,E");
	must(store_range_list(db, 1, &(struct page){.after = 2, .limit = 2}, &rows, &count, &total, &err));
	assert_int_equal(count, 2);
	assert_int_equal(total, 5);
	assert_string_equal(rows[0].said, "C");
	assert_int_equal(rows[1].place, 4);
	assert_int_equal(rows[1].rollout_id, 1);
}

struct numbers {
	int64_t rollout;
	unsigned at, end;
};

static void rewind_numbers(void *ctx)
{
	((struct numbers *)ctx)->at = 0;
}

/* Of every ten: eight ranges side by side, a prefix, an identifier. */
static bool next_number(void *ctx, struct range *out)
{
	struct numbers *n = ctx;
	char text[RANGE_TEXT_SIZE];
	if (n->at == n->end) {
		return false;
	}
	unsigned i = n->at++;
	if (i % 10 == 8) {
		snprintf(text, sizeof text, "P%u%07u*", (unsigned)n->rollout, i);
	} else if (i % 10 == 9) {
		snprintf(text, sizeof text, "E%07u", i);
	} else {
		snprintf(text, sizeof text, "C893%08X~C893%08X", i * 16, i * 16 + 9);
	}
	return range_parse(text, strlen(text), out, NULL);
}

static void put_many(int64_t rollout, unsigned many)
{
	struct numbers n = {.rollout = rollout, .end = many};
	const struct range_source source = {rewind_numbers, next_number, &n};
	int64_t product;
	int64_t count;
	must(db_begin(db, &err) && store_range_lock(db, rollout, &product, &err));
	must(store_range_replace(db, rollout, &source, &count, &err) && store_change(db, CHANGE_RANGES, &rollout, 1, true, NULL, &err));
	must(db_commit(db, &err));
	assert_int_equal(count, many);
}

static void a_hundred_thousand_are_replaced_at_once(void **state)
{
	(void)state;
	scoped_free struct range_row *rows = NULL;
	size_t count;
	int64_t total;
	put_many(1, MANY);
	put_many(1, MANY);
	must(store_range_list(db, 1, &(struct page){.after = MANY - 10, .limit = 100}, &rows, &count, &total, &err));
	assert_int_equal(count, 10);
	assert_int_equal(total, MANY);
	assert_string_equal(rows[9].said, "E0099999");
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM mac_ranges WHERE said IS NOT NULL"), 0);
}

static void only_active_ranked_rollouts_have_ranges(void **state)
{
	(void)state;
	int64_t product;
	must(db_begin(db, &err));
	for (int64_t wrong = 7; wrong <= 9; wrong++) {
		assert_false(store_range_lock(db, wrong, &product, &err));
		assert_int_equal(err.kind, ERR_NOT_FOUND);
		assert_false(store_range_may(db, wrong, &err));
		assert_int_equal(err.kind, ERR_NOT_FOUND);
	}
	must(store_range_may(db, 5, &err));
	must(store_range_lock(db, 5, &product, &err));
	assert_int_equal(product, 2);
	db_rollback(db);
}

/* Tasks of it go on being made; a cancellation, and another writer of ranges, wait. */
static void the_lock_holds_up_whom_it_must(void **state)
{
	(void)state;
	int64_t product;
	PGconn *other = PQconnectdb(uri);
	must(db_begin(db, &err) && store_range_lock(db, 1, &product, &err));
	static const struct {
		const char *sql;
		ExecStatusType status;
	} others[] = {
		{"SET lock_timeout = 50", PGRES_COMMAND_OK},
		{"SELECT 1 FROM rollouts WHERE id = 1 FOR SHARE", PGRES_TUPLES_OK},
		{"SELECT 1 FROM rollouts WHERE id = 1 FOR UPDATE", PGRES_FATAL_ERROR},
		{"SELECT pg_advisory_xact_lock(7305424, hashint8(1))", PGRES_FATAL_ERROR},
		{"SELECT pg_advisory_xact_lock(7305424, hashint8(2))", PGRES_TUPLES_OK},
	};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		PGresult *r = PQexec(other, others[i].sql);
		assert_int_equal(PQresultStatus(r), others[i].status);
		PQclear(r);
	}
	PQfinish(other);
	db_rollback(db);
}

static void what_fails_leaves_the_old_list(void **state)
{
	(void)state;
	struct numbers n = {.rollout = 1, .end = 100};
	const struct range_source source = {rewind_numbers, next_number, &n};
	int64_t product;
	int64_t count;
	replace(1, "OLD");
	pg_run(uri, "ALTER TABLE mac_ranges ADD CONSTRAINT odd CHECK (place < 50)");
	must(db_begin(db, &err) && store_range_lock(db, 1, &product, &err));
	assert_false(store_range_replace(db, 1, &source, &count, &err));
	assert_int_equal(err.kind, ERR_INVALID);
	db_rollback(db);
	assert_list(1, "1:OLD");
}

static void ranges_go_with_their_rollout(void **state)
{
	(void)state;
	replace(1, "A,B");
	replace(5, "C");
	pg_run(uri, "DELETE FROM rollouts WHERE id = 1");
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM mac_ranges"), 1);
	assert_list(5, "1:C");
}

static void the_table_takes_no_nonsense(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"(1, 1, 'comet', 'A', NULL, NULL)",
		"(1, 1, 'exact', '', NULL, NULL)",
		"(1, 1, 'prefix', '', NULL, NULL)",
		"(1, 1, 'exact', 'A', 'C89346000000', 'C89346000001')",
		"(1, 1, 'range', 'C8', NULL, NULL)",
		"(1, 1, 'range', 'C8', 'C89346000001', 'C89346000000')",
		"(1, 1, 'range', 'C9', 'C89346000000', 'C89346000001')",
		"(1, 1, 'range', 'C8', 'C89346', 'C89347')",
		"(1, 0, 'exact', 'A', NULL, NULL)",
	};
	PGconn *conn = PQconnectdb(uri);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char sql[200];
		snprintf(sql, sizeof sql, "INSERT INTO mac_ranges (rollout_id, place, kind, head, first, last) VALUES %s", wrong[i]);
		PGresult *r = PQexec(conn, sql);
		const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
		if (!code || (strcmp(code, "23514") != 0 && strcmp(code, "23502") != 0)) {
			fail_msg("%s: %s", sql, code ? code : "taken");
		}
		PQclear(r);
	}
	PQfinish(conn);
}

/* --- who names this device? --- */

static void assert_named_by(const char *identifier, int64_t product, const char *wanted)
{
	scoped_free struct range_row *rows = NULL;
	char text[512] = "";
	size_t count;
	must(store_range_naming(db, identifier, &(struct page){.product_id = product, .limit = 20}, &rows, &count, &err));
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(text);
		snprintf(text + len, sizeof text - len, "%s%" PRId64 ":%s", i ? " " : "", rows[i].rollout_id, rows[i].said);
	}
	assert_string_equal(text, wanted);
}

static void rollouts_are_found_by_whom_they_name(void **state)
{
	(void)state;
	replace(1, "C89346404AB2,C8934*");
	replace(2, "C89346000000~C89346FFFFFF,000000000000~FFFFFFFFFFFF");
	replace(3, "DEF1LUK,D*,C89346404AB3");
	replace(5, "C893*,DEF1LUK");
	assert_named_by("C89346404AB2", 0, "1:C89346404AB2 1:C8934* 2:C89346000000~C89346FFFFFF 2:000000000000~FFFFFFFFFFFF 5:C893*");
	assert_named_by("C89346404AB2", 1, "1:C89346404AB2 1:C8934* 2:C89346000000~C89346FFFFFF 2:000000000000~FFFFFFFFFFFF");
	assert_named_by("C89346404AB3", 1, "1:C8934* 2:C89346000000~C89346FFFFFF 2:000000000000~FFFFFFFFFFFF 3:C89346404AB3");
	assert_named_by("C89347000000", 0, "1:C8934* 2:000000000000~FFFFFFFFFFFF 5:C893*");
	assert_named_by("DEF1LUK", 0, "3:DEF1LUK 3:D* 5:DEF1LUK");
	assert_named_by("DEF1", 0, "3:D*");
	assert_named_by("ZEBRA", 0, "");
	pg_run(uri, "UPDATE rollouts SET ended_at = now() WHERE id = 3");
	assert_named_by("DEF1LUK", 0, "5:DEF1LUK");
}

/* The plan of the very statement that ran. */
static void assert_planned(const char *wanted, const char *unwanted)
{
	char plan[8192] = "";
	PGresult *r = PQexec(sql_conn(db), "EXPLAIN EXECUTE range_naming('{\"\",C,C8,C89,C893,C8934}', 'C8934', NULL, NULL, 20)");
	assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
	for (int i = 0; i < PQntuples(r); i++) {
		size_t len = strlen(plan);
		snprintf(plan + len, sizeof plan - len, "%s\n", PQgetvalue(r, i, 0));
	}
	PQclear(r);
	if (!strstr(plan, wanted) || strstr(plan, unwanted)) {
		fail_msg("%s", plan);
	}
}

static void the_look_up_goes_by_an_index(void **state)
{
	(void)state;
	for (int64_t rollout = 1; rollout <= 3; rollout++) {
		put_many(rollout, MANY);
	}
	pg_run(uri, "ANALYZE mac_ranges");
	assert_named_by("C8930000A005", 0, "1:C8930000A000~C8930000A009 2:C8930000A000~C8930000A009 3:C8930000A000~C8930000A009");
	assert_named_by("C8930000A00A", 0, "");
	static const char *const modes[] = {"force_custom_plan", "force_generic_plan"};
	for (size_t i = 0; i < 2; i++) {
		char sql[64];
		snprintf(sql, sizeof sql, "SET plan_cache_mode = %s", modes[i]);
		must(sql_exec(db, sql, &err));
		assert_planned("mac_ranges_head", "Seq Scan on mac_ranges");
	}
}

/* --- in the snapshot --- */

static void join_hit(void *ctx, const struct ranges_hit *hit)
{
	char *text = ctx;
	char entry[RANGE_TEXT_SIZE];
	size_t len = strlen(text);
	ranges_hit_text(hit, entry);
	snprintf(text + len, 256 - len, "%s%" PRId64 ":%s", len ? " " : "", hit->rollout_id, entry);
}

static void assert_shown(int64_t product, const char *identifier, const char *wanted)
{
	char text[256] = "";
	fleet_read(fleet);
	ranges_match(fleet_ranges(fleet), product, identifier, join_hit, text);
	fleet_done(fleet);
	assert_string_equal(text, wanted);
}

static bool is_named(int64_t rollout)
{
	fleet_read(fleet);
	const struct standing_rollout *s = standings_get(fleet_standings(fleet), rollout);
	bool named = s && s->named;
	fleet_done(fleet);
	return named;
}

/* The change's position. */
static int64_t read_row(int64_t rollout)
{
	char sql[80];
	snprintf(sql, sizeof sql, "SELECT change_append('rollout', '{%" PRId64 "}')", rollout);
	return pg_number(uri, sql);
}

static void changes_of_ranges_are_followed(void **state)
{
	(void)state;
	assert_shown(1, "C89346404AB2", "");
	assert_false(is_named(1));
	assert_true(feed_wait(feed, replace(1, "C89346*"), WAIT_MS));
	assert_shown(1, "C89346404AB2", "1:C89346*");
	assert_shown(2, "C89346404AB2", "");
	assert_true(feed_wait(feed, read_row(1), WAIT_MS));
	assert_true(is_named(1));
	assert_true(feed_wait(feed, replace(1, "DEF1LUK,C89346000000~C89346FFFFFF"), WAIT_MS));
	assert_shown(1, "C89346404AB2", "1:C89346000000~C89346FFFFFF");
	assert_true(feed_wait(feed, replace(5, "C89346404AB2"), WAIT_MS));
	assert_shown(2, "C89346404AB2", "5:C89346404AB2");
	assert_true(feed_wait(feed, replace(1, ""), WAIT_MS));
	assert_shown(1, "C89346404AB2", "");
	assert_true(is_named(1)); /* for nobody: its row may say by now that it is in test */
	assert_true(feed_wait(feed, read_row(1), WAIT_MS));
	assert_false(is_named(1));
	assert_int_equal(metrics_get(METRIC_FEED_RELOADS), 1);
	assert_int_equal(metrics_get(METRIC_RANGES), 1);
}

static void a_full_load_has_the_ranges_of_active_rollouts(void **state)
{
	(void)state;
	replace(2, "C89346*");
	pg_run(uri, "INSERT INTO mac_ranges (rollout_id, place, kind, head) VALUES (7, 1, 'prefix', 'C8'), (3, 1, 'exact', E'A\\\\B')");
	int64_t pos = pg_number(uri, "SELECT change_append('device', '{}')");
	pg_run(uri, "NOTIFY otad");
	assert_true(feed_wait(feed, pos, WAIT_MS));
	assert_shown(1, "C89346404AB2", "2:C89346*");
	assert_shown(1, "A\\B", "3:A\\B");
	assert_shown(2, "C89346404AB2", "");
	assert_true(is_named(2) && is_named(3));
	assert_false(is_named(1));
}

static void a_rollout_that_ends_takes_its_ranges_along(void **state)
{
	(void)state;
	assert_true(feed_wait(feed, replace(2, "C89346*"), WAIT_MS));
	pg_run(uri, "UPDATE rollouts SET ended_at = now() WHERE id = 2");
	int64_t pos = pg_number(uri, "SELECT change_append('rollout', '{2}')");
	assert_true(feed_wait(feed, pos, WAIT_MS));
	assert_shown(1, "C89346404AB2", "");
	assert_int_equal(metrics_get(METRIC_RANGES), 0);
}

/* The row may be seen before its ranges: then it is for nobody. */
static void a_rollout_is_never_shown_as_if_it_had_none(void **state)
{
	(void)state;
	pg_run(uri, "INSERT INTO mac_ranges (rollout_id, place, kind, head) VALUES (1, 1, 'exact', 'A')");
	int64_t pos = pg_number(uri, "SELECT change_append('rollout', '{1}')");
	assert_true(feed_wait(feed, pos, WAIT_MS));
	assert_true(is_named(1));
	assert_shown(1, "A", "");
	pos = pg_number(uri, "SELECT change_append('ranges', '{1}')");
	assert_true(feed_wait(feed, pos, WAIT_MS));
	assert_shown(1, "A", "1:A");
}

static void many_are_followed_and_read_back_alike(void **state)
{
	(void)state;
	put_many(1, MANY);
	put_many(2, MANY);
	int64_t pos = pg_number(uri, "SELECT max(pos) FROM changes");
	assert_true(feed_wait(feed, pos, WAIT_MS));
	fleet_read(fleet);
	assert_int_equal(ranges_count(fleet_ranges(fleet)), 2 * MANY);
	fleet_done(fleet);
	assert_shown(1, "P10000008", "1:P10000008*");
	assert_shown(1, "P20000008X", "2:P20000008*");
	assert_shown(1, "C893000000A0", "1:C893000000A0~C893000000A9 2:C893000000A0~C893000000A9");
	assert_shown(1, "C893000000AA", "");
}

#define FOLLOWED(test) cmocka_unit_test_setup_teardown(test, follow, unfollow)
#define STORED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLLOWED(changes_of_ranges_are_followed), /* first: it counts loads */
		STORED(a_list_comes_back_as_it_was_written),
		STORED(entries_can_be_read_page_by_page),
		STORED(a_hundred_thousand_are_replaced_at_once),
		STORED(only_active_ranked_rollouts_have_ranges),
		STORED(the_lock_holds_up_whom_it_must),
		STORED(what_fails_leaves_the_old_list),
		STORED(ranges_go_with_their_rollout),
		STORED(the_table_takes_no_nonsense),
		STORED(rollouts_are_found_by_whom_they_name),
		STORED(the_look_up_goes_by_an_index),
		FOLLOWED(a_full_load_has_the_ranges_of_active_rollouts),
		FOLLOWED(a_rollout_that_ends_takes_its_ranges_along),
		FOLLOWED(a_rollout_is_never_shown_as_if_it_had_none),
		FOLLOWED(many_are_followed_and_read_back_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
