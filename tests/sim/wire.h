/* HTTP as the firmware reads it, one request on one connection: no redirects, no chunks, header names in one spelling only.
 *
 * Everything happens inside the loop. What a server does that would be fatal or lost on a device is not tolerated but told.
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "loop.h"

struct err;
struct tls;

enum { WIRE_HOST_SIZE = 256, WIRE_BODY_MAX = 64 * 1024 };

struct wire_url {
	bool tls;
	char host[WIRE_HOST_SIZE];
	char port[8];
	const char *path; /* into the url */
};

enum wire_state { WIRE_IDLE, WIRE_CONNECTING, WIRE_SHAKING, WIRE_SENDING, WIRE_READING };

struct wire {
	struct loop *loop;
	int fd;
	SSL *ssl;
	enum wire_state state;
	int status;     /* 0 = no answer yet */
	int64_t length; /* Content-Length, -1 = none that the firmware sees */
	uint64_t received;
	bool head_read;
	bool chunked;
	bool misspelt; /* there is a content-length, but not in the one spelling */
	int64_t rate;  /* bytes a second, 0 = as fast as it goes */
	int64_t next_us;
	struct buf out;
	size_t sent;
	struct buf in; /* the head; then the body, unless body() takes it */
	struct loop_timer patience;
	struct loop_timer wake;
	/* Takes the next bytes of a 200's body; NULL: the body is gathered. False: the callee has called wire_stop(). */
	bool (*body)(void *ctx, const char *data, size_t len);
	/* The answer is there (why NULL), or nothing will come any more. May start the next request. data: the gathered body. */
	void (*done)(void *ctx, const char *why, const char *data, size_t len);
	void *ctx;
};

/* "http://host[:port]/path", "https://..." */
bool wire_parse(const char *url, struct wire_url *out, struct err *err);

/* Sends method, url, headers (complete lines; NULL = none more), Host, Content-Length of a POST, Connection and the content; done()
 * follows, never before this returns. loop, body, done, ctx and rate are the caller's; the rest is set here. False, with a sentence: it
 * does not even start. */
bool wire_start(struct wire *w, struct tls *tls, const char *method, const char *url, const struct buf *headers, struct err *err);

/* What the next request carries; before wire_start. The bytes are copied. */
void wire_content(struct wire *w, const char *data, size_t len);

/* Hangs up; done() is not called. */
void wire_stop(struct wire *w);

#endif
