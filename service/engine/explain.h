/* "Why does this device (not) get something?" */
#ifndef ENGINE_EXPLAIN_H
#define ENGINE_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct engine;
struct told;

/* `device` is a name or an id in digits; told: what it has told of itself (NULL: nothing). Sentences, one a line, the deciding one first.
 * false: no such device. Memory only. */
bool explain_device(struct engine *engine, const char *device, const char *component, const struct told *told, bool chinese,
		    struct buf *out);

/* 0: no such device. *told: it has told what board it is. */
int64_t explain_find(struct engine *engine, const char *device, bool *told);

#endif
