/* The request target: judged and decoded before any route sees it. Pure. */
#ifndef HTTP_URI_H
#define HTTP_URI_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_URI_MAX = 4096 };

/* 0 if the target is fit; 414 if it is too long; 400 for a malformed %-escape, an encoded NUL, or what is not UTF-8 once decoded. */
int http_uri_check(const char *uri);

/* Decodes a checked path in place and returns where it starts (behind the authority of an absolute target). %2F and %25 stay as they are:
 * an encoded slash is no separator. */
char *http_uri_path(char *uri);

/* Decodes what is left, one path segment of len bytes, into out (at least len + 1 bytes). */
void http_uri_segment(const char *text, size_t len, char *out);

/* Decodes a query name or value in place; returns its length. */
size_t http_uri_decode(char *text);

#endif
