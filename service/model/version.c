#include "model/version.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 8 };

bool version_is_dotted(const char *v)
{
	for (int part = 0; part < PARTS_MAX; part++) {
		int64_t value = 0;
		const char *start = v;
		while (*v >= '0' && *v <= '9' && v - start < 11) {
			value = value * 10 + (*v++ - '0');
		}
		if (v == start || value > INT32_MAX) {
			return false;
		}
		if (*v == '\0') {
			return true;
		}
		if (*v++ != '.') {
			return false;
		}
	}
	return false;
}

/* Where the next part begins: behind the next dot, or at the end. A dot at the very end has no part behind it. */
static const char *next_part(const char *v)
{
	v += strcspn(v, ".");
	return *v == '.' ? v + 1 : v;
}

bool version_is_read(const char *v)
{
	do {
		char *end;
		long value = strtol(v, &end, 10);
		if (end == v || value > INT32_MAX || value < INT32_MIN) {
			return false;
		}
		v = next_part(end);
	} while (*v);
	return true;
}

int version_compare(const char *a, const char *b)
{
	while (*a && *b) {
		char *a_end;
		char *b_end;
		long x = strtol(a, &a_end, 10);
		long y = strtol(b, &b_end, 10);
		if (x != y) {
			return x < y ? -1 : 1;
		}
		a = next_part(a_end);
		b = next_part(b_end);
	}
	return (*a != '\0') - (*b != '\0');
}
