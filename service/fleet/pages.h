/* Memory for tables that live long and are read at random: zeroed, given back whole, and on huge pages if the system has them, so that a
 * look-up does not cost a walk of the page tables besides.
 */
#ifndef FLEET_PAGES_H
#define FLEET_PAGES_H

#include <stdbool.h>
#include <stddef.h>

enum { PAGES_UNIT = 2 << 20 };

/* size: a multiple of PAGES_UNIT. huge: each unit that is touched is resident as a whole; else only what is touched. NULL: out of memory.
 */
void *pages_new(size_t size, bool huge);
void pages_free(void *at, size_t size); /* NULL: nothing */

#endif
