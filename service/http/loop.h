/* One loop: its thread, and the queue through which other threads hand requests back. Only for this room. */
#ifndef HTTP_LOOP_H
#define HTTP_LOOP_H

#include <stdbool.h>

struct http_loop;
struct http_request;
struct http_server;

/* Where the calling thread stands towards a request. */
enum http_place {
	HTTP_ON_LOOP, /* the loop's thread, in a callback of this request */
	HTTP_IN_JOB,  /* a worker, in a job of this request */
	HTTP_ELSEWHERE,
};

bool http_loop_start(struct http_loop *loop, struct http_server *server);
void http_loop_stir(struct http_loop *loop); /* any thread, after server->stopping was set */
void http_loop_stop(struct http_loop *loop); /* any other thread, after http_loop_stir(); also after a failed or no start */
enum http_place http_loop_place(const struct http_request *req); /* any thread */
/* Hands req to its loop with bits of enum http_post; any thread, which must not touch it afterwards. */
void http_loop_post(struct http_request *req, unsigned what);
/* Runs the request's next job on a worker; if their queue is full: as soon as it is not (later), or not at all (false). */
bool http_loop_submit(struct http_request *req, bool later);
void http_loop_suspend(struct http_request *req); /* only within libmicrohttpd's handler */
void http_loop_resume(struct http_request *req);
#endif
