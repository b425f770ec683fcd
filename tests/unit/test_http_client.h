/* A small HTTP client on raw sockets, which can also misbehave. Any failure fails the test. */
#ifndef TEST_HTTP_CLIENT_H
#define TEST_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer {
	int status;
	char head[8192]; /* status line and header fields */
	char *body;      /* NUL-terminated, from the heap */
	size_t len;
};

int client_open(uint16_t port); /* waits at most 20 s in any call */
int client_open_narrow(uint16_t port, int receive_buffer);
void client_send(int fd, const char *text); /* ignores a connection that the server has closed */
void client_send_bytes(int fd, const void *data, size_t len);

/* Reads one answer (skipping 100 Continue) up to its Content-Length; head_only: of a HEAD request. False when the connection ends before
 * it. */
bool client_read(int fd, struct answer *a, bool head_only);
bool client_is_closed(int fd); /* waits for the end of the stream */
void client_reset(int fd);     /* closes by RST */

/* One request on a connection of its own; extra are header lines, each with its CRLF. The caller frees body. */
void client_request(uint16_t port, const char *method, const char *target, const char *extra, const char *body, struct answer *a);

/* The value of a header field, copied into a static buffer; NULL when absent. The name must have this very spelling. */
const char *client_header(const struct answer *a, const char *name);

#endif
