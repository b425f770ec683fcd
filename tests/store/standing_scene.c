#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/text.h"
#include "engine/admin.h"
#include "site.h"
#include "standing_scene.h"
#include "store/db.h"
#include "work/pool.h"

struct replica *a;
struct replica *b;
struct pool *pool; /* operators' calls */

int standing_scene_start(void **state)
{
	(void)state;
	static struct db_config where = {.uri = site_uri, .name = "workers"};
	struct err err = {0};
	site_new();
	a = replica_start("");
	b = replica_start("");
	pool = pool_new(1, 16, &where, &err);
	return pool ? 0 : -1;
}

int standing_scene_stop(void **state)
{
	(void)state;
	pool_stop(&pool);
	replica_stop(&a);
	replica_stop(&b);
	return 0;
}

/* --- operators --- */

static const struct actor alice = {.name = "alice", .address = "192.0.2.1", .request = "0123456789abcdef"};

void run_call(void *arg, struct worker *w)
{
	struct call *c = arg;
	switch (c->verb) {
	case ORDER:
		admin_rollout_order(c->r->engine, w, &alice, &c->row, &c->err);
		break;
	case CANCEL:
		admin_rollout_cancel(c->r->engine, w, &alice, c->id, &c->err);
		break;
	case DELETE_FIRMWARE:
		admin_firmware_delete(c->r->engine, w, &alice, c->id, &c->err);
		break;
	case DELETE_DEVICE:
		admin_device_delete(c->r->engine, w, &alice, c->id, &c->err);
		break;
	}
	__atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
}

void call_wait(struct call *c)
{
	for (int64_t deadline = 0; !__atomic_load_n(&c->done, __ATOMIC_ACQUIRE); site_pause()) {
		assert_true(site_in_time(&deadline));
	}
}

void call(struct call *c)
{
	assert_true(pool_submit(pool, run_call, c));
	call_wait(c);
}

struct call ordering(int64_t product, int64_t firmware, const char *called)
{
	struct call c = {.r = a, .verb = ORDER, .row.rollout = {.product_id = product, .firmware_id = firmware, .description = "for all"}};
	text_copy(c.row.rollout.version_name, sizeof c.row.rollout.version_name, called);
	return c;
}

int64_t order_all(int64_t firmware, const char *called)
{
	struct call c = ordering(1, firmware, called);
	call(&c);
	assert_done(c, ERR_NONE);
	return c.row.rollout.id;
}

void cancel_all(int64_t rollout)
{
	struct call c = {.r = a, .verb = CANCEL, .id = rollout};
	call(&c);
	assert_done(c, ERR_NONE);
}

int calm(void **state)
{
	site_calm(state);
	int64_t id = site_number("SELECT id FROM rollouts WHERE way = 'standing' AND ended_at IS NULL");
	if (id) {
		cancel_all(id);
	}
	return 0;
}

/* --- devices --- */

struct offer offered(struct replica *r, const char *device)
{
	struct answer p = poll_as(r, device, "");
	assert_done(p, ERR_NONE);
	if (!p.offered) {
		fail_msg("%s is offered nothing", device);
	}
	return p.offer;
}

struct offer offered_anew(struct replica *r, const char *device, int64_t last)
{
	struct answer p = poll_as(r, device, "");
	for (int64_t deadline = 0; !p.offered || p.offer.task_id == last; site_pause()) {
		assert_true(site_in_time(&deadline));
		p = poll_as(r, device, "");
	}
	return p.offer;
}

int64_t tasks_of(const char *device)
{
	return site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64, site_id(device));
}
