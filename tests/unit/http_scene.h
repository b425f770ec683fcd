/* A server with handlers of every kind. */
#ifndef TESTS_UNIT_HTTP_SCENE_H
#define TESTS_UNIT_HTTP_SCENE_H

#include <stdatomic.h>
#include <stdint.h>

#include "http/server.h"

struct http_request;
struct http_server;
struct pool;

void reply_text(struct http_request *req, const char *text);

extern _Atomic(struct http_request *) parked;
extern atomic_int freed;
extern atomic_bool blocked;
extern const struct http_dialect dialects[2];
extern struct pool *workers;
extern uint16_t port;

struct http_server *start(struct pool *pool, unsigned loops, unsigned connections);
int http_scene_setup(void **state);
int http_scene_teardown(void **state);
void get(const char *target, const char *extra, int status, const char *text);

#endif
