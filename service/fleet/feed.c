#include "fleet/feed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "fleet/feed_ranges.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/fleet_token.h"
#include "metrics/metrics.h"
#include "model/fix.h"
#include "model/product.h"
#include "store/db.h"
#include "store/feed.h"

enum { LOOK_MS = 5000, RETRY_MS = 500, OWN_RING = 1024 };

struct feed {
	struct fleet *fleet;
	const struct db_config *config;
	const struct seal_key *seal;
	int64_t revoked_ms;
	struct db *db;
	pthread_t thread;
	int wake;
	int64_t look_at; /* monotonic ms: when to look without being told */
	_Atomic(bool) stop;
	_Atomic(bool) up;
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
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&f->lock);
	if (f->position < pos) {
		poke(f);
	}
	while (f->position < pos && !f->stop && pthread_cond_timedwait(&f->moved, &f->lock, &until) == 0) {
	}
	bool shown = f->position >= pos;
	pthread_mutex_unlock(&f->lock);
	return shown;
}

bool feed_is_up(const struct feed *f)
{
	return f->up;
}

/* --- rows into the snapshot --- */

/* Writers hold the lock for a burst of rows, so that polls go on during a load, and never wait for the database with it. */
struct hold {
	struct fleet *fleet;
	unsigned rows;
};

static void hold_begin(struct hold *h)
{
	if (h->rows == 0) {
		fleet_write(h->fleet);
	}
}

static void hold_end(struct hold *h)
{
	if (h->rows > 0) {
		fleet_done(h->fleet);
		h->rows = 0;
	}
}

/* After a row; ctx is a putter, whose first member is the hold. */
static void hold_row(struct hold *h)
{
	if (++h->rows == LOAD_BURST) {
		hold_end(h);
	}
}

/* Where rows of a load go: into the snapshot, and their ids into `found` if a change asked for them. */
struct putter {
	struct hold hold;
	int64_t *found; /* room for all that were asked for; NULL = nobody asks */
	size_t count;
	struct rolling {
		int64_t id;
		struct rolling *next;
	} * standing; /* active standing rollouts that came by: their past is read next */
};

static struct fleet *put_begin(struct putter *p, int64_t id)
{
	if (p->found) {
		p->found[p->count++] = id;
	}
	hold_begin(&p->hold);
	return p->hold.fleet;
}

static void put_device(void *ctx, const struct device_row *d)
{
	struct fleet_device row = {.id = d->id,
				   .product_id = d->product_id,
				   .epoch = d->epoch,
				   .pin = d->pin,
				   .told = d->told,
				   .blocked = d->blocked,
				   .bound = d->bound,
				   .auto_update = d->auto_update,
				   .name = d->name,
				   .mac = d->mac,
				   .version = d->version};
	fleet_put_device_row(put_begin(ctx, d->id), &row);
	hold_row(ctx);
}

static void put_product(void *ctx, const struct product *product, const struct voice *voice, const struct voice_means *means)
{
	fleet_put_product(put_begin(ctx, product->id), product, voice, means);
	hold_row(ctx);
}

static void put_fix(void *ctx, const struct fix *fix)
{
	fleet_put_fix(put_begin(ctx, fix->id), fix);
	hold_row(ctx);
}

static void put_firmware(void *ctx, const struct firmware *firmware)
{
	fleet_put_firmware(put_begin(ctx, firmware->id), firmware);
	hold_row(ctx);
}

static void put_rollout(void *ctx, const struct rollout *rollout)
{
	struct putter *p = ctx;
	struct fleet *fleet = put_begin(ctx, rollout->id);
	if (rollout->way == WAY_STANDING) {
		fleet_put_standing(fleet, rollout);
		struct rolling *note = rollout->ended_ms || !rollout->task_id ? NULL : calloc(1, sizeof *note);
		if (note) {
			*note = (struct rolling){.id = rollout->id, .next = p->standing};
			p->standing = note;
		}
	} else {
		fleet_put_assignment(fleet, rollout);
	}
	hold_row(ctx);
}

static void put_past(void *ctx, const struct task *task)
{
	struct putter *p = ctx;
	hold_begin(&p->hold);
	fleet_note_past(p->hold.fleet, task);
	hold_row(ctx);
}

static void put_task(void *ctx, const struct task *task)
{
	fleet_put_task(put_begin(ctx, task->id), task);
	hold_row(ctx);
}

