#include "config/config_mask.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/buf.h"

/* A percent sign in a name may spell "password" too. */
static bool name_is_secret(const char *name, size_t len)
{
	return memmem(name, len, "password", 8) != NULL || memmem(name, len, "secret", 6) != NULL || memchr(name, '%', len) != NULL;
}

/* "a=b&c=d" */
static void mask_query(const char *at, struct buf *out)
{
	while (*at != '\0') {
		size_t len = strcspn(at, "&");
		size_t name = strcspn(at, "=&");
		if (name < len && name_is_secret(at, name)) {
			buf_put(out, at, name + 1);
			buf_puts(out, CONFIG_MASK);
		} else {
			buf_put(out, at, len);
		}
		at += len;
		if (*at == '&') {
			buf_putc(out, *at++);
		}
	}
}

/* postgresql://user:password@host,host/db?key=value. The password ends at the last @ of all: a raw @, / or ? inside it is an error to
 * libpq, but must not show here. */
static void mask_uri(const char *dsn, const char *authority, struct buf *out)
{
	const char *at = strrchr(authority, '@');
	const char *colon = at != NULL ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
	const char *rest = dsn;
	if (colon != NULL) {
		buf_put(out, dsn, (size_t)(colon + 1 - dsn));
		buf_puts(out, CONFIG_MASK);
		rest = at;
	}
	size_t plain = strcspn(rest, "?");
	buf_put(out, rest, plain);
	if (rest[plain] == '?') {
		buf_putc(out, '?');
		mask_query(rest + plain + 1, out);
	}
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\n\r\f\v");
}

/* Behind the value at `at`; NULL if its quote is never closed. */
static const char *skip_value(const char *at)
{
	bool quoted = *at == '\'';
	const char *stop = quoted ? "'\\" : " \t\n\r\f\v\\";
	at += quoted;
	for (;;) {
		at += strcspn(at, stop);
		if (*at != '\\') {
			break;
		}
		at += at[1] != '\0' ? 2 : 1;
	}
	if (!quoted) {
		return at;
	}
	return *at == '\'' ? at + 1 : NULL;
}

/* "host=... password = 'it''s'": false if it is not such a list. */
static bool mask_keywords(const char *dsn, struct buf *out)
{
	const char *at = skip_blanks(dsn);
	for (bool first = true; *at != '\0'; first = false) {
		size_t name = strcspn(at, "= \t\n\r\f\v");
		const char *equals = skip_blanks(at + name);
		if (name == 0 || *equals != '=') {
			return false;
		}
		const char *value = skip_blanks(equals + 1);
		const char *end = skip_value(value);
		if (end == NULL) {
			return false;
		}
		buf_puts(out, first ? "" : " ");
		buf_put(out, at, name);
		buf_putc(out, '=');
		if (name_is_secret(at, name)) {
			buf_puts(out, CONFIG_MASK);
		} else {
			buf_put(out, value, (size_t)(end - value));
		}
		at = skip_blanks(end);
	}
	return true;
}

void config_mask_dsn(const char *dsn, struct buf *out)
{
	const char *scheme = strstr(dsn, "://");
	if (strncmp(dsn, "postgres", 8) == 0 && scheme != NULL) {
		mask_uri(dsn, scheme + 3, out);
		return;
	}
	size_t before = out->len;
	if (!mask_keywords(dsn, out)) {
		out->len = before;
		buf_puts(out, CONFIG_MASK);
	}
}
