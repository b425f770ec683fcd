#include "model/version.h"

#include <stdint.h>
#include <stdlib.h>

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

int version_compare(const char *a, const char *b)
{
	for (;;) {
		char *a_end;
		char *b_end;
		long x = strtol(a, &a_end, 10);
		long y = strtol(b, &b_end, 10);
		if (x != y) {
			return x < y ? -1 : 1;
		}
		if (!*a_end || !*b_end) {
			return (*a_end != '\0') - (*b_end != '\0');
		}
		a = a_end + 1;
		b = b_end + 1;
	}
}
