/* Configuration: one table of keys (config/keys.h) read from a file ("key = value" lines, # comments), then the environment (OTAD_<KEY>),
 * later wins.
 *
 * The table generates the struct, the parser, --print-config, --check-config, deploy/otad.conf.example and the manual. Strings are owned by
 * the struct and live until config_free(); a reload makes a new struct, so readers of the old one are never surprised.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/secret.h"
#include "config/keys.h"

struct buf;
struct err;

typedef char *config_text;    /* never NULL */
typedef char *config_dsn;     /* never NULL; may hold a password: print it masked only */
typedef int64_t config_int;   /* range checked */
typedef int64_t config_time;  /* ms */
typedef uint64_t config_size; /* bytes */
typedef struct secret config_secret;

struct config {
#define X(name, type, def, min, max, reload, help) config_##type name;
	CONFIG_KEYS(X)
#undef X
};

/* Defaults, then the file (NULL = none), then the environment. An unknown key in the file, a bad value or a value out of range fails with a
 * sentence that names file, line and key, and proposes the nearest key. Unknown OTAD_* variables are ignored. "<secret>_file" keys are read
 * into their secret. */
struct config *config_load(const char *path, struct err *err);
void config_free(struct config **config);

/* Every key as "key = value", as a file that could be read again but for the masks: secrets as "********" when set, and the passwords
 * inside a libpq URI or keyword string. */
void config_print(const struct config *config, struct buf *out);

/* The table as a commented example file / for --help. */
void config_print_example(struct buf *out);

/* Keeps the reloadable keys of `fresh`, puts the values of `old` back into the others, and writes the names of those that had changed, and
 * need a restart, into `ignored` ("a, b"). False when memory is out: then `fresh` is of no use and must be freed. */
bool config_keep_fixed(struct config *fresh, const struct config *old, struct buf *ignored);

#endif
