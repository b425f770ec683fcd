/* Inside engine/ only: how a push reaches a device (engine/climb.h). */
#ifndef ENGINE_CLIMBING_H
#define ENGINE_CLIMBING_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/dispatch.h"

struct device_entry;
struct engine;
struct fleet_task;

/* Is the device one that is reached point to point, and subscribes to nothing? Under the reader's hold. */
bool climbing_is(const struct device_entry *device);

/* How a live push of such a device is to be told now. false: not at all. Under the reader's hold. */
bool climbing_how(const struct engine *engine, const struct fleet_task *task, const struct device_entry *device, enum dispatch_how *how);

/* May this message be sent? Its device must suit the image by what it has told (model/suit.h), as if it asked; and to have a device boot is
 * allowed once an order, and once an hour a device: an answer that is yes is not given again. Asks the database, on the dispatching thread.
 */
bool climbing_may(struct engine *engine, const struct dispatch_message *message);

#endif
