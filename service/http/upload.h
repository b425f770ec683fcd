/* A file upload, from the body of a request to the calls of struct http_upload. Only for this room; on the loop's thread but for
 * http_upload_job(). */
#ifndef HTTP_UPLOAD_H
#define HTTP_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

struct http_request;
struct worker;

/* Sends begin() to a worker. False: refused, it has replied. */
bool http_upload_new(struct http_request *req);

/* Is begin() back? */
bool http_upload_begun(const struct http_request *req);

/* Takes bytes of the body and returns how many: fewer than len when both buffers are full (suspend; a resume follows). */
size_t http_upload_take(struct http_request *req, const char *data, size_t len);

/* The body is complete. */
void http_upload_whole(struct http_request *req);

/* Something changed (the connection ended, say): submits the next job if there is one to do. */
void http_upload_step(struct http_request *req);

/* The job itself, on a worker; then, on the loop, that it is back: refuses, goes on, resumes. */
void http_upload_job(struct http_request *req, struct worker *worker);
void http_upload_posted(struct http_request *req);

/* Is anything left to do on a worker? If so the request must stay. */
bool http_upload_busy(const struct http_request *req);
void http_upload_free(struct http_request *req);

#endif
