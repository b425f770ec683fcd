/* multipart/form-data (RFC 7578) taken apart as it streams by. Pure: bytes in, calls out; nothing is copied but part headers. */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include <stdbool.h>
#include <stddef.h>

struct http_form;

struct http_form_calls {
	/* A part begins. file_name is NULL for an ordinary field; both may hold any bytes but NUL, CR and LF. False ends the parsing. */
	bool (*part)(void *ctx, const char *name, const char *file_name);
	/* Bytes of the present part, len > 0. False ends the parsing. */
	bool (*data)(void *ctx, const char *data, size_t len);
};

/* NULL when content_type names no usable boundary, or memory is out. */
struct http_form *http_form_new(const char *content_type, const struct http_form_calls *calls, void *ctx);
void http_form_free(struct http_form **form);

/* The next bytes, in pieces of any size. False when the form is malformed or a call said so; every later one then fails, too. */
bool http_form_feed(struct http_form *form, const char *data, size_t len);

/* Was the closing boundary seen? What follows it is ignored. */
bool http_form_is_whole(const struct http_form *form);

#endif
