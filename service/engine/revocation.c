#include "engine/revocation.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/err.h"
#include "config/config.h"
#include "engine/private.h"
#include "engine/teller.h"
#include "store/credential.h"
#include "store/db.h"

struct teller {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	revocation_poke *poke;
	void *ctx;
	int64_t confirmed;
	/* Who waits takes a number; only what was read after that proves anything to him: revisions may run backward (a restored backup).
	 */
	int64_t waiting; /* how many */
	uint64_t taken, reading, served;
	struct db *db; /* the teller's own thread's */
};

struct teller *teller_new(void)
{
	struct teller *t = calloc(1, sizeof *t);
	if (t) {
		cond_init(&t->moved);
		pthread_mutex_init(&t->lock, NULL);
		t->confirmed = -1;
	}
	return t;
}

void teller_free(struct teller **tp)
{
	struct teller *t = *tp;
	if (t) {
		db_close(&t->db);
		pthread_cond_destroy(&t->moved);
		pthread_mutex_destroy(&t->lock);
		free(t);
		*tp = NULL;
	}
}

void revocation_attach(struct engine *e, revocation_poke *poke, void *ctx)
{
	pthread_mutex_lock(&e->teller->lock);
	e->teller->poke = poke;
	e->teller->ctx = ctx;
	pthread_cond_broadcast(&e->teller->moved); /* nobody will tell those who wait */
	pthread_mutex_unlock(&e->teller->lock);
}

bool revocation_read(struct engine *e, int64_t after, struct revocation *out, size_t max, size_t *count, int64_t *newest, struct err *err)
{
	struct teller *t = e->teller;
	*count = 0;
	pthread_mutex_lock(&t->lock);
	t->reading = t->taken;
	pthread_mutex_unlock(&t->lock);
	if (!t->db) {
		t->db = db_open(e->db_config, err);
	}
	/* the rows first: what comes between the two is read the next time */
	return t->db && db_revive(t->db, err) && store_revocations_read(t->db, after, out, max, count, err) &&
	       store_revocations_newest(t->db, newest, err);
}

void revocation_confirmed(struct engine *e, int64_t rev)
{
	pthread_mutex_lock(&e->teller->lock);
	e->teller->confirmed = rev;
	e->teller->served = e->teller->reading;
	pthread_cond_broadcast(&e->teller->moved);
	pthread_mutex_unlock(&e->teller->lock);
}

/* With the lock. */
static bool is_told(const struct teller *t, uint64_t number, int64_t rev)
{
	return t->confirmed >= rev && t->served >= number;
}

bool revocation_wait(struct engine *e, int64_t rev, int64_t ms)
{
	struct teller *t = e->teller;
	int64_t until = clock_mono_ms() + ms;
	pthread_mutex_lock(&t->lock);
	uint64_t number = ++t->taken;
	revocation_poke *poke = t->poke;
	void *ctx = t->ctx;
	pthread_mutex_unlock(&t->lock);
	if (poke) {
		poke(ctx);
	}
	pthread_mutex_lock(&t->lock);
	/* without a broker that answers there is nothing to wait for */
	/* a broker that hangs must not take all the workers: the others answer without */
	bool may = t->waiting < (e->config->workers + 1) / 2;
	t->waiting += may;
	while (may && t->poke && t->confirmed >= 0 && !is_told(t, number, rev) && cond_wait_until(&t->moved, &t->lock, until)) {
	}
	t->waiting -= may;
	bool done = is_told(t, number, rev);
	pthread_mutex_unlock(&t->lock);
	return done;
}
