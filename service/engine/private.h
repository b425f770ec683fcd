/* Inside engine/ only: what its files share. */
#ifndef ENGINE_PRIVATE_H
#define ENGINE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alarms;
struct batch;
struct cache;
struct commit;
struct config;
struct db;
struct db_config;
struct digest_key;
struct evidence;
struct feed;
struct fleet;
struct notes;
struct patience;
struct pool;
struct seal_key;
struct keyring;
struct teller;
struct ticker;

enum { ENGINE_REPORTING = 4096 };

struct engine {
	_Atomic(const struct config *) config; /* replaced by engine_reload() */
	struct pool *pool;
	atomic_uint callbacks; /* under way */
	struct fleet *fleet;
	struct feed *feed;
	struct commit *commit;
	struct cache *cache;
	struct evidence *evidence;
	struct notes *notes;
	struct ticker *ticker;
	struct patience *patience; /* of checks; */
	struct patience *contacts; /* of those that are first contacts */
	struct alarms *alarms;
	struct keyring *keyring;
	struct teller *teller;
	struct pool *imports;  /* of one thread */
	atomic_bool importing; /* it has something to do */
	struct digest_key *alias_key;
	struct seal_key *seal_key; /* secrets at rest */
	uint8_t object_key[32];    /* signs upload policies */
	struct batch *batch;       /* the commit thread's */
	_Atomic(uint16_t)
		reporting[ENGINE_REPORTING]; /* reports at work, by the device's id: one that floods us must not crowd out others */
	_Atomic(bool) broker_up;
	_Atomic(bool) presence_known;
	_Atomic(bool) broker_back; /* since the last claim */
	/* where freshly ordered tasks go (engine/dispatch.h), under its own lock */
	pthread_mutex_t ready_lock;
	void (*ready)(void *ctx, const int64_t *tasks, size_t n);
	void *ready_ctx;
	struct db *dispatch_db; /* the dispatching thread's */
	struct db_config *db_config;
};

/* An operator's committed write, for whoever reads the log: the same words as the audit row. */
struct actor;
void engine_log_audit(const struct actor *actor, const char *action, const char *target, const char *detail);

/* Waits until the snapshot of this replica shows the change at pos (at most 5 s: then it returns all the same; the feed will get there). */
void engine_settle(struct engine *engine, int64_t pos);

#endif
