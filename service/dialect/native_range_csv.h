/* Inside the native dialect only: a file of ranges, an entry a line. Pure; the entries stay in the text. */
#ifndef DIALECT_NATIVE_RANGE_CSV_H
#define DIALECT_NATIVE_RANGE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct range; /* model/range.h */

enum { NATIVE_RANGE_ROWS_MAX = 1000000, NATIVE_RANGE_KEY = 12 };

struct native_range_csv {
	const char *text;
	size_t len;
	struct native_range_at {
		char key[NATIVE_RANGE_KEY]; /* of the head */
		uint32_t at;                /* where in the text */
	} * rows;
	size_t count;
	size_t next;
};

/* Reads it all; the text (less than 4 GiB) must outlive the csv. Empty lines do not count, nor does a byte order mark, nor "range" or
 * "mac_range" in the first line; an entry may stand in quotes, and has none in it. ERR_EMPTY: none. ERR_TOO_LARGE: more than
 * NATIVE_RANGE_ROWS_MAX. The sentence begins with the number of the first bad line. */
bool native_range_csv_read(struct native_range_csv *csv, const char *text, size_t len, struct err *err);
void native_range_csv_free(struct native_range_csv *csv);

/* For struct range_source, ctx being the csv. They come in the order of their heads, so that an index takes them one beside the other: of a
 * million, that is most of the time. What was written is not kept. */
void native_range_csv_rewind(void *ctx);
bool native_range_csv_next(void *ctx, struct range *out);

#endif
