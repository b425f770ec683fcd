#include "dialect/xiaozhi_json.h"

#include <endian.h>
#include <string.h>

#include "common/text.h"

enum { KEY_SIZE = 32 };

/* ---- the grammar ---- */

enum want { WANT_VALUE, WANT_VALUE_OR_END, WANT_KEY, WANT_KEY_OR_END, WANT_COLON, WANT_COMMA_OR_END, WANT_NOTHING };

struct walk {
	struct xiaozhi_json *json;
	const char *at;
	const char *end;
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

/* A token from start to end, or false: there are too many. */
static bool add(struct walk *w, enum xiaozhi_json_kind kind, const char *start, const char *end)
{
	struct xiaozhi_json *json = w->json;
	if (json->count == XIAOZHI_JSON_TOKENS) {
		return false;
	}
	struct xiaozhi_json_token *token = &json->token[json->count++];
	*token = (struct xiaozhi_json_token){kind, (int)(start - json->text), (int)(end - json->text), json->count};
	return true;
}

static bool opens(struct walk *w, char c)
{
	if (!wants_value(w) || w->depth == XIAOZHI_JSON_DEPTH) {
		return false;
	}
	w->open[w->depth++] = w->json->count;
	w->want = c == '{' ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
	return add(w, c == '{' ? XIAOZHI_JSON_OBJECT : XIAOZHI_JSON_ARRAY, w->at++, w->end);
}

static bool closes(struct walk *w, char c)
{
	if (w->depth == 0 || (w->want != WANT_COMMA_OR_END && w->want != (c == '}' ? WANT_KEY_OR_END : WANT_VALUE_OR_END))) {
		return false;
	}
	struct xiaozhi_json_token *token = &w->json->token[w->open[--w->depth]];
	token->end = (int)(++w->at - w->json->text);
	token->after = w->json->count;
	value_ends(w);
	return token->kind == (c == '}' ? XIAOZHI_JSON_OBJECT : XIAOZHI_JSON_ARRAY);
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The first byte that is no plain one of a string: quote, backslash, below 0x20 or above 0x7f. Of eight bytes at once the lowest that is
 * marked is one: a borrow reaches only those above it. */
static const char *plain_run(const char *s, const char *end)
{
	const uint64_t ones = 0x0101010101010101U;
	for (; end - s >= (long)sizeof(uint64_t); s += sizeof(uint64_t)) {
		uint64_t word;
		memcpy(&word, s, sizeof word);
		word = le64toh(word);
		uint64_t quote = (word ^ ones * '"') - ones;
		uint64_t slash = (word ^ ones * '\\') - ones;
		uint64_t marks = (word | (word - ones * 0x20) | quote | slash) & ones * 0x80;
		if (marks) {
			return s + __builtin_ctzll(marks) / 8;
		}
	}
	while (s < end && is_plain((unsigned char)*s)) {
		s++;
	}
	return s;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* s stands at a backslash. The length of the escape; 0 = it is none. */
static size_t escape(const char *s, const char *end)
{
	if (end - s < 2 || s[1] == '\0' || !strchr("\"\\/bfnrtu", s[1])) {
		return 0;
	}
	if (s[1] != 'u') {
		return 2;
	}
	return end - s >= 6 && is_hex(s[2]) && is_hex(s[3]) && is_hex(s[4]) && is_hex(s[5]) ? 6 : 0;
}

static bool string(struct walk *w)
{
	bool key = w->want == WANT_KEY || w->want == WANT_KEY_OR_END;
	const char *start = w->at + 1;
	const char *s = plain_run(start, w->end);
	if (!key && !wants_value(w)) {
		return false;
	}
	while (s < w->end && *s != '"') {
		size_t n = *s == '\\' ? escape(s, w->end) : text_utf8_char(s, (size_t)(w->end - s));
		if (n == 0 || (unsigned char)*s < 0x20) {
			return false;
		}
		w->json->escapes |= *s == '\\';
		s = plain_run(s + n, w->end);
	}
	if (s == w->end) {
		return false;
	}
	w->at = s + 1;
	if (key) {
		w->want = WANT_COLON;
	} else {
		value_ends(w);
	}
	return add(w, XIAOZHI_JSON_STRING, start, s);
}

static const char *digits(const char *s, const char *end)
{
	while (s < end && *s >= '0' && *s <= '9') {
		s++;
	}
	return s;
}

/* Where the number at s ends; NULL if there is none. */
static const char *number(const char *s, const char *end)
{
	s += s < end && *s == '-';
	const char *whole = digits(s, end);
	if (whole == s || (*s == '0' && whole > s + 1)) {
		return NULL;
	}
	s = whole;
	if (s < end && *s == '.') {
		const char *fraction = digits(s + 1, end);
		if (fraction == s + 1) {
			return NULL;
		}
		s = fraction;
	}
	if (s < end && (*s == 'e' || *s == 'E')) {
		s++;
		s += s < end && (*s == '+' || *s == '-');
		const char *exponent = digits(s, end);
		return exponent == s ? NULL : exponent;
	}
	return s;
}

static const char *word(const char *s, const char *end)
{
	static const struct xiaozhi_json_name words[] = {
		{XIAOZHI_JSON_NAME("true")}, {XIAOZHI_JSON_NAME("false")}, {XIAOZHI_JSON_NAME("null")}};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if ((size_t)(end - s) >= words[i].len && memcmp(s, words[i].text, words[i].len) == 0) {
			return s + words[i].len;
		}
	}
	return NULL;
}

/* What follows it is looked at by the next step, which wants a comma or an end. */
static bool primitive(struct walk *w)
{
	const char *start = w->at;
	const char *end = *start >= 'a' ? word(start, w->end) : number(start, w->end);
	if (!end || !wants_value(w)) {
		return false;
	}
	w->at = end;
	value_ends(w);
	return add(w, XIAOZHI_JSON_PRIMITIVE, start, end);
}

static bool between(struct walk *w, char c)
{
	if (w->want != (c == ':' ? WANT_COLON : WANT_COMMA_OR_END)) {
		return false;
	}
	bool value = c == ':' || w->json->token[w->open[w->depth - 1]].kind == XIAOZHI_JSON_ARRAY;
	w->want = value ? WANT_VALUE : WANT_KEY;
	w->at++;
	return true;
}

static bool step(struct walk *w)
{
	char c = *w->at;
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
	struct walk w = {.json = out, .at = text, .end = text + len, .want = WANT_VALUE};
	out->text = text;
	out->count = 0;
	out->escapes = false;
	if (len > INT32_MAX) {
		return false;
	}
	while (w.at < w.end) {
		if (!step(&w)) {
			return false;
		}
	}
	return w.want == WANT_NOTHING;
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

/* s stands behind a backslash; the grammar has been checked. */
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
	if (token < 0 || json->token[token].kind != XIAOZHI_JSON_STRING) {
		return false;
	}
	const char *s = json->text + json->token[token].start;
	size_t len = (size_t)(json->token[token].end - json->token[token].start);
	bool clean = len < size;
	if (json->escapes && memchr(s, '\\', len)) {
		long decoded = decode(s, s + len, out, size - 1);
		len = decoded < 0 ? 0 : (size_t)decoded;
		clean = decoded >= 0 && text_is_printable(out, len);
	} else if (clean) { /* the grammar lets DEL pass, and no other control character */
		memcpy(out, s, len);
		clean = !memchr(out, 0x7f, len);
	}
	if (!clean) {
		out[0] = '\0';
		return false;
	}
	out[len] = '\0';
	return true;
}

/* ---- values ---- */

bool xiaozhi_json_is_object(const struct xiaozhi_json *json, int token)
{
	return token >= 0 && json->token[token].kind == XIAOZHI_JSON_OBJECT;
}

static bool is_array(const struct xiaozhi_json *json, int token)
{
	return token >= 0 && json->token[token].kind == XIAOZHI_JSON_ARRAY;
}

static bool is_null(const struct xiaozhi_json *json, int token)
{
	return json->token[token].kind == XIAOZHI_JSON_PRIMITIVE && json->text[json->token[token].start] == 'n';
}

/* Which of the names the key is; n if none. first: the one that it probably is. */
static size_t find_name(const struct xiaozhi_json *json, int key, const struct xiaozhi_json_name *names, size_t n, size_t first)
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
	for (size_t tried = 0, i = first; tried < n; tried++, i++) {
		i = i < n ? i : 0;
		if (names[i].len == len && names[i].text[0] == s[0] && memcmp(names[i].text, s, len) == 0) {
			return i;
		}
	}
	return n;
}

bool xiaozhi_json_members(const struct xiaozhi_json *json, int token, const struct xiaozhi_json_name *names, size_t n, int *at)
{
	uint32_t seen = 0;
	size_t next = 0; /* members mostly come in the order of the names */
	for (size_t i = 0; i < n; i++) {
		at[i] = XIAOZHI_JSON_ABSENT;
	}
	if (!xiaozhi_json_is_object(json, token)) {
		return false;
	}
	int end = json->token[token].after;
	for (int key = token + 1; key < end; key = json->token[key + 1].after) {
		size_t i = find_name(json, key, names, n, next);
		if (i == n) {
			continue;
		}
		next = i + 1;
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
	return is_array(json, array) && json->token[array].after > array + 1 ? array + 1 : XIAOZHI_JSON_ABSENT;
}

int xiaozhi_json_next(const struct xiaozhi_json *json, int array, int element)
{
	int next = json->token[element].after;
	return next < json->token[array].after ? next : XIAOZHI_JSON_ABSENT;
}

bool xiaozhi_json_int(const struct xiaozhi_json *json, int token, int64_t min, int64_t max, int64_t *out)
{
	char text[24];
	int64_t value = 0;
	*out = 0;
	if (token < 0 || (json->token[token].kind != XIAOZHI_JSON_PRIMITIVE && json->token[token].kind != XIAOZHI_JSON_STRING)) {
		return false;
	}
	size_t len = (size_t)(json->token[token].end - json->token[token].start);
	if (len >= sizeof text) {
		return false;
	}
	const char *s = json->text + json->token[token].start;
	size_t plain = 0; /* of digits that need no thought */
	for (; plain < len && plain < 18 && s[plain] >= '0' && s[plain] <= '9'; plain++) {
		value = value * 10 + (s[plain] - '0');
	}
	if (plain == 0 || plain < len) {
		memcpy(text, s, len);
		text[len] = '\0';
		if (!text_to_i64(text, &value)) {
			return false;
		}
	}
	if (value < min || value > max) {
		return false;
	}
	*out = value;
	return true;
}
