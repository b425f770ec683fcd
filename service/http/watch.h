/* Which bytes of a file the peer has acknowledged. Only for this room; on the loop's thread but for http_watch_new(). */
#ifndef HTTP_WATCH_H
#define HTTP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct http_file;
struct http_line;
struct http_watch;

/* A stretch of the file in the body of a reply. */
struct http_part {
	uint64_t offset; /* in the file */
	uint64_t len;
	uint64_t at; /* in the body */
};

/* Watches a body of that many bytes in all; tls: by http_watch_mark(). NULL only when memory is out. */
struct http_watch *http_watch_new(const struct http_file *file, const struct http_part *part, unsigned count, uint64_t body, bool tls);

/* Makes the last call and frees. */
void http_watch_end(struct http_watch **w);

/* Before the reply is queued, while it is under way, and when libmicrohttpd is done with it (whole: all was written to the socket). The
 * last one takes w: what is not acknowledged yet is watched on with the line. */
void http_watch_begin(struct http_watch *w, int fd);
void http_watch_progress(struct http_watch *w, int fd);
void http_watch_finish(struct http_line *line, struct http_watch **w, bool whole);

/* Under TLS, when the body's reader is asked for more: its first `body` bytes are all written to fd, in whole records. */
void http_watch_mark(struct http_watch *w, int fd, uint64_t body);

/* Something else will be written to this connection, or it closes: settles now where the bodies written so far end. */
void http_watch_pin(struct http_line *line);

/* Tells what was acknowledged since the last look; true if anything was. */
bool http_watch_look(struct http_line *line);
void http_watch_end_all(struct http_line *line);

#endif
