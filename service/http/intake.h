/* The life of a request between the callbacks of libmicrohttpd. Only for this room. */
#ifndef HTTP_INTAKE_H
#define HTTP_INTAKE_H

struct MHD_Daemon;
struct err;
struct http_loop;
struct http_request;
struct worker;

struct MHD_Daemon *http_intake_daemon(struct http_loop *loop, int listener);
void http_intake_posted(struct http_request *req);                     /* what was posted about req is in req->todo */
void http_intake_job(struct http_request *req, struct worker *worker); /* on a worker */
void http_intake_abandon(struct http_request *req);                    /* shutdown: cuts it if nobody works on it */
void http_intake_refuse(struct http_request *req, int status, const struct err *err);
void http_intake_bury(struct http_request *req); /* any thread: a request that nobody else knows */
void http_intake_free_list(struct http_loop *loop);
#endif
