/* Inside the fog dialect: the members of a request's body, whether it is JSON, urlencoded or multipart. */
#ifndef DIALECT_FOG_BODY_H
#define DIALECT_FOG_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/fields.h"

struct cJSON;
struct err;
struct range_list;

enum { FOG_BODY_MAX = 16 << 20 };

struct fog_body {
	struct cJSON *json; /* NULL: it is a form */
	struct http_fields form;
};

/* By the Content-Type; without one a body that begins with { is JSON, another one urlencoded. ERR_INVALID: it is not what it says it is, or
 * is of another type. */
bool fog_body_read(struct fog_body *out, const char *content_type, const char *body, size_t len, struct err *err);
void fog_body_free(struct fog_body *body);

/* Each leaves its target as it is where the member is absent (JSON: or null), and then *given false; given may be NULL. ERR_INVALID: of
 * another type, too long, not in [min, max], control characters, several times in a form. The sentence begins with the name. */
struct fog_text {
	char *out;
	size_t size;
};
bool fog_body_text(const struct fog_body *body, const char *name, struct fog_text text, bool *given, struct err *err);
bool fog_body_int(const struct fog_body *body, const char *name, const int64_t bounds[2], int64_t *out, bool *given, struct err *err);
bool fog_body_bool(const struct fog_body *body, const char *name, bool *out, bool *given, struct err *err);

/* A JSON list, a key once for each entry, or one text with commas. An empty list, an empty text and JSON's null: no entries, given. The
 * entries point into the body. */
bool fog_body_ranges(const struct fog_body *body, const char *name, struct range_list *out, bool *given, struct err *err);

#endif
