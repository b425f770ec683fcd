/* Inside of the room: the key table at run time, and what is done to one value by its type. */
#ifndef CONFIG_CONFIG_TABLE_H
#define CONFIG_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct config;
struct err;

enum config_type {
	CONFIG_TYPE_text,
	CONFIG_TYPE_dsn,
	CONFIG_TYPE_int,
	CONFIG_TYPE_time,
	CONFIG_TYPE_size,
	CONFIG_TYPE_secret,
};

struct config_key {
	const char *name;
	enum config_type type;
	const char *def;
	int64_t min, max; /* of int, time (ms) and size */
	bool reload;
	const char *help;
	size_t offset; /* in struct config */
};

/* In the order of config/keys.h. A key's place in it is its index everywhere. */
extern const struct config_key config_table[];
extern const size_t config_table_count;

/* The index of a key, or -1. */
int config_table_find(const char *name);

/* The key most like a mistyped name, or NULL if none is much like it. Static string. */
const char *config_table_nearest(const char *name);

/* Parses text by the key's type and stores it (the old value is freed). The sentence begins with the key's name and never shows a secret.
 */
bool config_table_set(struct config *c, const struct config_key *key, const char *text, struct err *err);

/* Whether both structs hold the same value. */
bool config_table_equal(const struct config *a, const struct config *b, const struct config_key *key);

/* Makes to's value a copy of from's. False when memory is out; then `to` is unchanged. */
bool config_table_copy(struct config *to, const struct config *from, const struct config_key *key);

/* Frees text and secrets. */
void config_table_clear(struct config *c, const struct config_key *key);

/* Where a text lives in the struct; only for text and dsn. */
char **config_table_text(struct config *c, const struct config_key *key);

/* A blank and the value as it would be written in the file, secrets masked; nothing for an empty value. */
void config_table_print(const struct config *c, const struct config_key *key, struct buf *out);

/* A number as its type is written: 90000 as a time is "90s". */
void config_table_print_number(enum config_type type, int64_t value, struct buf *out);

#endif
