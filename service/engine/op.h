/* Inside engine/ only: the operations of the group commit, one struct for all kinds. */
#ifndef ENGINE_OP_H
#define ENGINE_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "engine/hear.h"
#include "engine/order.h"
#include "model/report.h"
#include "work/commit.h"

struct engine;

enum op_kind {
	OP_ORDER,   /* an operator's push or passive assignment */
	OP_CANCEL,  /* of a task or an assignment */
	OP_REPORT,  /* a device's words, or the transport's evidence */
	OP_SENT,    /* a poll was answered (mqtt false) or the broker took the push (mqtt true) */
	OP_UNSENT,  /* the broker did not take it */
	OP_STRAY,   /* an outbox row without a live task here */
	OP_HASTEN,  /* the device is there: tell it now */
	OP_SILENCE, /* a timer may have ended */
	OP_OFFER,   /* a poll is to be offered a standing rollout */
	OP_NOTE,    /* something happened that moves nothing: for the task's timeline */
};

struct op {
	struct commit_op base; /* first */
	struct engine *engine;
	enum op_kind kind;
	int64_t device_id;
	int64_t task_id;
	int64_t rollout_id; /* OP_CANCEL, OP_OFFER */
	bool mqtt;          /* OP_SENT */
	bool counted;       /* OP_REPORT: among the reports of its device that are at work */
	union {
		struct {
			struct order order;
			struct firmware firmware;
		} order;
		struct actor actor; /* OP_CANCEL */
		struct report report;
		struct standing_offer {
			int64_t firmware_id;
			char component[COMPONENT_SIZE];
			char version[VERSION_SIZE]; /* told just now, and news; "" = not */
			bool suited;                /* the device has told its board: the image itself was compared */
			bool as_told;               /* the version counts as it was told, also "": what is known does not */
			bool named;                 /* a range of the rollout names the device */
		} offer;                            /* OP_OFFER */
		struct op_since {
			int64_t mono_ms; /* since when the device listens */
			int64_t wait_ms; /* may it have heard it? struct outbox_hasten */
		} since;                 /* OP_HASTEN */
		struct {
			const char *event; /* static */
			char detail[TEXT_SIZE];
		} note; /* OP_NOTE */
	} in;
	/* out; written anew by each run */
	struct order_result result;
	struct err refused; /* kind ERR_NONE: went through */
	/* who waits */
	union {
		order_done *order;
		hear_done *hear;
		void (*plain)(struct op *op, const struct err *err);
	} done;
	void *done_ctx;
};

/* A zeroed operation whose completion frees it (after telling whoever waits). NULL: out of memory. */
struct op *op_new(struct engine *engine, enum op_kind kind);

/* Counts it among the reports of its device that are at work (OP_REPORTS_MAX at most), until it is freed. False: there are too many. */
enum { OP_REPORTS_MAX = 64 };
bool op_count(struct op *op);

/* Queues it; on false it was freed and err is ERR_BUSY. */
bool op_submit(struct op *op, struct err *err);

/* The same for one whose waiter was promised an answer: if the queue is full it is completed with ERR_BUSY, on this thread. */
void op_submit_held(struct op *op);

#endif
