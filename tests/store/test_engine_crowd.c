/* Everything at once: threads that order, cancel, poll, fetch and report for few devices through two replicas, while connections are cut
 * and snapshots reloaded. In the end memory and database say the same. Also what the thread sanitizer looks at. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/explain.h"
#include "engine/presence.h"
#include "site.h"

enum { THREADS = 4, ACTS = 250, DEVICES = 12 };

static struct replica *replicas[2];
static const char *devices[DEVICES];
static const char *unknown_firmware;

struct actress {
	pthread_t thread;
	unsigned seed;
	int acts;
	struct err odd; /* an error that must not happen */
};

/* Waits without cmocka, which belongs to the test's own thread. */
static bool await(const struct answer *a)
{
	for (int64_t deadline = 0; !answer_is_done(a); usleep(200)) {
		if (!site_in_time(&deadline)) {
			return false;
		}
	}
	return true;
}

static bool is_expected(const struct err *err)
{
	static const enum err_kind expected[] = {
		ERR_NONE,        ERR_NOT_FOUND, /* ended meanwhile */
		ERR_CONFLICT,                   /* busy with another one */
		ERR_GONE,                       /* withdrawn meanwhile */
		ERR_BUSY,                       /* two replicas in each other's way, and it said so */
		ERR_UNAVAILABLE,                /* a cut connection, twice */
	};
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		if (err->kind == expected[i]) {
			return true;
		}
	}
	return false;
}

static void give_order(struct replica *r, const char *device, unsigned dice, struct answer *a)
{
	const char *const firmware[] = {SITE_KNOWN, SITE_KNOWN_3, unknown_firmware};
	begin_order(r, dice & 1 ? WAY_PUSH : WAY_PASSIVE, device, firmware[dice / 2 % 3], a);
}

static void ordered(void *ctx, const struct order_result *result, const struct err *err)
{
	struct answer *a = ctx;
	(void)result;
	if (err) {
		a->err = *err;
	}
	__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
}

static void withdraw(struct replica *r, const char *device, const struct offer *offer, struct answer *a)
{
	static const struct actor bob = {.name = "bob"};
	int64_t rollout = offer->passive ? offer->rollout_id : 0;
	if (!order_cancel(r->engine, rollout, rollout ? 0 : offer->task_id, site_id(device), &bob, ordered, a, &a->err)) {
		__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
	}
}

static void tell(struct replica *r, const char *device, unsigned dice, struct answer *a)
{
	static const char *const versions[] = {"1.0", "2.0", "3.0", "4.0"};
	struct report report = {.kind = dice & 1 ? REPORT_VERSION : REPORT_PROGRESS,
				.component = COMPONENT_DEFAULT,
				.booted = dice & 2,
				.step = dice % 102 - 1};
	text_copy(report.version, sizeof report.version, versions[dice / 4 % 4]);
	begin_report(r, device, &report, a);
}

/* What costs no answer. */
static void look_around(struct replica *r, const char *device, const struct offer *offer)
{
	char mem[2048];
	char name[NAME_SIZE];
	struct buf out;
	struct engine_health health;
	struct dispatch_message message;
	struct dispatch_item item = {.task_id = offer->task_id};
	buf_init_fixed(&out, mem, sizeof mem);
	explain_device(r->engine, device, "app", NULL, true, &out);
	engine_health(r->engine, &health);
	engine_token_role(r->engine, "nobody", name);
	presence_asked(r->engine, device);
	if (dispatch_message(r->engine, &item, &message)) {
		dispatch_sent(r->engine, item.task_id);
	}
}

