/* Inside engine/ only: the write-behind. Facts that no task waits for, coalesced by device, written in batches by the tick. */
#ifndef ENGINE_NOTES_H
#define ENGINE_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct notes;

struct notes *notes_new(void);
void notes_free(struct notes **notes);

/* Notes the version of the component "app"; the snapshot shows it at once. false: full (the device will tell again). */
bool notes_put(struct engine *engine, int64_t device_id, const char *version);

/* Hands what is noted to the group commit. */
void notes_flush(struct engine *engine);

#endif
