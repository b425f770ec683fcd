/* Many devices, one loop: devices of the oc dialect, or Xiaozhi devices (board.h). A device of the oc dialect is its update (device.c: a
 * state machine as a table), its link to the broker (link.c), its download (fetch.c), its polling (poll.c) and its reports (report.c).
 * Everything runs on one thread; devices live as long as the simulator.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "board.h"
#include "common/topic.h"
#include "fetch.h"
#include "link.h"
#include "login.h"
#include "loop.h"
#include "options.h"
#include "poll.h"
#include "stats.h"

struct err;
struct tls;

enum { STEP_DOWNLOAD_FAILED = -2, STEP_VERIFY_FAILED = -3, STEP_WRITE_FAILED = -4 };

enum device_state { DEVICE_IDLE, DEVICE_DOWNLOADING, DEVICE_INSTALLING, DEVICE_REPORTING, DEVICE_FAILING };

/* FAILED: step and why are set. ANSWERED: the service knows the new version. SENT: the broker has the message that we wait for. */
enum device_event {
	DEVICE_OFFERED,
	DEVICE_TAKEN,
	DEVICE_FETCHED,
	DEVICE_FAILED,
	DEVICE_INSTALLED,
	DEVICE_TIMER,
	DEVICE_LINK_UP,
	DEVICE_ANSWERED,
	DEVICE_SENT
};

enum { DEVICE_REMEMBERED = 8 };

struct device {
	struct sim *sim;
	char name[TOPIC_DEVICE_SIZE];
	char version[160]; /* what it runs */
	enum device_state state;
	bool finished; /* did what was asked */
	int64_t ignored;
	int64_t updates;
	struct offer offer;                  /* the present or last one */
	uint64_t handled[DEVICE_REMEMBERED]; /* hashes of the tasks it has taken on; a ring */
	size_t handled_next;
	int step; /* of a failure */
	char why[160];
	int64_t offered_ms; /* monotonic */
	int64_t reported_ms;
	int sent_mid; /* the message whose PUBACK counts, 0 = none */
	int hellos;   /* reports without an update that are not answered yet */
	struct loop_timer timer;
	struct link link;
	struct fetch fetch;
	struct poll poll;
};

struct sim {
	struct options opt;
	struct login login;
	struct loop *loop;
	struct http *http;
	struct stats stats;
	struct device *devices; /* or */
	struct board *boards;   /* with --xiaozhi */
	size_t count;
	size_t finished;
	size_t harmed;   /* boards that an answer would have hurt */
	char broker[64]; /* numeric address */
	size_t dialling;
	STAILQ_HEAD(device_queue, device) queue; /* waiting to connect */
	STAILQ_HEAD(board_queue, board) board_queue;
	struct tls *tls;        /* of the boards */
	struct loop_timer over; /* linger */
};

/* Prepares device number i and arms its first steps; it runs when the loop does. */
void device_start(struct device *d, struct sim *sim, size_t i);
void device_stop(struct device *d); /* disconnects, frees what it holds */

/* A push or a poll's answer has been understood. */
void device_offer(struct device *d, const struct offer *offer);
void device_happen(struct device *d, enum device_event event);
void device_fail(struct device *d, int step, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Sets d->finished as soon as what was asked is done; the last device ends the loop. */
void device_judge(struct device *d);
/* Why the device is not finished, for the user. */
void device_missing(const struct device *d, char *out, size_t size);

void report_version(struct device *d);
int report_progress(struct device *d, int step, const char *desc); /* as link_publish */
void report_reply(struct device *d, const char *text, size_t len); /* report_reply has arrived */

#endif
