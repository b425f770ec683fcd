#include "engine/evidence.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/map.h"
#include "common/text.h"
#include "engine/op.h"
#include "engine/private.h"
#include "model/coverage.h"

enum { HELD_MAX = 8 };

/* What is known of one task and not yet (or just being) written. */
struct piece {
	int64_t task_id, device_id, size;
	struct coverage bytes; /* not handed over yet */
	struct coverage sent;  /* handed over, not committed yet */
	unsigned sending;      /* hand-overs under way */
	bool began;            /* "downloading" has been told */
	bool dirty;            /* there is something in bytes, or the beginning, to tell */
	unsigned open;
	int64_t since_ms;             /* of the oldest untold byte */
	int64_t told_ms;              /* when bytes were handed over last */
	struct op *held, **held_last; /* reports that wait */
	int64_t held_ms;              /* since when the first of them waits */
	unsigned held_count;
};

struct evidence {
	pthread_mutex_t lock;
	struct map pieces; /* task -> piece */
};

struct evidence *evidence_new(void)
{
	struct evidence *v = calloc(1, sizeof *v);
	if (v) {
		pthread_mutex_init(&v->lock, NULL);
	}
	return v;
}

void evidence_free(struct evidence **vp)
{
	struct evidence *v = *vp;
	if (!v) {
		return;
	}
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&v->pieces, &i));) {
		free(slot->value);
	}
	map_free(&v->pieces);
	pthread_mutex_destroy(&v->lock);
	free(v);
	*vp = NULL;
}

static struct piece *find(struct evidence *v, int64_t task_id)
{
	return map_get(&v->pieces, (uint64_t)task_id);
}

static struct piece *find_or_make(struct evidence *v, int64_t task_id, int64_t device_id, int64_t size)
{
	struct piece *p = find(v, task_id);
	if (p || v->pieces.count >= EVIDENCE_MAX) {
		return p;
	}
	p = calloc(1, sizeof *p);
	if (!p || !map_put(&v->pieces, (uint64_t)task_id, p)) {
		free(p);
		return NULL;
	}
	*p = (struct piece){.task_id = task_id, .device_id = device_id, .size = size};
	p->held_last = &p->held;
	return p;
}

/* Nothing open, nothing to tell, nobody waiting: forgotten. */
static void drop_if_idle(struct evidence *v, struct piece *p)
{
	if (p->open == 0 && !p->dirty && !p->sending && !p->held) {
		map_remove(&v->pieces, (uint64_t)p->task_id);
		free(p);
	}
}

static void written(void *ctx, const struct err *err);

struct told {
	struct engine *engine;
	int64_t task_id;
};

/* Hands over what a piece has. With the lock; the commit's queue never calls back from submit. */
static void tell(struct engine *e, struct piece *p)
{
	struct told *told = calloc(1, sizeof *told);
	struct op *op = told ? op_new(e, OP_REPORT) : NULL;
	if (!op) {
		free(told);
		return;
	}
	*told = (struct told){e, p->task_id};
	op->device_id = p->device_id;
	op->task_id = p->task_id;
	op->in.report = (struct report){.kind = REPORT_BYTES, .device_id = p->device_id, .task_id = p->task_id, .bytes = p->bytes};
	op->done.hear = written;
	op->done_ctx = told;
	if (!op_submit(op, NULL)) {
		free(told);
		return; /* stays dirty: the tick tries again */
	}
	if (!p->sending) {
		p->sent = (struct coverage){0};
	}
	coverage_merge(&p->sent, &p->bytes);
	p->bytes = (struct coverage){0};
	p->sending++;
	p->began = true;
	p->dirty = false;
	p->told_ms = clock_mono_ms();
}

static void release_held(struct piece *p, struct op **out)
{
	*out = p->held;
	p->held = NULL;
	p->held_last = &p->held;
	p->held_count = 0;
}

/* Reports go into the queue behind the bytes that were told before them. */
static void submit_all(struct op *op)
{
	while (op) {
		struct op *next = (struct op *)op->base.next;
		op_submit_held(op); /* full: not acknowledged, the device repeats it */
		op = next;
	}
}

static void written(void *ctx, const struct err *err)
{
	struct told *told = ctx;
	struct evidence *v = told->engine->evidence;
	pthread_mutex_lock(&v->lock);
	struct piece *p = find(v, told->task_id);
	if (p) {
		p->sending--;
		if (err) { /* not in the database: kept and told again */
			coverage_merge(&p->bytes, &p->sent);
			p->dirty = true;
			p->since_ms = clock_mono_ms();
		}
		drop_if_idle(v, p);
	}
	pthread_mutex_unlock(&v->lock);
	free(told);
}

