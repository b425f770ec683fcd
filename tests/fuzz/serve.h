/* The real HTTP server on a loopback port, for targets that speak to it over a connection. */
#ifndef FUZZ_SERVE_H
#define FUZZ_SERVE_H

#include <stddef.h>

struct http_dialect;

enum { SERVE_UPLOAD_MAX = 512 * 1024 + 64 };

/* Starts it with workers (without a database); stopped at exit. 127.0.0.0/8 are trusted proxies. */
void serve_start(const struct http_dialect *dialects, size_t count);

/* Sends bytes on a connection of their own, then the end of the stream, and returns all that comes back, NUL-terminated; good until the
 * next call. */
const char *serve_exchange(const void *bytes, size_t len, size_t *answer_len);

/* The status of an answer; 0 if it begins with no status line. */
int serve_status(const char *answer);

#endif
