/* A file upload, from the body of a request to the calls of struct http_upload. Only for this room. */
#ifndef HTTP_UPLOAD_H
#define HTTP_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

struct http_request;
struct worker;

bool http_upload_new(struct http_request *req);  /* false: it has replied */
void http_upload_step(struct http_request *req); /* something changed: submit the next job if there is one */
size_t http_upload_take(struct http_request *req, const char *data, size_t len); /* returns how much was taken */
void http_upload_whole(struct http_request *req);                                /* the body is complete */
void http_upload_job(struct http_request *req, struct worker *worker);           /* on a worker */
bool http_upload_begun(const struct http_request *req);
bool http_upload_busy(const struct http_request *req); /* something is still to be done on a worker */
void http_upload_posted(struct http_request *req);     /* a job is back */
void http_upload_free(struct http_request *req);
#endif
