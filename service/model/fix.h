/* Forced fixes: a firmware that must go, on boards that have it. Such a device is updated also before activation and with automatic updates
 * switched off. Pure. */
#ifndef MODEL_FIX_H
#define MODEL_FIX_H

#include <stdbool.h>
#include <stdint.h>

#include "model/nouns.h"

struct err;

enum { FIX_MAX = 200 }; /* how many there may be: a check looks at all of them */

struct fix {
	int64_t id;
	char from_version[VERSION_SIZE]; /* exactly */
	char board[NAME_SIZE];           /* a name or type of boards; with a '*' at its end all that begin so */
	int64_t created_ms;
};

/* A version and a pattern with at most one '*', its last character. */
bool fix_check(const struct fix *fix, struct err *err);

/* Is it meant for a device with this version and board ("" = not told)? */
bool fix_matches(const struct fix *fix, const char *version, const char *board_name, const char *board_type);

#endif
