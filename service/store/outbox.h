/* Pushes to be published, shared by all replicas. due_at is always the next time a push is to be sent: whoever takes a row moves it on to
 * the next repetition first, so that a sender that dies, and an acknowledgement that is lost, cost one repetition and nothing else.
 */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;

/* A message leaves the broker so long before the next one is sent, or a fifth of the interval: then a session's queue never holds two. */
enum { OUTBOX_MARGIN_MS = 2000 };

struct outbox_row {
	int64_t task_id;
	int64_t attempt; /* repetitions before this one */
};

/* Repetitions: after min_ms, doubling to max_ms, each up to half longer: never before the message has left the broker. */
struct outbox_pace {
	int64_t min_ms;
	int64_t max_ms;
};

/* Entries for new or re-ordered tasks. taken: the caller sends them at once, so they are due for their first repetition; else they are due
 * now. */
bool store_outbox_put(struct db *db, const int64_t *tasks, size_t n, bool taken, int64_t min_ms, struct err *err);

/* Takes up to max due entries and moves them on. Commits by itself (outside a transaction). *next_ms: when nothing was taken, ms until the
 * next becomes due (-1: none). */
bool store_outbox_claim(struct db *db, size_t max, const struct outbox_pace *pace, struct outbox_row *out, size_t *count, int64_t *next_ms,
			struct err *err);

/* The device listens since then (clock_mono_ms() of this machine): due now, or after wait_ms, unless a sender took it later. */
enum { OUTBOX_ATTEMPT_LAST = 30 }; /* the longest interval by far */
struct outbox_hasten {
	int64_t task_id;
	int64_t since_ms;
	int64_t attempt; /* the repetitions go on as after that many */
	int64_t wait_ms; /* due after that, if it has not answered until then */
};
enum { HASTEN_RESUMED = -1 }; /* wait_ms: when what lay in its session's queue has certainly expired there */
bool store_outbox_hasten(struct db *db, const struct outbox_hasten *rows, size_t n, const struct outbox_pace *pace, struct err *err);

/* The broker did not take it: due now. */
bool store_outbox_retry(struct db *db, const int64_t *tasks, size_t n, struct err *err);

/* The device is busy with it: due after delay_ms from now. */
bool store_outbox_delay(struct db *db, const int64_t *tasks, size_t n, int64_t delay_ms, struct err *err);

/* The broker is back and may have forgotten what it acknowledged: everything is due within window_ms, spread evenly, from attempt 0. */
bool store_outbox_restart(struct db *db, int64_t window_ms, struct err *err);

/* May this live task have its device boot? Yes at most once since it was ordered (again), and if no task of the device has within gap_ms;
 * the answer is an event of the task before it is given. Commits by itself. */
bool store_outbox_reboot(struct db *db, int64_t task_id, int64_t gap_ms, bool *granted, struct err *err);

bool store_outbox_drop(struct db *db, const int64_t *tasks, size_t n, struct err *err);

#endif
