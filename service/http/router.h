/* From method and path to a route. Built once, read by every loop; a look-up allocates nothing. */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct http_dialect;
struct http_route;
struct http_router;

enum { HTTP_PARAMS_MAX = 4, HTTP_ALLOW_SIZE = 64 };

struct http_match {
	const struct http_dialect *dialect; /* NULL = no prefix fits */
	const struct http_route *route;     /* NULL = none: 405 if allow is set, else 404 */
	unsigned param_count;
	struct {
		const char *name; /* in the route's path, name_len bytes */
		size_t name_len;
		const char *text; /* in the request's path, text_len bytes, see http_uri_segment() */
		size_t text_len;
	} param[HTTP_PARAMS_MAX];
	char allow[HTTP_ALLOW_SIZE]; /* the methods of this path when another one was used */
};

/* NULL and a sentence when a path is malformed (an unclosed brace, more than HTTP_PARAMS_MAX segments). The dialects must outlive it. */
struct http_router *http_router_new(const struct http_dialect *dialects, size_t count, struct err *err);
void http_router_free(struct http_router **router);

/* path is from http_uri_path(). Literal routes win over ones with {segments}. "HEAD" finds "GET". */
void http_router_find(const struct http_router *router, const char *method, const char *path, struct http_match *out);

#endif
