/* What the files of this room share. Unless said otherwise, everything here belongs to the loop's thread. */
#ifndef HTTP_INSIDE_H
#define HTTP_INSIDE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/proxy.h"
#include "http/router.h"
#include "http/server.h"

struct http_inflow;
struct http_line;
struct http_tls;
struct http_watch;

enum {
	HTTP_HEADERS_MAX = 8, /* of http_reply_header() */
	HTTP_VALUE_SIZE = 257,
	HTTP_HEAD_MAX = 8 * 1024,   /* bytes of request line and header block */
	HTTP_DRAIN_MAX = 64 * 1024, /* bytes of an unwanted body that are read */
};

#define HTTP_CHUNKED UINT64_MAX

enum http_listener { HTTP_PLAIN, HTTP_TLS, HTTP_LISTENERS };

/* Where a request stands with libmicrohttpd. */
enum http_phase {
	HTTP_PHASE_HEAD, /* its first call has not been answered: a reply now closes the connection, the body is not read */
	HTTP_PHASE_BODY, /* the body flows: libmicrohttpd takes no reply now */
	HTTP_PHASE_FULL, /* all is here: the time to reply */
};

/* Settles between a reply from elsewhere and the end of the server who comes first. */
enum http_life {
	HTTP_LIVE,
	HTTP_ANSWERED, /* a reply is being made and will be posted: the connection stays */
	HTTP_DEAD,     /* the connection is gone: the request is the replier's to free */
};

/* What was posted to the loop about a request (bits). */
enum http_post { HTTP_POST_REPLY = 1, HTTP_POST_JOB = 2 };

struct http_request {
	struct http_request *next; /* in the loop's queue or its free list */
	struct http_loop *loop;
	unsigned posted;  /* enum http_post; under loop->lock */
	_Atomic int life; /* enum http_life */
	unsigned todo;    /* what was posted, once taken from the queue */
	struct http_request *todo_next;
	struct MHD_Connection *conn; /* NULL once it is gone */
	struct http_line *line;
	const char *method; /* as path: libmicrohttpd's, and gone with the connection */
	const char *path;   /* the whole target until it is decoded */
	struct http_match match;
	enum http_phase phase;
	int bad; /* the status that the URI has earned, or 0 */
	bool is_head;
	bool tls;      /* it came by HTTPS */
	bool screened; /* was routed ... */
	bool admitted; /* ... and let in */
	bool started;  /* the handler was called */
	bool on_loop;  /* a callback of it is running on the loop's thread */
	bool away;     /* a worker job is out */
	bool suspended;
	bool answered;       /* response is set: give it when the phase allows */
	bool given;          /* to libmicrohttpd */
	bool cut;            /* close the connection */
	bool has_body;       /* framing says so */
	bool replied_in_job; /* the worker's until it posts */

	uint64_t length;   /* of the body, or HTTP_CHUNKED */
	uint64_t received; /* of it */
	uint64_t window;   /* received when line->since was set */
	char *body;
	size_t body_size; /* allocated */
	struct http_inflow *inflow;
	struct http_request *wait_next;

	struct MHD_Response *response;
	int status;
	unsigned header_count;
	struct http_watch *watch; /* on the transfer of the reply */
	uint64_t number;          /* becomes the id */
	http_handler *then;       /* on a worker, after the inline handler has returned */
	void *user;
	void (*user_free)(void *);
	char id[17];
	char peer[HTTP_PEER_SIZE];
	char *params; /* the segments, decoded, one after the other: param_text or from the heap */

	/* not wiped between requests */
	char param_text[160];
	struct {
		const char *name;
		char value[HTTP_VALUE_SIZE];
	} header[HTTP_HEADERS_MAX];
};

struct http_loop {
	struct http_server *server;
	struct MHD_Daemon *daemon[HTTP_LISTENERS]; /* NULL where there is no such listener */
	pthread_t thread;
	bool running; /* the thread was started */
	int epoll;    /* libmicrohttpd's epoll descriptors, wake, and the sockets of parked lines */
	int wake;     /* eventfd */
	int64_t now;  /* monotonic ms, as of this round */
	int64_t sweep_at;
	uint64_t ids; /* the next request's number; starts at random */
	unsigned connections, orphans, suspended;
	unsigned parked;   /* lines in a TLS handshake that wait for their client */
	unsigned requests; /* alive: someone will still touch them */
	unsigned open;     /* begun and not yet finished with the peer */
	bool draining;     /* the server stops: replies say so */
	struct http_line *lines, *watched, *free_lines;
	struct http_request *free_requests, *waiting;
	struct http_request *parsing; /* between the request line and its path */

	pthread_mutex_t lock;
	struct http_request *posts, **posts_end; /* under lock */
	atomic_bool posted;                      /* posts is not empty */
	atomic_bool asleep;                      /* the loop waits and needs a wake */
};

struct http_server {
	struct http_config config;
	struct http_router *router;
	struct http_proxies *proxies;
	struct http_tls *tls;         /* NULL = no HTTPS */
	int listener[HTTP_LISTENERS]; /* -1 = none */
	uint16_t port[HTTP_LISTENERS];
	unsigned connections_max; /* of one loop */
	unsigned loop_count;
	atomic_bool stopping;
	_Atomic int64_t deadline; /* monotonic ms, when what still runs is cut */
	struct http_loop loop[];
};

/* request.c */
/* All lines of one header, joined by commas in buf if there is more than one. NULL when absent or longer than size. */
const char *http_request_joined(const struct http_request *req, const char *name, char *buf, size_t size);
void http_request_params(struct http_request *req); /* decodes what the router matched */
void http_request_wipe(struct http_request *req);   /* frees what it holds */

#endif
