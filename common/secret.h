/* Text that must not be printed: a struct, so that no format string, log macro or JSON writer takes it by accident. */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct err;

struct secret {
	char *reveal; /* NULL = unset. Read it only at the place that needs the clear text. */
};

bool secret_set(struct secret *s, const char *text); /* copies; wipes the old value */
void secret_clear(struct secret *s);                 /* wipes and frees */
bool secret_is_set(const struct secret *s);
bool secret_equals(const struct secret *s, const char *text); /* constant time in the length of text */

/* Reads the first line of a file (mode may not let others read it: refused with the chmod to run). */
bool secret_from_file(struct secret *s, const char *path, struct err *err);

/* The same for the whole file, at most 4 KiB. */
bool secret_from_whole_file(struct secret *s, const char *path, struct err *err);

#endif
