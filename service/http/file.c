/* A file as a reply: which status, which bytes, which headers. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/text.h"
#include "http/condition.h"
#include "http/inside.h"
#include "http/line.h"
#include "http/range.h"
#include "http/reply.h"
#include "http/replying.h"
#include "http/request.h"
#include "http/watch.h"

enum {
	SMALL_MAX = 16 * 1024,
	BLOCK = 32 * 1024,
	RECORD = 16 * 1024,
	BOUNDARY_SIZE = 33,
	PART_HEAD_SIZE = 512,
	TAIL_SIZE = BOUNDARY_SIZE + 8
};

struct plan {
	int status; /* 200, 206, 304, 412, 416 */
	unsigned count;
	struct http_range range[HTTP_RANGES_MAX];
};

static void make_plan(const struct http_request *req, const struct http_file *file, struct plan *p)
{
	char match[HTTP_HEAD_MAX]; /* a condition must not be overlooked because it is long */
	char none_match[HTTP_HEAD_MAX];
	const struct http_conditions c = {
		.if_match = http_request_joined(req, MHD_HTTP_HEADER_IF_MATCH, match, sizeof(match)),
		.if_none_match = http_request_joined(req, MHD_HTTP_HEADER_IF_NONE_MATCH, none_match, sizeof(none_match)),
		.if_range = http_request_header(req, MHD_HTTP_HEADER_IF_RANGE),
	};
	p->status = http_condition_status(&c, file->etag);
	p->count = 0;
	if (p->status != 200 || http_request_is_head(req) || !http_condition_range(&c, file->etag)) {
		return;
	}
	char ranges[1024];
	const char *range = http_request_joined(req, MHD_HTTP_HEADER_RANGE, ranges, sizeof(ranges));
	switch (http_range_parse(range, file->size, p->range, &p->count)) {
	case HTTP_RANGE_WHOLE:
		break;
	case HTTP_RANGE_PARTS:
		p->status = 206;
		break;
	case HTTP_RANGE_NONE:
		p->status = 416;
		break;
	}
}

/* --- multipart/byteranges ----------------------------------------------------------------------------------------------------------- */

struct piece {
	uint64_t offset, len, at; /* as in struct http_part; the head stands before at */
	size_t head_len;
	char head[PART_HEAD_SIZE];
};

struct multipart {
	struct http_request *req; /* lives as long as the reading */
	int fd;
	char boundary[BOUNDARY_SIZE];
	char tail[TAIL_SIZE];
	uint64_t total;
	unsigned count;
	struct piece piece[];
};

/* The descriptor for a transfer that outlasts the call. */
static int keep_fd(const struct http_file *file)
{
	return file->lent ? fcntl(file->fd, F_DUPFD_CLOEXEC, 0) : file->fd;
}

/* The file is not needed any longer. */
static void drop_fd(const struct http_file *file)
{
	if (!file->lent) {
		close(file->fd);
	}
}

/* libmicrohttpd asks for what comes at pos: all before it is in the socket. */
static void mark(const struct http_request *req, uint64_t pos)
{
	if (req->tls && req->watch) {
		http_watch_mark(req->watch, req->line->fd, pos);
	}
}

static void multipart_free(void *cls)
{
	struct multipart *m = cls;
	close(m->fd);
	free(m);
}

static struct multipart *multipart_new(struct http_request *req, const struct http_file *file, const struct plan *p)
{
	int fd = keep_fd(file);
	struct multipart *m = fd < 0 ? NULL : calloc(1, sizeof(*m) + p->count * sizeof(m->piece[0]));
	if (!m) {
		if (fd >= 0) {
			close(fd);
		}
		return NULL;
	}
	uint8_t random[(BOUNDARY_SIZE - 1) / 2];
	digest_random(random, sizeof(random));
	text_hex(m->boundary, random, sizeof(random));
	m->req = req;
	m->fd = fd;
	m->count = p->count;
	for (unsigned i = 0; i < p->count; i++) {
		struct piece *piece = &m->piece[i];
		uint64_t first = p->range[i].offset;
		int n = snprintf(piece->head, sizeof(piece->head),
				 "%s--%s\r\nContent-Type: %.200s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
				 i ? "\r\n" : "", m->boundary, file->content_type, first, first + p->range[i].len - 1, file->size);
		piece->head_len = (size_t)n;
		piece->offset = first;
		piece->len = p->range[i].len;
		piece->at = m->total + piece->head_len;
		m->total = piece->at + piece->len;
	}
	snprintf(m->tail, sizeof(m->tail), "\r\n--%s--\r\n", m->boundary);
	m->total += strlen(m->tail);
	return m;
}

