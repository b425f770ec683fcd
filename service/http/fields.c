#include "http/fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "http/form.h"

/* --- names and values one after the other, each with its NUL --- */

/* Points at them; false where a field is none. */
static bool point(struct http_fields *f, size_t fields, size_t len, struct err *err)
{
	f->at = calloc(fields + 1, sizeof *f->at);
	if (!f->at) {
		return err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	for (const char *s = f->text; f->count < fields; f->count++) {
		struct http_field *field = &f->at[f->count];
		field->name = s;
		s += strlen(s) + 1;
		field->value = s;
		s += strlen(s) + 1;
		if (!*field->name || s > f->text + len) {
			return err_set(err, ERR_INVALID, "the form has a field without a name, or a NUL in one");
		}
		if (!text_is_utf8(field->name, strlen(field->name)) || !text_is_utf8(field->value, strlen(field->value))) {
			return err_set(err, ERR_INVALID, "field %zu of the form is not UTF-8", f->count + 1);
		}
	}
	return true;
}

/* --- urlencoded --- */

static int hex_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Appends a name or a value decoded, with a NUL; '+' is a blank. */
static bool decode(char **to, const char *from, const char *end)
{
	char *out = *to;
	for (; from < end; from++) {
		char byte = *from == '+' ? ' ' : *from;
		if (*from == '%') {
			int high = end - from > 2 ? hex_of(from[1]) : -1;
			int low = end - from > 2 ? hex_of(from[2]) : -1;
			if (high < 0 || low < 0) {
				return false;
			}
			byte = (char)(high * 16 + low);
			from += 2;
		}
		if (byte == '\0') {
			return false;
		}
		*out++ = byte;
	}
	*out++ = '\0';
	*to = out;
	return true;
}

/* "a=1&b=%2F+x". Decoded text is never longer; each "=" and "&" makes room for a NUL, the last one is one byte more. */
static bool read_urlencoded(struct http_fields *f, const char *body, size_t len, size_t max, struct err *err)
{
	size_t fields = 0;
	char *out = f->text = malloc(len + 1);
	if (!out) {
		return err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	for (const char *item = body, *end = body + len; item < end; fields++) {
		const char *stop = memchr(item, '&', (size_t)(end - item));
		stop = stop ? stop : end;
		const char *equals = memchr(item, '=', (size_t)(stop - item));
		if (fields == max || !equals || !decode(&out, item, equals) || !decode(&out, equals + 1, stop)) {
			return err_set(err, ERR_INVALID,
				       fields == max ? "the form has more than %zu fields"
						     : "field %zu of the form is not name=value, percent-encoded",
				       fields + (fields != max));
		}
		item = stop + 1;
	}
	return point(f, fields, (size_t)(out - f->text), err);
}

/* --- multipart --- */

struct parts {
	struct buf text;
	size_t count, max;
	bool file;
};

static bool on_part(void *ctx, const char *name, const char *file_name)
{
	struct parts *p = ctx;
	if (p->count) {
		buf_putc(&p->text, '\0');
	}
	p->file = p->file || file_name;
	buf_put(&p->text, name, strlen(name) + 1);
	return !p->file && p->count++ < p->max;
}

static bool on_data(void *ctx, const char *data, size_t len)
{
	struct parts *p = ctx;
	buf_put(&p->text, data, len);
	return !memchr(data, '\0', len);
}

static bool read_multipart(struct http_fields *f, const char *type, const char *body, size_t len, struct parts *p, struct err *err)
{
	static const struct http_form_calls calls = {.part = on_part, .data = on_data};
	struct http_form *form = http_form_new(type, &calls, p);
	if (!form) {
		return err_set(err, ERR_INVALID, "the Content-Type names no boundary");
	}
	bool whole = http_form_feed(form, body, len) && http_form_is_whole(form);
	http_form_free(&form);
	if (p->file) {
		return err_set(err, ERR_INVALID, "the form has a file where a field belongs");
	}
	if (p->count > p->max) {
		return err_set(err, ERR_INVALID, "the form has more than %zu fields", p->max);
	}
	if (!whole) {
		return err_set(err, ERR_INVALID, "the form is malformed or cut off");
	}
	buf_putc(&p->text, '\0');
	if (!buf_ok(&p->text)) {
		return err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	f->text = p->text.data;
	p->text.data = NULL;
	return point(f, p->count, p->text.len, err);
}

bool http_fields_read(struct http_fields *out, const char *type, const char *body, size_t len, size_t max, struct err *err)
{
	bool ok;
	*out = (struct http_fields){.count = 0};
	if (type && strncasecmp(type, "multipart/", 10) == 0) {
		struct parts p = {.max = max};
		buf_init(&p.text, 2 * len + 1024);
		ok = read_multipart(out, type, body, len, &p, err);
		buf_free(&p.text);
	} else {
		ok = read_urlencoded(out, body, len, max, err);
	}
	if (!ok) {
		http_fields_free(out);
	}
	return ok;
}

void http_fields_free(struct http_fields *f)
{
	free(f->text);
	free(f->at);
	*f = (struct http_fields){.count = 0};
}
