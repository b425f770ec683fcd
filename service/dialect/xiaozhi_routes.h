/* Inside the Xiaozhi dialect: its handlers. ctx is the engine. */
#ifndef DIALECT_XIAOZHI_ROUTES_H
#define DIALECT_XIAOZHI_ROUTES_H

#include <stddef.h>

#include "common/err.h"

struct config;
struct http_request;
struct worker;
struct xiaozhi_headers;

enum { XIAOZHI_BASE_SIZE = 512, XIAOZHI_HOST_SIZE = 256 };

void xiaozhi_post(struct http_request *req, struct worker *worker, void *ctx);       /* inline */
void xiaozhi_post_proof(struct http_request *req, struct worker *worker, void *ctx); /* .../activate, on a worker */
void xiaozhi_page(struct http_request *req, struct worker *worker, void *ctx);
void xiaozhi_preflight(struct http_request *req, struct worker *worker, void *ctx);
void xiaozhi_file(struct http_request *req, struct worker *worker, void *ctx);

/* Browsers ask before they post and want to be told that they may; devices, whose modems choke on long heads, never send an Origin. */
void xiaozhi_allow_origin(struct http_request *req);

/* The dialect's {"error"} for the kind. */
void xiaozhi_refuse(struct http_request *req, enum err_kind kind);

void xiaozhi_read_headers(const struct http_request *req, struct xiaozhi_headers *out);

/* public_url, else as the client reached us; without a slash at its end. "" if neither is known. */
void xiaozhi_base_url(struct http_request *req, const struct config *config, char out[XIAOZHI_BASE_SIZE]);
/* The host in it, with (port) or without its port. */
void xiaozhi_host(const char *base_url, int port, char out[XIAOZHI_HOST_SIZE]);

#endif
