#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/err.h"
#include "engine/patience.h"

enum { DELAY_MS = 30, GENEROUS_MS = 5000 };

struct waiter {
	struct patient patient; /* first */
	int64_t joined_ms, over_ms;
	int rank; /* in what order it was given up, from 1 */
	atomic_int overs;
};

static atomic_int ranks;

static void over(struct patient *patient)
{
	struct waiter *w = (struct waiter *)patient;
	w->over_ms = clock_mono_ms();
	w->rank = atomic_fetch_add(&ranks, 1) + 1;
	atomic_fetch_add(&w->overs, 1);
}

static struct patience *start(int64_t delay_ms)
{
	struct err err = {0};
	struct patience *p = patience_start(delay_ms, &err);
	assert_non_null(p);
	atomic_store(&ranks, 0);
	return p;
}

static void join(struct patience *p, struct waiter *w)
{
	w->patient.over = over;
	w->joined_ms = clock_mono_ms();
	patience_join(p, &w->patient);
}

static void doze(int ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static void wait_for(const atomic_int *value, int at_least)
{
	for (int i = 0; i < GENEROUS_MS && atomic_load(value) < at_least; i++) {
		doze(1);
	}
	assert_int_equal(atomic_load(value), at_least);
}

static void who_waits_is_given_up_when_its_time_has_come_and_not_before(void **state)
{
	(void)state;
	struct patience *p = start(DELAY_MS);
	struct waiter w = {0};
	join(p, &w);
	wait_for(&w.overs, 1);
	assert_in_range(w.over_ms - w.joined_ms, DELAY_MS, GENEROUS_MS);
	assert_false(patience_leave(p, &w.patient));
	join(p, &w); /* again, by the same */
	wait_for(&w.overs, 2);
	patience_stop(&p);
	assert_null(p);
}

static void they_are_given_up_in_the_order_in_which_they_came(void **state)
{
	(void)state;
	struct patience *p = start(DELAY_MS);
	struct waiter w[20] = {0};
	for (size_t i = 0; i < COUNT(w); i++) {
		join(p, &w[i]);
		doze(i % 4 == 0);
	}
	wait_for(&w[COUNT(w) - 1].overs, 1);
	for (size_t i = 0; i < COUNT(w); i++) {
		assert_int_equal(w[i].rank, i + 1);
		assert_in_range(w[i].over_ms - w[i].joined_ms, DELAY_MS, GENEROUS_MS);
	}
	patience_stop(&p);
}

static void who_leaves_is_left_alone_wherever_it_stands(void **state)
{
	(void)state;
	struct patience *p = start(DELAY_MS);
	struct waiter w[9] = {0};
	static const size_t leaves[] = {0, 8, 4, 3};
	for (size_t i = 0; i < COUNT(w); i++) {
		join(p, &w[i]);
	}
	for (size_t i = 0; i < COUNT(leaves); i++) {
		assert_true(patience_leave(p, &w[leaves[i]].patient));
		assert_false(patience_leave(p, &w[leaves[i]].patient)); /* once */
	}
	wait_for(&w[7].overs, 1);
	doze(DELAY_MS);
	for (size_t i = 0; i < COUNT(w); i++) {
		bool left = i == 0 || i == 3 || i == 4 || i == 8;
		assert_int_equal(atomic_load(&w[i].overs), !left);
	}
	patience_stop(&p);
}

static void the_line_may_be_left_empty_and_joined_anew(void **state)
{
	(void)state;
	struct patience *p = start(DELAY_MS);
	struct waiter w = {0};
	for (int i = 0; i < 1000; i++) {
		join(p, &w);
		assert_true(patience_leave(p, &w.patient));
	}
	assert_int_equal(atomic_load(&w.overs), 0);
	join(p, &w);
	wait_for(&w.overs, 1);
	patience_stop(&p);
}

static void whoever_waits_at_the_end_is_given_up_at_once(void **state)
{
	(void)state;
	struct patience *p = start(3600 * 1000);
	struct waiter w[5] = {0};
	for (size_t i = 0; i < COUNT(w); i++) {
		join(p, &w[i]);
	}
	assert_true(patience_leave(p, &w[2].patient));
	int64_t before = clock_mono_ms();
	patience_stop(&p);
	assert_in_range(clock_mono_ms() - before, 0, GENEROUS_MS);
	for (size_t i = 0; i < COUNT(w); i++) {
		assert_int_equal(atomic_load(&w[i].overs), i != 2);
	}
	patience_stop(&p); /* nothing is left to stop */
}

/* One who waits, given up by the line or gone by itself: it is freed by whoever lets go last, as a check is. */
struct held {
	struct patient patient; /* first */
	atomic_int holders;
	atomic_int *given_up, *freed;
};

static void let_go(struct held *h)
{
	if (atomic_fetch_sub(&h->holders, 1) == 1) {
		atomic_fetch_add(h->freed, 1);
		free(h);
	}
}

static void held_over(struct patient *patient)
{
	struct held *h = (struct held *)patient;
	atomic_fetch_add(h->given_up, 1);
	let_go(h);
}

struct crowd {
	struct patience *line;
	int number;
	int left;
	atomic_int given_up, freed;
};

enum { CROWD = 4, EACH = 3000 };

static void *come_and_go(void *arg)
{
	struct crowd *c = arg;
	for (int i = 0; i < EACH; i++) {
		struct held *h = calloc(1, sizeof *h);
		assert_non_null(h);
		*h = (struct held){.patient.over = held_over, .given_up = &c->given_up, .freed = &c->freed};
		atomic_init(&h->holders, 2);
		patience_join(c->line, &h->patient);
		if (i % 16 == c->number) {
			doze(2); /* about when the time has come */
		}
		if (patience_leave(c->line, &h->patient)) {
			c->left++;
			let_go(h);
		}
		let_go(h);
	}
	return NULL;
}

static void whether_somebody_has_left_or_was_given_up_is_decided_once(void **state)
{
	(void)state;
	struct patience *p = start(2);
	struct crowd crowd[CROWD] = {0};
	pthread_t threads[CROWD];
	for (int i = 0; i < CROWD; i++) {
		crowd[i].line = p;
		crowd[i].number = i;
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowd[i]), 0);
	}
	for (int i = 0; i < CROWD; i++) {
		pthread_join(threads[i], NULL);
	}
	patience_stop(&p);
	int given_up = 0;
	for (int i = 0; i < CROWD; i++) {
		assert_int_equal(crowd[i].left + atomic_load(&crowd[i].given_up), EACH);
		assert_int_equal(atomic_load(&crowd[i].freed), EACH);
		given_up += atomic_load(&crowd[i].given_up);
	}
	assert_true(given_up > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_is_given_up_when_its_time_has_come_and_not_before),
		cmocka_unit_test(they_are_given_up_in_the_order_in_which_they_came),
		cmocka_unit_test(who_leaves_is_left_alone_wherever_it_stands),
		cmocka_unit_test(the_line_may_be_left_empty_and_joined_anew),
		cmocka_unit_test(whoever_waits_at_the_end_is_given_up_at_once),
		cmocka_unit_test(whether_somebody_has_left_or_was_given_up_is_decided_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
