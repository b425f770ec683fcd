#include "dialect/native_licence_csv.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "model/licence.h"

enum { SERIAL, KEY, ENCODING, FIELDS, FIELD_SIZE = LICENCE_KEY_DIGITS + 16 };

/* One line, field by field. A field that is longer than any good one is cut: it stays a bad one. */
struct line {
	const char *at;
	const char *end;
	char field[FIELDS][FIELD_SIZE];
	int count;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct line *line)
{
	while (line->at < line->end && is_blank(*line->at)) {
		line->at++;
	}
}

static void put(char field[FIELD_SIZE], size_t *len, char c)
{
	if (*len < FIELD_SIZE - 1) {
		field[(*len)++] = c;
	}
}

/* "..", in which two quotes are one. */
static bool take_quoted(struct line *line, char field[FIELD_SIZE], size_t *len)
{
	while (++line->at < line->end) {
		if (*line->at == '"' && (line->at + 1 == line->end || line->at[1] != '"')) {
			line->at++;
			skip_blanks(line);
			return line->at == line->end || *line->at == ',';
		}
		line->at += *line->at == '"';
		put(field, len, *line->at);
	}
	return false;
}

static bool take_field(struct line *line, char field[FIELD_SIZE], struct err *err)
{
	size_t len = 0;
	skip_blanks(line);
	if (line->at < line->end && *line->at == '"') {
		if (!take_quoted(line, field, &len)) {
			return err_set(err, ERR_INVALID, "a quoted field does not end before the comma or the line's end");
		}
	} else {
		for (; line->at < line->end && *line->at != ','; line->at++) {
			put(field, &len, *line->at);
		}
		while (len > 0 && is_blank(field[len - 1])) {
			len--;
		}
	}
	field[len] = '\0';
	return true;
}

static bool split(struct line *line, struct err *err)
{
	line->count = 0;
	memset(line->field, 0, sizeof line->field);
	if (memchr(line->at, '\0', (size_t)(line->end - line->at))) {
		return err_set(err, ERR_INVALID, "there is a NUL byte in it; the file must be plain text");
	}
	for (bool more = true; more; line->at++) {
		if (line->count == FIELDS) {
			return err_set(err, ERR_INVALID, "there are more than %d fields: serial,key,encoding", FIELDS);
		}
		if (!take_field(line, line->field[line->count++], err)) {
			return false;
		}
		more = line->at < line->end;
	}
	return line->count > KEY || err_set(err, ERR_INVALID, "there must be at least two fields: serial,key,encoding");
}

static bool is_heading(const struct line *line)
{
	return text_equals_nocase(line->field[SERIAL], "serial") && text_equals_nocase(line->field[KEY], "key");
}

static bool is_empty(const char *at, const char *end)
{
	while (at < end && is_blank(*at)) {
		at++;
	}
	return at == end;
}

/* Every row of the text; the array holds one for each line. */
static bool read_rows(const char *text, const char *end, int64_t product_id, struct licence_new *rows, size_t *count, struct err *err)
{
	struct line line;
	bool ok = true;
	size_t number = 1;
	for (const char *next; ok && text < end; text = next, number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		line.at = text;
		line.end = newline ? newline : end;
		next = newline ? newline + 1 : end;
		if (is_empty(line.at, line.end)) {
			continue;
		}
		struct licence_new *row = &rows[*count];
		ok = split(&line, err);
		if (ok && number == 1 && is_heading(&line)) {
			continue;
		}
		ok = ok && (*count < NATIVE_LICENCE_ROWS_MAX ||
			    err_set(err, ERR_TOO_LARGE, "there are more than %d licences; import them in parts", NATIVE_LICENCE_ROWS_MAX));
		ok = ok && licence_take(row, line.field[SERIAL], line.field[KEY], line.field[ENCODING], err);
		if (!ok) {
			err_prefix(err, "line %zu", number);
			break;
		}
		row->licence.product_id = product_id;
		row->line = number;
		(*count)++;
	}
	explicit_bzero(&line, sizeof line);
	return ok;
}

/* So that the keys never move: a growing array would leave them behind. */
static size_t count_lines(const char *text, const char *end)
{
	size_t n = 1;
	while (n <= NATIVE_LICENCE_ROWS_MAX && text < end && (text = memchr(text, '\n', (size_t)(end - text)))) {
		text++;
		n++;
	}
	return n;
}

bool native_licence_csv(const char *text, size_t len, int64_t product_id, struct licence_new **out, size_t *count, struct err *err)
{
	static const char mark[] = "\xEF\xBB\xBF";
	size_t skip = len >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
	const char *begin = text + skip;
	const char *end = text + len;
	*count = 0;
	*out = calloc(count_lines(begin, end) + 1, sizeof **out);
	if (!*out) {
		return err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	if (read_rows(begin, end, product_id, *out, count, err) &&
	    (*count > 0 || err_set(err, ERR_EMPTY, "there is no licence in the body; its lines are serial,key,encoding"))) {
		return true;
	}
	native_licence_csv_free(out, *count);
	*count = 0;
	return false;
}

void native_licence_csv_free(struct licence_new **rows, size_t count)
{
	if (*rows) {
		explicit_bzero(*rows, count * sizeof **rows);
		free(*rows);
		*rows = NULL;
	}
}
