/* Direct uploads in the way of an object store (seed 002, "oss token"): the operator is handed a signed policy; with it his browser posts a
 * file to /oss and gets it back from /oss/{key}, without his token. */
#ifndef DIALECT_FOG_OSS_H
#define DIALECT_FOG_OSS_H

#include <stdbool.h>

struct engine;
struct err;
struct http_dialect;
struct http_request;

enum { FOG_OSS_ROOTS = 2, FOG_OSS_HOST_SIZE = 320, FOG_OSS_KEY_SIZE = 161 };

/* Fills out[FOG_OSS_ROOTS]: who hands out policies, and the store. engine must outlive the server. */
void fog_oss_dialects(struct http_dialect *out, struct engine *engine);

/* The key of the object of ours that a URL names, as this client's request would name it, into out; "" where it names none. ERR_INVALID: it
 * is below our host, but can be no object's. */
bool fog_oss_key(struct http_request *req, struct engine *engine, const char *url, char out[FOG_OSS_KEY_SIZE], struct err *err);

#endif
