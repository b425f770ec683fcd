#include "config/config_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"

enum { FILE_MAX = 1 << 20 };

static const char blanks[] = " \t\r";

static void buf_wipe(struct buf *b)
{
	if (b->data != NULL) {
		explicit_bzero(b->data, b->cap);
	}
	buf_free(b);
}

static bool read_whole(const char *path, struct buf *out, struct err *err)
{
	scoped_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID, "%s: %s", path, err_errno(errno));
	}
	char block[4096];
	ssize_t n;
	while ((n = read(fd, block, sizeof block)) != 0) {
		if (n < 0 && errno != EINTR) {
			return err_set(err, ERR_INVALID, "%s: %s", path, err_errno(errno));
		}
		if (n > 0) {
			buf_put(out, block, (size_t)n);
		}
		if (!buf_ok(out) || out->len > FILE_MAX) {
			return err_set(err, ERR_TOO_LARGE, "%s: larger than %d bytes; this is not a configuration file", path, FILE_MAX);
		}
	}
	explicit_bzero(block, sizeof block); /* it may hold a password */
	return true;
}

/* Cuts blanks at the end. */
static void trim_end(char *s)
{
	size_t len = strlen(s);
	while (len > 0 && strchr(blanks, s[len - 1]) != NULL) {
		len--;
	}
	s[len] = '\0';
}

/* at: behind the opening quote. Unescapes in place; NULL unless the quote is closed and nothing but a comment follows. */
static char *take_quoted(char *at)
{
	char *start = at;
	char *to = at;
	while (*at != '"') {
		if (*at == '\\' && (at[1] == '"' || at[1] == '\\')) {
			at++;
		}
		if (*at == '\0') {
			return NULL;
		}
		*to++ = *at++;
	}
	at++;
	at += strspn(at, blanks);
	if (*at != '\0' && *at != '#') {
		return NULL;
	}
	*to = '\0';
	return start;
}

static char *take_plain(char *value)
{
	for (char *at = value; *at != '\0'; at++) {
		if (*at == '#' && (at == value || strchr(blanks, at[-1]) != NULL)) {
			*at = '\0';
			break;
		}
	}
	trim_end(value);
	return value;
}

/* Splits one line. *key = NULL if it holds nothing. */
static bool split_line(char *line, char **key, char **value, struct err *err)
{
	*key = NULL;
	line += strspn(line, blanks);
	if (*line == '\0' || *line == '#') {
		return true;
	}
	char *equals = strchr(line, '=');
	if (equals == NULL) {
		return err_set(err, ERR_INVALID, "not of the form \"key = value\"");
	}
	*equals = '\0';
	trim_end(line);
	if (*line == '\0') {
		return err_set(err, ERR_INVALID, "no key before the =");
	}
	char *at = equals + 1 + strspn(equals + 1, blanks);
	*value = *at == '"' ? take_quoted(at + 1) : take_plain(at);
	if (*value == NULL) {
		return err_set(err, ERR_INVALID, "%.64s: a quoted value must end with \" and have nothing but a comment behind it", line);
	}
	if (!text_is_utf8(*value, strlen(*value)) || !text_is_printable(*value, strlen(*value))) {
		return err_set(err, ERR_INVALID, "%.64s: the value is not printable UTF-8 text", line);
	}
	*key = line;
	return true;
}

bool config_read_file(const char *path, config_read_fn *fn, void *context, struct err *err)
{
	scoped(buf_wipe) struct buf text;
	buf_init(&text, FILE_MAX + sizeof "\n");
	if (!read_whole(path, &text, err)) {
		return false;
	}
	if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) {
		return err_set(err, ERR_INVALID, "%s: contains NUL bytes; this is not a configuration file", path);
	}
	buf_putc(&text, '\n');
	if (!buf_ok(&text)) {
		return err_set(err, ERR_INTERNAL, "%s: out of memory", path);
	}
	char *at = text.data;
	const char *end = at + text.len;
	for (int line = 1; at < end; line++) {
		char *newline = memchr(at, '\n', (size_t)(end - at)); /* there is one: put above */
		*newline = '\0';
		char *key;
		char *value;
		if (!split_line(at, &key, &value, err) || (key != NULL && !fn(context, line, key, value, err))) {
			return err_prefix(err, "%s:%d", path, line);
		}
		at = newline + 1;
	}
	return true;
}

void config_read_quote(const char *value, struct buf *out)
{
	size_t len = strlen(value);
	bool plain = value[0] != '"' && strchr(value, '#') == NULL && (len == 0 || (value[0] != ' ' && value[len - 1] != ' '));
	if (plain) {
		buf_puts(out, value);
		return;
	}
	buf_putc(out, '"');
	for (const char *at = value; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\') {
			buf_putc(out, '\\');
		}
		buf_putc(out, *at);
	}
	buf_putc(out, '"');
}
