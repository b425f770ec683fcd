#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "tls.h"

enum { HEAD_MAX = 16 * 1024, PIECE = 16 * 1024, SLOW_PIECE = 1460, CHIP_BUFFER = 8192, PATIENCE_MS = 30000, REQUEST_MAX = 80 * 1024 };

bool wire_parse(const char *url, struct wire_url *out, struct err *err)
{
	*out = (struct wire_url){.tls = strncmp(url, "https://", 8) == 0};
	if (!out->tls && strncmp(url, "http://", 7) != 0) {
		return err_set(err, ERR_INVALID, "\"%s\" begins with neither http:// nor https://", url);
	}
	const char *host = url + (out->tls ? 8 : 7);
	size_t len = strcspn(host, "/?");
	const char *colon = memchr(host, ':', len);
	size_t name = colon ? (size_t)(colon - host) : len;
	size_t port = colon ? len - name - 1 : 0;
	if (name == 0 || name >= sizeof out->host || port >= sizeof out->port) {
		return err_set(err, ERR_INVALID, "\"%s\" has no host that a device can read", url);
	}
	memcpy(out->host, host, name);
	snprintf(out->port, sizeof out->port, "%s", out->tls ? "443" : "80");
	if (colon) {
		memcpy(out->port, colon + 1, port);
		out->port[port] = '\0';
	}
	out->path = host[len] == '/' ? host + len : "/";
	return true;
}

static void hang_up(struct wire *w)
{
	if (w->fd >= 0 && w->state != WIRE_IDLE) {
		loop_forget(w->loop, w->fd);
		SSL_free(w->ssl);
		w->ssl = NULL;
		close(w->fd);
		w->fd = -1;
		loop_disarm(w->loop, &w->patience);
		loop_disarm(w->loop, &w->wake);
	}
	w->state = WIRE_IDLE;
	buf_free(&w->out);
}

void wire_stop(struct wire *w)
{
	hang_up(w);
	buf_free(&w->in);
}

/* The body outlives the call only here: done() may start the next request. */
static void finish(struct wire *w, const char *why)
{
	hang_up(w);
	struct buf body = w->in;
	w->in = (struct buf){0};
	w->done(w->ctx, why, buf_cstr(&body), body.len);
	buf_free(&body);
}

static void read_header(struct wire *w, const char *line, size_t len)
{
	static const char NAME[] = "Content-Length:";
	char value[24];
	if (len > sizeof NAME - 1 && strncasecmp(line, NAME, sizeof NAME - 1) == 0) {
		const char *digits = line + sizeof NAME - 1 + strspn(line + sizeof NAME - 1, " ");
		snprintf(value, sizeof value, "%.*s", (int)(len - (size_t)(digits - line)), digits);
		w->misspelt = strncmp(line, NAME, sizeof NAME - 1) != 0;
		if (w->misspelt || !text_to_i64(value, &w->length) || w->length < 0) {
			w->length = -1;
		}
	}
	w->chunked = w->chunked || (len > 18 && strncasecmp(line, "Transfer-Encoding:", 18) == 0);
}

