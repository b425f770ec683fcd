#include "mqtt/chunk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "common/topic.h"
#include "config/config.h"
#include "engine/deliver.h"
#include "engine/message.h"
#include "metrics/metrics.h"
#include "mqtt/outbound.h"

enum { BUCKETS = 256, REPLY_MAX = 512, EXPIRY_S = 30 };

/* Two lines before the workers: reads of a file that must be fetched first do not hold up the others. */
enum temper { WARM, COLD, TEMPERS };

/* One request at work: it waits for a worker, is read, published, acknowledged. Only its list links are shared. */
struct request {
	LIST_ENTRY(request) entry; /* of its device's bucket */
	TAILQ_ENTRY(request) waiter;
	enum temper temper;
	struct chunks *chunks;
	struct delivery *delivery;
	char device[NAME_SIZE];
	uint64_t offset;
	struct outbound_parcel parcel;
	char bytes[];
};
LIST_HEAD(bucket, request);
TAILQ_HEAD(waiters, request);

struct chunks {
	struct engine *engine;
	const struct message_dialect *dialect;
	struct outbound *outbound;
	unsigned readers_max[TEMPERS];
	pthread_mutex_t lock; /* of what follows; nobody is called with it */
	pthread_cond_t idle;
	struct bucket buckets[BUCKETS];  /* all that is at work, by device */
	struct waiters waiting[TEMPERS]; /* for a worker, in order */
	unsigned readers[TEMPERS];
	unsigned count;
	bool halted;
};

static void drop(void)
{
	metrics_add(METRIC_CHUNKS_DROPPED, 1);
}

static struct bucket *bucket_of(struct chunks *c, const char *device)
{
	return &c->buckets[text_hash(device, strlen(device)) % BUCKETS];
}

/* With the lock. */
static bool has_room(struct chunks *c, const char *device)
{
	unsigned own = 0;
	const struct request *r;
	LIST_FOREACH(r, bucket_of(c, device), entry)
	{
		own += strcmp(r->device, device) == 0;
	}
	return !c->halted && c->count < CHUNKS_ALL && own < CHUNKS_EACH;
}

/* It is over, one way or the other. */
static void finish(struct request *r)
{
	struct chunks *c = r->chunks;
	delivery_free(&r->delivery); /* while r still counts: the engine must not go meanwhile */
	pthread_mutex_lock(&c->lock);
	LIST_REMOVE(r, entry);
	if (--c->count == 0) {
		pthread_cond_broadcast(&c->idle);
	}
	pthread_mutex_unlock(&c->lock);
	free(r);
}

/* A chunk that nobody took is no evidence. */
static void published(void *ctx, bool acknowledged)
{
	struct request *r = ctx;
	if (acknowledged) {
		metrics_add(METRIC_CHUNKS_SENT, 1);
		delivery_begun(r->delivery);
		delivery_bytes(r->delivery, r->offset, r->parcel.len);
	} else {
		drop();
	}
	finish(r);
}

void chunk_refuse(struct chunks *c, const char *device, const struct err *why)
{
	char topic[TOPIC_SIZE];
	char mem[REPLY_MAX];
	struct buf payload;
	buf_init_fixed(&payload, mem, sizeof mem);
	c->dialect->chunk_reply(device, why, topic, &payload);
	if (buf_ok(&payload)) {
		outbound_reply(c->outbound, topic, payload.data, payload.len);
	}
}

static void read_done(void *ctx, const struct err *err);

static void reader_back(struct chunks *c, enum temper temper)
{
	pthread_mutex_lock(&c->lock);
	c->readers[temper]--;
	pthread_mutex_unlock(&c->lock);
}

/* Hands to the workers what waits in one line, as far as its readers go. */
static void pump(struct chunks *c, enum temper temper)
{
	for (;;) {
		pthread_mutex_lock(&c->lock);
		struct request *r = c->readers[temper] < c->readers_max[temper] ? TAILQ_FIRST(&c->waiting[temper]) : NULL;
		if (r) {
			TAILQ_REMOVE(&c->waiting[temper], r, waiter);
			c->readers[temper]++;
		}
		pthread_mutex_unlock(&c->lock);
		if (!r) {
			return;
		}
		if (!delivery_read(r->delivery, r->offset, r->parcel.len, r->bytes, read_done, r)) {
			reader_back(c, temper);
			drop();
			finish(r);
		}
	}
}

