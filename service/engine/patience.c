#include "engine/patience.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/err.h"

struct patience {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t joined; /* the first one came, or stop */
	struct patient line;   /* a ring; line.next came first */
	int64_t delay_ms;
	bool stop;
};

static void unlink_patient(struct patient *p)
{
	p->prev->next = p->next;
	p->next->prev = p->prev;
	p->next = NULL;
}

/* Waits until the first one is due, or the line is empty no longer. With the lock. */
static void wait_for_first(struct patience *p, const struct patient *first)
{
	if (first == &p->line) {
		pthread_cond_wait(&p->joined, &p->lock);
		return;
	}
	cond_wait_until(&p->joined, &p->lock, first->due_ms);
}

static void *watch(void *arg)
{
	struct patience *p = arg;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct patient *first = p->line.next;
		bool due = first != &p->line && (p->stop || first->due_ms <= clock_mono_ms());
		if (due) {
			unlink_patient(first);
			pthread_mutex_unlock(&p->lock);
			first->over(first);
			pthread_mutex_lock(&p->lock);
		} else if (p->stop) {
			break;
		} else {
			wait_for_first(p, first);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct patience *patience_start(int64_t delay_ms, struct err *err)
{
	struct patience *p = calloc(1, sizeof *p);
	if (!p) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	p->delay_ms = delay_ms;
	p->line.next = p->line.prev = &p->line;
	pthread_mutex_init(&p->lock, NULL);
	cond_init(&p->joined);
	if (pthread_create(&p->thread, NULL, watch, p) != 0) {
		err_set(err, ERR_INTERNAL, "no thread can be started");
		pthread_cond_destroy(&p->joined);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return NULL;
	}
	return p;
}

void patience_stop(struct patience **pp)
{
	struct patience *p = *pp;
	if (!p) {
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->joined);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->joined);
	pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}

void patience_join(struct patience *p, struct patient *patient)
{
	pthread_mutex_lock(&p->lock);
	patient->due_ms = clock_mono_ms() + p->delay_ms;
	patient->prev = p->line.prev;
	patient->next = &p->line;
	patient->prev->next = patient;
	p->line.prev = patient;
	if (p->line.next == patient) {
		pthread_cond_signal(&p->joined);
	}
	pthread_mutex_unlock(&p->lock);
}

bool patience_leave(struct patience *p, struct patient *patient)
{
	pthread_mutex_lock(&p->lock);
	bool waits = patient->next != NULL;
	if (waits) {
		unlink_patient(patient);
	}
	pthread_mutex_unlock(&p->lock);
	return waits;
}
