/* The wait for a client during a TLS handshake. Only for this room; on the loop's thread.
 *
 * libmicrohttpd 0.9.75 waits badly there: with epoll it calls GnuTLS again and again until the client's next bytes come (a core for every
 * handshake), and a connection whose idle timeout ends in a handshake is neither closed nor forgotten. So a connection is suspended
 * whenever its handshake has nothing to read, our own epoll waits for its socket, and http_line_judge() sets the limit.
 */
#ifndef HTTP_HANDSHAKE_H
#define HTTP_HANDSHAKE_H

struct http_line;
struct http_loop;

/* A TLS connection was accepted (line->session). */
void http_handshake_begin(struct http_line *line);

/* The socket of a parked line has something, or its end: the handshake goes on. Does nothing with others. */
void http_handshake_resume(struct http_line *line);

/* Shutdown: those that are parked fail. */
void http_handshake_abandon(struct http_loop *loop);

#endif
