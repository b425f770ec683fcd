/* The JSON string writer, by which everything from outside goes into answers and logs. Byte 1: a ceiling; the rest: the text. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"

enum { OUT_MAX = 1 << 20 };

/* C1 controls (U+0080 to U+009F), which a terminal obeys. */
static bool has_c1(const struct buf *out)
{
	for (size_t i = 1; i < out->len; i++) {
		if ((unsigned char)out->data[i - 1] == 0xc2 && (unsigned char)out->data[i] < 0xa0) {
			return true;
		}
	}
	return false;
}

static void read_back(const struct buf *out, const char *text, size_t len)
{
	CHECK(text_is_utf8(out->data, out->len) && text_is_printable(out->data, out->len) && !has_c1(out));
	const char *end = NULL;
	cJSON *json = cJSON_ParseWithLengthOpts(out->data, out->len, &end, false);
	CHECK(cJSON_IsString(json) && end == out->data + out->len);
	if (text_is_utf8(text, len)) {
		CHECK(strlen(json->valuestring) == len && memcmp(json->valuestring, text, len) == 0);
	}
	cJSON_Delete(json);
}

/* A ceiling that is reached fails for good, and what was written is the beginning of the whole. */
static void cut_off(const struct buf *whole, const char *text, size_t len, size_t size)
{
	scoped_free char *mem = malloc(size ? size : 1);
	struct buf out;
	buf_init_fixed(&out, mem, size);
	buf_put_json_len(&out, text, len);
	CHECK(buf_ok(&out) == (whole->len < size));
	CHECK(!size || out.len < size);
	CHECK(!buf_ok(&out) || (out.len == whole->len && memcmp(out.data, whole->data, out.len) == 0));
	CHECK(strlen(buf_cstr(&out)) <= out.len);
}

static void formatted(const char *text, size_t size)
{
	struct buf grown;
	struct buf fixed;
	scoped_free char *mem = malloc(size ? size : 1);
	buf_init(&grown, OUT_MAX);
	buf_init_fixed(&fixed, mem, size);
	buf_putf(&grown, "<%s>", text);
	buf_putf(&fixed, "<%s>", text);
	CHECK(buf_ok(&grown) && grown.len == strlen(text) + 2);
	CHECK(buf_ok(&fixed) == (grown.len < size));
	CHECK(!buf_ok(&fixed) || strcmp(buf_cstr(&fixed), buf_cstr(&grown)) == 0);
	buf_free(&grown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t ceiling = fuzz_number(&in, 1);
	struct fuzz_input again = in;
	size_t len;
	scoped_free char *text = fuzz_rest(&in, &len);
	scoped_free char *line = fuzz_line(&again);
	if (len > OUT_MAX / 8) {
		return 0;
	}
	struct buf out;
	buf_init(&out, OUT_MAX);
	buf_put_json_len(&out, text, len);
	CHECK(buf_ok(&out));
	read_back(&out, text, len);
	cut_off(&out, text, len, ceiling);
	buf_free(&out);
	formatted(line, ceiling);
	return 0;
}
