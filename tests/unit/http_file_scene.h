/* A server that gives one file in several ways, and what it is told of the transfers. */
#ifndef TESTS_UNIT_HTTP_FILE_SCENE_H
#define TESTS_UNIT_HTTP_FILE_SCENE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "http/reply.h"
#include "test_http_client.h"

struct http_request;
struct http_server;

enum { SIZE = 4 * 1024 * 1024 + 321 };

extern uint8_t *content;
extern int file;

/* What was reported as delivered, over all transfers since the last reset. */
struct delivered {
	pthread_mutex_t lock;
	uint64_t bytes;
	uint64_t first, end; /* of the file */
	unsigned calls, finals;
	int64_t final_at;
	uint8_t *map; /* how often each byte was reported */
};

extern struct delivered told;

void fill(struct http_file *out);

extern _Atomic(struct http_request *) parked;
extern uint16_t port;

struct http_server *start(int64_t idle_ms);
int http_file_scene_setup(void **state);
int http_file_scene_teardown(void **state);
void get(const char *extra, int status, struct answer *a);

#endif
