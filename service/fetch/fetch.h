/* Outbound HTTP and HTTPS; the only libcurl. Each call is one transfer on a connection of its own and blocks: for worker threads.
 *
 * What all have in common: http and https only, HTTP/1.1; no redirect is ever followed; nothing comes from the environment (proxies, netrc,
 * cookies); no user or password in the URL; certificates are verified, and their names; a Content-Encoding is not undone: bytes are bytes;
 * heads of answers have at most 64 KiB. A transfer ends within a second when the process stops or its caller cancels it.
 *
 * Failures: ERR_INVALID (the URL, a certificate, an answer that is none or not the wanted one), ERR_DENIED (an address that must not be
 * connected to), ERR_TOO_LARGE, ERR_UNAVAILABLE (no such host, nobody there, too slow, cut off, 429 and 5xx, stopping): trying again may
 * help. The sentences say what the other side did and name no secret: not the URL, only its host.
 */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* Before the first thread. */
bool fetch_start(struct err *err);
/* Any thread: transfers that run end, those that begin fail. */
void fetch_halt(void);
/* After the last transfer. */
void fetch_end(void);

struct fetch_request {
	const char *url;
	const char *ca_file;          /* certificates (PEM) that sign the server's; NULL or "" = the system's */
	int64_t connect_ms;           /* until connected, TLS included */
	int64_t total_ms;             /* until the last byte */
	int64_t slow_bytes, slow_ms;  /* fewer bytes a second than that for so long end it (whole seconds); 0 = nothing does */
	uint64_t max_bytes;           /* of the answer's body */
	bool public_only;             /* address_check() (fetch/address.h) judges each address before it is connected to */
	const atomic_bool *cancelled; /* may be NULL; true ends the transfer */
	const char *const *headers;   /* "Name: value" of one's own, NULL-terminated; may be NULL */
};

enum { FETCH_TYPE_SIZE = 128, FETCH_ENCODING_SIZE = 32 };

struct fetch_answer {
	int status;
	char content_type[FETCH_TYPE_SIZE];         /* "" = none, or too long */
	char content_encoding[FETCH_ENCODING_SIZE]; /* likewise; "identity" is none */
	uint64_t bytes;                             /* of the body */
};

/* Takes a piece of the body; false ends the transfer with its err. */
typedef bool fetch_sink(void *ctx, const void *data, size_t len, struct err *err);

/* Only a 200 is an answer (the sink sees no byte of another one) and only a whole one is a success: as long as its Content-Length says. */
bool fetch_get(const struct fetch_request *request, fetch_sink *sink, void *ctx, struct fetch_answer *out, struct err *err);

/* Posts a body; whatever is answered is an answer but a redirect, of at most max_bytes and of what `answer` (initialised; appended to) has
 * room for. */
struct fetch_body {
	const char *content_type;
	const void *data;
	size_t len;
};
bool fetch_post(const struct fetch_request *request, const struct fetch_body *body, struct buf *answer, struct fetch_answer *out,
		struct err *err);

#endif
