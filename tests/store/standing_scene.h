/* Two replicas with standing rollouts: operators order and cancel, devices poll. */
#ifndef TESTS_STORE_STANDING_SCENE_H
#define TESTS_STORE_STANDING_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "model/listing.h"
#include "site.h"

struct pool;
struct worker;

extern struct replica *a;
extern struct replica *b;
extern struct pool *pool; /* operators' calls */

int standing_scene_start(void **state);
int standing_scene_stop(void **state);

enum { KNOWN = 1, KNOWN_3 = 2, UNKNOWN = 3 }; /* firmware: 2.0, 3.0, not known */

struct call {
	struct replica *r;
	enum { ORDER, CANCEL, DELETE_FIRMWARE, DELETE_DEVICE } verb;
	int64_t id;
	struct standing_row row;
	struct err err;
	bool done;
};

void run_call(void *arg, struct worker *w);
void call_wait(struct call *c);
void call(struct call *c);
struct call ordering(int64_t product, int64_t firmware, const char *called);
int64_t order_all(int64_t firmware, const char *called);
void cancel_all(int64_t rollout);

/* After a test no rollout stands. */
int calm(void **state);

#define STANDING_TEST(f) cmocka_unit_test_teardown(f, calm)

struct offer offered(struct replica *r, const char *device);

/* Until the replica, which must hear of it first, offers another task than that (0 = any). */
struct offer offered_anew(struct replica *r, const char *device, int64_t last);

int64_t tasks_of(const char *device);

#endif
