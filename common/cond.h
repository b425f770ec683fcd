/* Condition variables that wait by the monotonic clock, which nobody sets. */
#ifndef COMMON_COND_H
#define COMMON_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void cond_init(pthread_cond_t *cond);

/* Waits with the lock held, at most until clock_mono_ms() says mono_ms. False: the time is up; true: perhaps signalled, look again. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_ms);

#endif
