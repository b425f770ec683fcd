#include "engine/alarm.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "engine/alarms.h"
#include "engine/private.h"
#include "metrics/metrics.h"
#include "model/nouns.h"
#include "store/change.h"
#include "store/db.h"

enum { LOG_EVERY_MS = 1000 };

struct forger {
	char device[NAME_SIZE];
	int64_t count;
};

struct alarms {
	pthread_mutex_t lock;
	struct forger forgers[ALARMS_DEVICES];
	size_t count;
	int64_t others;    /* of devices beyond */
	int64_t since_ms;  /* wall: the first of these */
	int64_t logged_ms; /* monotonic */
	int64_t unlogged;
};

struct alarms *alarms_new(void)
{
	struct alarms *a = calloc(1, sizeof *a);
	if (a) {
		pthread_mutex_init(&a->lock, NULL);
	}
	return a;
}

void alarms_free(struct alarms **ap)
{
	if (*ap) {
		pthread_mutex_destroy(&(*ap)->lock);
		free(*ap);
		*ap = NULL;
	}
}

/* With the lock. */
static void gather(struct alarms *a, const char *device, int64_t count)
{
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->forgers[i].device, device) == 0) {
			a->forgers[i].count += count;
			return;
		}
	}
	if (a->count == ALARMS_DEVICES) {
		a->others += count;
		return;
	}
	text_copy(a->forgers[a->count].device, NAME_SIZE, device);
	a->forgers[a->count++].count = count;
}

void alarm_forged(struct engine *e, const char *device, int64_t count)
{
	struct alarms *a = e->alarms;
	int64_t now = clock_mono_ms();
	int64_t tell = 0;
	metrics_add(METRIC_PUSH_FORGED, count);
	pthread_mutex_lock(&a->lock);
	if (a->count == 0) {
		a->since_ms = clock_wall_ms();
	}
	gather(a, device, count);
	a->unlogged += count;
	if (now - a->logged_ms >= LOG_EVERY_MS) { /* who floods us must not fill the disk */
		tell = a->unlogged;
		a->unlogged = 0;
		a->logged_ms = now;
	}
	pthread_mutex_unlock(&a->lock);
	if (tell) {
		log_error("forged push", LOG_S("device", device), LOG_I("count", tell));
	}
}

bool alarms_pending(struct engine *e)
{
	pthread_mutex_lock(&e->alarms->lock);
	bool pending = e->alarms->count > 0;
	pthread_mutex_unlock(&e->alarms->lock);
	return pending;
}

static bool write_row(struct db *db, const char *target, int64_t count, int64_t since_ms, struct err *err)
{
	static const struct actor broker = {.name = "broker"};
	char since[25];
	char detail[TEXT_SIZE];
	clock_rfc3339(since, since_ms);
	snprintf(detail, sizeof detail, "%" PRId64 " forged pushes since %s", count, since);
	return store_audit(db, &broker, "push.forged", target, detail, err);
}

static bool write_rows(struct db *db, const struct forger *forgers, size_t count, int64_t others, int64_t since_ms, struct err *err)
{
	bool ok = db_begin(db, err);
	for (size_t i = 0; ok && i < count; i++) {
		char target[TEXT_SIZE];
		snprintf(target, sizeof target, "device/%s", forgers[i].device);
		ok = write_row(db, target, forgers[i].count, since_ms, err);
	}
	ok = ok && (!others || write_row(db, "device/*", others, since_ms, err)) && db_commit(db, err);
	if (!ok) {
		db_rollback(db);
	}
	return ok;
}

bool alarms_write(struct engine *e, struct db *db, struct err *err)
{
	struct alarms *a = e->alarms;
	struct forger *forgers = calloc(ALARMS_DEVICES, sizeof *forgers);
	if (!forgers) {
		return true; /* stays gathered */
	}
	pthread_mutex_lock(&a->lock);
	size_t count = a->count;
	int64_t others = a->others;
	int64_t since_ms = a->since_ms;
	memcpy(forgers, a->forgers, count * sizeof *forgers);
	a->count = 0;
	a->others = 0;
	pthread_mutex_unlock(&a->lock);
	bool ok = write_rows(db, forgers, count, others, since_ms, err);
	if (!ok) {
		pthread_mutex_lock(&a->lock);
		for (size_t i = 0; i < count; i++) {
			gather(a, forgers[i].device, forgers[i].count);
		}
		a->others += others;
		a->since_ms = since_ms;
		pthread_mutex_unlock(&a->lock);
	}
	free(forgers);
	return ok;
}
