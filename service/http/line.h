/* Connections: who drips, who lingers, who has not acknowledged all. Only for this room. */
#ifndef HTTP_LINE_H
#define HTTP_LINE_H

struct http_line;
struct http_loop;

struct http_line *http_line_open(struct http_loop *loop, int fd);
void http_line_closing(struct http_line *line); /* libmicrohttpd closes fd next */
void http_line_judge(struct http_loop *loop);   /* about once a second */
void http_line_look(struct http_loop *loop);    /* at those in loop->watched that are due */
void http_line_watch(struct http_line *line);   /* into loop->watched */
void http_line_forget(struct http_loop *loop);  /* shutdown: ends all watches */
#endif
