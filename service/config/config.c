#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "config/config_check.h"
#include "config/config_read.h"
#include "config/config_table.h"

enum {
#define X(name, type, def, min, max, reload, help) KEY_##name,
	CONFIG_KEYS(X)
#undef X
		KEY_COUNT
};

enum origin { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT };

struct loading {
	struct config *config;
	enum origin origin[KEY_COUNT];
	int line[KEY_COUNT]; /* in the file, where origin is FROM_FILE */
};

static bool load_defaults(struct config *c, struct err *err)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (!config_table_set(c, &config_table[i], config_table[i].def, err)) {
			return err_prefix(err, "built-in default");
		}
	}
	return true;
}

static bool take_line(void *context, int line, char *key, char *value, struct err *err)
{
	struct loading *l = context;
	int i = config_table_find(key);
	if (i < 0) {
		const char *nearest = config_table_nearest(key);
		return nearest != NULL ? err_set(err, ERR_INVALID, "unknown key \"%.64s\"; did you mean %s?", key, nearest)
				       : err_set(err, ERR_INVALID, "unknown key \"%.64s\"; otad --print-config lists all keys", key);
	}
	if (l->line[i] != 0) {
		return err_set(err, ERR_INVALID, "%s: already set in line %d; keep one of the two", key, l->line[i]);
	}
	l->line[i] = line;
	l->origin[i] = FROM_FILE;
	return config_table_set(l->config, &config_table[i], value, err);
}

static void environment_name(const char *key, char out[64])
{
	size_t n = (size_t)snprintf(out, 64, "OTAD_%s", key);
	for (size_t i = 0; i < n && i < 64; i++) {
		out[i] = (char)(out[i] >= 'a' && out[i] <= 'z' ? out[i] - 'a' + 'A' : out[i]);
	}
}

static bool load_environment(struct loading *l, struct err *err)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		char name[64];
		environment_name(config_table[i].name, name);
		const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody changes the environment */
		if (value == NULL) {
			continue;
		}
		if (!config_table_set(l->config, &config_table[i], value, err)) {
			return err_prefix(err, "environment variable %s", name);
		}
		l->origin[i] = FROM_ENVIRONMENT;
	}
	return true;
}

/* Of <secret> and <secret>_file the one from the later source counts. */
static bool load_secret_file(struct loading *l, size_t secret, struct err *err)
{
	char name[64];
	snprintf(name, sizeof name, "%s_file", config_table[secret].name);
	int file = config_table_find(name);
	if (file < 0 || l->origin[file] < l->origin[secret]) {
		return true;
	}
	struct config *c = l->config;
	const char *path = *config_table_text(c, &config_table[file]);
	if (path[0] == '\0') {
		return true;
	}
	if (l->origin[file] == l->origin[secret]) {
		return err_set(err, ERR_INVALID, "%s and %s are both set; keep one of the two", config_table[secret].name, name);
	}
	struct secret *to = (struct secret *)(void *)((char *)c + config_table[secret].offset);
	return secret_from_file(to, path, err) || err_prefix(err, "%s", name);
}

static bool load_secret_files(struct loading *l, struct err *err)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (config_table[i].type == CONFIG_TYPE_secret && !load_secret_file(l, i, err)) {
			return false;
		}
	}
	return true;
}

struct config *config_load(const char *path, struct err *err)
{
	scoped(config_free) struct config *c = calloc(1, sizeof *c);
	if (c == NULL) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	struct loading l = {.config = c};
	if (!load_defaults(c, err) || (path != NULL && !config_read_file(path, take_line, &l, err)) || !load_environment(&l, err) ||
	    !load_secret_files(&l, err) || !config_check(c, err)) {
		return NULL;
	}
	return steal(&c);
}

void config_free(struct config **config)
{
	if (*config == NULL) {
		return;
	}
	for (size_t i = 0; i < KEY_COUNT; i++) {
		config_table_clear(*config, &config_table[i]);
	}
	free(*config);
	*config = NULL;
}

void config_print(const struct config *config, struct buf *out)
{
	for (size_t i = 0; i < KEY_COUNT; i++) {
		buf_puts(out, config_table[i].name);
		buf_puts(out, " =");
		config_table_print(config, &config_table[i], out);
		buf_putc(out, '\n');
	}
}

static void print_example_key(const struct config_key *key, struct buf *out)
{
	static const char *const types[] = {
		[CONFIG_TYPE_text] = "text", [CONFIG_TYPE_dsn] = "text",  [CONFIG_TYPE_int] = "number",
		[CONFIG_TYPE_time] = "time", [CONFIG_TYPE_size] = "size", [CONFIG_TYPE_secret] = "secret",
	};
	buf_putf(out, "\n# %s\n# %s", key->help, types[key->type]);
	if (key->min != 0 || key->max != 0) {
		buf_puts(out, ", ");
		config_table_print_number(key->type, key->min, out);
		buf_puts(out, " to ");
		config_table_print_number(key->type, key->max, out);
	}
	buf_puts(out, key->reload ? "; applied on SIGHUP\n" : "; applied at start\n");
	buf_putf(out, "#%s =%s", key->name, key->def[0] != '\0' ? " " : "");
	config_read_quote(key->def, out);
	buf_putc(out, '\n');
}

void config_print_example(struct buf *out)
{
	buf_puts(out, "# otad configuration. Every key has its default here; remove the # in front to set it.\n"
		      "# The environment variable OTAD_<KEY> (OTAD_HTTP_PORT ...) overrides the file.\n"
		      "# A value that begins or ends with a blank or contains a # goes in double quotes.\n"
		      "# Times: 250ms, 90s, 10m, 2h, 7d. Sizes: 64KB, 200MB, 2GB (powers of 1024).\n");
	for (size_t i = 0; i < KEY_COUNT; i++) {
		print_example_key(&config_table[i], out);
	}
}

bool config_keep_fixed(struct config *fresh, const struct config *old, struct buf *ignored)
{
	bool first = true;
	for (size_t i = 0; i < KEY_COUNT; i++) {
		const struct config_key *key = &config_table[i];
		if (key->reload || config_table_equal(fresh, old, key)) {
			continue;
		}
		if (!config_table_copy(fresh, old, key)) {
			return false;
		}
		buf_puts(ignored, first ? "" : ", ");
		buf_puts(ignored, key->name);
		first = false;
	}
	return true;
}
