/* The fields of a form that is in memory: application/x-www-form-urlencoded, or multipart/form-data without files. Pure. */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

struct err;

/* In the order of the body; a name may come several times. */
struct http_fields {
	char *text; /* which they point into */
	struct http_field {
		const char *name, *value; /* UTF-8 without NUL; nothing else is sure of them */
	} * at;
	size_t count;
};

/* By the content type; NULL or one that is no multipart: urlencoded. ERR_INVALID, with nothing to free: not well-formed, cut off, a file
 * among the fields, one without a name, no UTF-8, a NUL, more than `max` fields. An empty urlencoded body has no fields. */
bool http_fields_read(struct http_fields *out, const char *content_type, const char *body, size_t len, size_t max, struct err *err);
void http_fields_free(struct http_fields *fields);

#endif
