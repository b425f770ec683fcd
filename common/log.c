#include "common/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

/* LINE: at most PIPE_BUF, so that lines of several processes on one pipe do not mix. */
enum { LINE = 4096, VALUE = 1024 };

static _Atomic int current_level = LOG_LEVEL_INFO;
static _Atomic int current_format = LOG_FORMAT_LOGFMT;

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"logfmt", "json"};

void log_setup(enum log_level level, enum log_format format)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
	atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&current_level, memory_order_relaxed);
}

static int find(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0) {
			return i;
		}
	}
	return -1;
}

bool log_level_parse(const char *name, enum log_level *out)
{
	int at = find(level_names, 4, name);
	if (at >= 0) {
		*out = (enum log_level)at;
	}
	return at >= 0;
}

bool log_format_parse(const char *name, enum log_format *out)
{
	int at = find(format_names, 2, name);
	if (at >= 0) {
		*out = (enum log_format)at;
	}
	return at >= 0;
}

/* May a logfmt value stand without quotes? */
static bool is_plain(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] <= ' ' || s[i] >= 0x7f || s[i] == '"' || s[i] == '=' || s[i] == '\\') {
			return false;
		}
	}
	return len > 0;
}

static void put_text(struct buf *b, bool json, const char *s)
{
	size_t len = s != NULL ? strnlen(s, VALUE) : 0;
	if (json || (len > 0 && !is_plain(s, len))) {
		buf_put_json_len(b, len > 0 ? s : "", len);
	} else if (len > 0) {
		buf_put(b, s, len);
	}
}

static void put_key(struct buf *b, bool json, const char *key)
{
	if (json) {
		buf_putc(b, b->len > 0 ? ',' : '{');
		buf_put_json(b, key);
		buf_putc(b, ':');
	} else {
		if (b->len > 0) {
			buf_putc(b, ' ');
		}
		buf_puts(b, key);
		buf_putc(b, '=');
	}
}

static void put_field(struct buf *b, bool json, const struct log_field *f)
{
	put_key(b, json, f->key);
	switch (f->type) {
	case LOG_TYPE_TEXT:
		put_text(b, json, f->v.s);
		break;
	case LOG_TYPE_I64:
		buf_put_i64(b, f->v.i);
		break;
	case LOG_TYPE_U64:
		buf_put_u64(b, f->v.u);
		break;
	}
}

static void write_line(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, line, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return; /* nowhere left to complain */
		}
		line += n;
		len -= (size_t)n;
	}
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
	int saved_errno = errno;
	bool json = atomic_load_explicit(&current_format, memory_order_relaxed) == LOG_FORMAT_JSON;
	char line[LINE];
	char ts[25];
	struct buf b;
	buf_init_fixed(&b, line, sizeof line - 24); /* the rest is for what closes the line */
	clock_rfc3339(ts, clock_wall_ms());
	put_field(&b, json, &LOG_S("ts", ts));
	put_field(&b, json, &LOG_S("level", level_names[level]));
	put_field(&b, json, &LOG_S("msg", msg));
	bool cut = false;
	for (const struct log_field *f = fields; f != NULL && f->key != NULL; f++) {
		size_t before = b.len;
		put_field(&b, json, f);
		if (b.failed) { /* a field that does not fit is left out whole */
			b.failed = false;
			b.len = before;
			cut = true;
		}
	}
	b.cap = sizeof line;
	b.max = sizeof line - 1;
	if (cut) {
		put_field(&b, json, &LOG_U("cut", 1));
	}
	buf_puts(&b, json ? "}\n" : "\n");
	write_line(b.data, b.len);
	errno = saved_errno;
}