void evidence_open(struct engine *e, int64_t task_id, int64_t device_id, int64_t size)
{
	pthread_mutex_lock(&e->evidence->lock);
	struct piece *p = find_or_make(e->evidence, task_id, device_id, size);
	if (p) {
		p->open++;
		if (!p->began && !p->sending) {
			p->dirty = true;
			p->since_ms = clock_mono_ms();
			tell(e, p);
		}
	}
	pthread_mutex_unlock(&e->evidence->lock);
}

void evidence_close(struct engine *e, int64_t task_id)
{
	struct op *held = NULL;
	pthread_mutex_lock(&e->evidence->lock);
	struct piece *p = find(e->evidence, task_id);
	if (p) {
		p->open -= p->open > 0;
		/* a device that fetches in crumbs does not get a commit for each */
		bool crumb = !p->held && clock_mono_ms() - p->told_ms < EVIDENCE_CRUMB_MS;
		/* while earlier bytes are being written the rest waits, but not when a report waits for it */
		if (p->open == 0 && p->dirty && (!p->sending || p->held) && !crumb) {
			tell(e, p);
		}
		if (p->open == 0) {
			release_held(p, &held);
		}
		drop_if_idle(e->evidence, p);
	}
	pthread_mutex_unlock(&e->evidence->lock);
	submit_all(held);
}

void evidence_bytes(struct engine *e, int64_t task_id, uint64_t offset, uint64_t len)
{
	pthread_mutex_lock(&e->evidence->lock);
	struct piece *p = find(e->evidence, task_id);
	if (p && coverage_add(&p->bytes, offset, len)) {
		if (!p->dirty) {
			p->since_ms = clock_mono_ms();
		}
		p->dirty = true;
		if (coverage_complete(&p->bytes, (uint64_t)p->size)) {
			tell(e, p);
		}
	}
	pthread_mutex_unlock(&e->evidence->lock);
}

bool evidence_submit_after(struct engine *e, int64_t task_id, struct op *op, struct err *err)
{
	pthread_mutex_lock(&e->evidence->lock);
	struct piece *p = task_id ? find(e->evidence, task_id) : NULL;
	p = p && p->device_id == op->device_id ? p : NULL; /* it may name another's task */
	/* only a version is judged by the bytes; who has booted downloads no more, and its answer is urgent; a crowd does not wait */
	bool judged = op->in.report.kind == REPORT_VERSION && !op->in.report.booted;
	bool wait = p && p->open > 0 && judged && p->held_count < HELD_MAX;
	if (wait) {
		op->base.next = NULL;
		p->held_ms = p->held ? p->held_ms : clock_mono_ms();
		*p->held_last = op;
		p->held_last = (struct op **)&op->base.next;
		p->held_count++;
	} else if (p && p->dirty) {
		tell(e, p);
	}
	pthread_mutex_unlock(&e->evidence->lock);
	return wait || op_submit(op, err);
}

enum { SLICE = 256 };

/* One slice of work under the lock. Answers how much was found. */
static size_t flush_some(struct engine *e, bool all, struct op **held)
{
	struct evidence *v = e->evidence;
	int64_t now = clock_mono_ms();
	size_t n = 0;
	struct map_slot *slot;
	for (size_t i = 0; n < SLICE && !*held && (slot = map_next(&v->pieces, &i));) {
		struct piece *p = slot->value;
		bool overdue = p->held && (all || now - p->held_ms >= EVIDENCE_HOLD_MS);
		if (p->dirty && (all || overdue || !p->sending) && (all || overdue || now - p->since_ms >= EVIDENCE_FLUSH_MS)) {
			tell(e, p);
			n++;
		}
		if (overdue) {
			release_held(p, held);
			n++;
		}
	}
	return n;
}

void evidence_flush(struct engine *e, bool all)
{
	for (int rounds = 0; rounds < 1000; rounds++) {
		struct op *held = NULL;
		pthread_mutex_lock(&e->evidence->lock);
		size_t n = flush_some(e, all, &held);
		pthread_mutex_unlock(&e->evidence->lock);
		submit_all(held);
		if (n == 0) {
			return;
		}
	}
}
