/* Inside engine/ only: what alarm.h gathers, and its way into the audit trail. */
#ifndef ENGINE_ALARMS_H
#define ENGINE_ALARMS_H

#include <stdbool.h>

struct alarms;
struct db;
struct engine;
struct err;

enum { ALARMS_EVERY_MS = 60 * 1000, ALARMS_DEVICES = 100 };

struct alarms *alarms_new(void); /* NULL: out of memory */
void alarms_free(struct alarms **alarms);

/* Is there something to write? */
bool alarms_pending(struct engine *engine);

/* One audit row a device (ALARMS_DEVICES at most, the rest in one), in one transaction. On failure it stays gathered. */
bool alarms_write(struct engine *engine, struct db *db, struct err *err);

#endif
