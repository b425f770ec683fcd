/* Access to JSON from outside by cJSON: capped, strict about types, and never surprised by depth.
 *
 * cJSON itself refuses more than CJSON_NESTING_LIMIT (1000) levels; we refuse more than 64. Keys compare case-sensitively. Numbers must be
 * finite. A doubled key is refused (which of two values counts must not depend on the parser).
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;
struct err;

/* Parses exactly one JSON object (blanks around it allowed). NULL and a sentence otherwise. The caller frees with json_free. */
struct cJSON *json_parse_object(const char *text, size_t len, struct err *err);
void json_free(struct cJSON **json);
#define scoped_json scoped(json_free)

/* Refuses members whose key is not in the NULL-terminated list; the sentence names the first one and the known ones. */
bool json_only_keys(const struct cJSON *obj, const char *const *known, struct err *err);

/* A member as text copied into out[size]. Absent or null: *out = "" and, if required, ERR_MISSING. Empty and required: ERR_EMPTY. Not a
 * string, too long, not UTF-8 or with control characters: ERR_INVALID. */
bool json_text(const struct cJSON *obj, const char *key, bool required, char *out, size_t size, struct err *err);

/* The same, where real clients also send a number: 1.8 and "1.8" both give "1.8". */
bool json_text_or_number(const struct cJSON *obj, const char *key, bool required, char *out, size_t size, struct err *err);

/* Whole numbers within [min, max]; a string of digits is accepted too. *out keeps its value when an optional member is absent. */
bool json_int(const struct cJSON *obj, const char *key, bool required, int64_t min, int64_t max, int64_t *out, struct err *err);
bool json_bool(const struct cJSON *obj, const char *key, bool required, bool *out, struct err *err);

/* A member that is an object; *out = NULL when it is absent or null. */
bool json_object(const struct cJSON *obj, const char *key, const struct cJSON **out, struct err *err);

/* A member that is an array of texts, each as json_text() takes a required one, into `max` places of `size` bytes, one behind the other.
 * Absent or null: nothing changes. */
struct json_texts {
	char *out;
	size_t size;
	size_t max;
	size_t count;
};
bool json_texts(const struct cJSON *obj, const char *key, struct json_texts *inout, struct err *err);

/* Is there a member of that name, not null? */
bool json_has(const struct cJSON *obj, const char *key);

#endif
