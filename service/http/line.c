/* Connections: the slow senders among them, and those that outlive their end. */
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "http/handshake.h"
#include "http/inside.h"
#include "http/intake.h"
#include "http/line.h"
#include "http/tls.h"
#include "http/watch.h"

enum {
	HEAD_MS = 10 * 1000, /* a request head must be complete so long after its first bytes, a TLS handshake so long after the connect */
	WINDOW_MS = 10 * 1000, /* a body must bring ... */
	WINDOW_BYTES = 4096,   /* ... so much in each such time */
	LOOK_MS = 25,
	LOOK_MAX_MS = 400,
	PATIENCE_MS = 30 * 1000, /* for an acknowledgement, when none comes */
	LINGER_MS = 2000,
	LINGER_MAX = 1024 * 1024,
	ORPHANS_MAX = 1024, /* of a loop */
	CLOSE_WAIT = 8,     /* TCP_CLOSE_WAIT, which the kernel's header does not name */
};

struct http_line *http_line_open(struct http_loop *loop, struct MHD_Connection *conn)
{
	struct http_line *line = loop->free_lines;
	if (line) {
		loop->free_lines = line->next;
	} else if (!(line = malloc(sizeof(*line)))) {
		return NULL;
	}
	const union MHD_ConnectionInfo *tls = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION); /* NULL over plain TCP */
	*line = (struct http_line){
		.loop = loop,
		.conn = conn,
		.session = tls ? tls->tls_session : NULL,
		.fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
		.since = loop->now,
		.sighted = true,
		.next = loop->lines,
	};
	if (line->next) {
		line->next->prev = line;
	}
	loop->lines = line;
	if (line->session) {
		http_handshake_begin(line);
	}
	return line;
}

void http_line_watch(struct http_line *line)
{
	struct http_loop *loop = line->loop;
	line->look_every = LOOK_MS;
	line->look_at = loop->now + LOOK_MS;
	line->moved_at = loop->now;
	if (line->watched) {
		return;
	}
	line->watched = true;
	line->watch_prev = NULL;
	line->watch_next = loop->watched;
	if (line->watch_next) {
		line->watch_next->watch_prev = line;
	}
	loop->watched = line;
}

static void unwatch(struct http_line *line)
{
	if (!line->watched) {
		return;
	}
	line->watched = false;
	if (line->watch_next) {
		line->watch_next->watch_prev = line->watch_prev;
	}
	if (line->watch_prev) {
		line->watch_prev->watch_next = line->watch_next;
	} else {
		line->loop->watched = line->watch_next;
	}
}

static void recycle(struct http_line *line)
{
	struct http_loop *loop = line->loop;
	unwatch(line);
	if (line->closed) {
		close(line->fd);
		loop->orphans--;
	}
	line->next = loop->free_lines;
	loop->free_lines = line;
}

