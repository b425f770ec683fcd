/* Inside of the room: the configuration file's syntax, knowing nothing of keys. */
#ifndef CONFIG_CONFIG_READ_H
#define CONFIG_CONFIG_READ_H

#include <stdbool.h>

struct buf;
struct err;

/* Called for each "key = value"; both may be altered but not kept. False stops the reading. */
typedef bool config_read_fn(void *context, int line, char *key, char *value, struct err *err);

/* Reads a file of at most 1 MiB: lines of "key = value"; blank lines; comments from a # at the start of a line or behind a blank. A value
 * in double quotes keeps blanks and #; inside them \" and \\ stand for " and \. Every sentence begins with "path:line: " where a line is at
 * fault. */
bool config_read_file(const char *path, config_read_fn *fn, void *context, struct err *err);

/* Appends a value so that config_read_file() reads it back: quoted only if it must be. */
void config_read_quote(const char *value, struct buf *out);

#endif