static void put_revoked(void *ctx, int64_t task_id)
{
	fleet_revoke(put_begin(ctx, task_id), task_id);
	hold_row(ctx);
}

static void put_token(void *ctx, const struct token_row *row)
{
	struct fleet_token t = {.operator_id = row->operator_id, .expires_ms = row->expires_ms, .role = row->role};
	memcpy(t.hash, row->hash, sizeof t.hash);
	text_copy(t.name, sizeof t.name, row->name);
	fleet_put_token(put_begin(ctx, row->operator_id), &t);
	hold_row(ctx);
}

/* --- one change --- */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* What the change named and the load did not find is gone. Ids that were found are ascending. */
static void drop_missing(struct feed *f, struct change *c, const struct putter *p, void (*drop)(struct fleet *, int64_t))
{
	qsort(c->ids, c->count, sizeof *c->ids, by_value);
	size_t at = 0;
	fleet_write(f->fleet);
	for (size_t i = 0; i < c->count; i++) {
		while (at < p->count && p->found[at] < c->ids[i]) {
			at++;
		}
		if (at == p->count || p->found[at] != c->ids[i]) {
			drop(f->fleet, c->ids[i]);
		}
	}
	fleet_done(f->fleet);
}

/* The rollouts, then what became of the standing ones at those who have had them. */
static bool load_rollouts(struct feed *f, const struct load *load, struct err *err)
{
	struct putter *p = load->ctx;
	bool ok = store_load_rollouts(f->db, load, put_rollout, err);
	hold_end(&p->hold); /* not while the next is read */
	for (struct rolling *r = p->standing, *next; r; r = next) {
		next = r->next;
		ok = ok && store_load_past(f->db, r->id, p, put_past, err);
		free(r);
	}
	p->standing = NULL;
	return ok;
}

static bool load_kind(struct feed *f, enum change_kind kind, const struct load *load, struct err *err)
{
	switch (kind) {
	case CHANGE_DEVICE:
		return store_load_devices(f->db, load, put_device, err);
	case CHANGE_FIRMWARE:
		return store_load_firmware(f->db, load, put_firmware, err);
	case CHANGE_ROLLOUT:
		return load_rollouts(f, load, err);
	case CHANGE_TASK:
		return store_load_tasks(f->db, load, put_task, err);
	case CHANGE_TOKEN:
		return store_load_tokens(f->db, load, put_token, err);
	case CHANGE_PRODUCT:
		return store_load_products(f->db, f->seal, load, put_product, err);
	case CHANGE_FIX:
		return store_load_fixes(f->db, load, put_fix, err);
	case CHANGE_RANGES:
		return feed_ranges_load(f->fleet, f->db, load->ids, load->count, err);
	case CHANGE_KINDS:
		break; /* a kind of a newer replica */
	}
	return true;
}

static bool apply_tokens(struct feed *f, const struct change *c, struct err *err)
{
	struct putter p = {.hold.fleet = f->fleet};
	struct load load = {.ids = c->ids, .count = c->count, .ctx = &p};
	fleet_write(f->fleet);
	fleet_tokens_begin(f->fleet);
	fleet_done(f->fleet);
	bool ok = load_kind(f, CHANGE_TOKEN, &load, err);
	hold_end(&p.hold);
	fleet_write(f->fleet);
	for (size_t i = 0; ok && i < c->count; i++) {
		fleet_tokens_end(f->fleet, c->ids[i]);
	}
	fleet_done(f->fleet);
	return ok;
}

static bool apply_rows(struct feed *f, struct change *c, struct err *err)
{
	static void (*const drops[CHANGE_KINDS])(struct fleet *, int64_t) = {
		[CHANGE_PRODUCT] = fleet_drop_product,   [CHANGE_FIX] = fleet_drop_fix,         [CHANGE_DEVICE] = fleet_drop_device,
		[CHANGE_FIRMWARE] = fleet_drop_firmware, [CHANGE_ROLLOUT] = fleet_drop_rollout, [CHANGE_TASK] = fleet_drop_task,
	};
	void (*drop)(struct fleet *, int64_t) = c->kind < CHANGE_KINDS ? drops[c->kind] : NULL;
	if (!drop) {
		return true;
	}
	struct putter p = {.hold.fleet = f->fleet, .found = calloc(c->count, sizeof *p.found)};
	struct load load = {.ids = c->ids, .count = c->count, .ctx = &p};
	bool ok = p.found ? load_kind(f, c->kind, &load, err) : err_set(err, ERR_INTERNAL, "out of memory");
	hold_end(&p.hold);
	if (ok) {
		qsort(p.found, p.count, sizeof *p.found, by_value); /* rollouts come in two rows of ascending ids */
		drop_missing(f, c, &p, drop);
	}
	free(p.found);
	return ok && (c->kind != CHANGE_ROLLOUT || feed_ranges_forget(f->fleet, c->ids, c->count, err));
}

