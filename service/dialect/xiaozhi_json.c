/* First: the parser's functions, which its header holds, for this file alone. */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include <string.h>

#include "common/text.h"
#include "dialect/xiaozhi_json.h"

enum { KEY_SIZE = 32 };

/* ---- the grammar ---- */

enum want { WANT_VALUE, WANT_VALUE_OR_END, WANT_KEY, WANT_KEY_OR_END, WANT_COLON, WANT_COMMA_OR_END, WANT_NOTHING };

struct walk {
	struct xiaozhi_json *json;
	size_t at;
	int next;      /* the token that comes next */
	bool controls; /* there are bytes below 0x20 somewhere: line ends, or a string that is none */
	int depth;
	int open[XIAOZHI_JSON_DEPTH]; /* the containers around at */
	enum want want;
};

static bool wants_value(const struct walk *w)
{
	return w->want == WANT_VALUE || w->want == WANT_VALUE_OR_END;
}

static void value_ends(struct walk *w)
{
	w->want = w->depth == 0 ? WANT_NOTHING : WANT_COMMA_OR_END;
}

static jsmntok_t *token_at(struct walk *w, size_t start)
{
	jsmntok_t *token = &w->json->token[w->next];
	return w->next < w->json->count && token->start == (int)start ? token : NULL;
}

/* jsmn counts members in size; from here on it says which token comes after this one and all inside it. */
static void set_after(jsmntok_t *token, int after)
{
	token->size = after;
}

static bool opens(struct walk *w, char c)
{
	if (!wants_value(w) || w->depth == XIAOZHI_JSON_DEPTH || !token_at(w, w->at)) {
		return false;
	}
	w->open[w->depth++] = w->next++;
	w->want = c == '{' ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
	w->at++;
	return true;
}

static bool closes(struct walk *w, char c)
{
	if (w->depth == 0 || (w->want != WANT_COMMA_OR_END && w->want != (c == '}' ? WANT_KEY_OR_END : WANT_VALUE_OR_END))) {
		return false;
	}
	jsmntok_t *token = &w->json->token[w->open[--w->depth]];
	set_after(token, w->next);
	value_ends(w);
	w->at++;
	return token->type == (c == '}' ? JSMN_OBJECT : JSMN_ARRAY);
}

/* Any byte below 0x20? The text is UTF-8: eight bytes at once may say yes of others above 0x7f, and then they are looked at one by one. */
static bool has_controls(const char *s, size_t len)
{
	const uint64_t ones = 0x0101010101010101U;
	size_t i = 0;
	for (; len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t word;
		memcpy(&word, s + i, sizeof word);
		if (((word - ones * 0x20) & ones * 0x80) != 0) {
			break;
		}
	}
	for (; i < len; i++) {
		if ((unsigned char)s[i] < 0x20) {
			return true;
		}
	}
	return false;
}

/* jsmn has checked the escapes. */
static bool string(struct walk *w)
{
	jsmntok_t *token = token_at(w, w->at + 1);
	bool key = w->want == WANT_KEY || w->want == WANT_KEY_OR_END;
	if (!token || token->type != JSMN_STRING || (!key && !wants_value(w))) {
		return false;
	}
	if (w->controls && has_controls(w->json->text + token->start, (size_t)(token->end - token->start))) {
		return false;
	}
	set_after(token, ++w->next);
	w->at = (size_t)token->end + 1;
	if (key) {
		w->want = WANT_COLON;
	} else {
		value_ends(w);
	}
	return true;
}

static const char *digits(const char *s, const char *end)
{
	while (s < end && *s >= '0' && *s <= '9') {
		s++;
	}
	return s;
}

static bool is_number(const char *s, const char *end)
{
	s += s < end && *s == '-';
	const char *whole = digits(s, end);
	if (whole == s || (*s == '0' && whole > s + 1)) {
		return false;
	}
	s = whole;
	if (s < end && *s == '.') {
		const char *fraction = digits(s + 1, end);
		if (fraction == s + 1) {
			return false;
		}
		s = fraction;
	}
	if (s < end && (*s == 'e' || *s == 'E')) {
		s++;
		s += s < end && (*s == '+' || *s == '-');
		const char *exponent = digits(s, end);
		if (exponent == s) {
			return false;
		}
		s = exponent;
	}
	return s == end;
}

