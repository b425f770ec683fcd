#include "fleet/feed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/err.h"
#include "common/log.h"
#include "fleet/feed_rows.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_order.h"
#include "metrics/metrics.h"
#include "store/db.h"
#include "store/feed.h"

enum { LOOK_MS = 5000, RETRY_MS = 500, OWN_RING = 1024 };

struct feed {
	const struct db_config *config;
	struct feed_rows rows;
	int64_t revoked_ms;
	pthread_t thread;
	int wake;
	int64_t look_at; /* monotonic ms: when to look without being told */
	_Atomic(bool) stop;
	_Atomic(bool) up;
	_Atomic(bool) reading;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t moved;
	int64_t position;
	int64_t own[OWN_RING]; /* applied by ourselves, not yet reached */
	size_t own_at;
};

/* --- the position --- */

/* Moves to pos, and on over what we applied ourselves. With the lock. */
static void advance(struct feed *f, int64_t pos)
{
	if (pos > f->position) {
		f->position = pos;
	}
	for (size_t i = 0; i < OWN_RING; i++) {
		if (f->own[i] == f->position + 1) {
			f->position = f->own[i];
			f->own[i] = 0;
			i = (size_t)-1; /* look again from the start */
		}
	}
	metrics_set(METRIC_FEED_POSITION, f->position);
	pthread_cond_broadcast(&f->moved);
}

void feed_applied(struct feed *f, int64_t pos)
{
	pthread_mutex_lock(&f->lock);
	if (pos == f->position + 1) {
		f->position = pos;
		metrics_set(METRIC_FEED_POSITION, pos);
		pthread_cond_broadcast(&f->moved);
	} else if (pos > f->position) {
		f->own[f->own_at] = pos; /* a full ring forgets the oldest: it will be read again, which is harmless */
		f->own_at = (f->own_at + 1) % OWN_RING;
	}
	pthread_mutex_unlock(&f->lock);
}

static bool is_own(struct feed *f, int64_t pos)
{
	bool own = false;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < OWN_RING; i++) {
		if (f->own[i] == pos) {
			f->own[i] = 0;
			own = true;
		}
	}
	pthread_mutex_unlock(&f->lock);
	return own;
}

static void poke(struct feed *f)
{
	uint64_t one = 1;
	ssize_t n = write(f->wake, &one, sizeof one);
	(void)n; /* a full eventfd is awake already */
}

bool feed_wait(struct feed *f, int64_t pos, int64_t timeout_ms)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	pthread_mutex_lock(&f->lock);
	if (f->position < pos) {
		poke(f);
	}
	while (f->position < pos && !f->stop && cond_wait_until(&f->moved, &f->lock, until)) {
	}
	bool shown = f->position >= pos;
	pthread_mutex_unlock(&f->lock);
	return shown;
}

bool feed_is_quiet(const struct feed *f)
{
	return !f->reading;
}

bool feed_is_up(const struct feed *f)
{
	return f->up;
}

/* --- everything --- */

static bool load_all(struct feed *f, struct err *err)
{
	int64_t start = clock_mono_ms();
	int64_t position = 0;
	if (!feed_rows_load(&f->rows, clock_wall_ms() - f->revoked_ms, &position, err)) {
		return false;
	}
	fleet_read(f->rows.fleet);
	size_t devices = fleet_device_count(f->rows.fleet);
	size_t tasks = fleet_task_count(f->rows.fleet);
	fleet_done(f->rows.fleet);
	pthread_mutex_lock(&f->lock);
	memset(f->own, 0, sizeof f->own);
	f->position = position; /* also backward: what came after is read (again) */
	advance(f, position);
	pthread_mutex_unlock(&f->lock);
	metrics_add(METRIC_FEED_RELOADS, 1);
	log_info("snapshot loaded", LOG_U("devices", devices), LOG_U("tasks", tasks), LOG_I("position", position),
		 LOG_I("ms", clock_mono_ms() - start));
	return true;
}

static bool apply_change(struct feed *f, struct change *c, struct err *err)
{
	bool everything = c->count == 0; /* of that kind: bulk work */
	return everything ? load_all(f, err) : feed_rows_apply(&f->rows, c, err);
}

