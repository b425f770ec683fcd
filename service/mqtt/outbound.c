#include "mqtt/outbound.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/topic.h"
#include "config/config.h"
#include "engine/dispatch.h"
#include "engine/message.h"
#include "metrics/metrics.h"
#include "mqtt/link.h"

enum { RING = 1 << 16, REPLIES_MAX = 1 << 16, CLAIM = 256, PAYLOAD_MAX = 2048, CLAIM_EVERY_MS = 5000, RETRY_MS = 250, DB_RETRY_MS = 1000 };

struct outbound {
	struct engine *engine;
	const struct message_dialect *dialect;
	const struct message_direct *direct;
	const char *public_url;
	int64_t resend_min;
	struct link *link;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct dispatch_item *ring; /* pushes to be published, in order */
	size_t head, count;
	struct reply *replies, **replies_end; /* go first */
	size_t reply_count;
	struct outbound_parcel *parcels, **parcels_end;
	bool parcels_turn;
	int64_t claim_at; /* monotonic ms */
	bool up, halted, stop, writable;
};

/* A reply on its way. */
struct reply {
	struct reply *next;
	char topic[TOPIC_SIZE];
	size_t len;
	char payload[];
};

/* What a completion must know; the task's id alone is too little, the outbound is needed too. */
struct flight {
	struct outbound *outbound;
	int64_t task_id;
};

/* With the lock. false: full (the claim finds it again when its lease ends). */
static bool push_item(struct outbound *o, struct dispatch_item item)
{
	if (o->count == RING) {
		return false;
	}
	o->ring[(o->head + o->count++) % RING] = item;
	dispatch_queued(o->engine, item.task_id);
	return true;
}

static void claim_within(struct outbound *o, int64_t ms)
{
	int64_t at = clock_mono_ms() + ms;
	o->claim_at = at < o->claim_at ? at : o->claim_at;
}

static void ready(void *ctx, const int64_t *tasks, size_t n)
{
	struct outbound *o = ctx;
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; o->up && i < n; i++) {
		push_item(o, (struct dispatch_item){.task_id = tasks[i], .taken_ms = clock_mono_ms()});
	}
	claim_within(o, n > 0 ? o->resend_min : 0); /* their first repetition is hardly due before */
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

static void published(void *ctx, bool acknowledged)
{
	struct flight *flight = ctx;
	struct outbound *o = flight->outbound;
	if (acknowledged) {
		dispatch_sent(o->engine, flight->task_id);
	} else {
		dispatch_failed(o->engine, flight->task_id);
		pthread_mutex_lock(&o->lock);
		claim_within(o, RETRY_MS);
		pthread_cond_signal(&o->wake);
		pthread_mutex_unlock(&o->lock);
	}
	free(flight);
}

/* false: the window is full or the link down; the item is to be tried again. */
static bool publish(struct outbound *o, struct dispatch_item *item)
{
	struct dispatch_message message;
	if (!dispatch_message(o->engine, item, &message)) {
		return true; /* ended, or not to be reached now; its outbox row went with it, or comes again */
	}
	char topic[TOPIC_SIZE];
	char mem[PAYLOAD_MAX];
	struct buf payload;
	struct flight *flight = malloc(sizeof *flight);
	if (!flight) {
		return true;
	}
	*flight = (struct flight){o, item->task_id};
	buf_init_fixed(&payload, mem, sizeof mem);
	(message.how == DISPATCH_TOPIC ? o->dialect->push : o->direct->push)(&message, o->public_url, topic, &payload);
	if (!buf_ok(&payload)) {
		log_error("push too long: shorten public_url", LOG_I("task", item->task_id));
		free(flight);
		return true;
	}
	if (!link_publish(o->link, topic, payload.data, payload.len, true, message.expiry_s, published, flight)) {
		free(flight);
		dispatch_queued(o->engine, item->task_id); /* still to come */
		return false;
	}
	return true;
}

