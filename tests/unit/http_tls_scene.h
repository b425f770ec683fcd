/* A server with HTTPS, certificates and a large file. */
#ifndef TESTS_UNIT_HTTP_TLS_SCENE_H
#define TESTS_UNIT_HTTP_TLS_SCENE_H

#include <pthread.h>
#include <stdint.h>

#include "common/err.h"
#include "test_http_tls_client.h"

struct http_server;

/* Large enough that the overhead of its records is more than any allowance. */
enum { SIZE = 24 * 1024 * 1024 + 321, PIECE = 64 * 1024 };

/* What was reported as delivered. */
struct delivered {
	pthread_mutex_t lock;
	uint64_t bytes;
	unsigned finals;
	uint8_t *map; /* how often each byte was reported */
};

extern struct delivered told;

void told_reset(void);
uint64_t told_now(unsigned *finals);
uint64_t told_after(unsigned wanted);

extern struct http_server *server;
extern uint16_t port;

const char *in_dir(const char *name);
struct http_server *start(int plain, const char *cert, const char *key, int64_t idle_ms, struct err *err);
int http_tls_scene_setup(void **state);
int http_tls_scene_teardown(void **state);

/* Reads so much of the file from where it stands, and compares. */
void read_file(struct tls_client *c, uint64_t from, uint64_t to);

void ask(struct tls_client *c, const char *target, const char *extra, int expected);
long shown(void);

#endif