static ssize_t copy_text(const char *text, size_t len, uint64_t skip, char *out, size_t max)
{
	size_t n = len - (size_t)skip;
	n = n < max ? n : max;
	memcpy(out, text + skip, n);
	return (ssize_t)n;
}

static ssize_t multipart_read(void *cls, uint64_t pos, char *out, size_t max)
{
	const struct multipart *m = cls;
	mark(m->req, pos);
	for (unsigned i = 0; i < m->count; i++) {
		const struct piece *piece = &m->piece[i];
		if (pos < piece->at) {
			return copy_text(piece->head, piece->head_len, pos + piece->head_len - piece->at, out, max);
		}
		uint64_t skip = pos - piece->at;
		if (skip < piece->len) {
			uint64_t left = piece->len - skip;
			ssize_t got = pread(m->fd, out, left < max ? (size_t)left : max, (off_t)(piece->offset + skip));
			return got > 0 ? got : MHD_CONTENT_READER_END_WITH_ERROR;
		}
	}
	size_t tail_len = strlen(m->tail);
	return copy_text(m->tail, tail_len, pos + tail_len - m->total, out, max);
}

static struct MHD_Response *multipart_response(struct multipart *m)
{
	struct MHD_Response *response = MHD_create_response_from_callback(m->total, BLOCK, multipart_read, m, multipart_free);
	if (!response) {
		multipart_free(m);
		return NULL;
	}
	char type[80];
	snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s", m->boundary);
	http_reply_add(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return response;
}

/* --- one stretch of the file, or none ------------------------------------------------------------------------------------------------ */

/* Read at once and sent together with the head: libmicrohttpd would send the head in a packet of its own before it calls sendfile. */
static struct MHD_Response *small_response(const struct http_file *file, const struct http_range *range)
{
	size_t len = (size_t)range->len;
	char *data = malloc(len);
	bool ok = data && pread(file->fd, data, len, (off_t)range->offset) == (ssize_t)len;
	drop_fd(file);
	struct MHD_Response *response = ok ? MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE) : NULL;
	if (!response) {
		free(data);
	}
	return response;
}

/* Under TLS there is no sendfile: read by pieces of one record. */
struct stretch {
	struct http_request *req; /* lives as long as the reading */
	int fd;
	uint64_t offset, len;
};

static void stretch_free(void *cls)
{
	struct stretch *s = cls;
	close(s->fd);
	free(s);
}

static ssize_t stretch_read(void *cls, uint64_t pos, char *out, size_t max)
{
	const struct stretch *s = cls;
	uint64_t left = s->len - pos;
	mark(s->req, pos);
	ssize_t got = pread(s->fd, out, left < max ? (size_t)left : max, (off_t)(s->offset + pos));
	return got > 0 ? got : MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct MHD_Response *read_response(struct http_request *req, int fd, const struct http_range *range)
{
	struct stretch *s = malloc(sizeof(*s));
	if (!s) {
		return NULL;
	}
	*s = (struct stretch){.req = req, .fd = fd, .offset = range->offset, .len = range->len};
	struct MHD_Response *response = MHD_create_response_from_callback(range->len, RECORD, stretch_read, s, stretch_free);
	if (!response) {
		free(s);
	}
	return response;
}

static struct MHD_Response *stretch_response(struct http_request *req, const struct http_file *file, const struct http_range *range)
{
	int fd = keep_fd(file);
	if (fd >= 0 && req->tls) {
		struct MHD_Response *response = read_response(req, fd, range);
		if (!response) {
			close(fd);
		}
		return response;
	}
	struct MHD_Response *response = fd < 0 ? NULL : MHD_create_response_from_fd_at_offset64(range->len, fd, range->offset);
	if (!response && fd >= 0) {
		close(fd);
	}
	return response;
}

static struct MHD_Response *text_response(const struct http_file *file, int status)
{
	static char changed[] = "The file is another one now.\n";
	static char outside[] = "The range lies outside of the file.\n";
	char *text = status == 412 ? changed : outside;
	drop_fd(file);
	return MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);
}

/* --- headers ------------------------------------------------------------------------------------------------------------------------- */

static void add_range(struct MHD_Response *response, const struct http_file *file, const struct plan *p)
{
	char text[80];
	if (p->status == 416) {
		snprintf(text, sizeof(text), "bytes */%" PRIu64, file->size);
	} else if (p->status == 206 && p->count == 1) {
		const struct http_range *r = &p->range[0];
		snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r->offset, r->offset + r->len - 1, file->size);
	} else {
		return;
	}
	http_reply_add(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
}