/* True once the head is whole; w->in then holds what followed it. */
static bool read_head(struct wire *w)
{
	const char *text = buf_cstr(&w->in);
	const char *end = strstr(text, "\r\n\r\n");
	if (!end) {
		return false;
	}
	w->status = strncmp(text, "HTTP/1.", 7) == 0 && text[8] == ' ' ? (int)strtol(text + 9, NULL, 10) : 0;
	for (const char *line = strstr(text, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n")) {
		read_header(w, line + 2, strcspn(line + 2, "\r"));
	}
	w->head_read = true;
	return true;
}

static bool take_body(struct wire *w, const char *data, size_t len)
{
	if (w->length >= 0 && len > (uint64_t)w->length - w->received) {
		len = (size_t)((uint64_t)w->length - w->received);
	}
	w->received += len;
	if (w->body && w->status == 200) {
		return len == 0 || w->body(w->ctx, data, len);
	}
	buf_put(&w->in, data, len);
	return true;
}

static bool complete(const struct wire *w)
{
	return w->head_read && w->length >= 0 && w->received >= (uint64_t)w->length;
}

/* False: the request is over, w may be in the next one already. */
static bool take(struct wire *w, const char *data, size_t len)
{
	bool goes_on = true;
	if (w->head_read) {
		goes_on = take_body(w, data, len);
	} else {
		buf_put(&w->in, data, len);
		if (!read_head(w)) {
			if (w->in.len > HEAD_MAX || !buf_ok(&w->in)) {
				finish(w, "the answer's head does not end");
				return false;
			}
			return true;
		}
		if (w->chunked) {
			finish(w, NULL);
			return false;
		}
		struct buf whole = w->in;
		const char *rest = strstr(whole.data, "\r\n\r\n") + 4;
		buf_init(&w->in, WIRE_BODY_MAX);
		goes_on = take_body(w, rest, whole.len - (size_t)(rest - whole.data));
		buf_free(&whole);
	}
	if (!goes_on) {
		return false;
	}
	if (complete(w)) {
		finish(w, w->status ? NULL : "the answer is no HTTP");
		return false;
	}
	return true;
}

static void on_closed(struct wire *w, const char *why)
{
	char text[128];
	if (w->head_read && w->length < 0) {
		finish(w, NULL); /* the end of the connection ends the body */
	} else if (w->head_read) {
		snprintf(text, sizeof text, "the connection ended after %llu of %lld bytes", (unsigned long long)w->received,
			 (long long)w->length);
		finish(w, text);
	} else {
		finish(w, why);
	}
}

static void on_ready(void *ctx, int fd, uint32_t events);

static bool watch(struct wire *w, uint32_t events)
{
	return loop_watch(w->loop, w->fd, events, on_ready, w);
}

static void on_wake(void *ctx)
{
	watch(ctx, EPOLLIN);
}

static void on_impatient(void *ctx)
{
	struct wire *w = ctx;
	finish(w, w->head_read ? "30 s without the end of the answer" : "30 s without an answer");
}

/* How many bytes it takes now; 0: it sleeps first. */
static size_t appetite(struct wire *w)
{
	int64_t now = clock_mono_ms() * 1000;
	if (!w->rate) {
		return PIECE;
	}
	if (now < w->next_us) {
		watch(w, 0);
		loop_arm(w->loop, &w->wake, (w->next_us - now + 999) / 1000);
		return 0;
	}
	return w->rate < SLOW_PIECE ? (size_t)w->rate : SLOW_PIECE;
}

static ssize_t receive(struct wire *w, char *data, size_t size)
{
	if (!w->ssl) {
		return recv(w->fd, data, size, MSG_DONTWAIT);
	}
	ERR_clear_error();
	int n = SSL_read(w->ssl, data, (int)size);
	if (n > 0) {
		return n;
	}
	int code = SSL_get_error(w->ssl, n);
	errno = code == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
	return code == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static void on_readable(struct wire *w)
{
	char data[PIECE];
	do {
		size_t most = appetite(w);
		ssize_t n = most ? receive(w, data, most) : -2;
		if (n == -2 || (n < 0 && errno == EAGAIN)) {
			return;
		}
		if (n <= 0) {
			on_closed(w, n == 0 ? "the server closed the connection" : strerror(errno));
			return;
		}
		if (w->rate) {
			w->next_us = clock_mono_ms() * 1000 + (int64_t)n * 1000000 / w->rate;
		}
		loop_arm(w->loop, &w->patience, PATIENCE_MS);
		if (!take(w, data, (size_t)n)) {
			return;
		}
	} while (w->ssl && SSL_pending(w->ssl));
}

static void on_writable(struct wire *w)
{
	const char *data = w->out.data + w->sent;
	size_t len = w->out.len - w->sent;
	ssize_t n = w->ssl ? SSL_write(w->ssl, data, (int)len) : send(w->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0 && !w->ssl && errno != EAGAIN) {
		finish(w, strerror(errno));
		return;
	}
	w->sent += n > 0 ? (size_t)n : 0;
	if (w->sent == w->out.len) {
		w->state = WIRE_READING;
		buf_free(&w->out);
		watch(w, EPOLLIN);
	}
}

static void on_connected(struct wire *w)
{
	int code = 0;
	socklen_t len = sizeof code;
	getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &code, &len);
	if (code != 0) {
		finish(w, strerror(code));
		return;
	}
	w->state = w->ssl ? WIRE_SHAKING : WIRE_SENDING;
	watch(w, EPOLLIN | EPOLLOUT);
}

static void shake(struct wire *w)
{
	ERR_clear_error();
	int rc = SSL_do_handshake(w->ssl);
	int code = SSL_get_error(w->ssl, rc);
	if (rc == 1) {
		w->state = WIRE_SENDING;
		watch(w, EPOLLIN | EPOLLOUT);
	} else if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE) {
		watch(w, code == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
	} else {
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		finish(w, reason ? reason : "the TLS handshake failed");
	}
}

static void on_ready(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	struct wire *w = ctx;
	if (w->state == WIRE_CONNECTING) {
		on_connected(w);
	} else if (w->state == WIRE_SHAKING) {
		shake(w);
	} else if (w->state == WIRE_SENDING && events & EPOLLOUT) {
		on_writable(w);
	} else if (w->state != WIRE_IDLE && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		on_readable(w);
	}
}

static bool dial(struct wire *w, const struct wire_url *url, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(url->host, url->port, &hints, &list);
	if (rc != 0) {
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", url->host, gai_strerror(rc));
	}
	w->fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd >= 0 && w->body) { /* a chip's window: what it has not read, the server must not take for received */
		setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &(int){CHIP_BUFFER}, sizeof(int));
	}
	bool ok = w->fd >= 0 && (connect(w->fd, list->ai_addr, list->ai_addrlen) == 0 || errno == EINPROGRESS);
	freeaddrinfo(list);
	if (!ok) {
		err_set(err, ERR_UNAVAILABLE, "%s:%s: %s", url->host, url->port, strerror(errno));
		close(w->fd);
		w->fd = -1;
	}
	return ok;
}

