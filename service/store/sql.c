/* Parameters, arrays and cells: the text side of the wire. */
#include "store/sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"

enum { LIST_MAX = 256 << 20 };

static void add(struct sql_args *a, const char *value, int length, int format)
{
	a->values[a->count] = value;
	a->lengths[a->count] = length;
	a->formats[a->count] = format;
	a->count++;
}

void sql_text(struct sql_args *a, const char *s)
{
	add(a, s, 0, 0);
}
void sql_text_or_null(struct sql_args *a, const char *s)
{
	add(a, *s ? s : NULL, 0, 0);
}
void sql_null(struct sql_args *a)
{
	add(a, NULL, 0, 0);
}
void sql_bool(struct sql_args *a, bool v)
{
	add(a, v ? "t" : "f", 0, 0);
}
void sql_bytes(struct sql_args *a, const void *data, size_t len)
{
	add(a, data, (int)len, 1);
}

void sql_i64(struct sql_args *a, int64_t v)
{
	char *scratch = a->numbers[a->count];
	snprintf(scratch, SQL_SCRATCH, "%" PRId64, v);
	add(a, scratch, 0, 0);
}

void sql_i64_or_null(struct sql_args *a, int64_t v)
{
	if (v) {
		sql_i64(a, v);
	} else {
		sql_null(a);
	}
}

void sql_list_init(struct sql_list *l)
{
	buf_init(&l->text, LIST_MAX);
	buf_putc(&l->text, '{');
}

void sql_list_free(struct sql_list *l)
{
	buf_free(&l->text);
}

static void separate(struct sql_list *l)
{
	if (l->text.len > 1) {
		buf_putc(&l->text, ',');
	}
}

void sql_list_i64(struct sql_list *l, int64_t v)
{
	separate(l);
	buf_put_i64(&l->text, v);
}

void sql_list_ids(struct sql_list *l, const int64_t *ids, size_t n)
{
	sql_list_init(l);
	for (size_t i = 0; i < n; i++) {
		sql_list_i64(l, ids[i]);
	}
}

void sql_list_text(struct sql_list *l, const char *s)
{
	separate(l);
	buf_putc(&l->text, '"');
	for (size_t run; *s; s += run) {
		run = strcspn(s, "\"\\");
		buf_put(&l->text, s, run);
		if (s[run]) {
			buf_putc(&l->text, '\\');
			buf_putc(&l->text, s[run]);
			run++;
		}
	}
	buf_putc(&l->text, '"');
}

void sql_list_text_or_null(struct sql_list *l, const char *s)
{
	if (*s) {
		sql_list_text(l, s);
		return;
	}
	separate(l);
	buf_puts(&l->text, "NULL");
}

void sql_list_bool(struct sql_list *l, bool v)
{
	separate(l);
	buf_putc(&l->text, v ? 't' : 'f');
}

void sql_list_bytes(struct sql_list *l, const void *data, size_t len)
{
	separate(l);
	buf_puts(&l->text, "\"\\\\x");
	buf_put_hex(&l->text, data, len);
	buf_putc(&l->text, '"');
}

/* PostgreSQL reads "epoch" arithmetic, not ms: arrays of times travel as bigint ms and are converted in the statement. */
void sql_list_ms(struct sql_list *l, int64_t wall_ms)
{
	separate(l);
	if (wall_ms) {
		buf_put_i64(&l->text, wall_ms);
	} else {
		buf_puts(&l->text, "NULL");
	}
}

void sql_array(struct sql_args *a, struct sql_list *l)
{
	buf_putc(&l->text, '}');
	sql_text(a, buf_cstr(&l->text));
}

/* One field of COPY's text format, in place: *at goes on behind it. */
static char *take_field(char **at)
{
	char *begin = *at;
	char *out = begin;
	const char *in = begin;
	if (in[0] == '\\' && in[1] == 'N') {
		in += 2;
	}
	for (; *in && *in != '\t'; in++) {
		if (*in == '\\' && in[1]) {
			static const char letters[] = "bfnrtv";
			static const char means[] = "\b\f\n\r\t\v";
			in++;
			const char *letter = strchr(letters, *in);
			*out++ = letter ? means[letter - letters] : *in;
		} else {
			*out++ = *in;
		}
	}
	*at = *in ? begin + (in - begin) + 1 : NULL;
	*out = '\0';
	return begin;
}

bool sql_copy_fields(char *line, char **fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!line) {
			return false;
		}
		fields[i] = take_field(&line);
	}
	return line == NULL;
}

void sql_copy_field(struct buf *line, const char *s, size_t len)
{
	if (!s) {
		buf_puts(line, "\\N");
		return;
	}
	for (size_t i = 0; i < len; i++) {
		switch (s[i]) {
		case '\\':
			buf_puts(line, "\\\\");
			break;
		case '\t':
			buf_puts(line, "\\t");
			break;
		case '\n':
			buf_puts(line, "\\n");
			break;
		case '\r':
			buf_puts(line, "\\r");
			break;
		default:
			buf_putc(line, s[i]);
		}
	}
}

void *sql_rows(const PGresult *r, size_t size, size_t *count, struct err *err)
{
	size_t n = r ? (size_t)PQntuples(r) : 0;
	void *rows = r ? calloc(n + 1, size) : NULL;
	if (r && !rows) {
		err_set(err, ERR_INTERNAL, "out of memory");
	}
	*count = rows ? n : 0;
	return rows;
}

int64_t sql_get_i64(const PGresult *r, int row, int col)
{
	return strtoll(PQgetvalue(r, row, col), NULL, 10);
}
const char *sql_get_text(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col);
}
bool sql_get_bool(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col)[0] == 't';
}

bool sql_get_bytes(const PGresult *r, int row, int col, void *out, size_t len)
{
	const char *text = PQgetvalue(r, row, col);
	return text[0] == '\\' && text[1] == 'x' && text_unhex(text + 2, out, len);
}

void sql_copy_text(const PGresult *r, int row, int col, char *dst, size_t size)
{
	text_copy(dst, size, PQgetvalue(r, row, col));
}
