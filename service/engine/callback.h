/* Calls to where the service's operator wants to hear of objects that were posted: callback_urls. What is said there is the dialect's. */
#ifndef ENGINE_CALLBACK_H
#define ENGINE_CALLBACK_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct engine;
struct err;

enum { CALLBACK_URL_SIZE = 513, CALLBACK_ANSWER_MAX = 64 * 1024 };

/* The first of them. False: nobody is to be called. Memory only. */
bool callback_first(struct engine *engine, char out[CALLBACK_URL_SIZE]);

/* Is exactly this URL one of them? Memory only. */
bool callback_is_target(struct engine *engine, const char *url);

struct callback_body {
	const char *type; /* Content-Type */
	const void *data;
	size_t len;
};

/* Posts it to a target, signed where there is a callback_secret, and appends what is answered to `answer` (initialised), with its *status.
 * Takes at most five seconds; not repeated. On a worker, of which at most half are so occupied: ERR_BUSY. ERR_DENIED: it is no target (any
 * more); else as fetch_post() says: a redirect and an answer of more than CALLBACK_ANSWER_MAX bytes are failures. */
bool callback_post(struct engine *engine, const char *url, const struct callback_body *body, struct buf *answer, int *status,
		   struct err *err);

#endif
