#include "config/config_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "config/config.h"
#include "config/config_mask.h"
#include "config/config_read.h"

const struct config_key config_table[] = {
#define X(name, type, def, min, max, reload, help) {#name, CONFIG_TYPE_##type, def, min, max, reload, help, offsetof(struct config, name)},
	CONFIG_KEYS(X)
#undef X
};
const size_t config_table_count = sizeof config_table / sizeof *config_table;

int config_table_find(const char *name)
{
	for (size_t i = 0; i < config_table_count; i++) {
		if (strcmp(config_table[i].name, name) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* ---- mistyped names ---- */

enum { NAME_MAX_LEN = 40, DSN_SHOWN = 1 << 20 };

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

/* Letters to insert, drop or replace (Levenshtein); both at most NAME_MAX_LEN long. Case and - for _ are no difference. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1];
	size_t width = strlen(b);
	for (size_t j = 0; j <= width; j++) {
		row[j] = j;
	}
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < width; j++) {
			char one[2] = {a[i], '\0'};
			one[0] = one[0] == '-' ? '_' : one[0];
			char other[2] = {b[j], '\0'};
			size_t replaced = diagonal + !text_equals_nocase(one, other);
			diagonal = row[j + 1];
			row[j + 1] = min3(replaced, row[j] + 1, row[j + 1] + 1);
		}
	}
	return row[width];
}

const char *config_table_nearest(const char *name)
{
	const char *best = NULL;
	size_t len = strnlen(name, NAME_MAX_LEN + 1);
	size_t least = 2 + len / 3;
	for (size_t i = 0; len <= NAME_MAX_LEN && i < config_table_count; i++) {
		size_t d = distance(name, config_table[i].name);
		if (d < least) {
			least = d;
			best = config_table[i].name;
		}
	}
	return best;
}

/* ---- one value ---- */

static void *place(struct config *c, const struct config_key *key)
{
	return (char *)c + key->offset;
}

static const void *place_const(const struct config *c, const struct config_key *key)
{
	return (const char *)c + key->offset;
}

char **config_table_text(struct config *c, const struct config_key *key)
{
	return place(c, key);
}

static bool set_text(char **at, const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL) {
		return false;
	}
	free(*at);
	*at = copy;
	return true;
}

static bool set_secret(struct secret *s, const char *text)
{
	if (text[0] == '\0') {
		secret_clear(s);
		return true;
	}
	return secret_set(s, text);
}

static bool parse_number(enum config_type type, const char *text, int64_t *out)
{
	uint64_t bytes;
	if (type == CONFIG_TYPE_time) {
		return text_to_ms(text, out);
	}
	if (type == CONFIG_TYPE_int) {
		return text_to_i64(text, out);
	}
	if (!text_to_bytes(text, &bytes)) {
		return false;
	}
	*out = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes; /* no key reaches there: refused by its range */
	return true;
}

static bool set_number(void *at, const struct config_key *key, const char *text, struct err *err)
{
	static const char *const wanted[] = {[CONFIG_TYPE_int] = "a whole number",
					     [CONFIG_TYPE_time] = "a time like 250ms, 90s, 10m, 2h or 7d",
					     [CONFIG_TYPE_size] = "a size like 64KB, 200MB or 2GB"};
	int64_t value;
	if (!parse_number(key->type, text, &value)) {
		return err_set(err, ERR_INVALID, "%s: \"%.64s\" is not %s", key->name, text, wanted[key->type]);
	}
	if (value < key->min || value > key->max) {
		char bounds[96];
		struct buf b;
		buf_init_fixed(&b, bounds, sizeof bounds);
		config_table_print_number(key->type, key->min, &b);
		buf_puts(&b, " to ");
		config_table_print_number(key->type, key->max, &b);
		return err_set(err, ERR_INVALID, "%s: %.64s is out of range (%s)", key->name, text, buf_cstr(&b));
	}
	memcpy(at, &value, sizeof value); /* config_int, config_time and config_size are all of 8 bytes */
	return true;
}

bool config_table_set(struct config *c, const struct config_key *key, const char *text, struct err *err)
{
	bool ok = false;
	switch (key->type) {
	case CONFIG_TYPE_text:
	case CONFIG_TYPE_dsn:
		ok = set_text(place(c, key), text);
		break;
	case CONFIG_TYPE_secret:
		ok = set_secret(place(c, key), text);
		break;
	case CONFIG_TYPE_int:
	case CONFIG_TYPE_time:
	case CONFIG_TYPE_size:
		return set_number(place(c, key), key, text, err);
	}
	return ok || err_set(err, ERR_INTERNAL, "%s: out of memory", key->name);
}

static bool is_text(const struct config_key *key)
{
	return key->type == CONFIG_TYPE_text || key->type == CONFIG_TYPE_dsn;
}

bool config_table_equal(const struct config *a, const struct config *b, const struct config_key *key)
{
	const void *left = place_const(a, key);
	const void *right = place_const(b, key);
	if (is_text(key)) {
		return strcmp(*(char *const *)left, *(char *const *)right) == 0;
	}
	if (key->type == CONFIG_TYPE_secret) {
		const struct secret *other = right;
		return secret_is_set(other) ? secret_equals(left, other->reveal) : !secret_is_set(left);
	}
	return memcmp(left, right, sizeof(int64_t)) == 0;
}

bool config_table_copy(struct config *to, const struct config *from, const struct config_key *key)
{
	const void *source = place_const(from, key);
	if (is_text(key)) {
		return set_text(place(to, key), *(char *const *)source);
	}
	if (key->type == CONFIG_TYPE_secret) {
		const struct secret *secret = source;
		return set_secret(place(to, key), secret_is_set(secret) ? secret->reveal : "");
	}
	memcpy(place(to, key), source, sizeof(int64_t));
	return true;
}

void config_table_clear(struct config *c, const struct config_key *key)
{
	if (key->type == CONFIG_TYPE_secret) {
		secret_clear(place(c, key));
	} else if (is_text(key)) {
		char **text = config_table_text(c, key);
		if (*text != NULL && key->type == CONFIG_TYPE_dsn) {
			explicit_bzero(*text, strlen(*text));
		}
		free(*text);
		*text = NULL;
	}
}

/* ---- printing ---- */

/* The largest unit that divides the value. */
static void print_units(struct buf *out, int64_t value, const char *const *names, const int64_t *factors, size_t count)
{
	size_t unit = 0;
	for (size_t i = 1; value != 0 && i < count && value % factors[i] == 0; i++) {
		unit = i;
	}
	buf_put_i64(out, value / factors[unit]);
	buf_puts(out, names[unit]);
}

void config_table_print_number(enum config_type type, int64_t value, struct buf *out)
{
	static const char *const times[] = {"ms", "s", "m", "h", "d"};
	static const int64_t milliseconds[] = {1, 1000, 60000, 3600000, 86400000};
	static const char *const sizes[] = {"", "KB", "MB", "GB", "TB"};
	static const int64_t bytes[] = {1, 1 << 10, 1 << 20, 1 << 30, 1LL << 40};
	if (type == CONFIG_TYPE_time) {
		print_units(out, value, times, milliseconds, 5);
	} else if (type == CONFIG_TYPE_size) {
		print_units(out, value, sizes, bytes, 5);
	} else {
		buf_put_i64(out, value);
	}
}

static bool is_unset(const void *at, const struct config_key *key)
{
	return is_text(key) ? **(char *const *)at == '\0' : key->type == CONFIG_TYPE_secret && !secret_is_set(at);
}

static void print_dsn(const char *dsn, struct buf *out)
{
	struct buf masked;
	buf_init(&masked, DSN_SHOWN);
	config_mask_dsn(dsn, &masked);
	config_read_quote(buf_ok(&masked) ? buf_cstr(&masked) : CONFIG_MASK, out);
	buf_free(&masked);
}

void config_table_print(const struct config *c, const struct config_key *key, struct buf *out)
{
	const void *at = place_const(c, key);
	int64_t number;
	if (is_unset(at, key)) {
		return;
	}
	buf_putc(out, ' ');
	switch (key->type) {
	case CONFIG_TYPE_text:
		config_read_quote(*(char *const *)at, out);
		break;
	case CONFIG_TYPE_dsn:
		print_dsn(*(char *const *)at, out);
		break;
	case CONFIG_TYPE_secret:
		buf_puts(out, CONFIG_MASK);
		break;
	case CONFIG_TYPE_int:
	case CONFIG_TYPE_time:
	case CONFIG_TYPE_size:
		memcpy(&number, at, sizeof number);
		config_table_print_number(key->type, number, out);
		break;
	}
}