/* On a worker. */
static void read_done(void *ctx, const struct err *err)
{
	struct request *r = ctx;
	struct chunks *c = r->chunks;
	reader_back(c, r->temper);
	pump(c, r->temper); /* while r still counts: c must not go meanwhile */
	if (!err) {
		outbound_send(c->outbound, &r->parcel);
		return;
	}
	if (err->kind == ERR_BUSY) {
		drop();
	} else {
		chunk_refuse(c, r->device, err);
	}
	finish(r);
}

/* What is to be read; a length that reaches past the end is cut. NULL and err: nothing. */
static struct request *open_request(struct chunks *c, const struct message *m, struct err *err)
{
	struct delivery *d = NULL;
	if (!delivery_open_task(c->engine, m->device, m->chunk.task_id, m->alias, &d, err)) {
		return NULL;
	}
	int64_t size = delivery_artifact(d)->size;
	if (m->chunk.offset >= size) {
		err_set(err, ERR_INVALID, "offset %lld is past the end: the file has %lld bytes", (long long)m->chunk.offset,
			(long long)size);
		delivery_free(&d);
		return NULL;
	}
	int64_t left = size - m->chunk.offset;
	size_t len = (size_t)(m->chunk.length < left ? m->chunk.length : left);
	struct request *r = malloc(sizeof *r + len);
	if (!r) {
		err_set(err, ERR_INTERNAL, "out of memory");
		delivery_free(&d);
		return NULL;
	}
	*r = (struct request){.chunks = c, .delivery = d, .offset = (uint64_t)m->chunk.offset, .temper = delivery_is_warm(d) ? WARM : COLD};
	r->parcel = (struct outbound_parcel){.payload = r->bytes, .len = len, .expiry_s = EXPIRY_S, .done = published, .ctx = r};
	text_copy(r->device, sizeof r->device, m->device);
	c->dialect->chunk(m->device, &m->chunk, r->parcel.topic);
	return r;
}

void chunk_take(struct chunks *c, const struct message *m)
{
	struct err err = {0};
	pthread_mutex_lock(&c->lock);
	bool room = has_room(c, m->device);
	pthread_mutex_unlock(&c->lock);
	if (!room) {
		drop();
		return;
	}
	struct request *r = open_request(c, m, &err);
	if (!r) {
		chunk_refuse(c, m->device, &err);
		return;
	}
	enum temper temper = r->temper;
	pthread_mutex_lock(&c->lock);
	room = has_room(c, m->device);
	if (room) {
		LIST_INSERT_HEAD(bucket_of(c, r->device), r, entry);
		TAILQ_INSERT_TAIL(&c->waiting[r->temper], r, waiter);
		c->count++;
	}
	pthread_mutex_unlock(&c->lock);
	if (room) {
		pump(c, temper);
	} else {
		drop();
		delivery_free(&r->delivery);
		free(r);
	}
}

void chunk_halt(struct chunks *c)
{
	struct waiters left = TAILQ_HEAD_INITIALIZER(left);
	pthread_mutex_lock(&c->lock);
	c->halted = true;
	TAILQ_CONCAT(&left, &c->waiting[WARM], waiter);
	TAILQ_CONCAT(&left, &c->waiting[COLD], waiter);
	pthread_mutex_unlock(&c->lock);
	for (struct request *r = TAILQ_FIRST(&left), *next; r; r = next) {
		next = TAILQ_NEXT(r, waiter);
		drop();
		finish(r);
	}
}

struct chunks *chunk_start(struct engine *engine, const struct message_dialect *dialect, struct outbound *outbound,
			   const struct config *config, struct err *err)
{
	struct chunks *c = calloc(1, sizeof *c);
	if (!c) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	c->engine = engine;
	c->dialect = dialect;
	c->outbound = outbound;
	unsigned half = config->workers > 1 ? (unsigned)config->workers / 2 : 1;
	c->readers_max[COLD] = half > 1 ? half / 2 : 1;
	c->readers_max[WARM] = half > 1 ? half - half / 2 : 1;
	TAILQ_INIT(&c->waiting[WARM]);
	TAILQ_INIT(&c->waiting[COLD]);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->idle, NULL);
	return c;
}

void chunk_stop(struct chunks **cp)
{
	struct chunks *c = *cp;
	if (!c) {
		return;
	}
	chunk_halt(c);
	pthread_mutex_lock(&c->lock);
	while (c->count > 0) {
		pthread_cond_wait(&c->idle, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	pthread_cond_destroy(&c->idle);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*cp = NULL;
}
