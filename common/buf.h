/* A growing byte buffer with a named ceiling that fails sticky: append freely, ask buf_ok() once at the end.
 *
 * A piece that does not fit is not stored at all.
 *
 * May start in the caller's memory (buf_init_fixed: no malloc at all, the ceiling is the array less one byte for buf_cstr()) or on the heap
 * (buf_init: grows by doubling up to max). Not thread-safe. buf_free() is safe on both kinds and on a zeroed struct.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* not NUL-terminated unless buf_cstr() was called */
	size_t len;
	size_t cap;
	size_t max;
	bool fixed;  /* data belongs to the caller */
	bool failed; /* sticky: the ceiling was reached or memory ran out */
};

void buf_init(struct buf *b, size_t max);
void buf_init_fixed(struct buf *b, char *mem, size_t size);
void buf_free(struct buf *b);
void buf_reset(struct buf *b); /* len = 0, failed = false; keeps the memory */

static inline bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

void buf_put(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_put_u64(struct buf *b, uint64_t v); /* decimal, without printf */
void buf_put_i64(struct buf *b, int64_t v);

/* Appends a JSON string literal with its quotes; control characters, quote and backslash escaped; UTF-8 passed through (callers have
 * validated it; an invalid byte becomes U+FFFD). buf_put_json(NULL) appends null. */
void buf_put_json(struct buf *b, const char *s);
void buf_put_json_len(struct buf *b, const char *s, size_t len);
/* Text for XML and HTML, between tags or in double quotes; control characters become "?". */
void buf_put_markup(struct buf *b, const char *s);

/* Appends lower-case hex. */
void buf_put_hex(struct buf *b, const void *data, size_t len);

/* NUL-terminates (not counted in len) and returns data, or "" when nothing could be stored. */
const char *buf_cstr(struct buf *b);

#endif
