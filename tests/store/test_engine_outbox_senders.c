/* The outbox under several senders, alive and dead. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/dispatch.h"
#include "outbox_scene.h"
#include "site.h"

/* --- several senders --- */

static void a_push_that_was_taken_by_a_sender_that_died_is_sent_by_the_next(void **state)
{
	(void)state;
	const char *device = site_device();
	int64_t task = push(r, device, SITE_KNOWN);
	char alias[ALIAS_SIZE];
	snprintf(alias, sizeof alias, "%s", alias_of(r, task));
	replica_stop(&r); /* it never said what became of it */
	r = replica_start("");
	int64_t attempt = -1;
	make_due(task); /* the time of its repetition has come */
	assert_int_equal(claim(r, task, &attempt), 1);
	assert_string_equal(alias_of(r, task), alias);
	assert_true(site_task_is(task, "queued"));
}

/* Nor does one wait for what another is just taking. */
static void a_row_in_another_hand_is_left_alone(void **state)
{
	(void)state;
	int64_t taken = push(r, site_device(), SITE_KNOWN);
	int64_t free_one = push(r, site_device(), SITE_KNOWN);
	char sql[96];
	int64_t attempt = 0;
	make_due(taken);
	make_due(free_one);
	snprintf(sql, sizeof sql, "SELECT FROM outbox WHERE task_id = %" PRId64 " FOR UPDATE", taken);
	struct pg_hold *hold = pg_hold(site_uri, sql);
	struct dispatch_item items[256];
	size_t count = 0;
	int64_t next_ms = 0;
	bool found = false;
	bool ok = dispatch_claim(r->engine, items, 256, &count, &next_ms, &(struct err){0});
	pg_let_go(&hold);
	assert_true(ok);
	for (size_t i = 0; i < count; i++) {
		assert_int_not_equal(items[i].task_id, taken);
		found = found || items[i].task_id == free_one;
	}
	assert_true(found);
	for (int64_t deadline = 0; claim(r, taken, &attempt) == 0; site_pause()) { /* the other hand is closed, sooner or later */
		assert_true(site_in_time(&deadline));
	}
}

struct claimer {
	struct replica *replica;
	pthread_t thread;
	int64_t tasks[SITE_DEVICES];
	size_t count;
	bool failed;
};

static void *claim_all(void *arg)
{
	struct claimer *c = arg;
	size_t got = 1;
	while (got > 0) {
		struct dispatch_item items[7];
		int64_t next_ms = 0;
		struct err err = {0};
		got = 0;
		if (!dispatch_claim(c->replica->engine, items, 7, &got, &next_ms, &err)) {
			c->failed = true;
			break;
		}
		for (size_t i = 0; i < got && c->count < SITE_DEVICES; i++) {
			c->tasks[c->count++] = items[i].task_id;
		}
	}
	return NULL;
}

static void two_replicas_that_claim_at_once_never_take_the_same_push(void **state)
{
	(void)state;
	enum { TASKS = 500 };
	static struct claimer claimers[2];
	static struct answer answers[TASKS];
	memset(claimers, 0, sizeof claimers);
	site_run("DELETE FROM outbox"); /* else a repetition of an earlier test may come due in between */
	for (int i = 0; i < TASKS; i++) {
		begin_order(r, WAY_PUSH, site_device(), SITE_KNOWN, &answers[i]);
	}
	int64_t first = INT64_MAX;
	for (int i = 0; i < TASKS; i++) {
		answer_wait(&answers[i]);
		assert_done(answers[i], ERR_NONE);
		first = answers[i].order.task_id < first ? answers[i].order.task_id : first;
	}
	struct replica *other = replica_start("");
	int64_t none;
	claim(other, 0, &none); /* a outbox_scene_start begins with sending all again */
	site_run("UPDATE outbox SET due_at = now() - interval '1 s' WHERE task_id >= %" PRId64, first);
	claimers[0].replica = r;
	claimers[1].replica = other;
	for (int i = 0; i < 2; i++) {
		pthread_create(&claimers[i].thread, NULL, claim_all, &claimers[i]);
	}
	static bool taken[TASKS];
	size_t sum = 0;
	for (int i = 0; i < 2; i++) {
		pthread_join(claimers[i].thread, NULL);
		sum += claimers[i].count;
	}
	replica_stop(&other);
	for (int i = 0; i < 2; i++) {
		assert_false(claimers[i].failed);
		for (size_t j = 0; j < claimers[i].count; j++) {
			assert_in_range(claimers[i].tasks[j], first, first + TASKS - 1);
			assert_false(taken[claimers[i].tasks[j] - first]);
			taken[claimers[i].tasks[j] - first] = true;
		}
	}
	assert_int_equal(sum, TASKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(a_push_that_was_taken_by_a_sender_that_died_is_sent_by_the_next),
		SITE_TEST(a_row_in_another_hand_is_left_alone),
		SITE_TEST(two_replicas_that_claim_at_once_never_take_the_same_push),
	};
	return cmocka_run_group_tests(tests, outbox_scene_start, outbox_scene_stop);
}
