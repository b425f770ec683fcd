/* What Xiaozhi devices send as JSON, read in place: tokens over the caller's bytes, nothing allocated.
 *
 * One walk over the text checks the whole grammar (RFC 8259, well-formed UTF-8, at most XIAOZHI_JSON_DEPTH levels) and leaves the tokens.
 * Values are named by their token's number. Pure; a struct belongs to its caller.
 */
#ifndef DIALECT_XIAOZHI_JSON_H
#define DIALECT_XIAOZHI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	XIAOZHI_JSON_TOKENS = 2048, /* the largest partition table (95 entries) has 1,046 */
	XIAOZHI_JSON_DEPTH = 32,
	XIAOZHI_JSON_ABSENT = -1, /* no such member, or null */
};

enum xiaozhi_json_kind { XIAOZHI_JSON_OBJECT, XIAOZHI_JSON_ARRAY, XIAOZHI_JSON_STRING, XIAOZHI_JSON_PRIMITIVE };

/* A value, or a member's name, which its value follows. */
struct xiaozhi_json_token {
	enum xiaozhi_json_kind kind;
	int start, end; /* in the text; of a string without its quotes */
	int after;      /* the token behind this one and all inside it */
};

/* 32 KiB, of which only the tokens of the body are touched: do not clear it. */
struct xiaozhi_json {
	const char *text;
	bool escapes; /* there is a backslash somewhere */
	int count;
	struct xiaozhi_json_token token[XIAOZHI_JSON_TOKENS];
};

/* A member's name, its length counted by the compiler: {XIAOZHI_JSON_NAME("board")}. */
struct xiaozhi_json_name {
	const char *text;
	size_t len;
};
#define XIAOZHI_JSON_NAME(literal) literal, sizeof(literal) - 1

/* Reads the one value that text is; it is token 0. False if it is not JSON, too deep, or has too many tokens. text must outlive out. */
bool xiaozhi_json_parse(struct xiaozhi_json *out, const char *text, size_t len);

bool xiaozhi_json_is_object(const struct xiaozhi_json *json, int token);

/* Looks the members up by name, exactly: at[i] = the value of names[i], or ABSENT. At most 32 names. False if token is no object or has one
 * of these names twice: which of the two counts must not depend on who reads. */
bool xiaozhi_json_members(const struct xiaozhi_json *json, int token, const struct xiaozhi_json_name *names, size_t n, int *at);

/* The elements of an array in turn; ABSENT at the end, or at once if it is no array. */
int xiaozhi_json_first(const struct xiaozhi_json *json, int array);
int xiaozhi_json_next(const struct xiaozhi_json *json, int array, int element);

/* A string as text without control characters. False, and out = "", if it is no string, or does not fit with its NUL. */
bool xiaozhi_json_text(const struct xiaozhi_json *json, int token, char *out, size_t size);

/* A whole number, or a string of its digits. False, and *out = 0, if it is none or outside [min, max]. */
bool xiaozhi_json_int(const struct xiaozhi_json *json, int token, int64_t min, int64_t max, int64_t *out);

#endif
