/* A server that takes uploads into a sink which can refuse, wait and be slow. */
#ifndef TESTS_UNIT_HTTP_UPLOAD_SCENE_H
#define TESTS_UNIT_HTTP_UPLOAD_SCENE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct pool;

/* One at a time, always. */
extern atomic_int begun, ended, aborted;

extern atomic_bool blocked; /* jobs wait */

enum { MAX = 20 * 1024 * 1024 };

extern struct pool *workers;
extern uint16_t port;
extern char *content;

struct http_server *start(struct pool *pool);
int http_upload_scene_setup(void **state);
int http_upload_scene_teardown(void **state);
int http_upload_scene_reset(void **state);

/* Every upload that began ends or is cleaned up, once, and its calls never overlapped. */
int http_upload_scene_settled(void **state);

#define TYPE "multipart/form-data; boundary=BB"

#endif
