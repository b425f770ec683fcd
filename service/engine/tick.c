#include "engine/tick.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/err.h"
#include "common/log.h"
#include "config/config.h"
#include "engine/alarms.h"
#include "engine/evidence.h"
#include "engine/notes.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_order.h"
#include "model/report.h"
#include "store/activation.h"
#include "store/artifact.h"
#include "store/db.h"
#include "store/feed.h"
#include "store/maintain.h"
#include "store/object.h"
#include "store/task.h"

enum {
	TICK_MS = 250,
	SILENCE_EVERY_MS = 1000,
	NOTES_EVERY_MS = 1000,
	NOTES_FOR_MS = 200,   /* in one round: then others have their turn */
	NOTES_LAST_MS = 5000, /* in the last one */
	SILENCE_MAX = 256,    /* timers handed over per second: the rest in the next */
	UPKEEP_EVERY_MS = 10 * 60 * 1000,
	SEEN_BATCH = 4096,
	CHANGES_KEEP_MS = 24 * 3600 * 1000,
};

struct ticker {
	struct engine *engine;
	struct db *db;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	bool hurry;                                                  /* there is more to be written */
	int64_t silence_at, notes_at, seen_at, upkeep_at, alarms_at; /* monotonic ms: next time */
};

static bool ensure_db(struct ticker *t, struct err *err)
{
	if (!t->db) {
		t->db = db_open(t->engine->db_config, err);
		return t->db != NULL;
	}
	return db_revive(t->db, err);
}

static size_t find_silent(struct engine *e, struct op **out)
{
	const struct config *c = e->config;
	struct task_timers timers = {c->task_ttl, c->stall_timeout, c->install_timeout};
	int64_t now = clock_wall_ms();
	size_t n = 0;
	const struct fleet_task *t;
	fleet_read(e->fleet);
	for (size_t at = 0; n < SILENCE_MAX && (t = fleet_task_next(e->fleet, &at));) {
		struct op *op = now >= report_deadline(t->state, t->created_ms, t->updated_ms, &timers) ? op_new(e, OP_SILENCE) : NULL;
		if (op) {
			op->device_id = t->device_id;
			op->task_id = t->id;
			out[n++] = op;
		}
	}
	fleet_done(e->fleet);
	return n;
}

static void judge_silence(struct engine *e)
{
	struct op *ops[SILENCE_MAX];
	size_t n = find_silent(e, ops);
	for (size_t i = 0; i < n; i++) {
		op_submit(ops[i], NULL); /* full: found again in a second */
	}
}

/* Until nothing is left, or for a while. */
static void write_notes(struct ticker *t, int64_t for_ms)
{
	struct err err = {0};
	int64_t until = clock_mono_ms() + for_ms;
	t->hurry = false;
	if (!notes_pending(t->engine)) {
		return;
	}
	if (!ensure_db(t, &err)) {
		log_debug("what devices told waits for the database", LOG_S("error", err.text));
		return;
	}
	do {
		t->hurry = notes_flush(t->engine, t->db);
	} while (t->hurry && clock_mono_ms() < until);
}

static void write_seen(struct ticker *t)
{
	int64_t *ids = calloc(SEEN_BATCH, sizeof *ids);
	int64_t *seconds = calloc(SEEN_BATCH, sizeof *seconds);
	struct err err = {0};
	size_t cursor = 0;
	bool ok = ids && seconds && ensure_db(t, &err);
	while (ok) {
		size_t n = fleet_take_seen(t->engine->fleet, &cursor, ids, seconds, SEEN_BATCH);
		ok = n == 0 || store_seen_write(t->db, ids, seconds, n, &err);
		if (cursor == 0) {
			break;
		}
	}
	if (!ok) {
		log_warn("last-seen times not written", LOG_S("error", err.text));
	}
	free(ids);
	free(seconds);
}

static void keep_up(struct ticker *t)
{
	const struct config *c = t->engine->config;
	struct err err = {0};
	int64_t swept = 0;
	int64_t some = 1;
	bool ok = ensure_db(t, &err);
	while (ok && some > 0) { /* in small steps */
		ok = store_object_sweep(t->db, &some, &err);
		swept += some;
	}
	for (some = 1; ok && some > 0;) {
		ok = store_artifact_sweep(t->db, &some, &err);
		swept += some;
	}
	ok = ok && store_feed_trim(t->db, CHANGES_KEEP_MS, &err) && store_maintain_tokens(t->db, &err) &&
	     store_activation_sweep(t->db, c->activation_ttl, &err) && store_maintain_events(t->db, c->events_keep, &err);
	if (!ok) {
		log_warn("upkeep of the database failed; tried again later", LOG_S("error", err.text));
	} else if (swept) {
		log_info("swept unused bytes", LOG_I("rows", swept));
	}
}

static void audit_alarms(struct ticker *t)
{
	struct err err = {0};
	if (alarms_pending(t->engine) && (!ensure_db(t, &err) || !alarms_write(t->engine, t->db, &err))) {
		log_warn("forged pushes not audited; tried again", LOG_S("error", err.text));
	}
}

static bool due(int64_t *at, int64_t every_ms)
{
	int64_t now = clock_mono_ms();
	if (now < *at) {
		return false;
	}
	*at = now + every_ms;
	return true;
}

static void round_of_work(struct ticker *t)
{
	struct engine *e = t->engine;
	const struct config *c = e->config;
	evidence_flush(e, false);
	if (due(&t->silence_at, SILENCE_EVERY_MS)) {
		judge_silence(e);
	}
	if (due(&t->notes_at, NOTES_EVERY_MS) || t->hurry) {
		write_notes(t, NOTES_FOR_MS);
	}
	if (due(&t->seen_at, c->last_seen_flush)) {
		write_seen(t);
	}
	if (due(&t->alarms_at, ALARMS_EVERY_MS)) {
		audit_alarms(t);
	}
	if (due(&t->upkeep_at, UPKEEP_EVERY_MS)) {
		keep_up(t);
	}
}

/* false: told to stop. */
static bool pause_tick(struct ticker *t)
{
	int64_t until = clock_mono_ms() + (t->hurry ? 0 : TICK_MS);
	pthread_mutex_lock(&t->lock);
	while (!t->stop && cond_wait_until(&t->wake, &t->lock, until)) {
	}
	bool go = !t->stop;
	pthread_mutex_unlock(&t->lock);
	return go;
}

static void *ticker_main(void *arg)
{
	struct ticker *t = arg;
	while (pause_tick(t)) {
		round_of_work(t);
	}
	evidence_flush(t->engine, true);
	write_notes(t, NOTES_LAST_MS);
	write_seen(t);
	audit_alarms(t);
	db_close(&t->db);
	return NULL;
}

struct ticker *ticker_start(struct engine *engine, struct err *err)
{
	struct ticker *t = calloc(1, sizeof *t);
	if (!t) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	const struct config *c = engine->config;
	t->engine = engine;
	t->seen_at = clock_mono_ms() + c->last_seen_flush;
	t->alarms_at = clock_mono_ms() + ALARMS_EVERY_MS;
	cond_init(&t->wake);
	pthread_mutex_init(&t->lock, NULL);
	if (pthread_create(&t->thread, NULL, ticker_main, t) != 0) {
		err_set(err, ERR_INTERNAL, "cannot start a thread");
		free(t);
		return NULL;
	}
	return t;
}

void ticker_stop(struct ticker **tp)
{
	struct ticker *t = *tp;
	if (!t) {
		return;
	}
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->wake);
	free(t);
	*tp = NULL;
}
