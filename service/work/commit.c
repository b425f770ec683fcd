#include "work/commit.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/err.h"
#include "common/log.h"
#include "metrics/metrics.h"
#include "store/db.h"

enum { RACES_MAX = 3 };

struct commit {
	struct commit_config config;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct commit_op *first, **last;
	size_t count;
	bool stopping;
	struct db *db;
	struct commit_op **batch;
};

static size_t take(struct commit *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->first && !c->stopping) {
		pthread_cond_wait(&c->work, &c->lock);
	}
	size_t n = 0;
	while (c->first && n < c->config.batch_max) {
		c->batch[n++] = c->first;
		c->first = c->first->next;
	}
	if (!c->first) {
		c->last = &c->first;
	}
	c->count -= n;
	metrics_set(METRIC_COMMIT_QUEUE, (int64_t)c->count);
	pthread_mutex_unlock(&c->lock);
	return n;
}

static bool ensure_db(struct commit *c, struct err *err)
{
	if (!c->db) {
		c->db = db_open(c->config.db, err);
		return c->db != NULL;
	}
	return db_revive(c->db, err);
}

static bool attempt(struct commit *c, struct commit_op **ops, size_t n, struct err *err)
{
	if (!ensure_db(c, err) || !db_begin(c->db, err)) {
		return false;
	}
	if (!c->config.run(c->config.ctx, c->db, ops, n, err) || !db_commit(c->db, err)) {
		db_rollback(c->db);
		return false;
	}
	metrics_add(METRIC_COMMITS, 1);
	metrics_add(METRIC_COMMIT_OPS, (int64_t)n);
	return true;
}

/* Twice: the first failure may be a dead connection or a race with another replica. A row that another one has just made is seen at the
 * next look. */
static bool try_some(struct commit *c, struct commit_op **ops, size_t n, struct err *err)
{
	bool done = attempt(c, ops, n, err);
	done = done || attempt(c, ops, n, err);
	for (int races = 0; !done && err->kind == ERR_EXISTS && races < RACES_MAX; races++) {
		done = attempt(c, ops, n, err);
	}
	return done;
}

static void finish(struct commit *c, struct commit_op **ops, size_t n, const struct err *err)
{
	if (!err) {
		c->config.committed(c->config.ctx, ops, n);
	}
	for (size_t i = 0; i < n; i++) {
		ops[i]->done(ops[i], err);
	}
}

static void run_batch(struct commit *c, size_t n)
{
	struct err err = {0};
	if (try_some(c, c->batch, n, &err)) {
		finish(c, c->batch, n, NULL);
		return;
	}
	if (err.kind == ERR_UNAVAILABLE || err.kind == ERR_NO_SPACE || n == 1) {
		log_warn("group commit failed", LOG_S("error", err.text), LOG_U("operations", n));
		finish(c, c->batch, n, &err);
		return;
	}
	log_warn("group commit failed; each operation alone", LOG_S("error", err.text), LOG_U("operations", n));
	for (size_t i = 0; i < n; i++) {
		bool ok = err.kind != ERR_UNAVAILABLE && try_some(c, &c->batch[i], 1, &err); /* gone meanwhile: the rest fails at once */
		finish(c, &c->batch[i], 1, ok ? NULL : &err);
	}
}

static void *commit_main(void *arg)
{
	struct commit *c = arg;
	size_t n;
	while ((n = take(c)) > 0) {
		run_batch(c, n);
	}
	return NULL;
}

struct commit *commit_new(const struct commit_config *config, struct err *err)
{
	struct commit *c = calloc(1, sizeof *c);
	struct commit_op **batch = calloc(config->batch_max, sizeof *batch);
	if (!c || !batch) {
		free(c);
		free(batch);
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	c->config = *config;
	c->batch = batch;
	c->last = &c->first;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, NULL);
	if (pthread_create(&c->thread, NULL, commit_main, c) != 0) {
		err_set(err, ERR_INTERNAL, "cannot start the commit thread");
		free(batch);
		free(c);
		return NULL;
	}
	return c;
}

bool commit_submit(struct commit *c, struct commit_op *op)
{
	pthread_mutex_lock(&c->lock);
	bool room = c->count < c->config.queue_max && !c->stopping;
	if (room) {
		op->next = NULL;
		*c->last = op;
		c->last = &op->next;
		c->count++;
		pthread_cond_signal(&c->work);
	}
	pthread_mutex_unlock(&c->lock);
	return room;
}

void commit_stop(struct commit **cp)
{
	struct commit *c = *cp;
	if (!c) {
		return;
	}
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	db_close(&c->db);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->work);
	free(c->batch);
	free(c);
	*cp = NULL;
}
