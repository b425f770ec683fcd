/* Version comparison as devices do it: dotted numbers. */
#ifndef MODEL_VERSION_H
#define MODEL_VERSION_H

#include <stdbool.h>

/* One to eight decimal parts below 2^31 with single dots between: "2.4.2". */
bool version_is_dotted(const char *v);

/* -1, 0, 1. Compares the common prefix part by part; equal there, the longer list is newer ("2.4.2.0" > "2.4.2": xiaozhi.md 3). Both must
 * be dotted. */
int version_compare(const char *a, const char *b);

#endif
