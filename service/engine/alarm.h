/* Forged pushes: counted and logged at once, audited in aggregate, so that a device cannot flood the audit trail. */
#ifndef ENGINE_ALARM_H
#define ENGINE_ALARM_H

#include <stdint.h>

struct engine;

/* So many more pushes were forged under this device's name (by whoever may publish on its topic). Any thread, never blocks. */
void alarm_forged(struct engine *engine, const char *device, int64_t count);

#endif
