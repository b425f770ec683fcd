/* What an operator is told of a revocation: "the broker has it" only if that was found out after his call. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "engine/engine.h"
#include "engine/revocation.h"
#include "site.h"

enum { LONG_MS = 20000, SHORT_MS = 200 };

static struct replica *r;
static atomic_int pokes;

static int start(void **state)
{
	(void)state;
	site_new();
	r = replica_start("");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&r);
	return 0;
}

static void poked(void *ctx)
{
	(void)ctx;
	pokes++;
}

static void attach(void)
{
	pokes = 0;
	revocation_attach(r->engine, poked, NULL);
}

/* As the teller does with a broker that has everything: reads, and says so. Answers the newest. */
static int64_t tell_all(void)
{
	struct revocation rows[16];
	struct err err = {0};
	size_t count;
	int64_t newest = 0;
	assert_true(revocation_read(r->engine, 0, rows, 16, &count, &newest, &err));
	revocation_confirmed(r->engine, newest);
	return newest;
}

static int64_t revoke(const char *device)
{
	return site_number("SELECT revocation_put('%s', 2, true)", device);
}

struct waiter {
	pthread_t thread;
	int64_t rev;
	bool told;
};

static void *wait_long(void *arg)
{
	struct waiter *w = arg;
	w->told = revocation_wait(r->engine, w->rev, LONG_MS);
	return NULL;
}

static void begin_wait(struct waiter *w, int64_t rev)
{
	*w = (struct waiter){.rev = rev};
	assert_int_equal(pthread_create(&w->thread, NULL, wait_long, w), 0);
	for (int64_t deadline = 0; pokes == 0; site_pause()) {
		assert_true(site_in_time(&deadline));
	}
}

static bool end_wait(struct waiter *w)
{
	int64_t began = clock_mono_ms();
	pthread_join(w->thread, NULL);
	assert_in_range(clock_mono_ms() - began, 0, LONG_MS / 2);
	return w->told;
}

static void what_the_broker_takes_meanwhile_is_confirmed(void **state)
{
	(void)state;
	struct waiter w;
	attach();
	tell_all();
	begin_wait(&w, revoke("x1"));
	tell_all();
	assert_true(end_wait(&w));
}

/* Restored from a backup: what the broker confirmed was of another history, with higher numbers. */
static void what_was_confirmed_before_proves_nothing(void **state)
{
	(void)state;
	attach();
	int64_t rev = revoke("x2");
	tell_all();
	revocation_confirmed(r->engine, rev + 1000);
	assert_false(revocation_wait(r->engine, rev, SHORT_MS));
	assert_int_equal(pokes, 1);
}

/* A second "block" of a blocked device writes nothing; but perhaps the broker has not taken the first one yet. */
static void nothing_new_waits_for_what_is_old(void **state)
{
	(void)state;
	struct waiter w;
	attach();
	tell_all();
	revoke("x3");
	assert_false(revocation_wait(r->engine, 0, SHORT_MS));
	pokes = 0;
	begin_wait(&w, 0);
	tell_all();
	assert_true(end_wait(&w));
}

static void without_a_broker_nobody_waits(void **state)
{
	(void)state;
	struct waiter w;
	attach();
	tell_all();
	begin_wait(&w, INT64_MAX);
	revocation_confirmed(r->engine, -1);
	assert_false(end_wait(&w));
	tell_all();
	pokes = 0;
	begin_wait(&w, INT64_MAX);
	revocation_attach(r->engine, NULL, NULL);
	assert_false(end_wait(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(what_the_broker_takes_meanwhile_is_confirmed),
		SITE_TEST(what_was_confirmed_before_proves_nothing),
		SITE_TEST(nothing_new_waits_for_what_is_old),
		SITE_TEST(without_a_broker_nobody_waits),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
