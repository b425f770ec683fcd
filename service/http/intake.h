/* The life of a request between the callbacks of libmicrohttpd. Only for this room; on the loop's thread unless said otherwise. */
#ifndef HTTP_INTAKE_H
#define HTTP_INTAKE_H

#include "common/err.h"

struct MHD_Daemon;
struct http_loop;
struct http_request;
struct worker;

/* libmicrohttpd with our callbacks and limits. NULL if it does not start. */
struct MHD_Daemon *http_intake_daemon(struct http_loop *loop, enum http_listener which);

/* What was posted about req (in req->todo). */
void http_intake_posted(struct http_request *req);

/* The job of req, on a worker. */
void http_intake_job(struct http_request *req, struct worker *worker);

/* An error of the server's own, through the dialect's refuse(). */
void http_intake_refuse(struct http_request *req, int status, enum err_kind kind, const char *sentence);
void http_intake_refuse_err(struct http_request *req, int status, const struct err *err);

/* Shutdown: cuts the request if nobody works on it. */
void http_intake_abandon(struct http_request *req);

/* Any thread: frees a request that nobody else knows. */
void http_intake_bury(struct http_request *req);

/* After the loop's end. */
void http_intake_free_list(struct http_loop *loop);

#endif
