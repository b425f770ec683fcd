/* The HTTP server: the only code that knows libmicrohttpd.
 *
 * Each loop is a thread of ours with a libmicrohttpd daemon of its own for each listening socket (HTTP, HTTPS), in external epoll mode (its
 * internal epoll thread hangs when 128 sockets are ready at once). Nothing but the loop's thread changes a connection: a request whose
 * handler has not replied when it returns is suspended, its head may then be read by whoever works on it, http_reply*() from any thread
 * posts to the loop's queue (eventfd) and the loop resumes it.
 *
 * Limits, all configured: connections (over: closed at accept), header block 8 KiB, URI 4 KiB (414), body per route (413, at once when the
 * head tells; what still comes of a refused body is dropped, a short one so that the connection lives on, a long one for 2 s or 1 MiB),
 * idle timeout, and a floor of bytes over time for request heads and bodies (a dripping client is closed). A NUL, a malformed %-escape or
 * invalid UTF-8 in the URI is refused with 400 before any route sees it.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct http_request;
struct pool;
struct worker;

enum http_where {
	HTTP_INLINE, /* on the loop's thread: memory only, never blocks; may keep the request and reply later from any thread */
	HTTP_WORKER, /* on a worker thread, which owns a database connection; may keep the request likewise; pool queue full: 503 with
			Retry-After */
};

enum http_body {
	HTTP_BODY_NONE,   /* a body is drained (up to 64 KiB) and ignored */
	HTTP_BODY_MEMORY, /* whole in memory before the handler runs, at most body_max; http_request_body() */
	HTTP_BODY_FILE, /* multipart/form-data with one file field, streamed through `upload` on workers, at most body_max of file bytes; a
			 * request without any body is a form without a file */
};

/* Replies exactly once, before or after it returns, with one of the http_reply functions. `worker` is NULL on inline routes. */
typedef void http_handler(struct http_request *req, struct worker *worker, void *ctx);

enum { HTTP_FIELDS_MAX = 64, HTTP_FIELD_MAX = 16 * 1024 };

/* A streamed file upload. All run on worker threads, one at a time and in order for one request (not always the same thread). The server
 * buffers at most 2 x 256 KiB per upload and stops reading from the peer meanwhile. */
struct http_upload {
	/* Before the first byte of the body is read (so that a refusal costs no transfer): NULL and err refuses the request. */
	void *(*begin)(struct http_request *req, struct worker *worker, void *ctx, struct err *err);
	/* An ordinary field that precedes the file, whole: value[len] is 0, and it may hold any bytes. NULL: they are passed over, as those
	 * behind the file always are. More than HTTP_FIELDS_MAX of them, or more than HTTP_FIELD_MAX bytes in one, refuse the request. */
	bool (*field)(void *state, const char *name, const char *value, size_t len, struct err *err);
	/* The file name that came with the file field (valid UTF-8, may hold anything else), once, before the first data. */
	bool (*name)(void *state, const char *file_name, struct err *err);
	bool (*data)(void *state, struct worker *worker, const void *data, size_t len, struct err *err);
	/* All bytes are here and the multipart body was well-formed. Must reply; frees state. file == false: the form had no file field. */
	void (*end)(void *state, struct worker *worker, struct http_request *req, bool file);
	/* Something failed (refusal by data, body cut off, peer gone, shutdown): frees state, removes what was written. Must not reply. */
	void (*abort)(void *state, struct worker *worker);
};

struct http_route {
	const char *method; /* "GET" also answers HEAD */
	const char *path;   /* "/api/v2/micro/{fileName}": {..} matches one non-empty segment, percent-decoded; the rest is literal */
	enum http_where where;
	enum http_body body;
	uint64_t body_max;     /* bytes; MEMORY and FILE. 0 with FILE = the server's upload_max */
	const char *body_type; /* MEMORY: demanded Content-Type ("application/json"), else 415; NULL = any */
	http_handler *handle;  /* NULL with FILE */
	const struct http_upload *upload;
	unsigned flags; /* the dialect's own (required role ...): http_request_route() */
};

/* Routes of one API under one prefix, and how that API says no. The longest matching prefix wins. */
struct http_dialect {
	const char *prefix; /* "/api/v2/" */
	const struct http_route *routes;
	size_t route_count;
	/* Called for routes with a body before it is read, and for all others before the handler; inline, memory only. false = has replied
	 * (401 ...). May be NULL. */
	bool (*admit)(struct http_request *req, void *ctx);
	/* Replies an error in the dialect's shape. Used by the server itself for 400, 404, 405, 408, 413, 414, 415, 431, 503, and with the
	 * kind of err for what an upload refuses; inline, memory only. The route may be NULL. NULL: the sentence as text/plain. */
	void (*refuse)(struct http_request *req, int status, const struct err *err, void *ctx);
	void *ctx;
	bool private_paths; /* a path may hold a secret: logs show the route's instead */
};

struct http_config {
	const char *address;                      /* numeric, "127.0.0.1", "0.0.0.0", "::" */
	int port;                                 /* of plain HTTP; 0 = any free one, -1 = none */
	int tls_port;                             /* of HTTPS, if there is a certificate; 0 = any free one */
	const char *tls_cert_file, *tls_key_file; /* PEM, as in http/tls.h; NULL or "" = no HTTPS */
	unsigned loops;                           /* threads, >= 1 */
	unsigned max_connections;                 /* all loops together */
	int64_t idle_timeout_ms;
	uint64_t upload_max;         /* bytes of a file */
	const char *trusted_proxies; /* comma-separated addresses or CIDR blocks; X-Forwarded-For counts only from them. "" = none */
	struct pool *workers;
};

/* Starts listening and serving; the dialect array and what it points to must outlive the server. NULL and err on failure (the sentence
 * names address and port). */
struct http_server *http_server_start(const struct http_config *config, const struct http_dialect *dialects, size_t count, struct err *err);

/* 0 when there is no such listener. */
uint16_t http_server_port(const struct http_server *server);
uint16_t http_server_tls_port(const struct http_server *server);

/* Handshakes that begin from now on see the certificate in these files ("" both: no HTTPS). Nothing else changes. On failure the old one
 * stays. One thread at a time. */
bool http_server_reload(struct http_server *server, const char *cert_file, const char *key_file, struct err *err);

/* Stops accepting, lets running requests finish for at most grace_ms, then closes what is left. Jobs on the workers are waited for in any
 * case (they read the request), and uploads are cleaned up by them: so stop the pool afterwards. A reply that somebody else still owes then
 * comes too late, which is harmless. */
void http_server_stop(struct http_server **server, int64_t grace_ms);

#endif
