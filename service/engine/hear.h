/* What devices tell: version reports and progress, from any dialect and transport. Acknowledged only after commit. */
#ifndef ENGINE_HEAR_H
#define ENGINE_HEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "model/report.h"

struct engine;
struct err;

/* On the commit's thread. err NULL: committed. */
typedef void hear_done(void *ctx, const struct err *err);

/* device: its name; report->device_id is filled in. false and err: not taken (ERR_NOT_FOUND unknown device, ERR_BUSY queue full), done is
 * not called. done may be NULL. */
bool hear_report(struct engine *engine, const char *device, const struct report *report, hear_done *done, void *ctx, struct err *err);

/* The same by the device's id. */
bool hear_device(struct engine *engine, int64_t device_id, const struct report *report, hear_done *done, void *ctx, struct err *err);

#endif
