/* Firmware on its way to a device, the same for every dialect. */
#ifndef DIALECT_SERVE_H
#define DIALECT_SERVE_H

#include <stdbool.h>

struct delivery;
struct http_request;

/* Sends the file, and counts what arrives. Takes d and fd over. plain: without the headers that only caches and careful clients read. */
void serve_file(struct http_request *req, struct delivery *d, int fd, bool plain);

#endif
