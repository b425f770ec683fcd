#include "http/form.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70, DELIMITER_MAX = BOUNDARY_MAX + 4, HEAD_MAX = 8 * 1024, TEXT_SIZE = 1024 };

enum state {
	PREAMBLE,
	DELIMITED, /* right behind a delimiter: "--" or the end of the line */
	HEAD,
	DATA,
	EPILOGUE,
	FAILED,
};

struct http_form {
	const struct http_form_calls *calls;
	void *ctx;
	enum state state;
	char delimiter[DELIMITER_MAX + 1]; /* CR LF - - boundary; no CR but the first */
	size_t delimiter_len;
	size_t matched;  /* bytes of the delimiter that the last piece ended with */
	size_t head_len; /* collected: of a part's head, or of what stands behind a delimiter */
	char head[HEAD_MAX + 1];
};

/* --- parameters of a header field: ; key=token; key="quoted" ----------------------------------------------------------------------------
 */

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* Copies a value to out (NULL = drop it) and returns what follows it; NULL if it is malformed or too long. A backslash escapes only a quote
 * or itself: some clients send paths. */
static const char *take_value(const char *s, char *out, size_t size)
{
	bool quoted = *s == '"';
	size_t n = 0;
	for (s += quoted; quoted ? *s != '"' : !strchr("; \t", *s); s++) {
		if (*s == '\0') {
			return NULL; /* an open quote: strchr() has found the NUL of a token */
		}
		s += quoted && s[0] == '\\' && (s[1] == '"' || s[1] == '\\');
		if (out && n + 1 >= size) {
			return NULL;
		}
		if (out) {
			out[n++] = *s;
		}
	}
	if (out) {
		out[n] = '\0';
	}
	return s + quoted;
}

/* Finds a parameter of a header field's value. False when it is absent or malformed. */
static bool find_param(const char *value, const char *key, char *out, size_t size)
{
	const char *s = strchr(value, ';');
	size_t key_len = strlen(key);
	while (s && *s == ';') {
		s = skip_blanks(s + 1);
		size_t len = strcspn(s, "=; \t");
		bool wanted = len == key_len && strncasecmp(s, key, len) == 0;
		s += len;
		if (*s != '=') {
			return false;
		}
		s = take_value(s + 1, wanted ? out : NULL, size);
		if (wanted) {
			return s != NULL;
		}
		s = s ? skip_blanks(s) : NULL;
	}
	return false;
}

/* --- beginning and end ------------------------------------------------------------------------------------------------------------------
 */

static bool is_boundary(const char *s)
{
	size_t len = strlen(s);
	for (size_t i = 0; i < len; i++) {
		if (s[i] < 0x20 || s[i] == 0x7f) {
			return false;
		}
	}
	return len > 0 && len <= BOUNDARY_MAX;
}

struct http_form *http_form_new(const char *content_type, const struct http_form_calls *calls, void *ctx)
{
	char boundary[BOUNDARY_MAX + 1];
	if (!content_type || !find_param(content_type, "boundary", boundary, sizeof(boundary)) || !is_boundary(boundary)) {
		return NULL;
	}
	struct http_form *form = malloc(sizeof(*form));
	if (!form) {
		return NULL;
	}
	form->calls = calls;
	form->ctx = ctx;
	form->state = PREAMBLE;
	memcpy(form->delimiter, "\r\n--", 4);
	memcpy(form->delimiter + 4, boundary, strlen(boundary) + 1);
	form->delimiter_len = strlen(form->delimiter);
	form->matched = 2; /* the first delimiter needs no line before it */
	form->head_len = 0;
	return form;
}

void http_form_free(struct http_form **form)
{
	free(*form);
	*form = NULL;
}

bool http_form_is_whole(const struct http_form *form)
{
	return form->state == EPILOGUE;
}

/* --- the states: each takes some of the bytes and returns how many
 * ------------------------------------------------------------------------ */

