/* The steps of a reply that is being made, under the calls of http/reply.h. Only for this room. */
#ifndef HTTP_REPLYING_H
#define HTTP_REPLYING_H

#include <stdbool.h>

struct MHD_Response;
struct http_request;

/* First and last step of any reply. begin: false if nobody waits for it any more; req is gone then. give hands the finished response over
 * and takes it (NULL = out of memory: the connection is closed). */
bool http_reply_begin(struct http_request *req);
void http_reply_give(struct http_request *req, struct MHD_Response *response, int status);

/* text/plain, by nobody's dialect. */
void http_reply_plain(struct http_request *req, int status, const char *sentence);

bool http_reply_add(struct MHD_Response *response, const char *name, const char *value); /* NULL: nothing to add */
void http_reply_stored(struct http_request *req, struct MHD_Response *response);         /* adds those of http_reply_header() */

#endif
