/* The Range header. Line 1: the file's size; line 2: the header. The rest: ranges to write as a header, three bytes each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"
#include "http/range.h"

enum { SMALL = 200, SPECS_MAX = 24, HEADER_MAX = 4096 };

static void check_parts(const struct http_range *part, unsigned count, uint64_t size)
{
	CHECK(count >= 1 && count <= HTTP_RANGES_MAX);
	for (unsigned i = 0; i < count; i++) {
		CHECK(part[i].len >= 1 && part[i].offset < size && part[i].len <= size - part[i].offset);
		for (unsigned k = 0; k < i; k++) { /* neither overlapping nor adjacent */
			CHECK(part[i].offset > part[k].offset + part[k].len || part[k].offset > part[i].offset + part[i].len);
		}
	}
}

static void any_header(const char *text, uint64_t size)
{
	struct http_range part[HTTP_RANGES_MAX];
	unsigned count = 7;
	enum http_range_kind kind = http_range_parse(text, size, part, &count);
	CHECK((count > 0) == (kind == HTTP_RANGE_PARTS));
	if (kind == HTTP_RANGE_PARTS) {
		check_parts(part, count, size);
	}
	CHECK(kind == HTTP_RANGE_WHOLE || strncasecmp(text, "bytes=", 6) == 0);
}

/* One range-spec from three bytes; marks what it asks for. */
static void put_spec(struct fuzz_input *in, struct buf *out, bool wanted[SMALL])
{
	unsigned shape = (unsigned)fuzz_number(in, 1);
	unsigned first = (unsigned)fuzz_number(in, 1);
	unsigned last = first + (unsigned)fuzz_number(in, 1) % 16;
	switch (shape % 4) {
	case 0: /* the last `first` bytes */
		buf_putf(out, "-%u", first);
		last = SMALL - 1;
		first = first < SMALL ? SMALL - first : 0;
		break;
	case 1:
		buf_putf(out, "%u-", first);
		last = SMALL - 1;
		break;
	default:
		buf_putf(out, "%u-%u", first, last);
		break;
	}
	for (unsigned i = first; i <= last && i < SMALL; i++) {
		wanted[i] = true;
	}
}

/* What is asked for in a well-formed header is what is given, no more and no less. */
static void written_header(struct fuzz_input *in)
{
	char text[HEADER_MAX];
	struct buf out;
	bool wanted[SMALL] = {false};
	bool any = false;
	unsigned n = 0;
	buf_init_fixed(&out, text, sizeof text);
	buf_puts(&out, "Bytes=");
	for (; in->left && n < SPECS_MAX; n++) {
		buf_puts(&out, n ? " , " : "");
		put_spec(in, &out, wanted);
	}
	struct http_range part[HTTP_RANGES_MAX];
	unsigned count;
	enum http_range_kind kind = http_range_parse(buf_cstr(&out), SMALL, part, &count);
	for (unsigned i = 0; i < SMALL; i++) {
		any |= wanted[i];
	}
	if (kind == HTTP_RANGE_WHOLE) {
		CHECK(n == 0 || n > HTTP_RANGES_MAX);
		return;
	}
	CHECK((kind == HTTP_RANGE_PARTS) == any);
	for (unsigned i = 0; i < count; i++) {
		for (uint64_t k = part[i].offset; k < part[i].offset + part[i].len; k++) {
			CHECK(wanted[k]);
			wanted[k] = false;
		}
	}
	for (unsigned i = 0; i < SMALL; i++) {
		CHECK(!wanted[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *number = fuzz_line(&in);
	scoped_free char *text = fuzz_line(&in);
	uint64_t file_size;
	if (text_to_u64(number, &file_size)) {
		any_header(text, file_size);
	}
	written_header(&in);
	return 0;
}
