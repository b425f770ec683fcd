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

/* Every spelling of an address reads as the same one. */
static void respell(const char *digits, size_t group, char separator)
{
	char text[2 * MAC_SIZE];
	char back[MAC_SIZE];
	size_t n = 0;
	for (size_t i = 0; digits[i]; i++) {
		if (i && i % group == 0) {
			text[n++] = separator;
		}
		text[n++] = i % 3 ? digits[i] : (char)(digits[i] | 0x20); /* a digit stays what it is */
	}
	text[n] = '\0';
	CHECK(mac_parse(text, back) && strcmp(back, digits) == 0);
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
	for (const char *separator = ":-."; *separator; separator++) {
		respell(out, 2, *separator);
		respell(out, 4, *separator);
	}
	respell(out, MAC_SIZE - 1, '\0');
	return 0;
}
