/* Inside engine/ only: the write-behind. What no answer waits for: versions that concern no task, facts, and what a device told while the
 * database was too slow for it. Coalesced by device, written in batches by the tick, noted again where that failed.
 *
 * Each verb: false = full (65,536 devices), and nothing is kept: the device will tell it again.
 */
#ifndef ENGINE_NOTES_H
#define ENGINE_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct engine;
struct notes;
struct report;
struct told;

struct notes *notes_new(void);
void notes_free(struct notes **notes);

/* Notes the version of a component; the snapshot shows it at once. */
bool notes_put(struct engine *engine, int64_t device_id, const char *component, const char *version);

/* This version goes into the database by another way, now: what is noted of the component and not written yet must not come after it. */
void notes_pass(struct engine *engine, int64_t device_id, const char *component, const char *version);

/* Notes what a device told of itself; the snapshot has its fingerprint at once. Copied. */
bool notes_put_told(struct engine *engine, int64_t device_id, const struct told *told);

/* Notes a report of kind REPORT_VERSION as evidence: it goes through its device's task of that component as soon as the database takes it.
 * Of several reports of a component the last one counts. The snapshot does not show it before. */
bool notes_put_report(struct engine *engine, const struct report *report);

bool notes_pending(struct engine *engine);
/* Writes some of what is noted, on this connection. True: there is more, and it went well. */
bool notes_flush(struct engine *engine, struct db *db);

#endif