/* Asks the database for what is due. With the lock on entry and exit, not during. */
static void claim(struct outbound *o)
{
	struct dispatch_item items[CLAIM];
	size_t count = 0;
	int64_t next_ms = CLAIM_EVERY_MS;
	struct err err = {0};
	pthread_mutex_unlock(&o->lock);
	bool ok = dispatch_claim(o->engine, items, CLAIM, &count, &next_ms, &err);
	if (!ok) {
		log_warn("outbox not read; tried again", LOG_S("error", err.text));
	}
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < count; i++) {
		push_item(o, items[i]);
	}
	if (!ok) {
		next_ms = DB_RETRY_MS;
	} else if (next_ms < 0 || next_ms > CLAIM_EVERY_MS) {
		next_ms = CLAIM_EVERY_MS;
	} else if (count == 0 && next_ms < 20) {
		next_ms = 20;
	}
	o->claim_at = clock_mono_ms() + next_ms;
}

void outbound_reply(struct outbound *o, const char *topic, const void *payload, size_t len)
{
	struct reply *r = malloc(sizeof *r + len);
	if (!r) {
		return;
	}
	r->next = NULL;
	r->len = len;
	text_copy(r->topic, sizeof r->topic, topic);
	memcpy(r->payload, payload, len);
	pthread_mutex_lock(&o->lock);
	bool room = o->up && o->reply_count < REPLIES_MAX;
	if (room) {
		*o->replies_end = r;
		o->replies_end = &r->next;
		o->reply_count++;
		pthread_cond_signal(&o->wake);
	}
	pthread_mutex_unlock(&o->lock);
	if (!room) {
		metrics_add(METRIC_REPLIES_DROPPED, 1);
		free(r);
	}
}

/* With the lock. */
static struct reply *take_reply(struct outbound *o)
{
	struct reply *r = o->replies;
	if (r) {
		o->replies = r->next;
		o->replies_end = o->replies ? o->replies_end : &o->replies;
		o->reply_count--;
	}
	return r;
}

static void drop_replies(struct outbound *o)
{
	for (struct reply *r; (r = take_reply(o));) {
		free(r);
	}
}

void outbound_send(struct outbound *o, struct outbound_parcel *p)
{
	p->next = NULL;
	pthread_mutex_lock(&o->lock);
	bool up = o->up;
	if (up) {
		*o->parcels_end = p;
		o->parcels_end = &p->next;
		pthread_cond_signal(&o->wake);
	}
	pthread_mutex_unlock(&o->lock);
	if (!up) {
		p->done(p->ctx, false);
	}
}

/* With the lock. */
static struct outbound_parcel *take_parcel(struct outbound *o)
{
	struct outbound_parcel *p = o->parcels;
	if (p) {
		o->parcels = p->next;
		o->parcels_end = o->parcels ? o->parcels_end : &o->parcels;
	}
	return p;
}

/* Without the lock, which those who are told may take in turn. */
static void fail_parcels(struct outbound *o)
{
	pthread_mutex_lock(&o->lock);
	struct outbound_parcel *p = o->parcels;
	o->parcels = NULL;
	o->parcels_end = &o->parcels;
	pthread_mutex_unlock(&o->lock);
	for (struct outbound_parcel *next; p; p = next) {
		next = p->next;
		p->done(p->ctx, false);
	}
}

static void wait_until(struct outbound *o, int64_t at)
{
	cond_wait_until(&o->wake, &o->lock, at);
}

static bool publish_item(struct outbound *o, void *item)
{
	return publish(o, item);
}

static bool publish_reply(struct outbound *o, void *reply)
{
	const struct reply *r = reply;
	return link_publish(o->link, r->topic, r->payload, r->len, false, 0, NULL, NULL);
}

static bool publish_parcel(struct outbound *o, void *parcel)
{
	const struct outbound_parcel *p = parcel;
	return link_publish(o->link, p->topic, p->payload, p->len, true, p->expiry_s, p->done, p->ctx);
}

/* Publishes one thing, waiting for room in the window. false: the link went down first. With the lock on entry and exit. */
static bool insist(struct outbound *o, bool (*publish_one)(struct outbound *, void *), void *what)
{
	while (o->up && !o->stop) {
		o->writable = false;
		pthread_mutex_unlock(&o->lock);
		bool done = publish_one(o, what);
		pthread_mutex_lock(&o->lock);
		if (done) {
			return true;
		}
		if (!o->writable && o->up && !o->stop) {
			wait_until(o, clock_mono_ms() + RETRY_MS);
		}
	}
	return false;
}

