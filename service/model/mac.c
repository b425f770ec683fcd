#include "model/mac.h"

#include <stddef.h>
#include <string.h>

enum { DIGITS = 12 };

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* Digits between two separators: the length of the text tells which spelling it is. 0: none of them. */
static size_t group_length(const char *text, size_t len)
{
	if (len == DIGITS) {
		return DIGITS;
	}
	if (len == DIGITS + 5 && strchr(":-.", text[2])) {
		return 2;
	}
	return len == DIGITS + 2 && strchr(":-.", text[4]) ? 4 : 0;
}

bool mac_parse(const char *text, char out[MAC_SIZE])
{
	size_t len = strnlen(text, 32);
	size_t group = group_length(text, len);
	size_t n = 0;
	out[0] = '\0';
	if (group == 0) {
		return false;
	}
	char separator = text[group];
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool between = i % (group + 1) == group;
		if (between ? c != separator : !is_hex(c)) {
			out[0] = '\0';
			return false;
		}
		if (!between) {
			out[n++] = (char)(c >= 'a' ? c - 'a' + 'A' : c);
		}
	}
	out[n] = '\0';
	return true;
}
