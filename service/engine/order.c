#include "engine/order.h"

#include <stdlib.h>

#include "common/err.h"
#include "common/text.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"

/* Device and firmware, from the snapshot. */
static bool resolve(struct engine *e, const struct order *order, struct op *op, struct err *err)
{
	fleet_read(e->fleet);
	const struct device_entry *device = fleet_device(e->fleet, order->device);
	bool blocked = device && device->blocked;
	bool external = false;
	const struct fleet_firmware *fw = device ? fleet_firmware_by_name(e->fleet, device->product_id, order->firmware) : NULL;
	if (fw) {
		op->device_id = device->id;
		op->in.order.firmware = fw->firmware;
		external = fw->firmware.external;
	}
	fleet_done(e->fleet);
	if (!device) {
		return err_set(err, ERR_NOT_FOUND, "no device named %s", order->device);
	}
	if (blocked) {
		return err_set(err, ERR_BLOCKED, "device %s is blocked; unblock it first", order->device);
	}
	if (!fw) {
		return err_set(err, ERR_NOT_FOUND, "the product of device %s has no firmware named %s", order->device, order->firmware);
	}
	return !external ||
	       err_set(err, ERR_INVALID, "%s is a URL whose bytes are not here: it cannot be pushed or assigned", order->firmware);
}

bool order_place(struct engine *e, const struct order *order, order_done *done, void *ctx, struct err *err)
{
	struct op *op = op_new(e, OP_ORDER);
	if (!op) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	op->in.order.order = *order;
	op->done.order = done;
	op->done_ctx = ctx;
	if (!resolve(e, order, op, err)) {
		free(op);
		return false;
	}
	return op_submit(op, err);
}

bool order_cancel(struct engine *e, int64_t rollout_id, int64_t task_id, int64_t device_id, const struct actor *actor, order_done *done,
		  void *ctx, struct err *err)
{
	struct op *op = op_new(e, OP_CANCEL);
	if (!op) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	op->rollout_id = rollout_id;
	op->task_id = task_id;
	op->device_id = device_id;
	op->in.actor = *actor;
	op->done.order = done;
	op->done_ctx = ctx;
	return op_submit(op, err);
}
