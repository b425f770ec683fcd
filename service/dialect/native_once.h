/* Inside the native dialect only: a POST with an Idempotency-Key runs once, its repetition gets the first one's answer. */
#ifndef DIALECT_NATIVE_ONCE_H
#define DIALECT_NATIVE_ONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/listing.h"
#include "model/nouns.h"

struct engine;
struct err;
struct http_request;
struct worker;

struct native_once {
	struct actor actor;
	struct engine *engine;
	struct idempotency entry; /* key NULL: the request came without */
};

/* Reads the header and claims the key. False: a bad key, one of another request, or one whose request is still running. */
bool native_once_begin(struct native_once *once, struct http_request *req, struct worker *w, struct engine *e, struct err *err);

/* Was it answered before? Then it has been again. */
bool native_once_replayed(struct native_once *once, struct http_request *req);

/* Before the reply: keeps the answer, or gives the key free (status 0). */
void native_once_end(struct native_once *once, struct worker *w, int status, const char *body);

/* The Location header of what was created under the request's path. */
void native_once_location(struct http_request *req, int64_t id);

#endif
