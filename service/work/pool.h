/* Worker threads with a bounded queue; each worker owns one database connection. */
#ifndef WORK_POOL_H
#define WORK_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct db;
struct db_config;
struct err;
struct pool;
struct worker;

/* Starts the threads; they connect lazily (first job that asks for the database). config must outlive the pool. */
struct pool *pool_new(unsigned threads, size_t queue_max, const struct db_config *config, struct err *err);

typedef void pool_job(void *arg, struct worker *worker);

/* false when the queue is full or the pool is stopping: the caller answers "busy". Any thread. */
bool pool_submit(struct pool *pool, pool_job *job, void *arg);

/* Runs what is queued, then joins the threads. */
void pool_stop(struct pool **pool);

/* The worker's database connection, connected (again) if needed; NULL and ERR_UNAVAILABLE when the database is down. */
struct db *worker_db(struct worker *worker, struct err *err);

#endif
