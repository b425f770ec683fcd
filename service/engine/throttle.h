/* Counts failures by network address in a table of fixed size: who guesses passwords must wait. An IPv6 address counts by its /64, which
 * one customer owns. When the table is full, the entry longest unused makes room. Thread-safe, no I/O; the caller brings the clock.
 */
#ifndef ENGINE_THROTTLE_H
#define ENGINE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

enum { THROTTLE_FAILURES = 10, THROTTLE_WINDOW_MS = 5 * 60 * 1000 };

/* Takes one of this address's attempts, before its outcome is known (so that simultaneous guesses count too). false: it has none left.
 * now_ms: monotonic, above 0. */
bool throttle_take(const char *address, int64_t now_ms);

/* The attempt was no failure: forgets this address's failures. */
void throttle_forgive(const char *address);

/* Forgets everybody; for tests. */
void throttle_reset(void);

#endif
