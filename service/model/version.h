/* Version comparison as devices do it: dotted numbers. */
#ifndef MODEL_VERSION_H
#define MODEL_VERSION_H

#include <stdbool.h>

/* One to eight decimal parts below 2^31 with single dots between: "2.4.2". Only such a version is safe to send to a device: others make
 * some firmware abort at every boot. */
bool version_is_dotted(const char *v);

/* Can a Xiaozhi device read it without aborting? It splits on dots and takes the integer that each part begins with: "2.5.0-beta1" reads
 * as 2.5.0; "v1", "1..0", "" and a part beyond 32 bits are fatal (xiaozhi.md 3, 4). Every dotted version is. */
bool version_is_read(const char *v);

/* -1, 0, 1: the device's own comparison. Part by part; the common prefix being equal, the longer list is newer ("2.4.2.0" > "2.4.2").
 * Meaningful for versions that are dotted or read. */
int version_compare(const char *a, const char *b);

#endif
