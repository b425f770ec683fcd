/* The rows of changes: none is missed, each in its order, a wake-up for each, and how long they are kept. */
#include <inttypes.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "feed_scene.h"
#include "pg.h"
#include "store/db.h"
#include "store/feed.h"

/* --- writers --- */

enum { WRITERS = 4, EACH = 50 };

struct writer {
	pthread_t thread;
	unsigned seed;
	int64_t first; /* the ids it changes: first .. first + EACH - 1 */
	bool kept[EACH];
	bool failed;
};

/* Transactions that dawdle before and after their change, and of which some are rolled back. */
static void *write_changes(void *arg)
{
	struct writer *w = arg;
	PGconn *conn = PQconnectdb(uri);
	for (int i = 0; i < EACH; i++) {
		char sql[160];
		w->kept[i] = rand_r(&w->seed) % 8 != 0;
		snprintf(sql, sizeof sql,
			 "BEGIN; SELECT pg_sleep(%d / 1e6); SELECT change_append('device', ARRAY[%" PRId64
			 "]); SELECT pg_sleep(%d / 1e6); %s",
			 rand_r(&w->seed) % 4000, w->first + i, rand_r(&w->seed) % 2000, w->kept[i] ? "COMMIT" : "ROLLBACK");
		w->failed = w->failed || !does(conn, sql);
	}
	PQfinish(conn);
	return NULL;
}

/* Reads on from *after; notes what came in seen[]. */
static void read_on(int64_t *after, int *seen)
{
	struct change *changes = NULL;
	size_t count = 0;
	struct err err = {0};
	ok_or_fail(store_feed_read(db, *after, &changes, &count, &err), &err);
	for (size_t i = 0; i < count; i++) {
		assert_true(changes[i].pos > *after);
		assert_int_equal(changes[i].kind, CHANGE_DEVICE);
		assert_int_equal(changes[i].count, 1);
		assert_in_range(changes[i].ids[0], 0, WRITERS * EACH - 1);
		seen[changes[i].ids[0]]++;
		*after = changes[i].pos;
	}
	store_changes_free(&changes, count);
}

static void a_reader_misses_no_change_of_concurrent_writers(void **state)
{
	(void)state;
	struct writer writers[WRITERS] = {0};
	int seen[WRITERS * EACH] = {0};
	int64_t after = 0;
	int64_t end = 0;
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){.seed = i + 1, .first = i * EACH};
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_changes, &writers[i]), 0);
	}
	int joined = 0;
	for (; joined < WRITERS;) { /* reads while they write: a position that appears behind it would be lost */
		read_on(&after, seen);
		joined += pthread_tryjoin_np(writers[joined].thread, NULL) == 0;
	}
	read_on(&after, seen);
	for (int i = 0; i < WRITERS; i++) {
		assert_false(writers[i].failed);
		for (int j = 0; j < EACH; j++) {
			assert_int_equal(seen[writers[i].first + j], writers[i].kept[j]);
			end += writers[i].kept[j];
		}
	}
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM changes"), end);
}

static void a_change_waits_for_the_one_before_it_to_be_committed(void **state)
{
	(void)state;
	int seen[WRITERS * EACH] = {0};
	int64_t after = 0;
	PGconn *slow = PQconnectdb(uri);
	PGconn *fast = PQconnectdb(uri);
	assert_true(does(slow, "BEGIN; SELECT change_append('device', '{1}')"));
	assert_int_equal(PQsendQuery(fast, "SELECT change_append('device', '{2}')"), 1);
	int64_t deadline = clock_mono_ms() + WAIT_MS;
	while (pg_number(uri, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 0) {
		assert_true(clock_mono_ms() < deadline);
	}
	read_on(&after, seen);
	assert_int_equal(after, 0); /* neither shows: the second cannot overtake */
	assert_true(does(slow, "COMMIT"));
	PQclear(PQgetResult(fast));
	PQclear(PQgetResult(fast));
	read_on(&after, seen);
	assert_true(seen[1] == 1 && seen[2] == 1);
	PQfinish(slow);
	PQfinish(fast);
}

/* --- the wake-up --- */

/* It may come along with the answer to a statement; the socket is silent then. */
static void a_notify_that_came_with_an_answer_still_wakes(void **state)
{
	(void)state;
	struct err err = {0};
	struct db *listener = db_open(&followers, &err);
	ok_or_fail(listener && store_feed_listen(listener, &err), &err);
	for (int round = 0; round < 10; round++) {
		int64_t oldest;
		int64_t newest;
		bool look = false;
		pg_run(uri, "NOTIFY otad");
		for (int i = 0; i < 20; i++) {
			ok_or_fail(store_feed_bounds(listener, &oldest, &newest, &err), &err);
		}
		int64_t began = clock_mono_ms();
		assert_true(store_feed_wait(listener, -1, WAIT_MS, &look));
		assert_true(look);
		assert_true(clock_mono_ms() - began < WAIT_MS / 2);
	}
	db_close(&listener);
}

/* --- what is kept --- */

static void old_changes_are_trimmed_but_for_the_newest(void **state)
{
	(void)state;
	struct err err = {0};
	int64_t oldest;
	int64_t newest;
	ok_or_fail(store_feed_bounds(db, &oldest, &newest, &err), &err);
	assert_int_equal(oldest + newest, 0);
	pg_run(uri, "SELECT change_append('device', ARRAY[i]) FROM generate_series(1, 10) i; UPDATE changes SET at = now() - interval '1 "
		    "h' WHERE pos < 8");
	ok_or_fail(store_feed_trim(db, 60000, &err), &err);
	ok_or_fail(store_feed_bounds(db, &oldest, &newest, &err), &err);
	assert_int_equal(oldest, 8);
	assert_int_equal(newest, 10);
	pg_run(uri, "UPDATE changes SET at = now() - interval '1 h'");
	ok_or_fail(store_feed_trim(db, 60000, &err), &err);
	ok_or_fail(store_feed_bounds(db, &oldest, &newest, &err), &err);
	assert_int_equal(oldest, 10); /* whoever follows can tell that it missed something */
}

static void many_ids_in_one_change_are_read_whole(void **state)
{
	(void)state;
	struct err err = {0};
	struct change *changes = NULL;
	size_t count = 0;
	pg_run(uri, "SELECT change_append('task', array_agg(i)) FROM generate_series(-3, 5000) i; SELECT change_append('device', '{}'); "
		    "SELECT change_append('comet', '{1}')");
	ok_or_fail(store_feed_read(db, 0, &changes, &count, &err), &err);
	assert_int_equal(count, 3);
	assert_int_equal(changes[0].count, 5004);
	assert_int_equal(changes[0].ids[0], -3);
	assert_int_equal(changes[0].ids[5003], 5000);
	assert_int_equal(changes[1].count, 0);
	assert_int_equal(changes[2].kind, CHANGE_KINDS); /* a newer replica's: ignored */
	store_changes_free(&changes, count);
}

int main(void)
{
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
#define PLAIN(f) cmocka_unit_test_setup_teardown(f, feed_scene_setup, feed_scene_teardown)
	const struct CMUnitTest tests[] = {
		PLAIN(a_reader_misses_no_change_of_concurrent_writers), PLAIN(a_change_waits_for_the_one_before_it_to_be_committed),
		PLAIN(a_notify_that_came_with_an_answer_still_wakes),   PLAIN(old_changes_are_trimmed_but_for_the_newest),
		PLAIN(many_ids_in_one_change_are_read_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
