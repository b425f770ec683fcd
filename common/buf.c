#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max < SIZE_MAX ? max : SIZE_MAX - 1};
}

/* One byte stays free for the NUL of buf_cstr(). */
void buf_init_fixed(struct buf *b, char *mem, size_t size) /* NOLINT(readability-non-const-parameter): written to later */
{
	*b = (struct buf){.data = mem, .cap = size, .max = size > 0 ? size - 1 : 0, .fixed = true, .failed = size == 0};
}

void buf_free(struct buf *b)
{
	if (!b->fixed) {
		free(b->data);
	}
	*b = (struct buf){.failed = true};
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Makes cap at least len + more + 1, or fails for good. */
static __attribute__((noinline)) bool grow(struct buf *b, size_t more)
{
	if (b->failed || more > b->max - b->len || b->fixed) {
		b->failed = true;
		return false;
	}
	size_t want = b->len + more + 1;
	size_t cap = b->cap > 0 ? b->cap : FIRST_CAP;
	while (cap < want) {
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	}
	cap = cap > b->max + 1 ? b->max + 1 : cap;
	char *data = realloc(b->data, cap);
	if (data == NULL) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

/* Room for `more` bytes at data + len. A piece that does not fit is not stored at all. */
static inline bool reserve(struct buf *b, size_t more)
{
	if (!b->failed && b->len < b->cap && more < b->cap - b->len) {
		return true;
	}
	return grow(b, more);
}

void buf_put(struct buf *b, const void *data, size_t len)
{
	if (len > 0 && reserve(b, len)) {
		memcpy(b->data + b->len, data, len);
		b->len += len;
	}
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	if (reserve(b, 1)) {
		b->data[b->len++] = c;
	}
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	size_t room = !b->failed && b->data != NULL ? b->cap - b->len : 0;
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(room > 0 ? b->data + b->len : NULL, room, fmt, args);
	va_end(args);
	if (n < 0) {
		b->failed = true;
	} else if ((size_t)n < room) {
		b->len += (size_t)n;
	} else if (reserve(b, (size_t)n)) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	buf_put(b, digits + at, sizeof digits - at);
}

void buf_put_i64(struct buf *b, int64_t v)
{
	if (v < 0) {
		buf_putc(b, '-');
		buf_put_u64(b, (uint64_t)0 - (uint64_t)v);
	} else {
		buf_put_u64(b, (uint64_t)v);
	}
}

/* Printable ASCII but quote and backslash. */
static inline bool json_safe(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Do all eight bytes of the word pass json_safe()? May say no to a word that does (the caller then looks byte by byte), never yes to one
 * that does not. */
static inline bool json_safe_word(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101U;
	const uint64_t tops = 0x8080808080808080U;
	uint64_t quote = w ^ (ones * '"');
	uint64_t slash = w ^ (ones * '\\');
	uint64_t bad = w | (w - ones * 0x20) | (w + ones) | (quote - ones) | (slash - ones);
	return (bad & tops) == 0;
}

static size_t json_safe_run(const char *s, size_t len)
{
	size_t n = 0;
	while (len - n >= sizeof(uint64_t)) {
		uint64_t word;
		memcpy(&word, s + n, sizeof word);
		if (!json_safe_word(word)) {
			break;
		}
		n += sizeof word;
	}
	while (n < len && json_safe((unsigned char)s[n])) {
		n++;
	}
	return n;
}

/* Length of the well-formed UTF-8 character at s (2..4), or 0. */
static size_t utf8_char(const unsigned char *s, size_t len)
{
	static const struct {
		unsigned char lead_min, lead_max, second_min, second_max, len;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (s[0] < forms[i].lead_min || s[0] > forms[i].lead_max) {
			continue;
		}
		size_t n = forms[i].len;
		if (len < n || s[1] < forms[i].second_min || s[1] > forms[i].second_max) {
			return 0;
		}
		for (size_t k = 2; k < n; k++) {
			if ((s[k] & 0xc0) != 0x80) {
				return 0;
			}
		}
		return n;
	}
	return 0;
}

static void put_unicode_escape(struct buf *b, unsigned c)
{
	static const char hex[] = "0123456789abcdef";
	char out[6] = {'\\', 'u', '0', '0', hex[c >> 4 & 15], hex[c & 15]};
	buf_put(b, out, sizeof out);
}

/* One character that json_safe() refused; returns the bytes it took. */
static size_t put_special(struct buf *b, const char *at, size_t len)
{
	const unsigned char *s = (const unsigned char *)at;
	static const char short_from[] = "\"\\\n\r\t\b\f";
	static const char short_to[] = "\"\\nrtbf";
	if (s[0] < 0x80) {
		const char *hit = s[0] != 0 ? strchr(short_from, s[0]) : NULL;
		if (hit != NULL) {
			char out[2] = {'\\', short_to[hit - short_from]};
			buf_put(b, out, sizeof out);
		} else {
			put_unicode_escape(b, s[0]);
		}
		return 1;
	}
	size_t n = utf8_char(s, len);
	if (n == 0) {
		buf_put(b, "\xef\xbf\xbd", 3);
		return 1;
	}
	if (s[0] == 0xc2 && s[1] < 0xa0) { /* C1 controls: a terminal obeys them */
		put_unicode_escape(b, s[1]);
	} else {
		buf_put(b, s, n);
	}
	return n;
}

void buf_put_json_len(struct buf *b, const char *s, size_t len)
{
	size_t run = json_safe_run(s, len);
	if (run == len && len <= SIZE_MAX - 2 && reserve(b, len + 2)) {
		char *out = b->data + b->len;
		out[0] = '"';
		if (len > 0) {
			memcpy(out + 1, s, len);
		}
		out[len + 1] = '"';
		b->len += len + 2;
		return;
	}
	buf_putc(b, '"');
	for (size_t at = 0; at < len && !b->failed;) {
		buf_put(b, s + at, run);
		at += run;
		if (at < len) {
			at += put_special(b, s + at, len - at);
		}
		run = json_safe_run(s + at, len - at);
	}
	buf_putc(b, '"');
}

void buf_put_json(struct buf *b, const char *s)
{
	if (s == NULL) {
		buf_put(b, "null", 4);
	} else {
		buf_put_json_len(b, s, strlen(s));
	}
}

void buf_put_markup(struct buf *b, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<':
			buf_puts(b, "&lt;");
			break;
		case '>':
			buf_puts(b, "&gt;");
			break;
		case '&':
			buf_puts(b, "&amp;");
			break;
		case '"':
			buf_puts(b, "&quot;");
			break;
		default:
			buf_putc(b, (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s);
		}
	}
}

void buf_put_hex(struct buf *b, const void *data, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *bytes = data;
	if (len > SIZE_MAX / 2 || !reserve(b, len * 2)) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		b->data[b->len++] = hex[bytes[i] >> 4];
		b->data[b->len++] = hex[bytes[i] & 15];
	}
}

const char *buf_cstr(struct buf *b)
{
	if (b->data == NULL || b->len >= b->cap) {
		return "";
	}
	b->data[b->len] = '\0';
	return b->data;
}
