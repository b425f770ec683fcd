/* While the service stops: how long the database is waited for. What runs may take the drain's time; but a statement may wait for a row
 * that somebody else has locked, or for a server that is frozen, and a stop that waits with it is ended by kill -9 in the end. */
#ifndef CLOSING_H
#define CLOSING_H

#include <stdint.h>

struct closing;
struct db_config;

/* From now on: shortly after drain_ms the workers' connections are cut, so that their jobs fail and clean up no more than memory (the sweep
 * does the rest); a while later all others, so that what is still to be written (notes, evidence) had its time. NULL: no thread to be had,
 * nothing will be cut. workers must outlive it. */
struct closing *closing_begin(struct db_config *workers, int64_t drain_ms);

/* All has ended. */
void closing_end(struct closing **closing);

#endif
