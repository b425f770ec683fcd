/* A database with a product, its firmware and many devices, engines on it, and their callback verbs as calls that wait. Failures of the
 * scene itself fail the test. The test's own thread only.
 */
#ifndef TESTS_STORE_SITE_H
#define TESTS_STORE_SITE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "engine/order.h"
#include "engine/poll.h"
#include "model/report.h"
#include "pg.h"

struct config;
struct engine;

enum {
	SITE_SIZE = 1000, /* bytes of each firmware; there are none in the database */
	SITE_DEVICES = 1500,
	SITE_FIRMWARE = 40,
	SITE_WAIT_MS = 30000, /* for anything that is to happen */
};
#define SITE_KNOWN "known"    /* a firmware whose version is 2.0 */
#define SITE_KNOWN_3 "known3" /* 3.0 */

extern char site_uri[PG_URI_SIZE];

/* A database anew: devices d1 .. with ids 1 .., version "1.0"; firmware known, known3 and u1 .. of unknown version. */
void site_new(void);
/* Names nobody has used yet in this database. */
const char *site_device(void);
int64_t site_id(const char *device);
const char *site_firmware(void);

/* printf into pg_run() and pg_number(). */
void site_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int64_t site_number(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Waits until the query answers that. */
void site_until(int64_t expected, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool site_task_is(int64_t task, const char *state);
void site_until_task(int64_t task, const char *state);
/* Ends every connection that engines have. */
void site_cut(void);

/* An engine with settings of its own ("key = value" lines), a directory and a recording transport. */
struct replica {
	struct engine *engine;
	char dir[64];
	struct config *configs[8]; /* the last one is in force */
	int config_count;
	pthread_mutex_t lock;
	int64_t ready[SITE_DEVICES]; /* tasks handed to the transport, in order */
	size_t ready_count;
};
struct replica *replica_start(const char *settings);
void replica_reload(struct replica *r, const char *settings);
void replica_stop(struct replica **r);
size_t replica_ready(struct replica *r, int64_t task); /* how often the task was handed over */

/* What a verb answered. Zeroed before use; must live until it is done. */
struct answer {
	bool done; /* by __atomic */
	bool offered;
	struct err err; /* ERR_NONE: it went well */
	struct order_result order;
	struct offer offer;
};
bool answer_is_done(const struct answer *a);
void answer_wait(struct answer *a);

/* Locks the table of tasks, so that every group commit waits, until site_unlock(), at the latest at the end of the test (SITE_TEST). */
void site_lock(void);
void site_unlock(void);
/* The same, and the engine's commit hangs there in a batch of its own, which answers `a`: what is queued from now on gathers behind it. */
void site_stall(struct replica *r, struct answer *a);
int site_calm(void **state);
#define SITE_TEST(f) cmocka_unit_test_teardown(f, site_calm)
/* begin_*: do not wait. A verb that is refused at once is done, with its error. */
void begin_order(struct replica *r, enum rollout_way way, const char *device, const char *firmware, struct answer *a);
void begin_report(struct replica *r, const char *device, const struct report *report, struct answer *a);
void begin_poll(struct replica *r, const char *device, const char *version, struct answer *a);

struct answer order(struct replica *r, enum rollout_way way, const char *device, const char *firmware);
struct answer cancel_task(struct replica *r, int64_t task, const char *device);
struct answer cancel_assignment(struct replica *r, int64_t rollout, const char *device);
struct answer report_version(struct replica *r, const char *device, const char *version, bool booted);
struct answer report_step(struct replica *r, const char *device, int64_t step);
struct answer poll_as(struct replica *r, const char *device, const char *version);
/* Pushes or assigns; a failure fails the test. */
int64_t push(struct replica *r, const char *device, const char *firmware);
struct offer assign(struct replica *r, const char *device, const char *firmware); /* and polls the offer */
const char *alias_of(struct replica *r, int64_t task);                            /* of a push; valid until the next call */

/* Fetches bytes of an offer: begun, acknowledged, over. ERR_NONE, or why it is refused. */
enum err_kind fetch(struct replica *r, const char *alias, uint64_t offset, uint64_t len);
/* Whether the alias is served. */
enum err_kind open_alias(struct replica *r, const char *alias);

#define assert_done(a, kind_) assert_string_equal(err_kind_name((a).err.kind), err_kind_name(kind_))
void site_pause(void);                /* between two looks */
bool site_in_time(int64_t *deadline); /* *deadline 0 at first; false once SITE_WAIT_MS have passed */

#endif
