/* Strict text and numbers: everything from outside passes here before it is believed. Pure functions, no allocation. */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed UTF-8 without NUL, no overlong forms, no surrogates, at most U+10FFFF. */
bool text_is_utf8(const char *s, size_t len);
/* The length (1..4) of the one such character at s, of which len > 0 bytes are there; 0 = there is none. */
size_t text_utf8_char(const char *s, size_t len);

/* No C0 control characters and no DEL (tab and newline are control characters too). */
bool text_is_printable(const char *s, size_t len);

/* A deviceName as in seed 003: [A-Za-z0-9_-], 1..64 characters. */
bool text_is_device_name(const char *s);

/* A product key: [A-Za-z0-9._-], 1..64. */
bool text_is_key(const char *s);

/* A plain file name to show, never to open: 1..max bytes of valid UTF-8, printable, no '/' or '\', not "." or "..". */
bool text_is_file_name(const char *s, size_t max);

/* Whole-string decimal integers; no sign on unsigned, no blanks, no leading '+', overflow refused. */
bool text_to_u64(const char *s, uint64_t *out);
bool text_to_i64(const char *s, int64_t *out);

/* Sizes: "200MB", "64k", "1g", "123" -> bytes (powers of 1024; an optional B). Durations: "90", "90s", "10m", "2h", "1d", "250ms" -> ms; a
 * bare number means seconds. */
bool text_to_bytes(const char *s, uint64_t *out);
bool text_to_ms(const char *s, int64_t *out);

/* Lower-case hex of n bytes into out[2n+1]. */
void text_hex(char *out, const void *data, size_t n);
/* Exactly 2n hex digits of either case -> n bytes. */
bool text_unhex(const char *s, void *out, size_t n);

/* base64url without padding (RFC 4648 section 5). encode writes ceil(4n/3)+1 bytes. decode refuses padding, foreign characters and
 * non-canonical trailing bits, and returns the number of bytes or -1. */
void text_base64url(char *out, const void *data, size_t n);
long text_unbase64url(const char *s, size_t len, void *out, size_t max);

/* base64 with padding (RFC 4648 section 4), as strict. encode writes (n + 2) / 3 * 4 + 1 bytes. */
void text_base64(char *out, const void *data, size_t n);
long text_unbase64(const char *s, size_t len, void *out, size_t max);

/* Copies s into dst[size]; false (and dst = "") if it does not fit. */
bool text_copy(char *dst, size_t size, const char *s);

bool text_equals_nocase(const char *a, const char *b); /* ASCII only */

/* 64-bit hash for tables in memory (keyed per process, so that an outsider cannot choose collisions). */
uint64_t text_hash(const char *s, size_t len);

/* The same in every process and build, and so no help against who chooses bytes that collide. */
uint64_t text_sum(const void *data, size_t len);

/* A random UUID version 4, lower case, out[37]. */
void text_uuid(char out[37]);

#endif
