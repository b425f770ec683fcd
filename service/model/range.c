#include "model/range.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"

enum { MAC_DIGITS = MAC_SIZE - 1, QUOTED = 40 };

static const char *const kinds[] = {[RANGE_EXACT] = "exact", [RANGE_PREFIX] = "prefix", [RANGE_MACS] = "range"};

const char *range_kind_name(enum range_kind kind)
{
	return kinds[kind];
}

static bool parse_kind(const char *name, enum range_kind *out)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(name, kinds[i]) == 0) {
			*out = (enum range_kind)i;
			return true;
		}
	}
	return false;
}

/* --- one identifier --- */

static bool is_separator(char c)
{
	return c == ':' || c == '-' || c == '.' || c == ' ';
}

enum reading { READ, READ_FOREIGN, READ_TOO_LONG };

static enum reading normalise(const char *text, size_t len, char out[RANGE_ID_SIZE], size_t *out_len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (is_separator(c)) {
			continue;
		}
		if (c <= ' ' || c > '~' || strchr("~*,", c)) {
			return READ_FOREIGN;
		}
		if (n == RANGE_ID_SIZE - 1) {
			return READ_TOO_LONG;
		}
		out[n++] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	out[n] = '\0';
	*out_len = n;
	return READ;
}

size_t range_normalise(const char *identifier, char out[RANGE_ID_SIZE])
{
	size_t n = 0;
	if (normalise(identifier, strlen(identifier), out, &n) != READ) {
		out[0] = '\0';
		return 0;
	}
	return n;
}

bool range_mac(const char *s, uint64_t *out)
{
	uint64_t value = 0;
	for (size_t i = 0; i < MAC_DIGITS; i++) {
		if (s[i] >= '0' && s[i] <= '9') {
			value = value << 4 | (uint64_t)(s[i] - '0');
		} else if (s[i] >= 'A' && s[i] <= 'F') {
			value = value << 4 | (uint64_t)(s[i] - 'A' + 10);
		} else {
			return false;
		}
	}
	*out = value;
	return s[MAC_DIGITS] == '\0';
}

/* --- one entry --- */

/* The entry as far as it can be shown. */
static const char *quote(const char *text, size_t len, char out[QUOTED + 4])
{
	size_t n = len < QUOTED ? len : QUOTED;
	for (size_t i = 0; i < n; i++) {
		out[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
	}
	memcpy(out + n, len > n ? "..." : "", len > n ? 4 : 1);
	return out;
}

static bool refuse(enum reading why, const char *text, size_t len, struct err *err)
{
	char shown[QUOTED + 4];
	quote(text, len, shown);
	if (why == READ_TOO_LONG) {
		return err_set(err, ERR_TOO_LARGE, "\"%s\" is longer than %d characters", shown, RANGE_ID_SIZE - 1);
	}
	return err_set(err, ERR_INVALID, "\"%s\" holds a character that no identifier has (printable ASCII without ~ * and comma)", shown);
}

static bool take(const char *text, size_t len, char out[RANGE_ID_SIZE], size_t *n, struct err *err)
{
	enum reading read = normalise(text, len, out, n);
	return read == READ || refuse(read, text, len, err);
}

static bool take_prefix(const char *text, size_t len, struct range *out, struct err *err)
{
	char shown[QUOTED + 4];
	size_t n = 0;
	if (memchr(text, '*', len - 1)) {
		return err_set(err, ERR_INVALID, "\"%s\": a * may only stand at the end", quote(text, len, shown));
	}
	out->kind = RANGE_PREFIX;
	return take(text, len - 1, out->head, &n, err) &&
	       (n > 0 ||
		err_set(err, ERR_EMPTY, "\"*\" has nothing before the *; an online file without entries is for the whole product"));
}

static bool take_mac(const char *text, size_t len, char out[MAC_SIZE], struct err *err)
{
	char id[RANGE_ID_SIZE];
	uint64_t value;
	size_t n = 0;
	enum reading read = normalise(text, len, id, &n);
	if (read != READ || n != MAC_DIGITS || !range_mac(id, &value)) {
		char shown[QUOTED + 4];
		return err_set(err, ERR_INVALID, "an end of a range must be a MAC address, 12 hex digits, not \"%s\"",
			       quote(text, len, shown));
	}
	memcpy(out, id, MAC_SIZE);
	return true;
}

static bool take_macs(const char *text, size_t len, const char *tilde, struct range *out, struct err *err)
{
	size_t before = (size_t)(tilde - text);
	out->kind = RANGE_MACS;
	if (!take_mac(text, before, out->first, err) || !take_mac(tilde + 1, len - before - 1, out->last, err)) {
		return false;
	}
	if (strcmp(out->first, out->last) > 0) {
		return err_set(err, ERR_INVALID, "the range %s~%s is reversed: its first address is above its last", out->first, out->last);
	}
	size_t same = 0;
	while (out->first[same] && out->first[same] == out->last[same]) {
		same++;
	}
	memcpy(out->head, out->first, same);
	out->head[same] = '\0';
	return true;
}

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && strchr(" \t\r\n", (*text)[*len - 1]) && (*text)[*len - 1]) {
		(*len)--;
	}
	while (*len > 0 && strchr(" \t\r\n", **text) && **text) {
		(*text)++;
		(*len)--;
	}
}

