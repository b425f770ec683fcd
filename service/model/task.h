/* A task: one device's way through one rollout. States and edges are the rows of one table in task.c, from which the driver, the tests, the
 * SQL CHECK and the diagram in service/DESIGN.md come.
 */
#ifndef MODEL_TASK_H
#define MODEL_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/coverage.h"
#include "model/nouns.h"

enum task_state {
	TASK_QUEUED,      /* ordered; nobody has told the device */
	TASK_NOTIFIED,    /* the broker took the push, or the answer of a poll was sent; not: the device has it */
	TASK_ACCEPTED,    /* the device said that it will */
	TASK_DOWNLOADING, /* its alias was fetched */
	TASK_DOWNLOADED,  /* every byte was acknowledged by the device's TCP */
	TASK_INSTALLING,  /* the device said that it writes or has written the image */
	TASK_SUCCEEDED,
	TASK_FAILED,
	TASK_TIMED_OUT,
	TASK_CANCELLED,
	TASK_SUPERSEDED,
	TASK_REJECTED,
	TASK_SKIPPED,
	TASK_UNCONFIRMED,
	TASK_STATES,
};

enum task_event {
	EVENT_SENT,        /* PUBACK of the push, or the poll's answer */
	EVENT_ACCEPTED,    /* progress 0 */
	EVENT_FETCHING,    /* first bytes, or progress 1..99 */
	EVENT_FETCHED,     /* all bytes */
	EVENT_INSTALLING,  /* progress 100: not success */
	EVENT_RIGHT,       /* a right version report */
	EVENT_FAILED,      /* the device says so, or a wrong version report */
	EVENT_REJECTED,    /* the device does not want it */
	EVENT_EXPIRED,     /* a timer ended */
	EVENT_UNCONFIRMED, /* the install timer ended on a device that never reports */
	EVENT_CANCELLED,
	EVENT_SUPERSEDED,
	EVENT_SKIPPED,
	TASK_EVENTS,
};

struct task_edge {
	unsigned from; /* set of states: bits 1u << state */
	enum task_event event;
	enum task_state to;
	const char *en; /* the sentence for people */
	const char *zh;
};

extern const struct task_edge task_edges[];
extern const size_t task_edge_count;

struct task {
	int64_t id;
	int64_t rollout_id;
	int64_t device_id;
	int64_t firmware_id;
	enum rollout_way way;
	char component[COMPONENT_SIZE];
	enum task_state state;
	char stage[16]; /* failed, timed_out: the state it stood in */
	char code[32];  /* failed: why */
	char token[UUID_SIZE];
	char source_version[VERSION_SIZE];
	char seen_version[VERSION_SIZE]; /* reported last since the task began; forgotten when all bytes are there */
	struct coverage got;
	bool fetched;
	int64_t offers;
	int64_t turns; /* STANDING: tasks of the rollout before it that gave way (task_turns_had()) */
	int64_t rev;
	int64_t created_ms;
	int64_t updated_ms;
	int64_t ended_ms;
};

const char *task_state_name(enum task_state state);
bool task_state_parse(const char *name, enum task_state *out);
const char *task_event_name(enum task_event event);
bool task_state_is_live(enum task_state state);

/* May a late right report still turn this state into succeeded? */
bool task_state_is_revivable(enum task_state state);

/* Is the device still to be told (again) in this state? */
bool task_state_is_sendable(enum task_state state);

/* The edge an event takes from a state; NULL = the event changes nothing there. */
const struct task_edge *task_edge_find(enum task_state from, enum task_event event);

/* The offers of a standing rollout that its latest task says the device has had: one that gave way to another before the device had begun
 * was none. */
int64_t task_offers_had(enum task_state state, int64_t offers);
/* And of those that gave way, how many there have been. */
int64_t task_turns_had(enum task_state state, int64_t turns);

/* Takes the edge, if there is one: sets state, stage (of the state left, where the new one is failed or timed_out), code, rev, updated_ms,
 * ended_ms. Returns the edge, or NULL when nothing changed. code may be "". */
const struct task_edge *task_apply(struct task *task, enum task_event event, const char *code, int64_t now_ms);

#endif