static bool is_word(const char *s, size_t len)
{
	return (len == 4 && (memcmp(s, "true", 4) == 0 || memcmp(s, "null", 4) == 0)) || (len == 5 && memcmp(s, "false", 5) == 0);
}

static bool primitive(struct walk *w)
{
	jsmntok_t *token = token_at(w, w->at);
	if (!token || token->type != JSMN_PRIMITIVE || !wants_value(w)) {
		return false;
	}
	const char *s = w->json->text + token->start;
	const char *end = w->json->text + token->end;
	if (!is_number(s, end) && !is_word(s, (size_t)(end - s))) {
		return false;
	}
	set_after(token, ++w->next);
	w->at = (size_t)token->end;
	value_ends(w);
	return true;
}

static bool between(struct walk *w, char c)
{
	if (w->want != (c == ':' ? WANT_COLON : WANT_COMMA_OR_END)) {
		return false;
	}
	bool value = c == ':' || w->json->token[w->open[w->depth - 1]].type == JSMN_ARRAY;
	w->want = value ? WANT_VALUE : WANT_KEY;
	w->at++;
	return true;
}

static bool step(struct walk *w)
{
	char c = w->json->text[w->at];
	switch (c) {
	case ' ':
	case '\t':
	case '\n':
	case '\r':
		w->at++;
		return true;
	case '{':
	case '[':
		return opens(w, c);
	case '}':
	case ']':
		return closes(w, c);
	case '"':
		return string(w);
	case ':':
	case ',':
		return between(w, c);
	default:
		return primitive(w);
	}
}

bool xiaozhi_json_parse(struct xiaozhi_json *out, const char *text, size_t len)
{
	jsmn_parser parser;
	struct walk w = {.json = out, .want = WANT_VALUE};
	out->text = text;
	out->count = 0;
	if (len == 0 || len > INT32_MAX || !text_is_utf8(text, len)) {
		return false;
	}
	out->escapes = memchr(text, '\\', len);
	w.controls = has_controls(text, len);
	jsmn_init(&parser);
	out->count = jsmn_parse(&parser, text, len, out->token, XIAOZHI_JSON_TOKENS);
	if (out->count <= 0) {
		return false;
	}
	while (w.at < len) {
		if (!step(&w)) {
			return false;
		}
	}
	return w.want == WANT_NOTHING && w.next == out->count;
}

/* ---- strings ---- */

static unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static unsigned four_digits(const char *s)
{
	return hex_digit(s[0]) << 12 | hex_digit(s[1]) << 8 | hex_digit(s[2]) << 4 | hex_digit(s[3]);
}

/* s stands behind \u. Returns where the character ends, or NULL: half a pair, or NUL. */
static const char *unicode(const char *s, const char *end, unsigned *c)
{
	*c = four_digits(s);
	s += 4;
	if (*c == 0) { /* NUL is not text */
		return NULL;
	}
	if (*c < 0xd800 || *c > 0xdfff) {
		return s;
	}
	if (*c > 0xdbff || end - s < 6 || s[0] != '\\' || s[1] != 'u') {
		return NULL;
	}
	unsigned low = four_digits(s + 2);
	if (low < 0xdc00 || low > 0xdfff) {
		return NULL;
	}
	*c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
	return s + 6;
}

static size_t put_utf8(char out[4], unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	out[0] = (char)(lead[n] | c);
	return n;
}

/* s stands behind a backslash; the escape is one that jsmn lets pass. */
static const char *unescape(const char *s, const char *end, char out[4], size_t *n)
{
	static const char from[] = "bfnrt";
	static const char to[] = "\b\f\n\r\t";
	if (*s == 'u') {
		unsigned c;
		s = unicode(s + 1, end, &c);
		*n = s ? put_utf8(out, c) : 0;
		return s;
	}
	const char *hit = strchr(from, *s);
	out[0] = hit ? to[hit - from] : *s;
	*n = 1;
	return s + 1;
}

