/* Inside engine/ only: who has promised an answer by a time. One delay for all, so those who wait stand in line; a thread of its own looks
 * at the first. */
#ifndef ENGINE_PATIENCE_H
#define ENGINE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct patience;

/* Embedded in what waits. `over` runs on the line's thread when the time has come; it must not block. */
struct patient {
	struct patient *prev, *next;
	int64_t due_ms; /* monotonic */
	void (*over)(struct patient *patient);
};

struct patience *patience_start(int64_t delay_ms, struct err *err);
/* Nobody waits any more, or whoever does is given up at once. */
void patience_stop(struct patience **patience);

void patience_join(struct patience *patience, struct patient *patient);
/* true: it has left, `over` will not run. false: it has run, or is about to. */
bool patience_leave(struct patience *patience, struct patient *patient);

#endif
