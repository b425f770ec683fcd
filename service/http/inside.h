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
struct http_watch;

enum {
	HTTP_HEADERS_MAX = 8, /* of http_reply_header() */
	HTTP_VALUE_SIZE = 257,
	HTTP_HEAD_MAX = 16 * 1024,  /* bytes of request line and header block */
	HTTP_DRAIN_MAX = 64 * 1024, /* bytes of an unwanted body that are read */
};

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

/* One TCP connection. It outlives its end while bytes of a file may still be acknowledged, or while a refused body is drained. */
struct http_line {
	struct http_loop *loop;
	struct http_line *prev, *next;             /* loop->lines, or loop->free_lines */
	struct http_line *watch_prev, *watch_next; /* loop->watched */
	struct http_request *req;                  /* in progress */
	struct http_watch *watches;                /* finished transfers that are not all acknowledged, oldest first */
	int fd;
	bool closed;        /* libmicrohttpd is done with it; fd is a duplicate of ours */
	bool watched;       /* in loop->watched */
	bool linger;        /* drain before the close: a reset would take the reply with it */
	bool sighted;       /* seen is set */
	bool dripping;      /* bytes came, but no whole request line */
	int64_t since;      /* when the present wait (for a line, a head, a window of the body) began */
	uint64_t seen;      /* bytes received up to the last sweep */
	int64_t look_at;    /* next look at what was acknowledged */
	int64_t moved_at;   /* when that last grew */
	int64_t look_every; /* grows while nothing moves */
	uint64_t drained;
};

struct http_request {
	struct http_request *next; /* in the loop's queue or its free list */
	struct http_loop *loop;
	unsigned posted;  /* enum http_post; under loop->lock */
	_Atomic int life; /* enum http_life */
	unsigned todo;    /* what was posted, once taken from the queue */
	struct http_request *todo_next;

	struct MHD_Connection *conn; /* NULL once it is gone */
	struct http_line *line;
	const char *method;
	const char *path; /* the whole target until it is decoded */
	struct http_match match;
	enum http_phase phase;
	int bad;       /* the status that the URI has earned, or 0 */
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

	uint64_t length;   /* of the body, UINT64_MAX = chunked */
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
	struct MHD_Daemon *daemon;
	pthread_t thread;
	bool running; /* the thread was started */
	int epoll;    /* libmicrohttpd's epoll descriptor and wake */
	int wake;     /* eventfd */
	int64_t now;  /* monotonic ms, as of this round */
	int64_t sweep_at;
	uint64_t ids;
	unsigned connections, orphans, suspended;
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
	int listener;
	uint16_t port;
	unsigned connections_max; /* of one loop */
	unsigned loop_count;
	atomic_bool stopping;
	_Atomic int64_t deadline; /* monotonic ms, when what still runs is cut */
	struct http_loop loop[];
};

/* Where the calling thread stands towards a request. */
enum http_place {
	HTTP_ON_LOOP, /* the loop's thread, in a callback of this request */
	HTTP_IN_JOB,  /* a worker, in a job of this request */
	HTTP_ELSEWHERE,
};

/* loop.c */
bool http_loop_start(struct http_loop *loop, struct http_server *server);
void http_loop_stir(struct http_loop *loop); /* any thread, after server->stopping was set */
void http_loop_stop(struct http_loop *loop); /* any other thread, after http_loop_stir(); also after a failed or no start */
enum http_place http_loop_place(const struct http_request *req); /* any thread */
/* Hands req to its loop with bits of enum http_post; any thread, which must not touch it afterwards. */
void http_loop_post(struct http_request *req, unsigned what);
/* Runs the request's next job on a worker; if their queue is full: as soon as it is not (later), or not at all (false). */
bool http_loop_submit(struct http_request *req, bool later);
void http_loop_suspend(struct http_request *req); /* only within libmicrohttpd's handler */
void http_loop_resume(struct http_request *req);

/* intake.c: the life of a request between libmicrohttpd's callbacks */
struct MHD_Daemon *http_intake_daemon(struct http_loop *loop, int listener);
void http_intake_posted(struct http_request *req);                     /* what was posted about req is in req->todo */
void http_intake_job(struct http_request *req, struct worker *worker); /* on a worker */
void http_intake_abandon(struct http_request *req);                    /* shutdown: cuts it if nobody works on it */
void http_intake_refuse(struct http_request *req, int status, const struct err *err);
void http_intake_bury(struct http_request *req); /* any thread: a request that nobody else knows */
void http_intake_free_list(struct http_loop *loop);

/* request.c */
/* All lines of one header, joined by commas in buf if there is more than one. NULL when absent or longer than size. */
const char *http_request_joined(const struct http_request *req, const char *name, char *buf, size_t size);
void http_request_params(struct http_request *req); /* decodes what the router matched */
void http_request_wipe(struct http_request *req);   /* frees what it holds */

/* reply.c */
/* First and last step of any reply. begin: false if nobody waits for it any more; req is gone then. give hands the finished response over
 * and takes it (NULL = out of memory: the connection is closed). */
bool http_reply_begin(struct http_request *req);
void http_reply_give(struct http_request *req, struct MHD_Response *response, int status);
void http_reply_plain(struct http_request *req, int status, const char *sentence);
bool http_reply_add(struct MHD_Response *response, const char *name, const char *value); /* value may be NULL */
void http_reply_stored(struct http_request *req, struct MHD_Response *response);         /* adds those of http_reply_header() */

/* line.c: connections, who drips, who lingers */
struct http_line *http_line_open(struct http_loop *loop, int fd);
void http_line_closing(struct http_line *line); /* libmicrohttpd closes fd next */
void http_line_judge(struct http_loop *loop);   /* about once a second */
void http_line_look(struct http_loop *loop);    /* at those in loop->watched that are due */
void http_line_watch(struct http_line *line);   /* into loop->watched */
void http_line_forget(struct http_loop *loop);  /* shutdown: ends all watches */

/* watch.c: what of a file the peer has acknowledged */
struct http_part {
	uint64_t offset; /* in the file */
	uint64_t len;
	uint64_t at; /* in the body */
};
struct http_file;
/* Of a body of that many bytes in all; NULL only when memory is out. Any thread. */
struct http_watch *http_watch_new(const struct http_file *file, const struct http_part *part, unsigned count, uint64_t body);
void http_watch_begin(struct http_watch *w, int fd);                               /* the reply is queued next */
void http_watch_progress(struct http_watch *w, int fd);                            /* in the middle of the transfer */
void http_watch_finish(struct http_line *line, struct http_watch **w, bool whole); /* the transfer is over */
void http_watch_pin(struct http_line *line);  /* something else is sent on this connection, or it closes */
bool http_watch_look(struct http_line *line); /* true if anything was acknowledged since */
void http_watch_end(struct http_watch **w);   /* makes the last call */
void http_watch_end_all(struct http_line *line);

/* upload.c */
bool http_upload_new(struct http_request *req);  /* false: it has replied */
void http_upload_step(struct http_request *req); /* something changed: submit the next job if there is one */
size_t http_upload_take(struct http_request *req, const char *data, size_t len); /* returns how much was taken */
void http_upload_whole(struct http_request *req);                                /* the body is complete */
void http_upload_job(struct http_request *req, struct worker *worker);           /* on a worker */
bool http_upload_begun(const struct http_request *req);
bool http_upload_busy(const struct http_request *req); /* something is still to be done on a worker */
void http_upload_posted(struct http_request *req);     /* a job is back */
void http_upload_free(struct http_request *req);

#endif
