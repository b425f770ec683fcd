/* A device's passive polling (GET /api/v2/otaPassiveEnable). An offer of another version than it runs is taken on when the device is idle.
 */
#ifndef SIM_POLL_H
#define SIM_POLL_H

#include <stdbool.h>

#include "common/buf.h"
#include "http.h"
#include "loop.h"

struct device;

struct poll {
	struct http_call call;
	struct loop_timer timer;
	struct buf body;
	bool answered;
};

void poll_start(struct device *d);
void poll_stop(struct device *d);

#endif