static bool act(struct actress *me)
{
	struct answer seen = {0};
	struct answer done = {0};
	struct replica *r = replicas[rand_r(&me->seed) % 2];
	const char *device = devices[(unsigned)rand_r(&me->seed) % DEVICES];
	unsigned dice = (unsigned)rand_r(&me->seed) / 7;
	begin_poll(r, device, dice % 3 ? "" : "1.0", &seen);
	bool waited = await(&seen);
	switch (dice / 16 % 8) {
	case 0:
	case 1:
		give_order(r, device, dice, &done);
		break;
	case 2:
		withdraw(r, device, &seen.offer, &done);
		break;
	case 3:
	case 4:
		tell(r, device, dice, &done);
		break;
	case 5:
	case 6:
		done.done = true;
		done.err.kind = seen.offered ? fetch(r, seen.offer.alias, dice % 500, dice & 1 ? SITE_SIZE : 600) : ERR_NONE;
		break;
	default:
		done.done = true;
		look_around(r, device, &seen.offer);
	}
	waited = waited && await(&done);
	me->odd = is_expected(&seen.err) ? done.err : seen.err;
	return waited && is_expected(&me->odd);
}

static void *act_all(void *arg)
{
	struct actress *me = arg;
	while (me->acts < ACTS && act(me)) {
		me->acts++;
	}
	return NULL;
}

static void disturb(struct actress *crowd)
{
	int joined = 0;
	for (int i = 0; joined < THREADS; i++) {
		site_run("SELECT change_append('device', '{}'), pg_notify('otad', '')");
		if (i % 4 == 1 && i < 20) {
			replica_reload(replicas[0], "resend_min = 5s\n");
		}
		if (i % 4 == 3) {
			site_cut();
		}
		for (int pause = 0; pause < 10 && joined < THREADS; pause++, site_pause()) {
			joined += pthread_tryjoin_np(crowd[joined].thread, NULL) == 0;
		}
	}
}

static void assert_agreement(void)
{
	assert_int_equal(site_number("SELECT count(*) FROM (SELECT FROM tasks WHERE ended_at IS NULL GROUP BY device_id, component HAVING "
				     "count(*) > 1) x"),
			 0);
	assert_int_equal(site_number("SELECT count(*) FROM rollouts r WHERE way = 'push' AND ended_at IS NULL AND NOT EXISTS"
				     " (SELECT FROM tasks t WHERE t.rollout_id = r.id AND t.ended_at IS NULL)"),
			 0);
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE (ended_at IS NULL) <> (state IN ('queued', 'notified', 'accepted', "
				     "'downloading', 'downloaded', 'installing'))"),
			 0);
	assert_int_equal(site_number("SELECT count(*) FROM tasks t WHERE state NOT IN (SELECT to_state FROM events e WHERE e.task_id = t.id"
				     " AND at = (SELECT max(at) FROM events WHERE task_id = t.id))"),
			 0);
	for (int i = 0; i < DEVICES; i++) {
		for (int j = 0; j < 2; j++) {
			bool agree = false;
			for (int64_t deadline = 0; !agree; site_pause()) {
				assert_true(site_in_time(&deadline));
				struct answer poll = poll_as(replicas[j], devices[i], "");
				int64_t task = site_number("SELECT id FROM tasks WHERE ended_at IS NULL AND device_id = %" PRId64,
							   site_id(devices[i]));
				int64_t assigned = site_number(
					"SELECT count(*) FROM rollouts WHERE ended_at IS NULL AND way = 'passive' AND device_id = %" PRId64,
					site_id(devices[i]));
				agree = poll.err.kind == ERR_NONE && poll.offered == (task || assigned) && poll.offer.task_id == task;
			}
		}
	}
}

static void memory_and_database_agree_after_a_crowd(void **state)
{
	(void)state;
	struct actress crowd[THREADS] = {0};
	site_new();
	replicas[0] = replica_start("");
	replicas[1] = replica_start("");
	unknown_firmware = site_firmware();
	for (int i = 0; i < DEVICES; i++) {
		devices[i] = site_device();
	}
	for (unsigned i = 0; i < THREADS; i++) {
		crowd[i].seed = i + 1;
		assert_int_equal(pthread_create(&crowd[i].thread, NULL, act_all, &crowd[i]), 0);
	}
	disturb(crowd);
	for (int i = 0; i < THREADS; i++) {
		if (crowd[i].acts < ACTS) {
			fail_msg("after %d acts: %s %s", crowd[i].acts, err_kind_name(crowd[i].odd.kind), crowd[i].odd.text);
		}
	}
	assert_agreement();
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&replicas[0]);
	replica_stop(&replicas[1]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(memory_and_database_agree_after_a_crowd, stop)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