static void emit(struct http_form *form, const char *data, size_t len)
{
	if (len && form->state == DATA && !form->calls->data(form->ctx, data, len)) {
		form->state = FAILED;
	}
}

/* Passes bytes on up to the next delimiter. Only its first byte is a CR, so after a mismatch nothing but the present byte can begin one. */
static size_t take_data(struct http_form *form, const char *data, size_t len)
{
	size_t carried = form->matched; /* bytes of a possible delimiter that came with earlier pieces */
	size_t i = 0;
	while (i < len && form->matched < form->delimiter_len) {
		if (form->matched == 0) {
			const char *cr = memchr(data + i, '\r', len - i);
			form->matched = cr ? 1 : 0;
			i = cr ? (size_t)(cr - data) + 1 : len;
		} else if (data[i] == form->delimiter[form->matched]) {
			form->matched++;
			i++;
		} else {
			emit(form, form->delimiter, carried);
			carried = 0;
			form->matched = 0;
		}
	}
	emit(form, data, i - (form->matched - carried));
	if (form->matched == form->delimiter_len && form->state != FAILED) {
		form->state = DELIMITED;
		form->matched = 0;
		form->head_len = 0;
	}
	return i;
}

static size_t take_delimited(struct http_form *form, const char *data)
{
	char c = data[0];
	char before = form->head_len ? form->head[form->head_len - 1] : '\0';
	if (before == '-' && c == '-') {
		form->state = EPILOGUE;
	} else if (before == '\r' && c == '\n') {
		form->state = HEAD;
		form->head_len = 0;
	} else if (form->head_len == 0 && (c == '-' || c == '\r' || c == ' ' || c == '\t')) {
		form->head_len = c == '-' || c == '\r'; /* blanks may stand there */
		form->head[0] = c;
	} else {
		form->state = FAILED;
	}
	return 1;
}

static void begin_part(struct http_form *form)
{
	char name[TEXT_SIZE] = "";
	char file_name[TEXT_SIZE] = "";
	bool is_file = false;
	bool found = false;
	static const char field[] = "Content-Disposition:";
	char *rest = form->head;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		line[strcspn(line, "\r")] = '\0';
		if (strncasecmp(line, field, sizeof(field) - 1) != 0) {
			continue;
		}
		const char *value = skip_blanks(line + sizeof(field) - 1);
		found = strncasecmp(value, "form-data", 9) == 0 && find_param(value, "name", name, sizeof(name));
		is_file = find_param(value, "filename", file_name, sizeof(file_name));
	}
	form->state = DATA;
	if (!found || !form->calls->part(form->ctx, name, is_file ? file_name : NULL)) {
		form->state = FAILED;
	}
}

static bool head_is_whole(const struct http_form *form)
{
	size_t n = form->head_len;
	return (n >= 4 && memcmp(form->head + n - 4, "\r\n\r\n", 4) == 0) || (n == 2 && memcmp(form->head, "\r\n", 2) == 0);
}

/* Collects the head of a part up to its empty line. */
static size_t take_head(struct http_form *form, const char *data, size_t len)
{
	size_t i = 0;
	while (i < len && form->state == HEAD) {
		if (form->head_len == HEAD_MAX || data[i] == '\0') {
			form->state = FAILED;
			break;
		}
		form->head[form->head_len++] = data[i++];
		if (head_is_whole(form)) {
			form->head[form->head_len] = '\0';
			begin_part(form);
		}
	}
	return i;
}

bool http_form_feed(struct http_form *form, const char *data, size_t len)
{
	while (len && form->state != FAILED) {
		size_t taken = len;
		switch (form->state) {
		case PREAMBLE:
		case DATA:
			taken = take_data(form, data, len);
			break;
		case DELIMITED:
			taken = take_delimited(form, data);
			break;
		case HEAD:
			taken = take_head(form, data, len);
			break;
		case EPILOGUE:
		case FAILED:
			break;
		}
		data += taken;
		len -= taken;
	}
	return form->state != FAILED;
}
