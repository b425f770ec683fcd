/* The group commit by itself: operations are numbers that a table must hold once each is acknowledged. */
#include <inttypes.h>
#include <pthread.h>
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
#include "common/err.h"
#include "common/log.h"
#include "pg.h"
#include "store/db.h"
#include "store/sql.h"
#include "work/commit.h"

enum { BATCH = 8, QUEUE = 32, WAIT_MS = 30000 };

struct number {
	struct commit_op base;
	int64_t n;
	struct err err;
	int dones;
};

static char uri[PG_URI_SIZE];
static const struct db_config where = {.uri = uri, .name = "commit"};
static struct commit *commit;

/* What the thread did, for the test to look at once it is quiet. */
static struct {
	pthread_mutex_t lock;
	size_t runs[64]; /* sizes of batches run, in order */
	size_t run_count;
	size_t committed; /* operations */
	int64_t done_order[64];
	size_t done_count;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* 0 and 13 are numbers the table does not take; 13 is found by the database, 0 before it. */
static bool run(void *ctx, struct db *db, struct commit_op **ops, size_t n, struct err *err)
{
	(void)ctx;
	pthread_mutex_lock(&seen.lock);
	seen.runs[seen.run_count++ % 64] = n;
	pthread_mutex_unlock(&seen.lock);
	for (size_t i = 0; i < n; i++) {
		char sql[96];
		int64_t number = ((struct number *)ops[i])->n;
		snprintf(sql, sizeof sql, "INSERT INTO numbers VALUES (%" PRId64 ") ON CONFLICT DO NOTHING", number);
		if (number == 0) {
			return err_set(err, ERR_INVALID, "nothing");
		}
		if (!sql_exec(db, sql, err)) {
			return false;
		}
	}
	return true;
}

static void committed(void *ctx, struct commit_op **ops, size_t n)
{
	(void)ctx, (void)ops;
	pthread_mutex_lock(&seen.lock);
	seen.committed += n;
	pthread_mutex_unlock(&seen.lock);
}

static void done(struct commit_op *base, const struct err *err)
{
	struct number *number = (struct number *)base;
	pthread_mutex_lock(&seen.lock);
	seen.done_order[seen.done_count++ % 64] = number->n;
	if (err) {
		number->err = *err;
	}
	number->dones++;
	pthread_mutex_unlock(&seen.lock);
}

static int setup(void **state)
{
	(void)state;
	struct err err = {0};
	const struct commit_config config = {.db = &where, .queue_max = QUEUE, .batch_max = BATCH, .run = run, .committed = committed};
	pg_run(uri, "TRUNCATE numbers");
	seen.run_count = seen.committed = seen.done_count = 0;
	commit = commit_new(&config, &err);
	return commit ? 0 : -1;
}

static int create(void **state)
{
	(void)state;
	pg_empty(uri);
	pg_run(uri, "CREATE TABLE numbers (n bigint PRIMARY KEY CHECK (n <> 13))");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	commit_stop(&commit);
	return 0;
}

static int dones_of(const struct number *number)
{
	pthread_mutex_lock(&seen.lock);
	int n = number->dones;
	pthread_mutex_unlock(&seen.lock);
	return n;
}

static void wait_for(struct number *numbers, size_t n)
{
	int64_t deadline = clock_mono_ms() + WAIT_MS;
	for (size_t i = 0; i < n; i++) {
		while (dones_of(&numbers[i]) == 0) {
			assert_true(clock_mono_ms() < deadline);
			usleep(1000);
		}
		assert_int_equal(dones_of(&numbers[i]), 1);
	}
}

static void submit(struct number *numbers, size_t n, int64_t first)
{
	for (size_t i = 0; i < n; i++) {
		numbers[i] = (struct number){.base.done = done, .n = first + (int64_t)i};
		assert_true(commit_submit(commit, &numbers[i].base));
	}
}

static int64_t stored(int64_t n)
{
	char sql[64];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM numbers WHERE n = %" PRId64, n);
	return pg_number(uri, sql);
}

/* Keeps the thread in a batch of one. */
static struct pg_hold *stall(struct number *number)
{
	struct pg_hold *hold = pg_hold(uri, "LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE");
	submit(number, 1, 1000);
	int64_t deadline = clock_mono_ms() + WAIT_MS;
	while (pg_number(uri, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'commit' AND wait_event_type = 'Lock'") ==
	       0) {
		assert_true(clock_mono_ms() < deadline);
		usleep(1000);
	}
	return hold;
}

static void an_operation_is_done_after_its_commit(void **state)
{
	(void)state;
	struct number one;
	submit(&one, 1, 7);
	wait_for(&one, 1);
	assert_int_equal(one.err.kind, ERR_NONE);
	assert_int_equal(stored(7), 1);
	assert_int_equal(seen.committed, 1);
}

static void what_waits_is_committed_together_in_order_and_at_most_a_batch(void **state)
{
	(void)state;
	struct number first;
	struct number rest[20];
	struct pg_hold *hold = stall(&first);
	submit(rest, 20, 101);
	pg_let_go(&hold);
	wait_for(rest, 20);
	assert_int_equal(seen.run_count, 4);
	assert_int_equal(seen.runs[0], 1);
	assert_int_equal(seen.runs[1], BATCH);
	assert_int_equal(seen.runs[2], BATCH);
	assert_int_equal(seen.runs[3], 4);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(seen.done_order[i + 1], rest[i].n);
	}
}

static void a_bad_operation_fails_alone(void **state)
{
	(void)state;
	struct number first;
	struct number rest[BATCH];
	struct pg_hold *hold = stall(&first);
	submit(rest, BATCH - 1, 10); /* 13 among them */
	submit(&rest[BATCH - 1], 1, 0);
	pg_let_go(&hold);
	wait_for(rest, BATCH);
	for (size_t i = 0; i < BATCH; i++) {
		bool bad = rest[i].n == 13 || rest[i].n == 0;
		assert_int_equal(rest[i].err.kind, bad ? ERR_INVALID : ERR_NONE);
		assert_int_equal(stored(rest[i].n), !bad);
	}
	assert_int_equal(seen.committed, 1 + BATCH - 2);
}

static void a_cut_connection_is_replaced_and_the_batch_repeated(void **state)
{
	(void)state;
	struct number first;
	struct number rest[BATCH];
	struct pg_hold *hold = stall(&first);
	submit(rest, BATCH, 1);
	pg_run(uri, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'commit'");
	pg_let_go(&hold);
	wait_for(&first, 1);
	wait_for(rest, BATCH);
	assert_int_equal(first.err.kind, ERR_NONE);
	assert_int_equal(stored(1000), 1);
	assert_int_equal(rest[BATCH - 1].err.kind, ERR_NONE);
}

static void an_outage_answers_all_and_the_next_operation_finds_the_database_back(void **state)
{
	(void)state;
	struct number during[BATCH];
	struct number after;
	submit(&after, 1, 500);
	wait_for(&after, 1);
	pg_down();
	submit(during, BATCH, 1);
	wait_for(during, BATCH);
	for (size_t i = 0; i < BATCH; i++) {
		assert_int_equal(during[i].err.kind, ERR_UNAVAILABLE);
	}
	pg_up();
	submit(&after, 1, 501);
	wait_for(&after, 1);
	assert_int_equal(after.err.kind, ERR_NONE);
	assert_int_equal(stored(500) + stored(501), 2);
	assert_int_equal(stored(1), 0);
}

static void a_full_queue_refuses_and_keeps_what_it_has(void **state)
{
	(void)state;
	struct number first;
	struct number rest[QUEUE + 1];
	struct pg_hold *hold = stall(&first);
	submit(rest, QUEUE, 2001);
	rest[QUEUE] = (struct number){.base.done = done, .n = 9};
	assert_false(commit_submit(commit, &rest[QUEUE].base));
	pg_let_go(&hold);
	wait_for(rest, QUEUE);
	assert_int_equal(dones_of(&rest[QUEUE]), 0);
	assert_int_equal(stored(9), 0);
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM numbers"), QUEUE + 1);
}

static void a_stop_commits_what_is_queued(void **state)
{
	(void)state;
	struct number rest[QUEUE];
	submit(rest, QUEUE, 2001);
	commit_stop(&commit);
	wait_for(rest, QUEUE);
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM numbers"), QUEUE);
}

int main(void)
{
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_operation_is_done_after_its_commit),
		TEST(what_waits_is_committed_together_in_order_and_at_most_a_batch),
		TEST(a_bad_operation_fails_alone),
		TEST(a_cut_connection_is_replaced_and_the_batch_repeated),
		TEST(an_outage_answers_all_and_the_next_operation_finds_the_database_back),
		TEST(a_full_queue_refuses_and_keeps_what_it_has),
		TEST(a_stop_commits_what_is_queued),
	};
	return cmocka_run_group_tests(tests, create, NULL);
}
