/* Versions. Three lines, one each. */
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "fuzz.h"
#include "model/version.h"

enum { PARTS_MAX = 8 };

/* The parts as numbers; their count, or 0 if it is no dotted version. */
static int split(const char *v, uint64_t part[PARTS_MAX])
{
	for (int n = 0; n < PARTS_MAX; n++) {
		size_t digits = strspn(v, "0123456789");
		if (digits == 0 || digits > 11) {
			return 0;
		}
		part[n] = strtoull(v, NULL, 10);
		v += digits;
		if (part[n] >= 1u << 31) {
			return 0;
		}
		if (*v != '.') {
			return *v ? 0 : n + 1;
		}
		v++;
	}
	return 0;
}

static int slow_compare(const char *a, const char *b)
{
	uint64_t x[PARTS_MAX] = {0};
	uint64_t y[PARTS_MAX] = {0};
	int n = split(a, x);
	int m = split(b, y);
	for (int i = 0; i < n && i < m; i++) {
		if (x[i] != y[i]) {
			return x[i] < y[i] ? -1 : 1;
		}
	}
	return (n > m) - (n < m);
}

static void check_pair(const char *a, const char *b)
{
	int order = version_compare(a, b);
	CHECK(order == slow_compare(a, b));
	CHECK(version_compare(b, a) == -order);
	CHECK(version_compare(a, a) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *a = fuzz_line(&in);
	scoped_free char *b = fuzz_line(&in);
	scoped_free char *c = fuzz_line(&in);
	uint64_t part[PARTS_MAX];
	CHECK(version_is_dotted(a) == (split(a, part) > 0));
	if (!version_is_dotted(a) || !version_is_dotted(b)) {
		return 0;
	}
	check_pair(a, b);
	if (version_is_dotted(c)) {
		check_pair(b, c);
		check_pair(a, c);
		int ab = version_compare(a, b);
		int bc = version_compare(b, c);
		int ac = version_compare(a, c);
		CHECK(ab < 0 || bc < 0 || ac >= 0); /* a >= b >= c */
		CHECK(ab > 0 || bc > 0 || ac <= 0);
		CHECK(ab != 0 || ac == bc);
	}
	return 0;
}