/* Reads what is new. false: the connection is of no use any more. */
static bool follow(struct feed *f, struct err *err)
{
	size_t count;
	do {
		struct change *changes = NULL;
		pthread_mutex_lock(&f->lock);
		int64_t after = f->position;
		pthread_mutex_unlock(&f->lock);
		if (!store_feed_read(f->rows.db, after, &changes, &count, err)) {
			return false;
		}
		bool ok = true;
		for (size_t i = 0; ok && i < count; i++) {
			ok = is_own(f, changes[i].pos) || apply_change(f, &changes[i], err);
			if (ok) {
				pthread_mutex_lock(&f->lock);
				advance(f, changes[i].pos);
				pthread_mutex_unlock(&f->lock);
			}
		}
		store_changes_free(&changes, count);
		if (!ok) {
			return false;
		}
	} while (count > 0 && !f->stop);
	return true;
}

/* Nothing that we know of positions and revisions holds any more. */
static void forget(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	memset(f->own, 0, sizeof f->own);
	pthread_mutex_unlock(&f->lock);
	fleet_write(f->rows.fleet);
	fleet_forget(f->rows.fleet);
	fleet_done(f->rows.fleet);
}

/* After a (re)connection: were changes trimmed that we have not seen? Then everything is read again. */
static bool catch_up(struct feed *f, struct err *err)
{
	int64_t oldest;
	int64_t newest;
	if (!store_feed_listen(f->rows.db, err) || !store_feed_bounds(f->rows.db, &oldest, &newest, err)) {
		return false;
	}
	pthread_mutex_lock(&f->lock);
	int64_t position = f->position;
	pthread_mutex_unlock(&f->lock);
	if (newest < position) { /* a restored backup: positions run backward */
		log_warn("the database is older than what is in memory; everything is read anew", LOG_I("position", position),
			 LOG_I("newest", newest));
		forget(f);
		return load_all(f, err);
	}
	if (oldest > position + 1) {
		return load_all(f, err);
	}
	/* a crash of the database may have taken back the latest positions, which are then given again: reading some twice does no harm */
	pthread_mutex_lock(&f->lock);
	memset(f->own, 0, sizeof f->own);
	f->position = position > OWN_RING ? position - OWN_RING : 0;
	pthread_mutex_unlock(&f->lock);
	return follow(f, err);
}

static bool reading(struct feed *f, bool (*work)(struct feed *, struct err *), struct err *err)
{
	f->reading = true;
	bool ok = work(f, err);
	f->reading = false;
	return ok;
}

static void lost(struct feed *f, struct err *err)
{
	if (f->up) {
		log_warn("feed lost the database; serving from memory", LOG_S("error", err->text));
	}
	f->up = false;
	struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
	nanosleep(&pause, NULL);
}

static void *feed_main(void *arg)
{
	struct feed *f = arg;
	struct err err = {0};
	while (!f->stop) {
		if (!f->up) {
			db_rollback(f->rows.db);
			if (!db_revive(f->rows.db, &err) || !reading(f, catch_up, &err)) {
				lost(f, &err);
				continue;
			}
			f->up = true;
			log_info("feed follows the database");
		}
		bool look;
		int64_t left = f->look_at - clock_mono_ms();
		bool alive = store_feed_wait(f->rows.db, f->wake, left > 0 ? (int)left : 0, &look);
		if (alive && !f->stop && (look || clock_mono_ms() >= f->look_at)) {
			f->look_at = clock_mono_ms() + LOOK_MS;
			alive = reading(f, follow, &err);
		}
		if (!alive) {
			lost(f, &err);
		}
	}
	return NULL;
}

static bool feed_begin(struct feed *f, struct err *err)
{
	f->rows.db = db_open(f->config, err);
	if (!f->rows.db || !load_all(f, err)) {
		return false;
	}
	if (pthread_create(&f->thread, NULL, feed_main, f) != 0) {
		return err_set(err, ERR_INTERNAL, "cannot start a thread");
	}
	return true;
}

struct feed *feed_start(struct fleet *fleet, const struct db_config *config, const struct seal_key *seal, int64_t revoked_ms,
			struct err *err)
{
	struct feed *f = calloc(1, sizeof *f);
	if (!f) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	cond_init(&f->moved);
	pthread_mutex_init(&f->lock, NULL);
	f->rows.fleet = fleet;
	f->config = config;
	f->rows.seal = seal;
	f->revoked_ms = revoked_ms;
	f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!feed_begin(f, err)) {
		f->stop = true;
		f->thread = 0;
		feed_stop(&f);
		return NULL;
	}
	return f;
}

void feed_stop(struct feed **fp)
{
	struct feed *f = *fp;
	if (!f) {
		return;
	}
	f->stop = true;
	poke(f);
	if (f->thread) {
		pthread_join(f->thread, NULL);
	}
	db_close(&f->rows.db);
	close(f->wake);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->moved);
	free(f);
	*fp = NULL;
}