/* The string's bytes in out[size]; their number, or -1 if they do not fit or are no text. */
static long decode(const char *s, const char *end, char *out, size_t size)
{
	size_t len = 0;
	while (s < end) {
		char piece[4] = {*s};
		size_t n = 1;
		if (*s++ == '\\') {
			s = unescape(s, end, piece, &n);
			if (!s) {
				return -1;
			}
		}
		if (n > size - len) {
			return -1;
		}
		memcpy(out + len, piece, n);
		len += n;
	}
	return (long)len;
}

bool xiaozhi_json_text(const struct xiaozhi_json *json, int token, char *out, size_t size)
{
	out[0] = '\0';
	if (token < 0 || json->token[token].type != JSMN_STRING) {
		return false;
	}
	const char *s = json->text + json->token[token].start;
	size_t len = (size_t)(json->token[token].end - json->token[token].start);
	if (json->escapes && memchr(s, '\\', len)) {
		long decoded = decode(s, s + len, out, size - 1);
		len = decoded < 0 ? size : (size_t)decoded;
	} else if (len < size) {
		memcpy(out, s, len);
	}
	if (len >= size || !text_is_printable(out, len)) {
		out[0] = '\0';
		return false;
	}
	out[len] = '\0';
	return true;
}

/* ---- values ---- */

bool xiaozhi_json_is_object(const struct xiaozhi_json *json, int token)
{
	return token >= 0 && json->token[token].type == JSMN_OBJECT;
}

bool xiaozhi_json_is_array(const struct xiaozhi_json *json, int token)
{
	return token >= 0 && json->token[token].type == JSMN_ARRAY;
}

static bool is_null(const struct xiaozhi_json *json, int token)
{
	return json->token[token].type == JSMN_PRIMITIVE && json->text[json->token[token].start] == 'n';
}

/* Which of the names the key is; n if none. */
static size_t find_name(const struct xiaozhi_json *json, int key, const struct xiaozhi_json_name *names, size_t n)
{
	char plain[KEY_SIZE];
	const char *s = json->text + json->token[key].start;
	size_t len = (size_t)(json->token[key].end - json->token[key].start);
	if (json->escapes && memchr(s, '\\', len)) {
		long decoded = decode(s, s + len, plain, sizeof plain);
		if (decoded <= 0) {
			return n;
		}
		s = plain;
		len = (size_t)decoded;
	}
	for (size_t i = 0; i < n; i++) {
		if (names[i].len == len && names[i].text[0] == s[0] && memcmp(names[i].text, s, len) == 0) {
			return i;
		}
	}
	return n;
}

bool xiaozhi_json_members(const struct xiaozhi_json *json, int token, const struct xiaozhi_json_name *names, size_t n, int *at)
{
	uint32_t seen = 0;
	for (size_t i = 0; i < n; i++) {
		at[i] = XIAOZHI_JSON_ABSENT;
	}
	if (!xiaozhi_json_is_object(json, token)) {
		return false;
	}
	int end = json->token[token].size;
	for (int key = token + 1; key < end; key = json->token[key + 1].size) {
		size_t i = find_name(json, key, names, n);
		if (i == n) {
			continue;
		}
		if (seen & 1u << i) {
			return false;
		}
		seen |= 1u << i;
		at[i] = is_null(json, key + 1) ? XIAOZHI_JSON_ABSENT : key + 1;
	}
	return true;
}

int xiaozhi_json_first(const struct xiaozhi_json *json, int array)
{
	return xiaozhi_json_is_array(json, array) && json->token[array].size > array + 1 ? array + 1 : XIAOZHI_JSON_ABSENT;
}

int xiaozhi_json_next(const struct xiaozhi_json *json, int array, int element)
{
	int next = json->token[element].size;
	return next < json->token[array].size ? next : XIAOZHI_JSON_ABSENT;
}

bool xiaozhi_json_int(const struct xiaozhi_json *json, int token, int64_t min, int64_t max, int64_t *out)
{
	char text[24];
	*out = 0;
	if (token < 0 || (json->token[token].type != JSMN_PRIMITIVE && json->token[token].type != JSMN_STRING)) {
		return false;
	}
	size_t len = (size_t)(json->token[token].end - json->token[token].start);
	if (len >= sizeof text) {
		return false;
	}
	memcpy(text, json->text + json->token[token].start, len);
	text[len] = '\0';
	int64_t value;
	if (!text_to_i64(text, &value) || value < min || value > max) {
		return false;
	}
	*out = value;
	return true;
}
