#include "fleet/feed_rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "fleet/feed_ranges.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/fleet_token.h"
#include "model/fix.h"
#include "model/product.h"
#include "store/db.h"
#include "store/feed.h"

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
				   .serial = d->serial,
				   .version = d->version,
				   .parts = d->parts};
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
static void drop_missing(const struct feed_rows *via, struct change *c, const struct putter *p, void (*drop)(struct fleet *, int64_t))
{
	qsort(c->ids, c->count, sizeof *c->ids, by_value);
	size_t at = 0;
	fleet_write(via->fleet);
	for (size_t i = 0; i < c->count; i++) {
		while (at < p->count && p->found[at] < c->ids[i]) {
			at++;
		}
		if (at == p->count || p->found[at] != c->ids[i]) {
			drop(via->fleet, c->ids[i]);
		}
	}
	fleet_done(via->fleet);
}

/* The rollouts, then what became of the standing ones at those who have had them. */
static bool load_rollouts(const struct feed_rows *via, const struct load *load, struct err *err)
{
	struct putter *p = load->ctx;
	bool ok = store_load_rollouts(via->db, load, put_rollout, err);
	hold_end(&p->hold); /* not while the next is read */
	for (struct rolling *r = p->standing, *next; r; r = next) {
		next = r->next;
		ok = ok && store_load_past(via->db, r->id, p, put_past, err);
		free(r);
	}
	p->standing = NULL;
	return ok;
}

static bool load_kind(const struct feed_rows *via, enum change_kind kind, const struct load *load, struct err *err)
{
	switch (kind) {
	case CHANGE_DEVICE:
		return store_load_devices(via->db, load, put_device, err);
	case CHANGE_FIRMWARE:
		return store_load_firmware(via->db, load, put_firmware, err);
	case CHANGE_ROLLOUT:
		return load_rollouts(via, load, err);
	case CHANGE_TASK:
		return store_load_tasks(via->db, load, put_task, err);
	case CHANGE_TOKEN:
		return store_load_tokens(via->db, load, put_token, err);
	case CHANGE_PRODUCT:
		return store_load_products(via->db, via->seal, load, put_product, err);
	case CHANGE_FIX:
		return store_load_fixes(via->db, load, put_fix, err);
	case CHANGE_RANGES:
		return feed_ranges_load(via->fleet, via->db, load->ids, load->count, err);
	case CHANGE_KINDS:
		break; /* a kind of a newer replica */
	}
	return true;
}

static bool apply_tokens(const struct feed_rows *via, const struct change *c, struct err *err)
{
	struct putter p = {.hold.fleet = via->fleet};
	struct load load = {.ids = c->ids, .count = c->count, .ctx = &p};
	fleet_write(via->fleet);
	fleet_tokens_begin(via->fleet);
	fleet_done(via->fleet);
	bool ok = load_kind(via, CHANGE_TOKEN, &load, err);
	hold_end(&p.hold);
	fleet_write(via->fleet);
	for (size_t i = 0; ok && i < c->count; i++) {
		fleet_tokens_end(via->fleet, c->ids[i]);
	}
	fleet_done(via->fleet);
	return ok;
}

static bool apply_rows(const struct feed_rows *via, struct change *c, struct err *err)
{
	static void (*const drops[CHANGE_KINDS])(struct fleet *, int64_t) = {
		[CHANGE_PRODUCT] = fleet_drop_product,   [CHANGE_FIX] = fleet_drop_fix,         [CHANGE_DEVICE] = fleet_drop_device,
		[CHANGE_FIRMWARE] = fleet_drop_firmware, [CHANGE_ROLLOUT] = fleet_drop_rollout, [CHANGE_TASK] = fleet_drop_task,
	};
	void (*drop)(struct fleet *, int64_t) = c->kind < CHANGE_KINDS ? drops[c->kind] : NULL;
	if (!drop) {
		return true;
	}
	struct putter p = {.hold.fleet = via->fleet, .found = calloc(c->count, sizeof *p.found)};
	struct load load = {.ids = c->ids, .count = c->count, .ctx = &p};
	bool ok = p.found ? load_kind(via, c->kind, &load, err) : err_set(err, ERR_INTERNAL, "out of memory");
	hold_end(&p.hold);
	if (ok) {
		qsort(p.found, p.count, sizeof *p.found, by_value); /* rollouts come in two rows of ascending ids */
		drop_missing(via, c, &p, drop);
	}
	free(p.found);
	return ok && (c->kind != CHANGE_ROLLOUT || feed_ranges_forget(via->fleet, c->ids, c->count, err));
}

static bool load_rows(const struct feed_rows *via, int64_t revoked_after_ms, int64_t *position, struct err *err)
{
	struct putter p = {.hold.fleet = via->fleet};
	struct load all = {.ctx = &p};
	int64_t oldest;
	bool ok = store_feed_bounds(via->db, &oldest, position, err);
	/* firmware before tasks and assignments: their file names carry its hash; ranges before whom they hold back */
	static const enum change_kind order[] = {CHANGE_PRODUCT, CHANGE_FIX,    CHANGE_DEVICE,  CHANGE_FIRMWARE,
						 CHANGE_TASK,    CHANGE_RANGES, CHANGE_ROLLOUT, CHANGE_TOKEN};
	for (size_t i = 0; ok && i < sizeof order / sizeof *order; i++) {
		ok = load_kind(via, order[i], &all, err);
		hold_end(&p.hold);
	}
	ok = ok && store_load_revoked(via->db, revoked_after_ms, &p, put_revoked, err);
	hold_end(&p.hold);
	return ok;
}

bool feed_rows_load(const struct feed_rows *via, int64_t revoked_after_ms, int64_t *position, struct err *err)
{
	fleet_write(via->fleet);
	fleet_load_begin(via->fleet);
	fleet_tokens_begin(via->fleet);
	fleet_done(via->fleet);
	bool ok = store_load_begin(via->db, err) && load_rows(via, revoked_after_ms, position, err);
	if (!ok || !db_commit(via->db, err)) {
		db_rollback(via->db);
		return false;
	}
	fleet_write(via->fleet);
	fleet_load_end(via->fleet);
	fleet_tokens_end(via->fleet, 0);
	fleet_done(via->fleet);
	return true;
}

bool feed_rows_apply(const struct feed_rows *via, struct change *c, struct err *err)
{
	if (c->kind == CHANGE_RANGES) {
		return feed_ranges_load(via->fleet, via->db, c->ids, c->count, err);
	}
	return c->kind == CHANGE_TOKEN ? apply_tokens(via, c, err) : apply_rows(via, c, err);
}
