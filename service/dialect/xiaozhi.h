/* Xiaozhi devices over HTTP (protocols/xiaozhi.md; seeds 000, 001, 004): the check at every boot, activation, the firmware, and a page for
 * people on the same path. */
#ifndef DIALECT_XIAOZHI_H
#define DIALECT_XIAOZHI_H

#include "http/server.h"

struct engine;

/* The paths that devices have in their flash; each with and without a slash at its end. */
enum { XIAOZHI_ROOTS = 4 };
void xiaozhi_dialects(struct http_dialect out[XIAOZHI_ROOTS], struct engine *engine);

#endif