static bool outlives(struct http_line *line)
{
	if (line->watches) {
		http_watch_pin(line);
	}
	if ((!line->watches && !line->linger) || line->loop->orphans >= ORPHANS_MAX) {
		return false;
	}
	int fd = fcntl(line->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	shutdown(fd, SHUT_WR);
	line->fd = fd;
	return true;
}

void http_line_closing(struct http_line *line)
{
	struct http_loop *loop = line->loop;
	if (line->next) {
		line->next->prev = line->prev;
	}
	if (line->prev) {
		line->prev->next = line->next;
	} else {
		loop->lines = line->next;
	}
	line->session = NULL;
	http_tls_drop(&line->credential);
	if (outlives(line)) {
		line->closed = true;
		loop->orphans++;
		http_line_watch(line);
	} else {
		http_watch_end_all(line);
		recycle(line);
	}
}

void http_line_send(struct http_line *line, const char *data, size_t len)
{
	if (!line->session) {
		send(line->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (line->shaken) {
		http_tls_send(line->session, data, len);
	}
}

/* Reads and drops what still comes. False when that is over. */
static bool linger(struct http_line *line)
{
	char waste[16 * 1024];
	ssize_t got;
	do {
		got = recv(line->fd, waste, sizeof(waste), MSG_DONTWAIT);
		line->drained += got > 0 ? (uint64_t)got : 0;
	} while (got > 0 && line->drained < LINGER_MAX);
	return got < 0 && line->drained < LINGER_MAX && line->loop->now - line->moved_at < LINGER_MS;
}

static void look(struct http_line *line)
{
	int64_t now = line->loop->now;
	if (line->closed && line->linger && !linger(line)) {
		line->linger = false;
	}
	if (line->watches && http_watch_look(line)) {
		line->moved_at = now;
		line->look_every = LOOK_MS;
	} else if (!line->linger && line->look_every < LOOK_MAX_MS) {
		line->look_every *= 2;
	}
	line->look_at = now + line->look_every;
	if (now - line->moved_at > PATIENCE_MS) {
		http_watch_end_all(line);
	}
	if (line->closed && !line->watches && !line->linger) {
		recycle(line);
	} else if (!line->closed && !line->watches) {
		unwatch(line);
	}
}

void http_line_look(struct http_loop *loop)
{
	struct http_line *next;
	for (struct http_line *line = loop->watched; line; line = next) {
		next = line->watch_next;
		if (loop->now >= line->look_at) {
			look(line);
		}
	}
}

void http_line_forget(struct http_loop *loop)
{
	while (loop->watched) {
		struct http_line *line = loop->watched;
		if (line->watches) {
			http_watch_look(line);
			http_watch_end_all(line);
		}
		recycle(line);
	}
}

/* --- slow senders ------------------------------------------------------------------------------------------------------------------ */

/* libmicrohttpd has no call to close a connection: it finds the end of the stream instead. */
static void kick(struct http_line *line)
{
	shutdown(line->fd, SHUT_RD);
}

static void refuse_slow(struct http_line *line)
{
	struct http_request *req = line->req;
	if (req && req->phase == HTTP_PHASE_BODY && !req->answered) {
		http_intake_refuse(req, 408, ERR_INVALID, "The request came too slowly.");
	} else if (!req || !req->method) {
		static const char reply[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
		http_line_send(line, reply, sizeof(reply) - 1);
	}
}

/* Between requests: bytes that make no request line. */
static bool drips_line(struct http_line *line, uint64_t received)
{
	if (line->sighted && received != line->seen && !line->dripping) {
		line->dripping = true;
		line->since = line->loop->now;
	}
	line->seen = received;
	line->sighted = true;
	return line->dripping && line->loop->now - line->since > HEAD_MS;
}

static bool drips_body(struct http_line *line, struct http_request *req)
{
	if (line->loop->now - line->since < WINDOW_MS) {
		return false;
	}
	bool slow = req->received - req->window < WINDOW_BYTES;
	line->since = line->loop->now;
	req->window = req->received;
	return slow;
}

/* The limit that libmicrohttpd does not keep here. */
static bool drips_handshake(struct http_line *line)
{
	int64_t idle = line->loop->server->config.idle_timeout_ms;
	return line->loop->now - line->since > (idle < HEAD_MS ? idle : HEAD_MS);
}

static bool drips(struct http_line *line, uint64_t received)
{
	struct http_request *req = line->req;
	if (line->session && !line->shaken) {
		return drips_handshake(line);
	}
	if (!req) {
		return drips_line(line, received);
	}
	if (req->phase == HTTP_PHASE_HEAD) {
		return line->loop->now - line->since > HEAD_MS;
	}
	return drips_body(line, req);
}

/* A line that waits for its peer to send. */
static void judge(struct http_line *line)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	memset(&info, 0, sizeof(info));
	if (getsockopt(line->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) {
		return;
	}
	if (info.tcpi_state == CLOSE_WAIT) {
		/* The end came together with the last bytes: edge-triggered, libmicrohttpd does not look again. */
		kick(line);
	} else if (drips(line, info.tcpi_bytes_received)) {
		refuse_slow(line);
		kick(line);
	}
}

void http_line_judge(struct http_loop *loop)
{
	for (struct http_line *line = loop->lines; line; line = line->next) {
		const struct http_request *req = line->req;
		if (!req || (req->phase != HTTP_PHASE_FULL && !req->suspended)) {
			judge(line);
		} else if (req->given && req->watch) {
			http_watch_progress(req->watch, line->fd);
		}
	}
}
