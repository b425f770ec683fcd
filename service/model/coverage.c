#include "model/coverage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Removes [from, to) of the array. */
static void drop(struct coverage *c, unsigned from, unsigned to)
{
	memmove(&c->at[from], &c->at[to], (c->count - to) * sizeof *c->at);
	c->count -= to - from;
}

bool coverage_add(struct coverage *c, uint64_t offset, uint64_t len)
{
	if (len == 0 || offset > UINT64_MAX - len) {
		return false;
	}
	struct interval add = {offset, offset + len - 1};
	unsigned from = 0;
	while (from < c->count && c->at[from].last + 1 < add.first) {
		from++;
	}
	unsigned to = from; /* [from, to) touch or overlap the new one */
	while (to < c->count && c->at[to].first <= add.last + 1) {
		to++;
	}
	if (to == from) {
		if (c->count == COVERAGE_MAX) {
			return false;
		}
		memmove(&c->at[from + 1], &c->at[from], (c->count - from) * sizeof *c->at);
		c->at[from] = add;
		c->count++;
		return true;
	}
	if (c->at[from].first <= add.first && c->at[from].last >= add.last) {
		return false;
	}
	if (c->at[from].first < add.first) {
		add.first = c->at[from].first;
	}
	if (c->at[to - 1].last > add.last) {
		add.last = c->at[to - 1].last;
	}
	c->at[from] = add;
	drop(c, from + 1, to);
	return true;
}

uint64_t coverage_bytes(const struct coverage *c)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < c->count; i++) {
		sum += c->at[i].last - c->at[i].first + 1;
	}
	return sum;
}

bool coverage_complete(const struct coverage *c, uint64_t size)
{
	return c->count >= 1 && c->at[0].first == 0 && c->at[0].last + 1 >= size;
}

void coverage_merge(struct coverage *into, const struct coverage *from)
{
	for (unsigned i = 0; i < from->count; i++) {
		coverage_add(into, from->at[i].first, from->at[i].last - from->at[i].first + 1);
	}
}

void coverage_print(const struct coverage *c, char out[COVERAGE_TEXT_SIZE])
{
	size_t len = 0;
	out[0] = '\0';
	for (unsigned i = 0; i < c->count; i++) {
		int n = snprintf(out + len, COVERAGE_TEXT_SIZE - len, "%s%" PRIu64 "-%" PRIu64, i ? "," : "", c->at[i].first,
				 c->at[i].last);
		len += (size_t)n;
	}
}

/* Digits at *text, which is moved behind them. False without one, or on overflow. */
static bool take_number(const char **text, uint64_t *out)
{
	const char *at = *text;
	*out = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(*out, (uint64_t)10, out) || __builtin_add_overflow(*out, (uint64_t)(*at - '0'), out)) {
			return false;
		}
	}
	bool any = at != *text;
	*text = at;
	return any;
}

bool coverage_parse(struct coverage *c, const char *text)
{
	*c = (struct coverage){0};
	while (*text) {
		struct interval next;
		if (c->count == COVERAGE_MAX || !take_number(&text, &next.first) || *text++ != '-' || !take_number(&text, &next.last)) {
			return false;
		}
		bool sorted = c->count == 0 || next.first > c->at[c->count - 1].last + 1;
		if (!sorted || next.last < next.first || next.last == UINT64_MAX) { /* the last: no offset + length ends there */
			return false;
		}
		c->at[c->count++] = next;
		if (*text && (*text++ != ',' || !*text)) {
			return false;
		}
	}
	return true;
}
