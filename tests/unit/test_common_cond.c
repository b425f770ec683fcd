#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/cond.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond;

static void a_wait_ends_when_its_time_is_up_and_not_before(void **state)
{
	(void)state;
	int64_t until = clock_mono_ms() + 30;
	pthread_mutex_lock(&lock);
	while (cond_wait_until(&cond, &lock, until)) {
	}
	pthread_mutex_unlock(&lock);
	assert_true(clock_mono_ms() >= until);
}

static void a_time_that_is_past_does_not_wait(void **state)
{
	(void)state;
	pthread_mutex_lock(&lock);
	assert_false(cond_wait_until(&cond, &lock, clock_mono_ms() - 1500));
	pthread_mutex_unlock(&lock);
}

static void *wake(void *arg)
{
	pthread_mutex_lock(&lock);
	*(bool *)arg = true;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void a_signal_ends_it_early(void **state)
{
	(void)state;
	pthread_t thread;
	bool woken = false;
	bool in_time = true;
	pthread_mutex_lock(&lock);
	assert_int_equal(pthread_create(&thread, NULL, wake, &woken), 0);
	while (!woken && in_time) {
		in_time = cond_wait_until(&cond, &lock, clock_mono_ms() + 10000);
	}
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	assert_true(woken && in_time);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_ends_when_its_time_is_up_and_not_before),
		cmocka_unit_test(a_time_that_is_past_does_not_wait),
		cmocka_unit_test(a_signal_ends_it_early),
	};
	cond_init(&cond);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
