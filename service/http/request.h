/* What a handler sees of a request. Everything returned stays valid until the reply is given. To be asked on the thread that runs the
 * handler, before it returns; who keeps the request for a later reply may ask only for its id, its user and whether it is a HEAD: a
 * stopping server does not wait for him.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct http_request;
struct http_route;
struct worker;

const struct http_route *http_request_route(const struct http_request *req); /* NULL when none matched */
const char *http_request_method(const struct http_request *req);
const char *http_request_path(const struct http_request *req); /* decoded */
bool http_request_is_head(const struct http_request *req);

/* 16 lower-case hex digits naming this request in logs and audit. */
const char *http_request_id(struct http_request *req);

/* The client's address as text; behind a trusted proxy, the last untrusted address of X-Forwarded-For. */
const char *http_request_peer(struct http_request *req);

/* "https" or "http": how the request came, or what a trusted proxy says of its own client by X-Forwarded-Proto; and the host the client
 * used ("host:port", validated; NULL when absent or odd). For building URLs when no public URL is set. */
const char *http_request_scheme(struct http_request *req);
const char *http_request_host(struct http_request *req);

const char *http_request_header(const struct http_request *req, const char *name); /* NULL when absent */

/* Several at once, in one walk over the head: each wish's value is set, NULL when absent. A literal's: {HTTP_WISH("Device-Id")}. */
struct http_wish {
	const char *name;
	size_t len;
	const char *value;
};
#define HTTP_WISH(literal) (literal), sizeof(literal) - 1, NULL
void http_request_headers(const struct http_request *req, struct http_wish *wishes, size_t n);

/* The value of path segment {name}, decoded, e.g. "fileName". NULL if the route has none of that name. */
const char *http_request_segment(const struct http_request *req, const char *name);

/* A query parameter, decoded, copied into out[size]. Absent: *out = "" and, if required, ERR_MISSING. There but empty and required:
 * ERR_EMPTY. Twice, too long, not UTF-8, control characters: ERR_INVALID. The sentence names the parameter. */
bool http_query_text(const struct http_request *req, const char *name, bool required, char *out, size_t size, struct err *err);

/* A whole number from the query within [min, max]; *out keeps its value when an optional one is absent. */
bool http_query_int(const struct http_request *req, const char *name, bool required, int64_t min, int64_t max, int64_t *out,
		    struct err *err);

/* Refuses query parameters whose name is not in the NULL-terminated list. */
bool http_query_only(const struct http_request *req, const char *const *known, struct err *err);

/* Does the last parameter of the query end so? A URL with a query, to which a client has appended a path. */
bool http_query_ends(const struct http_request *req, const char *tail);

/* From an inline handler, which must then return without a reply: `handle` goes on with the request on a worker. */
void http_request_to_worker(struct http_request *req, void (*handle)(struct http_request *req, struct worker *worker, void *ctx));

/* The body of an HTTP_BODY_MEMORY route. */
const char *http_request_body(const struct http_request *req, size_t *len);

/* A slot for the dialect: the authenticated operator, say. Freed with free_fn (may be NULL) when the request ends or another user is set.
 */
void http_request_set_user(struct http_request *req, void *user, void (*free_fn)(void *));
void *http_request_user(const struct http_request *req);

#endif