static void add_digests(struct MHD_Response *response, const struct http_file *file)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[64] = "sha-256=:";
	char *out = text + strlen(text);
	for (unsigned i = 0; i < DIGEST_SHA256_LEN; i += 3) {
		const uint8_t *b = file->sha256 + i;
		unsigned rest = DIGEST_SHA256_LEN - i;
		unsigned v = (unsigned)b[0] << 16 | (rest > 1 ? (unsigned)b[1] << 8 : 0) | (rest > 2 ? b[2] : 0);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = rest > 1 ? digits[v >> 6 & 63] : '=';
		*out++ = rest > 2 ? digits[v & 63] : '=';
	}
	memcpy(out, ":", 2);
	http_reply_add(response, "Repr-Digest", text);
	http_reply_add(response, "Content-Digest", text);
}

/* RFC 6266: a plain name for everybody, the exact one for who understands it. */
static void add_disposition(struct MHD_Response *response, const char *name)
{
	char text[1200];
	struct buf b;
	bool plain = true;
	buf_init_fixed(&b, text, sizeof(text));
	buf_puts(&b, "attachment; filename=\"");
	for (const char *s = name; *s; s++) {
		bool fit = *s >= 0x20 && *s < 0x7f && *s != '"' && *s != '\\' && *s != '%';
		buf_putc(&b, fit ? *s : '_');
		plain &= fit;
	}
	buf_puts(&b, plain ? "\"" : "\"; filename*=UTF-8''");
	for (const char *s = plain ? "" : name; *s; s++) {
		bool fit = (*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') || *s == '.' || *s == '-' ||
			   *s == '_';
		if (fit) {
			buf_putc(&b, *s);
		} else {
			buf_putf(&b, "%%%02X", (unsigned)(unsigned char)*s);
		}
	}
	const char *value = buf_cstr(&b);
	if (buf_ok(&b)) {
		http_reply_add(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, value);
	}
}

static void add_headers(struct MHD_Response *response, const struct http_file *file, const struct plan *p)
{
	if (p->status == 412 || p->status == 416) {
		http_reply_add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
	} else if (p->count == 1) {
		http_reply_add(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->content_type);
	}
	if (p->status != 412) {
		http_reply_add(response, MHD_HTTP_HEADER_ETAG, file->etag);
		http_reply_add(response, MHD_HTTP_HEADER_CACHE_CONTROL, file->cache_control);
	}
	if (p->status == 200 || p->status == 206) {
		http_reply_add(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
		if (file->file_name) {
			add_disposition(response, file->file_name);
		}
	}
	add_range(response, file, p);
	if (p->status == 200 && file->sha256) {
		add_digests(response, file);
	}
}

/* --- all together -------------------------------------------------------------------------------------------------------------------- */

static struct MHD_Response *make_response(struct http_request *req, const struct http_file *file, struct plan *p, struct http_part *part,
					  uint64_t *body)
{
	const struct http_range whole = {.len = file->size};
	const struct http_range *one = p->status == 206 ? &p->range[0] : &whole;
	if (p->status == 412 || p->status == 416) {
		return text_response(file, p->status);
	}
	if (p->status == 304) {
		return stretch_response(req, file, &whole); /* of which no byte is sent: for the Content-Length that a 200 would have */
	}
	if (p->count <= 1) {
		p->count = 1;
		part[0] = (struct http_part){.offset = one->offset, .len = one->len};
		*body = one->len;
		return one->len && one->len <= SMALL_MAX ? small_response(file, one) : stretch_response(req, file, one);
	}
	struct multipart *m = multipart_new(req, file, p);
	if (!m) {
		return NULL;
	}
	for (unsigned i = 0; i < m->count; i++) {
		part[i] = (struct http_part){.offset = m->piece[i].offset, .len = m->piece[i].len, .at = m->piece[i].at};
	}
	*body = m->total;
	return multipart_response(m);
}

void http_reply_file(struct http_request *req, const struct http_file *file)
{
	struct plan plan = {.status = 200};
	struct http_part part[HTTP_RANGES_MAX];
	uint64_t body = 0;
	if (!http_reply_begin(req)) {
		drop_fd(file);
		if (file->delivered) {
			file->delivered(file->delivered_ctx, 0, 0);
		}
		return;
	}
	make_plan(req, file, &plan);
	struct MHD_Response *response = make_response(req, file, &plan, part, &body);
	if (response) {
		add_headers(response, file, &plan);
		http_reply_stored(req, response);
	}
	if (file->delivered) {
		bool bytes = body > 0 && response && !http_request_is_head(req);
		req->watch = http_watch_new(file, part, bytes ? plan.count : 0, body, req->tls);
		if (!req->watch) {
			file->delivered(file->delivered_ctx, 0, 0);
		}
	}
	http_reply_give(req, response, plan.status);
}