/* --- everything --- */

static bool load_rows(struct feed *f, int64_t *position, struct err *err)
{
	struct putter p = {.hold.fleet = f->fleet};
	struct load all = {.ctx = &p};
	int64_t oldest;
	bool ok = store_feed_bounds(f->db, &oldest, position, err);
	/* firmware before tasks and assignments: their file names carry its hash; ranges before whom they hold back */
	static const enum change_kind order[] = {CHANGE_PRODUCT, CHANGE_FIX,    CHANGE_DEVICE,  CHANGE_FIRMWARE,
						 CHANGE_TASK,    CHANGE_RANGES, CHANGE_ROLLOUT, CHANGE_TOKEN};
	for (size_t i = 0; ok && i < sizeof order / sizeof *order; i++) {
		ok = load_kind(f, order[i], &all, err);
		hold_end(&p.hold);
	}
	ok = ok && store_load_revoked(f->db, clock_wall_ms() - f->revoked_ms, &p, put_revoked, err);
	hold_end(&p.hold);
	return ok;
}

static bool load_all(struct feed *f, struct err *err)
{
	int64_t start = clock_mono_ms();
	int64_t position = 0;
	fleet_write(f->fleet);
	fleet_load_begin(f->fleet);
	fleet_tokens_begin(f->fleet);
	fleet_done(f->fleet);
	bool ok = store_load_begin(f->db, err) && load_rows(f, &position, err);
	if (!ok || !db_commit(f->db, err)) {
		db_rollback(f->db);
		return false;
	}
	fleet_write(f->fleet);
	fleet_load_end(f->fleet);
	fleet_tokens_end(f->fleet, 0);
	size_t devices = fleet_device_count(f->fleet);
	size_t tasks = fleet_task_count(f->fleet);
	fleet_done(f->fleet);
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

/* A change of "everything of that kind" (bulk work). */
static bool apply_change(struct feed *f, struct change *c, struct err *err)
{
	if (c->count == 0) {
		return load_all(f, err);
	}
	if (c->kind == CHANGE_RANGES) {
		return feed_ranges_load(f->fleet, f->db, c->ids, c->count, err);
	}
	return c->kind == CHANGE_TOKEN ? apply_tokens(f, c, err) : apply_rows(f, c, err);
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
		if (!store_feed_read(f->db, after, &changes, &count, err)) {
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
	fleet_write(f->fleet);
	fleet_forget(f->fleet);
	fleet_done(f->fleet);
}

/* After a (re)connection: were changes trimmed that we have not seen? Then everything is read again. */
static bool catch_up(struct feed *f, struct err *err)
{
	int64_t oldest;
	int64_t newest;
	if (!store_feed_listen(f->db, err) || !store_feed_bounds(f->db, &oldest, &newest, err)) {
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
			db_rollback(f->db);
			if (!db_revive(f->db, &err) || !catch_up(f, &err)) {
				lost(f, &err);
				continue;
			}
			f->up = true;
			log_info("feed follows the database");
		}
		bool look;
		int64_t left = f->look_at - clock_mono_ms();
		bool alive = store_feed_wait(f->db, f->wake, left > 0 ? (int)left : 0, &look);
		if (alive && !f->stop && (look || clock_mono_ms() >= f->look_at)) {
			f->look_at = clock_mono_ms() + LOOK_MS;
			alive = follow(f, &err);
		}
		if (!alive) {
			lost(f, &err);
		}
	}
	return NULL;
}

static bool feed_begin(struct feed *f, struct err *err)
{
	f->db = db_open(f->config, err);
	if (!f->db || !load_all(f, err)) {
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
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&f->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&f->lock, NULL);
	f->fleet = fleet;
	f->config = config;
	f->seal = seal;
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
	db_close(&f->db);
	close(f->wake);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->moved);
	free(f);
	*fp = NULL;
}
