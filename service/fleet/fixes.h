/* The forced fixes in the snapshot: at most FIX_MAX, all looked at. Not thread-safe (fleet.c locks). */
#ifndef FLEET_FIXES_H
#define FLEET_FIXES_H

#include <stdbool.h>
#include <stdint.h>

struct fix; /* model/fix.h */
struct fixes;
struct fixes *fixes_new(void);
void fixes_free(struct fixes **f);

/* Does any of them fit? "" = not told. */
bool fixes_match(const struct fixes *f, const char *version, const char *board_name, const char *board_type);

bool fixes_put(struct fixes *f, const struct fix *fix, uint16_t generation); /* false: out of memory */
void fixes_drop(struct fixes *f, int64_t id);
/* Drops those of another generation. */
void fixes_sweep(struct fixes *f, uint16_t generation);

#endif
