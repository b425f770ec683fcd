/* Which bytes of a file the peer has acknowledged.
 *
 * When libmicrohttpd is done with a reply its bytes are in the kernel, not at the peer. The acknowledged bytes of a connection are a
 * counter (TCP_INFO), what is written and not yet acknowledged is another (SIOCOUTQ); a body is the last thing that was written, so it ends
 * at their sum and begins its own length before that. Of a transfer that was cut off, the end is not known: it counts from the sum before
 * the reply, less more than any head of ours. Every estimate errs to less.
 */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "http/inside.h"
#include "http/line.h"
#include "http/reply.h"
#include "http/watch.h"
#include "metrics/metrics.h"

enum {
	SMALL = 64 * 1024,    /* a body up to this is not worth two system calls before it is sent: cut off, it counts as nothing */
	HEAD_MOST = 8 * 1024, /* bytes of a reply's head at most */
};

struct http_watch {
	struct http_watch *next;
	http_delivered *fn;
	void *ctx;
	uint64_t body;  /* bytes of it */
	uint64_t told;  /* bytes of it, from its start, that are dealt with */
	bool placed;    /* start is known */
	uint64_t start; /* the connection's count of acknowledged bytes when the body begins, or more */
	unsigned count;
	struct http_part part[];
};

static bool acknowledged(int fd, uint64_t *out)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked)) {
		return false;
	}
	*out = info.tcpi_bytes_acked;
	return true;
}

static bool outstanding(int fd, uint64_t *out)
{
	int queued = 0;
	if (ioctl(fd, SIOCOUTQ, &queued) != 0 || queued < 0) {
		return false;
	}
	*out = (uint64_t)queued;
	return true;
}

/* How many bytes were written to fd so far, exactly: both counters at one moment. */
static bool written(int fd, uint64_t *out)
{
	uint64_t before;
	uint64_t after;
	uint64_t queued;
	for (int tries = 0; tries < 8; tries++) {
		if (!acknowledged(fd, &before) || !outstanding(fd, &queued) || !acknowledged(fd, &after)) {
			return false;
		}
		if (before == after) {
			*out = before + queued;
			return true;
		}
	}
	return false;
}

struct http_watch *http_watch_new(const struct http_file *file, const struct http_part *part, unsigned count, uint64_t body)
{
	struct http_watch *w = calloc(1, sizeof(*w) + count * sizeof(w->part[0]));
	if (w) {
		w->fn = file->delivered;
		w->ctx = file->delivered_ctx;
		w->body = body;
		w->count = count;
		if (count) {
			memcpy(w->part, part, count * sizeof(w->part[0]));
		}
	}
	return w;
}

void http_watch_end(struct http_watch **w)
{
	if (*w) {
		(*w)->fn((*w)->ctx, 0, 0);
		free(*w);
		*w = NULL;
	}
}

static bool tell(struct http_watch *w, uint64_t upto)
{
	if (upto > w->body) {
		upto = w->body;
	}
	if (upto <= w->told) {
		return false;
	}
	for (unsigned i = 0; i < w->count; i++) {
		const struct http_part *p = &w->part[i];
		uint64_t from = w->told > p->at ? w->told : p->at;
		uint64_t to = upto < p->at + p->len ? upto : p->at + p->len;
		if (from < to) {
			metrics_add(METRIC_HTTP_BYTES, (int64_t)(to - from));
			w->fn(w->ctx, p->offset + (from - p->at), to - from);
		}
	}
	w->told = upto;
	return true;
}

void http_watch_begin(struct http_watch *w, int fd)
{
	if (w->body > SMALL && w->count && written(fd, &w->start)) {
		w->start += HEAD_MOST;
		w->placed = true;
	}
}

void http_watch_progress(struct http_watch *w, int fd)
{
	uint64_t acked;
	if (w->placed && acknowledged(fd, &acked) && acked > w->start) {
		tell(w, acked - w->start);
	}
}

/* All of them are acknowledged: nothing is outstanding on the connection. */
static void tell_all(struct http_line *line)
{
	while (line->watches) {
		struct http_watch *w = line->watches;
		line->watches = w->next;
		tell(w, w->body);
		http_watch_end(&w);
	}
}

void http_watch_end_all(struct http_line *line)
{
	while (line->watches) {
		struct http_watch *w = line->watches;
		line->watches = w->next;
		http_watch_end(&w);
	}
}

void http_watch_pin(struct http_line *line)
{
	uint64_t queued;
	if (outstanding(line->fd, &queued) && queued == 0) {
		tell_all(line);
		return;
	}
	for (struct http_watch *w = line->watches; w; w = w->next) {
		uint64_t end;
		if (!w->placed) { /* the last one, and the last thing written */
			w->placed = written(line->fd, &end) && end >= w->body;
			w->start = w->placed ? end - w->body : 0;
		}
	}
}

void http_watch_finish(struct http_line *line, struct http_watch **w, bool whole)
{
	if (!whole || (*w)->count == 0) {
		http_watch_progress(*w, line->fd);
		http_watch_end(w);
		return;
	}
	(*w)->placed = false; /* from now on it can be told exactly */
	struct http_watch **end = &line->watches;
	while (*end) {
		end = &(*end)->next;
	}
	*end = *w;
	*w = NULL;
	uint64_t queued;
	if (outstanding(line->fd, &queued) && queued == 0) {
		tell_all(line);
	} else {
		http_line_watch(line);
	}
}

bool http_watch_look(struct http_line *line)
{
	uint64_t acked;
	bool moved = false;
	http_watch_pin(line);
	if (!line->watches) {
		return true;
	}
	if (!acknowledged(line->fd, &acked)) {
		return false;
	}
	for (struct http_watch *w = line->watches; w; w = w->next) {
		moved |= w->placed && acked > w->start && tell(w, acked - w->start);
	}
	while (line->watches && line->watches->told == line->watches->body) {
		struct http_watch *w = line->watches;
		line->watches = w->next;
		http_watch_end(&w);
	}
	return moved;
}
