/* Connections: who drips, who lingers, who has not acknowledged all. Only for this room; on the loop's thread. */
#ifndef HTTP_LINE_H
#define HTTP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;
struct gnutls_session_int;
struct http_credential;
struct http_loop;
struct http_request;
struct http_watch;

/* One TCP connection. It outlives its end while bytes of a file may still be acknowledged, or while a refused body is drained. */
struct http_line {
	struct http_loop *loop;
	struct http_line *prev, *next;             /* loop->lines, or loop->free_lines */
	struct http_line *watch_prev, *watch_next; /* loop->watched */
	struct MHD_Connection *conn;               /* dangling once closed */
	struct http_request *req;                  /* in progress */
	struct http_watch *watches;                /* finished transfers that are not all acknowledged, oldest first */
	struct gnutls_session_int *session;        /* NULL: plain TCP, or closed */
	struct http_credential *credential;        /* the certificate that the handshake took */
	int fd;
	bool closed;        /* libmicrohttpd is done with it; fd is a duplicate of ours */
	bool watched;       /* in loop->watched */
	bool linger;        /* drain before the close: a reset would take the reply with it */
	bool parked;        /* suspended in the handshake, see http/handshake.h */
	bool shaken;        /* the TLS handshake is over */
	bool sighted;       /* seen is set */
	bool dripping;      /* bytes came, but no whole request line */
	int64_t since;      /* when the present wait (for a line, a head, a window of the body) began */
	uint64_t seen;      /* bytes received up to the last sweep */
	int64_t look_at;    /* next look at what was acknowledged */
	int64_t moved_at;   /* when that last grew */
	int64_t look_every; /* grows while nothing moves */
	uint64_t drained;
};

/* A connection was accepted. NULL when memory is out. */
struct http_line *http_line_open(struct http_loop *loop, struct MHD_Connection *conn);

/* libmicrohttpd closes fd next: the line ends, or lives on with a duplicate while something is outstanding. */
void http_line_closing(struct http_line *line);

/* Writes past libmicrohttpd, which must not be writing; what the socket does not take at once is lost. */
void http_line_send(struct http_line *line, const char *data, size_t len);

/* Closes those that drip. About once a second. */
void http_line_judge(struct http_loop *loop);

/* Puts the line into loop->watched; http_line_look() then visits those that are due, every tick. */
void http_line_watch(struct http_line *line);
void http_line_look(struct http_loop *loop);

/* Shutdown, after libmicrohttpd's end: one last look, then all watches end. */
void http_line_forget(struct http_loop *loop);

#endif
