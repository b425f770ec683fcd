/* Which bytes of a file a device has. Line 1: a coverage as text. The rest: ranges to add, two bytes each within 256 bytes, then eight and
 * eight. */
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "fuzz.h"
#include "model/coverage.h"

enum { FILE_SIZE = 256 };

static void check_form(const struct coverage *c)
{
	uint64_t sum = 0;
	CHECK(c->count <= COVERAGE_MAX);
	for (unsigned i = 0; i < c->count; i++) {
		CHECK(c->at[i].first <= c->at[i].last && c->at[i].last < UINT64_MAX);
		CHECK(i == 0 || c->at[i].first > c->at[i - 1].last + 1); /* what touches is one */
		CHECK(!__builtin_add_overflow(sum, c->at[i].last - c->at[i].first + 1, &sum));
	}
	CHECK(coverage_bytes(c) == sum);
}

static bool same(const struct coverage *a, const struct coverage *b)
{
	return a->count == b->count && memcmp(a->at, b->at, a->count * sizeof *a->at) == 0;
}

static void check_printed(const struct coverage *c)
{
	scoped_free char *text = malloc(COVERAGE_TEXT_SIZE);
	struct coverage back;
	coverage_print(c, text);
	CHECK(coverage_parse(&back, text) && same(c, &back));
}

static void any_text(const char *text)
{
	struct coverage c;
	if (coverage_parse(&c, text)) {
		check_form(&c);
		check_printed(&c);
		CHECK(strspn(text, "0123456789-,") == strlen(text));
	}
}

static unsigned count_bits(const bool *has)
{
	unsigned n = 0;
	for (size_t i = 0; i < FILE_SIZE; i++) {
		n += has[i];
	}
	return n;
}

static bool is_covered(const struct coverage *c, uint64_t byte)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (byte >= c->at[i].first && byte <= c->at[i].last) {
			return true;
		}
	}
	return false;
}

/* Against a bit for every byte; exact until something had to be forgotten, and never more than was fetched. */
static struct coverage small_file(struct fuzz_input *in)
{
	struct coverage c = {0};
	bool has[FILE_SIZE] = {false};
	bool full = false;
	for (unsigned n = (unsigned)fuzz_number(in, 1); n > 0 && in->left; n--) {
		uint64_t offset = fuzz_number(in, 1);
		uint64_t len = fuzz_number(in, 1);
		uint64_t before = coverage_bytes(&c);
		full |= c.count == COVERAGE_MAX;
		len = len < FILE_SIZE - offset ? len : FILE_SIZE - offset;
		bool news = coverage_add(&c, offset, len);
		memset(has + offset, true, len);
		CHECK(news == (coverage_bytes(&c) > before));
		check_form(&c);
	}
	for (size_t i = 0; i < FILE_SIZE; i++) {
		CHECK(full ? has[i] || !is_covered(&c, i) : has[i] == is_covered(&c, i));
	}
	CHECK(full || coverage_bytes(&c) == count_bits(has));
	CHECK(coverage_complete(&c, FILE_SIZE) == (coverage_bytes(&c) == FILE_SIZE));
	return c;
}

static struct coverage large_file(struct fuzz_input *in)
{
	struct coverage c = {0};
	while (in->left) {
		uint64_t offset = fuzz_number(in, 8);
		coverage_add(&c, offset, fuzz_number(in, 8));
		check_form(&c);
	}
	return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *text = fuzz_line(&in);
	any_text(text);
	struct coverage a = small_file(&in);
	check_printed(&a);
	struct coverage b = large_file(&in);
	check_printed(&b);
	struct coverage both = b;
	coverage_merge(&both, &a);
	check_form(&both);
	CHECK(coverage_bytes(&both) >= coverage_bytes(&b));
	struct coverage again = both;
	coverage_merge(&again, &b);
	CHECK(same(&again, &both));
	return 0;
}
