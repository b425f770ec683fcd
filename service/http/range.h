/* The Range header (RFC 9110, 14). Pure. */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include <stdint.h>

enum { HTTP_RANGES_MAX = 16 };

struct http_range {
	uint64_t offset;
	uint64_t len;
};

enum http_range_kind {
	HTTP_RANGE_WHOLE, /* no range, or one to ignore: malformed, another unit, too many parts */
	HTTP_RANGE_PARTS,
	HTTP_RANGE_NONE, /* well-formed, but nothing of it lies within the file: 416 */
};

/* Fills out and *count with what is asked for of a file of that size; overlapping and adjacent ranges are merged, the order is the
 * client's. text may be NULL. */
enum http_range_kind http_range_parse(const char *text, uint64_t size, struct http_range out[HTTP_RANGES_MAX], unsigned *count);

#endif
