/* Time. Wall time in ms since 1970 UTC for what is stored or shown, monotonic ms for intervals. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void);

/* RFC 3339 UTC with milliseconds, "2026-11-21T14:00:00.123Z", out[25]. */
void clock_rfc3339(char out[25], int64_t wall_ms);

#endif
