#include "http/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* Decimal digits; more than 64 bits saturate (a range may end beyond any file). False when there is no digit. */
static bool number(const char **s, uint64_t *out)
{
	const char *p = *s;
	uint64_t v = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');
		v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
	}
	bool any = p != *s;
	*s = p;
	*out = v;
	return any;
}

/* One range-spec. False if malformed; *out has len 0 if it lies outside of the file. */
static bool spec(const char **s, uint64_t size, struct http_range *out)
{
	uint64_t first;
	uint64_t last;
	bool has_first = number(s, &first);
	if (**s != '-') {
		return false;
	}
	(*s)++;
	bool has_last = number(s, &last);
	if (!has_first) {
		uint64_t len = last < size ? last : size;
		*out = (struct http_range){.offset = size - len, .len = len};
		return has_last;
	}
	if (has_last && last < first) {
		return false;
	}
	uint64_t end = has_last && last < size ? last + 1 : size;
	*out = (struct http_range){.offset = first, .len = first < end ? end - first : 0};
	return true;
}

static bool touches(const struct http_range *a, const struct http_range *b)
{
	return a->offset <= b->offset + b->len && b->offset <= a->offset + a->len;
}

static struct http_range join(const struct http_range *a, const struct http_range *b)
{
	uint64_t end_a = a->offset + a->len;
	uint64_t end_b = b->offset + b->len;
	uint64_t offset = a->offset < b->offset ? a->offset : b->offset;
	return (struct http_range){.offset = offset, .len = (end_a > end_b ? end_a : end_b) - offset};
}

/* Merges what touches, later ones into earlier ones. */
static void merge(struct http_range *out, unsigned *count)
{
	for (unsigned i = 0; i < *count; i++) {
		for (unsigned j = i + 1; j < *count; j++) {
			if (touches(&out[i], &out[j])) {
				out[i] = join(&out[i], &out[j]);
				memmove(&out[j], &out[j + 1], (*count - j - 1) * sizeof(out[0]));
				(*count)--;
				j = i; /* it has grown: look at all that follow once more */
			}
		}
	}
}

/* False when there is no room. */
static bool add(struct http_range *out, unsigned *count, const struct http_range *r)
{
	for (unsigned i = 0; i < *count; i++) {
		if (touches(&out[i], r)) {
			out[i] = join(&out[i], r);
			merge(out, count);
			return true;
		}
	}
	if (*count == HTTP_RANGES_MAX) {
		return false;
	}
	out[(*count)++] = *r;
	return true;
}

/* The list of range-specs. False if it is malformed or has too many parts. */
static bool list(const char *s, uint64_t size, struct http_range *out, unsigned *count)
{
	bool any = false;
	for (s = skip_blanks(s);; s = skip_blanks(s + 1)) {
		if (*s != ',' && *s != '\0') {
			struct http_range r;
			if (!spec(&s, size, &r) || (r.len && !add(out, count, &r))) {
				return false;
			}
			any = true;
			s = skip_blanks(s);
		}
		if (*s != ',') {
			return any && *s == '\0';
		}
	}
}

enum http_range_kind http_range_parse(const char *text, uint64_t size, struct http_range out[HTTP_RANGES_MAX], unsigned *count)
{
	*count = 0;
	if (!text || size == 0 || strncasecmp(text, "bytes=", 6) != 0 || !list(text + 6, size, out, count)) {
		*count = 0;
		return HTTP_RANGE_WHOLE;
	}
	return *count ? HTTP_RANGE_PARTS : HTTP_RANGE_NONE;
}
