/* Inside engine/ only: how a live task is offered. */
#ifndef ENGINE_OFFER_H
#define ENGINE_OFFER_H

#include <stdbool.h>

#include "engine/poll.h"

struct fleet;
struct fleet_task;

/* File name, version (the firmware's, else the task's token), digests. Under the reader's hold. false: its firmware is not known here
 * (yet). */
bool offer_task(const struct fleet *fleet, const struct fleet_task *task, struct offer *out);

#endif
