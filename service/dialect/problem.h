/* Errors of /api/v3: application/problem+json (RFC 9457) with a "code", which is the kind of the error as a word. */
#ifndef DIALECT_PROBLEM_H
#define DIALECT_PROBLEM_H

struct err;
struct http_request;

/* Answers the request with this error and http_status() of its kind; 401, 429 and 503 with the headers that belong to them. What went wrong
 * inside is logged, not told.
 */
void problem_reply(struct http_request *req, const struct err *err);

/* By who kept the request: its path is not to be asked any more (http/request.h). */
void problem_reply_late(struct http_request *req, const char *path, const struct err *err);

/* The same with another status than the kind's own (412, 404 of the server ...). */
void problem_reply_as(struct http_request *req, int status, const struct err *err);

/* http_dialect.refuse */
void problem_refuse(struct http_request *req, int status, const struct err *err, void *ctx);

#endif
