#include "engine/op.h"

#include <stdlib.h>

#include "common/err.h"
#include "engine/notes.h"
#include "engine/private.h"

static _Atomic(uint16_t) *reports_of(const struct op *op)
{
	return &op->engine->reporting[(uint64_t)op->device_id % ENGINE_REPORTING];
}

static void discard(struct op *op)
{
	if (op->counted) {
		atomic_fetch_sub(reports_of(op), 1);
	}
	free(op);
}

bool op_count(struct op *op)
{
	if (atomic_fetch_add(reports_of(op), 1) >= OP_REPORTS_MAX) {
		atomic_fetch_sub(reports_of(op), 1);
		return false;
	}
	op->counted = true;
	return true;
}

static void finish(struct commit_op *base, const struct err *err)
{
	struct op *op = (struct op *)base;
	const struct err *why = err ? err : op->refused.kind != ERR_NONE ? &op->refused : NULL;
	switch (op->kind) {
	case OP_ORDER:
	case OP_CANCEL:
		if (op->done.order) {
			op->done.order(op->done_ctx, &op->result, why);
		}
		break;
	case OP_REPORT:
		if (op->done.hear) {
			op->done.hear(op->done_ctx, why);
		}
		break;
	case OP_SENT:
	case OP_UNSENT:
	case OP_STRAY:
	case OP_HASTEN:
	case OP_SILENCE:
	case OP_OFFER:
	case OP_NOTE:
		if (op->done.plain) {
			op->done.plain(op, why);
		}
		break;
	}
	discard(op);
}

struct op *op_new(struct engine *engine, enum op_kind kind)
{
	struct op *op = calloc(1, sizeof *op);
	if (op) {
		op->base.done = finish;
		op->engine = engine;
		op->kind = kind;
	}
	return op;
}

static bool refuse(struct err *err)
{
	return err_set(err, ERR_BUSY, "too much is waiting to be written: try again in a moment");
}

bool op_submit(struct op *op, struct err *err)
{
	if (op->kind == OP_OFFER) {
		notes_pass(op->engine, op->device_id, op->in.offer.component, op->in.offer.version);
	}
	if (commit_submit(op->engine->commit, &op->base)) {
		return true;
	}
	discard(op);
	return refuse(err);
}

void op_submit_held(struct op *op)
{
	if (!commit_submit(op->engine->commit, &op->base)) {
		struct err err = {0};
		refuse(&err);
		finish(&op->base, &err);
	}
}
