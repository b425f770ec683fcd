/* Which bytes of a file the peer has acknowledged. Only for this room. */
#ifndef HTTP_WATCH_H
#define HTTP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct http_file;
struct http_line;
struct http_watch;

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
#endif
