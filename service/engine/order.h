/* Operators' orders to single devices: push (told to the device), passive (waits for its poll), and their cancellation. Through the group
 * commit. */
#ifndef ENGINE_ORDER_H
#define ENGINE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "model/decide.h"
#include "model/nouns.h"

struct engine;
struct err;

struct order {
	enum rollout_way way; /* WAY_PUSH or WAY_PASSIVE */
	char device[NAME_SIZE];
	char firmware[FIRMWARE_NAME_SIZE]; /* looked up in the device's product */
	char version_name[VERSION_SIZE];   /* passive */
	char description[DESCRIPTION_SIZE];
	struct actor actor;
};

struct order_result {
	enum order_outcome outcome;
	int64_t rollout_id;
	int64_t task_id;
	int64_t device_id;
	struct firmware firmware;
};

/* err NULL: committed, and this replica's snapshot shows it. ERR_CONFLICT: the device is busy with another one (3002). Runs on the commit's
 * thread. */
typedef void order_done(void *ctx, const struct order_result *result, const struct err *err);

/* false and err: refused at once (unknown device or firmware: ERR_NOT_FOUND; queue full: ERR_BUSY), done is not called. */
bool order_place(struct engine *engine, const struct order *order, order_done *done, void *ctx, struct err *err);

/* Cancels a passive assignment (rollout) or a task; exactly one of the two ids is not 0. ERR_NOT_FOUND when there is none that lives. */
bool order_cancel(struct engine *engine, int64_t rollout_id, int64_t task_id, int64_t device_id, const struct actor *actor,
		  order_done *done, void *ctx, struct err *err);

#endif
