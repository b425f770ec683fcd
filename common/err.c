#define ERR_IMPLEMENTATION
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A cut sentence must not end in half a UTF-8 character. */
static void drop_partial_char(char *text, size_t len)
{
	size_t start = len;
	while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
		start--;
	}
	if (start == 0) {
		return;
	}
	unsigned char lead = (unsigned char)text[start - 1];
	size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
	if (len - (start - 1) < need) {
		text[start - 1] = '\0';
	}
}

static void store(struct err *err, const char *text, bool cut)
{
	size_t len = strnlen(text, sizeof err->text - 1);
	memcpy(err->text, text, len);
	err->text[len] = '\0';
	if (cut) {
		drop_partial_char(err->text, len);
	}
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	if (err == NULL) {
		return false;
	}
	char text[sizeof err->text]; /* not in place: an argument may be err->text itself */
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (n < 0) {
		text[0] = '\0';
	}
	err->kind = kind;
	store(err, text, n >= (int)sizeof text);
	return false;
}

bool err_prefix(struct err *err, const char *fmt, ...)
{
	if (err == NULL) {
		return false;
	}
	char text[2 * sizeof err->text + sizeof ": "];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof err->text, fmt, args);
	va_end(args);
	if (n < 0) {
		return false;
	}
	size_t len = strlen(text);
	size_t old = strnlen(err->text, sizeof err->text - 1);
	memcpy(text + len, ": ", 2);
	memcpy(text + len + 2, err->text, old);
	text[len + 2 + old] = '\0';
	store(err, text, len + 2 + old >= sizeof err->text);
	return false;
}

const char *err_errno(int code)
{
	const char *text = strerrordesc_np(code);
	return text != NULL ? text : "unknown error";
}

const char *err_kind_name(enum err_kind kind)
{
	static const char *const names[] = {
		[ERR_NONE] = "none",           [ERR_INVALID] = "invalid",   [ERR_MISSING] = "missing",
		[ERR_EMPTY] = "empty",         [ERR_TYPE] = "wrong_type",   [ERR_NOT_FOUND] = "not_found",
		[ERR_EXISTS] = "exists",       [ERR_CONFLICT] = "conflict", [ERR_UNAUTHENTICATED] = "unauthenticated",
		[ERR_DENIED] = "denied",       [ERR_BLOCKED] = "blocked",   [ERR_GONE] = "gone",
		[ERR_TOO_LARGE] = "too_large", [ERR_BUSY] = "busy",         [ERR_UNAVAILABLE] = "unavailable",
		[ERR_NO_SPACE] = "no_space",   [ERR_INTERNAL] = "internal",
	};
	return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}