bool range_parse(const char *text, size_t len, struct range *out, struct err *err)
{
	char plain[RANGE_TEXT_SIZE];
	size_t n = 0;
	*out = (struct range){.kind = RANGE_EXACT};
	trim(&text, &len);
	if (len > RANGE_SAID_MAX) {
		char shown[QUOTED + 4];
		return err_set(err, ERR_TOO_LARGE, "\"%s\" is longer than %d characters", quote(text, len, shown), RANGE_SAID_MAX);
	}
	const char *tilde = len ? memchr(text, '~', len) : NULL;
	bool ok = tilde                                  ? take_macs(text, len, tilde, out, err)
		  : len && text[len - 1] == '*'          ? take_prefix(text, len, out, err)
		  : len && memchr(text, '*', len)        ? err_set(err, ERR_INVALID, "a * may only stand at the end of an entry")
		  : !take(text, len, out->head, &n, err) ? false
		  : n > 0                                ? true
							 : err_set(err, ERR_EMPTY, "there is nothing in it");
	if (!ok) {
		return false;
	}
	range_text(out, plain);
	if (strlen(plain) != len || memcmp(plain, text, len) != 0) {
		out->said = text;
		out->said_len = len;
	}
	return true;
}

bool range_make(const char *kind, const char *head, const char *first, const char *last, struct range *out)
{
	*out = (struct range){0};
	return parse_kind(kind, &out->kind) && text_copy(out->head, sizeof out->head, head) &&
	       text_copy(out->first, sizeof out->first, first) && text_copy(out->last, sizeof out->last, last);
}

void range_text(const struct range *r, char out[RANGE_TEXT_SIZE])
{
	if (r->kind == RANGE_MACS) {
		memcpy(out, r->first, MAC_DIGITS);
		out[MAC_DIGITS] = '~';
		memcpy(out + MAC_DIGITS + 1, r->last, MAC_SIZE);
		return;
	}
	size_t n = strlen(r->head);
	memcpy(out, r->head, n);
	memcpy(out + n, "*", 2);
	out[n + (r->kind == RANGE_PREFIX)] = '\0';
}

bool range_names(const struct range *r, const char *id)
{
	uint64_t mac;
	switch (r->kind) {
	case RANGE_EXACT:
		return strcmp(id, r->head) == 0;
	case RANGE_PREFIX:
		return strncmp(id, r->head, strlen(r->head)) == 0;
	case RANGE_MACS:
		return range_mac(id, &mac) && strcmp(id, r->first) >= 0 && strcmp(id, r->last) <= 0;
	}
	return false;
}

/* --- a list --- */

void range_list_free(struct range_list *list)
{
	free(list->rows);
	*list = (struct range_list){0};
}

static bool make_room(struct range_list *list, struct err *err)
{
	if (list->count == RANGES_MAX) {
		return err_set(err, ERR_TOO_LARGE, "there are more than %d entries", RANGES_MAX);
	}
	if (list->count < list->room) {
		return true;
	}
	size_t room = list->room ? 2 * list->room : 16;
	struct range *rows = realloc(list->rows, room * sizeof *rows);
	if (!rows) {
		return err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	list->rows = rows;
	list->room = room;
	return true;
}

bool range_list_add(struct range_list *list, const char *text, size_t len, struct err *err)
{
	if (!make_room(list, err)) {
		return false;
	}
	if (!range_parse(text, len, &list->rows[list->count], err)) {
		return err_prefix(err, "entry %zu", list->count + 1);
	}
	list->count++;
	return true;
}

bool range_list_parse(struct range_list *list, const char *text, size_t len, struct err *err)
{
	const char *end = text + len;
	trim(&text, &len);
	if (len == 0) {
		return true;
	}
	for (;;) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		if (!range_list_add(list, text, (size_t)((comma ? comma : end) - text), err)) {
			return false;
		}
		if (!comma) {
			return true;
		}
		text = comma + 1;
	}
}
