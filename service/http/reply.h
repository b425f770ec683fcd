/* How a handler answers: exactly one http_reply*() per request, from any thread. After it the request must not be touched. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_request;

/* Adds a header to the reply to come; call before http_reply(). At most 8; values are copied (256 bytes at most) and must hold no CR or LF.
 */
void http_reply_header(struct http_request *req, const char *name, const char *value);

/* Status and a body, which is copied. Content-Length is always sent, never chunked. With 304 the body is only measured: give the one of the
 * 200. */
void http_reply(struct http_request *req, int status, const char *content_type, const void *body, size_t len);

/* Bytes of a file that were acknowledged by the peer's TCP (not merely handed to the socket): [offset, offset + len) of the file. Runs on
 * the loop's thread, possibly several times, then once with len 0 when the transfer is over; must not block. */
typedef void http_delivered(void *ctx, uint64_t offset, uint64_t len);

struct http_file {
	int fd;        /* taken over: closed after the transfer (at once when no bytes of it are needed) ... */
	bool lent;     /* ... unless it is only lent for the call: then it is duplicated if the transfer needs it longer */
	uint64_t size; /* whole file */
	const char *content_type;
	const char *etag;          /* strong, with its quotes; copied */
	const uint8_t *sha256;     /* 32 bytes for Repr-Digest and Content-Digest of a whole 200; NULL = none */
	const char *file_name;     /* for Content-Disposition; NULL = none */
	const char *cache_control; /* NULL = none */
	http_delivered *delivered; /* NULL = nobody wants to know */
	void *delivered_ctx;
};

/* A file by RFC 9110: HEAD, If-Match, If-None-Match, If-Range, Range (single: sendfile from an offset; up to 16 parts:
 * multipart/byteranges, overlapping ones merged; more parts or more bytes than the file: the whole file), 200, 206, 304, 412, 416 with
 * Content-Range. */
void http_reply_file(struct http_request *req, const struct http_file *file);

#endif
