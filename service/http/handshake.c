#include "http/handshake.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "http/inside.h"
#include "http/line.h"

static void park(struct http_line *line)
{
	struct http_loop *loop = line->loop;
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = line};
	if (line->parked || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, line->fd, &event) != 0) {
		return;
	}
	line->parked = true;
	loop->parked++;
	MHD_suspend_connection(line->conn);
}

void http_handshake_resume(struct http_line *line)
{
	struct http_loop *loop = line->loop;
	if (!line->parked) {
		return;
	}
	line->parked = false;
	loop->parked--;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, line->fd, NULL);
	MHD_resume_connection(line->conn);
}

void http_handshake_abandon(struct http_loop *loop)
{
	for (struct http_line *line = loop->lines; line; line = line->next) {
		if (line->parked) {
			shutdown(line->fd, SHUT_RD);
			http_handshake_resume(line);
		}
	}
}

/* GnuTLS reads through this. */
static ssize_t pull(gnutls_transport_ptr_t ptr, void *out, size_t len)
{
	struct http_line *line = ptr;
	ssize_t n = recv(line->fd, out, len, 0);
	if (n >= 0 || errno != EAGAIN || line->shaken) {
		return n;
	}
	if (line->loop->draining) {
		return 0; /* the server stops: the handshake ends here */
	}
	park(line);
	errno = EAGAIN;
	return -1;
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
	const struct http_line *line = ptr;
	struct pollfd fd = {.fd = line->fd, .events = POLLIN};
	return poll(&fd, 1, ms == GNUTLS_INDEFINITE_TIMEOUT ? -1 : (int)ms);
}

void http_handshake_begin(struct http_line *line)
{
	gnutls_transport_ptr_t in;
	gnutls_transport_ptr_t out;
	gnutls_transport_get_ptr2(line->session, &in, &out);
	gnutls_transport_set_ptr2(line->session, line, out);
	gnutls_transport_set_pull_function(line->session, pull);
	gnutls_transport_set_pull_timeout_function(line->session, pull_timeout);
}
