/* MAC addresses. The input is the text. */
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "fuzz.h"
#include "model/mac.h"

/* The digits and nothing else, in upper case; false if there is more than one kind of separator. */
static bool strip(const char *text, char out[MAC_SIZE])
{
	size_t n = 0;
	char separator = '\0';
	for (; *text; text++) {
		char upper = (char)(*text >= 'a' && *text <= 'f' ? *text - 'a' + 'A' : *text);
		if (strchr("0123456789ABCDEF", upper) && n + 1 < MAC_SIZE) {
			out[n++] = upper;
		} else if (strchr(":-.", *text) && (!separator || separator == *text)) {
			separator = *text;
		} else {
			return false;
		}
	}
	out[n] = '\0';
	return n + 1 == MAC_SIZE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *text = fuzz_line(&in);
	char out[MAC_SIZE];
	char other[MAC_SIZE];
	if (!mac_parse(text, out)) {
		CHECK(*out == '\0');
		return 0;
	}
	CHECK(strip(text, other) && strcmp(out, other) == 0);
	CHECK(mac_parse(out, other) && strcmp(out, other) == 0);
	return 0;
}
