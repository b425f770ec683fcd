/* The group commit: many requests, one transaction. Operations queue up (bounded) while a transaction runs; the thread then takes all of
 * them, at most `batch`, runs them in one transaction, and completes each after COMMIT.
 *
 * What runs inside must be idempotent: a lost connection repeats the batch once, and a COMMIT whose answer was lost may have happened. When
 * a batch fails for a reason of its data (a row vanished, another replica was faster), it is repeated once, then each operation alone, so
 * that only the culprit fails.
 */
#ifndef WORK_COMMIT_H
#define WORK_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct commit;
struct db;
struct db_config;
struct err;

/* Embedded first in an operation of the caller's. */
struct commit_op {
	struct commit_op *next;
	/* On the commit's thread, after COMMIT or failure; frees the operation; must not block. err NULL = committed. */
	void (*done)(struct commit_op *op, const struct err *err);
};

struct commit_config {
	const struct db_config *db;
	size_t queue_max;
	size_t batch_max;
	/* Runs a batch between BEGIN and COMMIT. false and err: rolled back. May be called again with the same operations. */
	bool (*run)(void *ctx, struct db *db, struct commit_op **ops, size_t n, struct err *err);
	/* Right after COMMIT, before the operations complete: take the effect into memory. */
	void (*committed)(void *ctx, struct commit_op **ops, size_t n);
	void *ctx;
};

struct commit *commit_new(const struct commit_config *config, struct err *err);

/* false: the queue is full or stopping; done will not be called. Any thread. */
bool commit_submit(struct commit *commit, struct commit_op *op);

/* Commits what is queued, then ends. */
void commit_stop(struct commit **commit);

#endif
