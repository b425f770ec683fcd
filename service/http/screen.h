/* What the head says: how the request is framed, whether it is one of ours, whether it may come in. Only for this room; on the loop's
 * thread. */
#ifndef HTTP_SCREEN_H
#define HTTP_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

struct http_request;

/* How long the body is. False when the head leaves that open to opinion, which is how requests are smuggled. */
bool http_screen_framing(struct http_request *req);

/* Finds the route, asks the dialect, looks at the body's size and type: admitted, or answered. */
void http_screen(struct http_request *req);

/* Bytes that the body of a request with a route may have. */
uint64_t http_screen_body_max(const struct http_request *req);

#endif
