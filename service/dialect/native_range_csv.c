#include "dialect/native_range_csv.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "model/range.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_heading(const char *text, size_t len)
{
	char name[16];
	if (len >= sizeof name) {
		return false;
	}
	memcpy(name, text, len);
	name[len] = '\0';
	return text_equals_nocase(name, "range") || text_equals_nocase(name, "mac_range");
}

/* What stands in the line that begins at `at`; answers where the next one does. */
static size_t read_line(const struct native_range_csv *csv, size_t at, const char **field, size_t *len)
{
	const char *begin = csv->text + at;
	const char *newline = memchr(begin, '\n', csv->len - at);
	const char *end = newline ? newline : csv->text + csv->len;
	size_t next = (size_t)(end - csv->text) + (newline != NULL);
	while (begin < end && is_blank(*begin)) {
		begin++;
	}
	while (begin < end && is_blank(end[-1])) {
		end--;
	}
	if (end - begin >= 2 && *begin == '"' && end[-1] == '"') {
		begin++;
		end--;
	}
	*field = begin;
	*len = (size_t)(end - begin);
	return next;
}

static bool keep(struct native_range_csv *csv, size_t *room, size_t at, const struct range *r, struct err *err)
{
	if (csv->count == NATIVE_RANGE_ROWS_MAX) {
		return err_set(err, ERR_TOO_LARGE, "there are more than %d entries; import them in parts", NATIVE_RANGE_ROWS_MAX);
	}
	if (csv->count == *room) {
		size_t wanted = *room ? 2 * *room : 256;
		struct native_range_at *rows = realloc(csv->rows, wanted * sizeof *rows);
		if (!rows) {
			return err_set(err, ERR_UNAVAILABLE, "out of memory");
		}
		csv->rows = rows;
		*room = wanted;
	}
	struct native_range_at *row = &csv->rows[csv->count++];
	*row = (struct native_range_at){.at = (uint32_t)at};
	memcpy(row->key, r->head, strnlen(r->head, sizeof row->key));
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct native_range_at *x = a;
	const struct native_range_at *y = b;
	int order = memcmp(x->key, y->key, sizeof x->key);
	return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* A quote that is left is one that was not closed, or not opened: no device has one in its name. */
static bool read_entry(const char *field, size_t len, struct range *out, struct err *err)
{
	return memchr(field, '"', len) ? err_set(err, ERR_INVALID, "a quote that does not stand around the whole entry")
				       : range_parse(field, len, out, err);
}

static bool read_rows(struct native_range_csv *csv, size_t at, struct err *err)
{
	size_t room = 0;
	for (size_t line = 1, next; at < csv->len; at = next, line++) {
		const char *field;
		size_t len;
		struct range r;
		next = read_line(csv, at, &field, &len);
		if (len == 0 || (line == 1 && is_heading(field, len))) {
			continue;
		}
		if (!read_entry(field, len, &r, err) || !keep(csv, &room, at, &r, err)) {
			return err_prefix(err, "line %zu", line);
		}
	}
	return csv->count > 0 || err_set(err, ERR_EMPTY, "there is no entry in the body; its lines are C89346404AB2, A~B or PREFIX*");
}

bool native_range_csv_read(struct native_range_csv *csv, const char *text, size_t len, struct err *err)
{
	static const char mark[] = "\xEF\xBB\xBF";
	*csv = (struct native_range_csv){.text = text, .len = len};
	if (!read_rows(csv, len >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0, err)) {
		native_range_csv_free(csv);
		return false;
	}
	qsort(csv->rows, csv->count, sizeof *csv->rows, by_key);
	return true;
}

void native_range_csv_free(struct native_range_csv *csv)
{
	free(csv->rows);
	*csv = (struct native_range_csv){0};
}

void native_range_csv_rewind(void *ctx)
{
	struct native_range_csv *csv = ctx;
	csv->next = 0;
}

bool native_range_csv_next(void *ctx, struct range *out)
{
	struct native_range_csv *csv = ctx;
	const char *field;
	size_t len;
	if (csv->next == csv->count) {
		return false;
	}
	read_line(csv, csv->rows[csv->next++].at, &field, &len);
	bool ok = range_parse(field, len, out, NULL);
	out->said = NULL;
	return ok;
}
