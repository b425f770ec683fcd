#include "work/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/err.h"
#include "store/db.h"

struct job {
	pool_job *run;
	void *arg;
};

struct worker {
	struct pool *pool;
	struct db *db; /* NULL until the first job that wants it */
	pthread_t thread;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	const struct db_config *config;
	struct job *ring;
	size_t max, head, count;
	bool stopping;
	unsigned threads;
	struct worker workers[];
};

static bool take(struct pool *p, struct job *out)
{
	pthread_mutex_lock(&p->lock);
	while (p->count == 0 && !p->stopping) {
		pthread_cond_wait(&p->work, &p->lock);
	}
	bool got = p->count > 0;
	if (got) {
		*out = p->ring[p->head];
		p->head = (p->head + 1) % p->max;
		p->count--;
	}
	pthread_mutex_unlock(&p->lock);
	return got;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct job job;
	while (take(w->pool, &job)) {
		job.run(job.arg, w);
	}
	return NULL;
}

struct pool *pool_new(unsigned threads, size_t queue_max, const struct db_config *config, struct err *err)
{
	struct pool *p = calloc(1, sizeof *p + threads * sizeof *p->workers);
	struct job *ring = calloc(queue_max, sizeof *ring);
	if (!p || !ring) {
		free(p);
		free(ring);
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	p->config = config;
	p->ring = ring;
	p->max = queue_max;
	for (; p->threads < threads; p->threads++) {
		struct worker *w = &p->workers[p->threads];
		w->pool = p;
		if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
			err_set(err, ERR_INTERNAL, "cannot start worker threads");
			pool_stop(&p);
			return NULL;
		}
	}
	return p;
}

bool pool_submit(struct pool *p, pool_job *job, void *arg)
{
	pthread_mutex_lock(&p->lock);
	bool room = p->count < p->max && !p->stopping;
	if (room) {
		p->ring[(p->head + p->count++) % p->max] = (struct job){job, arg};
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return room;
}

void pool_stop(struct pool **pp)
{
	struct pool *p = *pp;
	if (!p) {
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads; i++) {
		pthread_join(p->workers[i].thread, NULL);
		db_close(&p->workers[i].db);
	}
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	free(p->ring);
	free(p);
	*pp = NULL;
}

struct db *worker_db(struct worker *w, struct err *err)
{
	if (!w->db) {
		w->db = db_open(w->pool->config, err);
		return w->db;
	}
	return db_revive(w->db, err) ? w->db : NULL;
}
