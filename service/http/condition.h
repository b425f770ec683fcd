/* Preconditions on a file with a strong ETag and no Last-Modified (RFC 9110, 13). Pure. */
#ifndef HTTP_CONDITION_H
#define HTTP_CONDITION_H

#include <stdbool.h>

/* The header fields as they came, several lines of one name joined by commas; NULL = absent. */
struct http_conditions {
	const char *if_match;
	const char *if_none_match;
	const char *if_range;
};

/* 200 = go on, 304 or 412. For GET and HEAD. */
int http_condition_status(const struct http_conditions *c, const char *etag);

/* May Range be obeyed? No If-Range, or one that names this very ETag (a weak one or a date never does). */
bool http_condition_range(const struct http_conditions *c, const char *etag);

#endif