static bool wrap(struct wire *w, struct tls *tls, const struct wire_url *url, struct err *err)
{
	char host[WIRE_HOST_SIZE]; /* the macro below wants one that may be changed */
	memcpy(host, url->host, sizeof host);
	SSL_CTX *context = tls_for(tls, host);
	w->ssl = context ? SSL_new(context) : NULL;
	if (!w->ssl || SSL_set_fd(w->ssl, w->fd) != 1 || SSL_set_tlsext_host_name(w->ssl, host) != 1) {
		return err_set(err, ERR_UNAVAILABLE, "no TLS: are the CA's certificates readable?");
	}
	SSL_set_connect_state(w->ssl);
	return true;
}

void wire_content(struct wire *w, const char *data, size_t len)
{
	buf_free(&w->in);
	buf_init(&w->in, WIRE_BODY_MAX);
	buf_put(&w->in, data, len);
}

static void write_request(struct wire *w, const struct wire_url *url, const char *method, const struct buf *headers)
{
	bool usual = strcmp(url->port, url->tls ? "443" : "80") == 0;
	buf_init(&w->out, REQUEST_MAX);
	buf_putf(&w->out, "%s %s HTTP/1.1\r\nHost: %s%s%s\r\n", method, url->path, url->host, usual ? "" : ":", usual ? "" : url->port);
	if (headers) {
		buf_put(&w->out, headers->data, headers->len);
	}
	if (strcmp(method, "POST") == 0) {
		buf_putf(&w->out, "Content-Length: %zu\r\n", w->in.len);
	}
	buf_puts(&w->out, "Connection: close\r\n\r\n");
	buf_put(&w->out, w->in.data, w->in.len);
	buf_free(&w->in);
	buf_init(&w->in, WIRE_BODY_MAX);
}

bool wire_start(struct wire *w, struct tls *tls, const char *method, const char *url, const struct buf *headers, struct err *err)
{
	struct wire_url to;
	w->fd = -1;
	w->status = 0;
	w->length = -1;
	w->received = w->sent = 0;
	w->next_us = 0;
	w->head_read = w->chunked = w->misspelt = false;
	w->patience = (struct loop_timer){.fn = on_impatient, .ctx = w};
	w->wake = (struct loop_timer){.fn = on_wake, .ctx = w};
	if (!wire_parse(url, &to, err) || !dial(w, &to, err)) {
		buf_free(&w->in);
		return false;
	}
	w->state = WIRE_CONNECTING;
	if ((to.tls && !wrap(w, tls, &to, err)) || !watch(w, EPOLLOUT)) {
		wire_stop(w);
		return false;
	}
	write_request(w, &to, method, headers);
	loop_arm(w->loop, &w->patience, PATIENCE_MS);
	return true;
}