/* With the lock on entry and exit. */
static void send_parcel(struct outbound *o, struct outbound_parcel *p)
{
	if (!insist(o, publish_parcel, p)) {
		pthread_mutex_unlock(&o->lock);
		p->done(p->ctx, false);
		pthread_mutex_lock(&o->lock);
	}
}

/* One thing to do. With the lock. */
static void step(struct outbound *o)
{
	if (o->halted || !o->up) {
		pthread_cond_wait(&o->wake, &o->lock);
		return;
	}
	struct reply *reply = take_reply(o);
	if (reply) {
		insist(o, publish_reply, reply);
		free(reply);
		return;
	}
	if (o->count == 0 && clock_mono_ms() >= o->claim_at) {
		claim(o);
		return;
	}
	struct outbound_parcel *parcel = o->count == 0 || o->parcels_turn ? take_parcel(o) : NULL;
	o->parcels_turn = !parcel;
	if (parcel) {
		send_parcel(o, parcel);
		return;
	}
	if (o->count == 0) {
		wait_until(o, o->claim_at);
		return;
	}
	struct dispatch_item item = o->ring[o->head];
	o->head = (o->head + 1) % RING;
	o->count--;
	if (!insist(o, publish_item, &item)) {
		pthread_mutex_unlock(&o->lock);
		dispatch_failed(o->engine, item.task_id);
		pthread_mutex_lock(&o->lock);
	}
}

static void *outbound_main(void *arg)
{
	struct outbound *o = arg;
	pthread_mutex_lock(&o->lock);
	while (!o->stop) {
		step(o);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

void outbound_wake(struct outbound *o)
{
	pthread_mutex_lock(&o->lock);
	o->writable = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

void outbound_state(struct outbound *o, bool up)
{
	dispatch_state(o->engine, up);
	pthread_mutex_lock(&o->lock);
	o->up = up;
	while (!up && o->count > 0) { /* back to the outbox, due at once */
		dispatch_failed(o->engine, o->ring[o->head].task_id);
		o->head = (o->head + 1) % RING;
		o->count--;
	}
	if (!up) {
		drop_replies(o);
	}
	o->claim_at = clock_mono_ms();
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	if (!up) {
		fail_parcels(o);
	}
}

void outbound_attach(struct outbound *o, struct link *link)
{
	pthread_mutex_lock(&o->lock);
	o->link = link;
	o->halted = false;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

void outbound_halt(struct outbound *o)
{
	pthread_mutex_lock(&o->lock);
	o->stop = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	dispatch_attach(o->engine, NULL, NULL);
	pthread_mutex_lock(&o->lock);
	o->up = false; /* replies and parcels are dropped from now on: their devices repeat */
	pthread_mutex_unlock(&o->lock);
	fail_parcels(o);
}

struct outbound *outbound_start(struct engine *engine, const struct message_dialect *dialect, const struct message_direct *direct,
				const struct config *config, struct err *err)
{
	struct outbound *o = calloc(1, sizeof *o);
	struct dispatch_item *ring = calloc(RING, sizeof *ring);
	if (!o || !ring) {
		free(o);
		free(ring);
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	*o = (struct outbound){.engine = engine,
			       .dialect = dialect,
			       .direct = direct,
			       .public_url = config->public_url,
			       .resend_min = config->resend_min,
			       .ring = ring,
			       .halted = true};
	o->replies_end = &o->replies;
	o->parcels_end = &o->parcels;
	cond_init(&o->wake);
	pthread_mutex_init(&o->lock, NULL);
	if (pthread_create(&o->thread, NULL, outbound_main, o) != 0) {
		err_set(err, ERR_INTERNAL, "cannot start a thread");
		free(ring);
		free(o);
		return NULL;
	}
	dispatch_attach(engine, ready, o);
	return o;
}

void outbound_stop(struct outbound **op)
{
	struct outbound *o = *op;
	if (!o) {
		return;
	}
	drop_replies(o);
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->wake);
	free(o->ring);
	free(o);
	*op = NULL;
}
