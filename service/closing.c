#include "closing.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/log.h"
#include "store/db.h"

enum { WORKERS_MS = 500, REST_MS = 1500 };

struct closing {
	struct db_config *workers;
	int64_t drained_ms; /* monotonic */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool over;
};

/* False: all has ended before. */
static bool reaches(struct closing *c, int64_t at_ms)
{
	pthread_mutex_lock(&c->lock);
	while (!c->over && cond_wait_until(&c->wake, &c->lock, at_ms)) {
	}
	bool over = c->over;
	pthread_mutex_unlock(&c->lock);
	return !over;
}

static void *closing_main(void *arg)
{
	struct closing *c = arg;
	if (!reaches(c, c->drained_ms + WORKERS_MS)) {
		return NULL;
	}
	log_warn("work that is not finished is given up");
	db_cut(c->workers);
	if (reaches(c, c->drained_ms + WORKERS_MS + REST_MS)) {
		log_warn("the database is not waited for any longer");
		db_cut(NULL);
	}
	return NULL;
}

struct closing *closing_begin(struct db_config *workers, int64_t drain_ms)
{
	struct closing *c = calloc(1, sizeof *c);
	if (!c) {
		return NULL;
	}
	cond_init(&c->wake);
	pthread_mutex_init(&c->lock, NULL);
	c->workers = workers;
	c->drained_ms = clock_mono_ms() + drain_ms;
	if (pthread_create(&c->thread, NULL, closing_main, c) != 0) {
		pthread_cond_destroy(&c->wake);
		pthread_mutex_destroy(&c->lock);
		free(c);
		return NULL;
	}
	return c;
}

void closing_end(struct closing **closing)
{
	struct closing *c = *closing;
	if (!c) {
		return;
	}
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*closing = NULL;
}
