/* Inside engine/ only: acknowledged bytes on their way into tasks. Coalesced by task, kept until the database has them, handed over at once
 * when a download begins or is complete, else every EVIDENCE_FLUSH_MS.
 *
 * A report of a device whose download is just being acknowledged waits for the last bytes (at most EVIDENCE_HOLD_MS), so that "I run 2.0"
 * is never judged before "it has every byte".
 */
#ifndef ENGINE_EVIDENCE_H
#define ENGINE_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct err;
struct evidence;
struct op;

enum { EVIDENCE_FLUSH_MS = 500, EVIDENCE_CRUMB_MS = 200, EVIDENCE_HOLD_MS = 1000, EVIDENCE_MAX = 100000 };

struct evidence *evidence_new(void);
void evidence_free(struct evidence **evidence);

/* A download of this task's file is open / is over (its bytes are all acknowledged or lost). `size`: of the file. */
void evidence_open(struct engine *engine, int64_t task_id, int64_t device_id, int64_t size);
void evidence_close(struct engine *engine, int64_t task_id);

void evidence_bytes(struct engine *engine, int64_t task_id, uint64_t offset, uint64_t len);

/* Queues a device's report behind its bytes. Takes the operation over; false: queue full (freed). */
bool evidence_submit_after(struct engine *engine, int64_t task_id, struct op *op, struct err *err);

/* From the tick: hands over what is old enough; all = everything (shutdown). */
void evidence_flush(struct engine *engine, bool all);

#endif
