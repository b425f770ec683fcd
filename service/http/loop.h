/* One loop: its thread, and the queue through which other threads hand requests back. Only for this room. */
#ifndef HTTP_LOOP_H
#define HTTP_LOOP_H

#include <stdbool.h>

struct http_loop;
struct http_request;
struct http_server;

/* False if a thread or descriptor could not be had; http_loop_stop() then cleans up. */
bool http_loop_start(struct http_loop *loop, struct http_server *server);

/* After server->stopping was set: wakes the loop; then waits for its end and frees what it holds. Also after a failed start, or none. */
void http_loop_stir(struct http_loop *loop);
void http_loop_stop(struct http_loop *loop);

/* Where the calling thread stands towards a request. */
enum http_place {
	HTTP_ON_LOOP, /* the loop's thread, in a callback of this request */
	HTTP_IN_JOB,  /* a worker, in a job of this request */
	HTTP_ELSEWHERE,
};
enum http_place http_loop_place(const struct http_request *req);

/* Hands req to its loop with bits of enum http_post. Any thread, which must not touch it afterwards. */
void http_loop_post(struct http_request *req, unsigned what);

/* Runs the request's next job on a worker; if their queue is full: as soon as it is not (later), or not at all (false). On the loop. */
bool http_loop_submit(struct http_request *req, bool later);

/* On the loop; suspend only within libmicrohttpd's handler. Resuming what is not suspended does nothing. */
void http_loop_suspend(struct http_request *req);
void http_loop_resume(struct http_request *req);

#endif
