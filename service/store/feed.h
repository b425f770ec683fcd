/* Reading the change feed, and loading rows for the snapshot: all of a kind, or those that a change names. */
#ifndef STORE_FEED_H
#define STORE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"
#include "model/task.h"
#include "store/change.h"

struct db;
struct err;
struct fix;     /* model/fix.h */
struct product; /* model/product.h */
struct range;   /* model/range.h */
struct seal_key;
struct voice; /* model/voice.h */
struct voice_means;

/* LISTEN; after every (re)connection. */
bool store_feed_listen(struct db *db, struct err *err);

/* Waits for a NOTIFY, for wake_fd to become readable (drained), or for timeout_ms. *look: somebody else has written, or wake_fd was set
 * (NOTIFYs of connections that share db's configuration are not worth a look: what it commits it shows itself). false: the connection is
 * lost. */
bool store_feed_wait(struct db *db, int wake_fd, int timeout_ms, bool *look);

/* The newest and the oldest position kept (0, 0 when the table is empty). */
bool store_feed_bounds(struct db *db, int64_t *oldest, int64_t *newest, struct err *err);

struct change {
	int64_t pos;
	enum change_kind kind;
	int64_t *ids; /* malloc'd; freed by store_changes_free */
	size_t count; /* 0 = all of that kind */
};
/* Changes after `after` in order, at most 1000. */
bool store_feed_read(struct db *db, int64_t after, struct change **out, size_t *count, struct err *err);
void store_changes_free(struct change **changes, size_t count);

/* Deletes changes older than keep_ms, but for the newest. */
bool store_feed_trim(struct db *db, int64_t keep_ms, struct err *err);

/* A transaction with one unchanging view, for a full load or several reads; end it with db_commit or db_rollback. */
bool store_load_begin(struct db *db, struct err *err);

/* Which rows: ids (ascending or not), or all (ids NULL). `row` runs for each. Rows come in bursts of LOAD_BURST, the last one smaller: only
 * before a burst is the database waited for. */
enum { LOAD_BURST = 500 };
struct load {
	const int64_t *ids;
	size_t count;
	void *ctx;
};
/* With the voice of each (all zero: nothing was said) and what that needs, in clear for the time of the call. A secret that does not open
 * is logged: without its token a WebSocket is not said either, without its key a gateway's mqtt is none. */
typedef void store_product_row(void *ctx, const struct product *, const struct voice *, const struct voice_means *);
bool store_load_products(struct db *db, const struct seal_key *seal, const struct load *load, store_product_row *row, struct err *err);
bool store_load_fixes(struct db *db, const struct load *load, void (*row)(void *ctx, const struct fix *), struct err *err);
/* What the snapshot keeps of a device; the texts stand as long as the call. */
struct device_row {
	int64_t id, product_id, epoch;
	uint64_t pin;  /* told_pin() of the Client-Id it was bound with */
	uint64_t told; /* told_fingerprint() of what it told last; 0 = never any */
	bool blocked, bound, auto_update;
	const char *name, *mac, *version; /* "" = none */
	const char *serial;               /* of its licence; likewise */
	const char *parts; /* other components and their versions by turns, a unit separator (0x1f) between any two; "" = none */
};
bool store_load_devices(struct db *db, const struct load *load, void (*row)(void *ctx, const struct device_row *), struct err *err);
/* Firmware that is not deleted. */
bool store_load_firmware(struct db *db, const struct load *load, void (*row)(void *ctx, const struct firmware *), struct err *err);
/* The ranges of active rollouts, as they come: load's ids are the rollouts'. */
typedef void store_range_row(void *ctx, int64_t product_id, int64_t rollout_id, const struct range *range);
bool store_load_ranges(struct db *db, const struct load *load, store_range_row *row, struct err *err);
/* Active passive assignments and standing rollouts, and standing ones that have ended while tasks of them go on. */
bool store_load_rollouts(struct db *db, const struct load *load, void (*row)(void *ctx, const struct rollout *), struct err *err);
/* All tasks of a standing rollout, ascending: id, rollout_id, device_id, way, offers, turns, state, code and created_ms are set. */
bool store_load_past(struct db *db, int64_t rollout_id, void *ctx, void (*row)(void *ctx, const struct task *), struct err *err);
/* By ids: in any state. All: live ones only. */
bool store_load_tasks(struct db *db, const struct load *load, void (*row)(void *ctx, const struct task *), struct err *err);
/* Pushes cancelled, superseded or rejected since since_ms: their aliases are refused. */
bool store_load_revoked(struct db *db, int64_t since_ms, void *ctx, void (*row)(void *ctx, int64_t task_id), struct err *err);
/* Tokens in force; ids are operators'. */
struct token_row {
	uint8_t hash[32];
	int64_t operator_id;
	int64_t expires_ms;
	enum role role;
	char name[NAME_SIZE];
};
bool store_load_tokens(struct db *db, const struct load *load, void (*row)(void *ctx, const struct token_row *), struct err *err);

#endif
