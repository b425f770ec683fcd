/* Which bytes of a file the peer has acknowledged.
 *
 * When libmicrohttpd is done with a reply its bytes are in the kernel, not at the peer. The acknowledged bytes of a connection are a
 * counter (TCP_INFO), what is written and not yet acknowledged is another (SIOCOUTQ); a body is the last thing that was written, so it ends
 * at their sum and begins its own length before that. Of a transfer that was cut off, the end is not known: it counts from the sum before
 * the reply, less more than any head of ours. Every estimate errs to less.
 *
 * Under TLS the counters count records, whose number and size nobody tells. There the body's reader is called for the next piece when all
 * before it has been written: at such a moment a mark is set, "when so much is acknowledged, so much of the body is", and only marks
 * that were passed are told. Bytes of a record whose end is not acknowledged cannot be read by the peer and never count.
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
	MARKS = 32,           /* pieces of a body under way at once; more are told less finely */
};

struct mark {
	uint64_t body; /* bytes of it ... */
	uint64_t at;   /* ... that the peer has when this many bytes of the connection are acknowledged */
};

struct http_watch {
	struct http_watch *next;
	http_delivered *fn;
	void *ctx;
	uint64_t body;  /* bytes of it */
	uint64_t told;  /* bytes of it, from its start, that are dealt with */
	bool placed;    /* start is known */
	uint64_t start; /* the connection's count of acknowledged bytes when the body begins, or more */
	bool tls;       /* by marks, else by start: */
	unsigned mark_count;
	struct mark mark[MARKS]; /* ascending */
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

struct http_watch *http_watch_new(const struct http_file *file, const struct http_part *part, unsigned count, uint64_t body, bool tls)
{
	struct http_watch *w = calloc(1, sizeof(*w) + count * sizeof(w->part[0]));
	if (w) {
		w->fn = file->delivered;
		w->ctx = file->delivered_ctx;
		w->body = body;
		w->tls = tls;
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
	if (!w->tls && w->body > SMALL && w->count && written(fd, &w->start)) {
		w->start += HEAD_MOST;
		w->placed = true;
	}
}

/* Of the marks that were passed, the last one says all. Returns how many went. */
static unsigned forget(struct http_watch *w, uint64_t acked)
{
	unsigned gone = 0;
	while (gone + 1 < w->mark_count && w->mark[gone + 1].at <= acked) {
		gone++;
	}
	memmove(w->mark, w->mark + gone, (w->mark_count - gone) * sizeof(w->mark[0]));
	return gone;
}

/* In this order: an acknowledgement in between counts twice, so the mark stands a little later and never too early. */
void http_watch_mark(struct http_watch *w, int fd, uint64_t body)
{
	uint64_t queued;
	uint64_t acked;
	if (!w->tls || w->count == 0 || body == 0 || !outstanding(fd, &queued) || !acknowledged(fd, &acked)) {
		return;
	}
	w->mark_count -= forget(w, acked);
	if (w->mark_count == MARKS) {
		w->mark_count--;
	}
	w->mark[w->mark_count++] = (struct mark){.body = body, .at = queued + acked};
}

/* Tells the marks that were passed. */
static bool pass_marks(struct http_watch *w, uint64_t acked)
{
	unsigned passed = 0;
	while (passed < w->mark_count && w->mark[passed].at <= acked) {
		passed++;
	}
	if (passed == 0) {
		return false;
	}
	uint64_t body = w->mark[passed - 1].body;
	w->mark_count -= passed;
	memmove(w->mark, w->mark + passed, w->mark_count * sizeof(w->mark[0]));
	return tell(w, body);
}

static bool advance(struct http_watch *w, uint64_t acked)
{
	if (w->tls) {
		return pass_marks(w, acked);
	}
	return w->placed && acked > w->start && tell(w, acked - w->start);
}

void http_watch_progress(struct http_watch *w, int fd)
{
	uint64_t acked;
	if ((w->placed || w->mark_count) && acknowledged(fd, &acked)) {
		advance(w, acked);
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
		if (!w->tls && !w->placed) { /* the last one, and the last thing written */
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
	http_watch_mark(*w, line->fd, (*w)->body);
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
		moved |= advance(w, acked);
	}
	while (line->watches && line->watches->told == line->watches->body) {
		struct http_watch *w = line->watches;
		line->watches = w->next;
		http_watch_end(&w);
	}
	return moved;
}
