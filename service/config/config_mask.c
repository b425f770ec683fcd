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

/* "?a=b&c=d". An @ in a name: it may be a piece of a password that holds a ?. */
static void mask_query(const char *at, struct buf *out)
{
	while (*at != '\0') {
		buf_putc(out, *at++); /* ? or & */
		size_t len = strcspn(at, "&");
		size_t name = strcspn(at, "=&");
		if (name < len && name_is_secret(at, name)) {
			buf_put(out, at, name + 1);
			buf_puts(out, CONFIG_MASK);
		} else if (memchr(at, '@', name) != NULL) {
			buf_puts(out, CONFIG_MASK);
		} else {
			buf_put(out, at, len);
		}
		at += len;
	}
}

/* Where the query begins, or the end. As libpq reads it, a ? before the @ that ends user and password belongs to these. */
static const char *find_query(const char *authority)
{
	const char *at = authority + strcspn(authority, "@/");
	const char *from = *at == '@' ? at : authority;
	return from + strcspn(from, "?");
}

static const char *last_at(const char *from, const char *end)
{
	return memrchr(from, '@', (size_t)(end - from));
}

/* postgresql://user:password@host,host/db?key=value. The password ends at the last @ before the query: a raw @ or / inside it is an error
 * to libpq, but must not show here. If there is an @ in the query too, nobody knows: all behind the first colon is masked. */
static void mask_uri(const char *dsn, const char *authority, struct buf *out)
{
	const char *query = find_query(authority);
	const char *colon = memchr(authority, ':', (size_t)(query - authority));
	const char *at = last_at(authority, query);
	const char *rest = dsn;
	bool doubt = colon != NULL && strchr(query, '@') != NULL;
	if (doubt || (colon != NULL && at != NULL && colon < at)) {
		buf_put(out, dsn, (size_t)(colon + 1 - dsn));
		buf_puts(out, CONFIG_MASK);
		rest = at;
	}
	if (!doubt) {
		buf_put(out, rest, (size_t)(query - rest));
		mask_query(query, out);
	}
}

/* Behind the scheme, or NULL. */
static const char *skip_scheme(const char *dsn)
{
	static const char *const schemes[] = {"postgresql://", "postgres://"};
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t len = strlen(schemes[i]);
		if (strncmp(dsn, schemes[i], len) == 0) {
			return dsn + len;
		}
	}
	return NULL;
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

/* "host=... password = 'it\'s'": false if it is not such a list. */
static bool mask_keywords(const char *dsn, struct buf *out)
{
	const char *at = skip_blanks(dsn);
	for (bool first = true; *at != '\0'; first = false) {
		size_t name = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
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
	const char *authority = skip_scheme(dsn);
	if (authority != NULL) {
		mask_uri(dsn, authority, out);
		return;
	}
	size_t before = out->len;
	if (!mask_keywords(dsn, out)) {
		out->len = before;
		buf_puts(out, CONFIG_MASK);
	}
}
