/* Reads an ESP-IDF app image out of a stream, however it is cut: what it says of itself, or why it is none. Pure; no allocation but the
 * digest's.
 *
 * Layout: a header of 24 bytes (0xE9, number of segments, chip, whether a SHA-256 is appended), segments of an 8-byte header and data,
 * zeros up to a multiple of 16 whose last byte is the XOR of all data with 0xEF, and the SHA-256 of all that. The first segment of an app
 * begins with the app descriptor; a bootloader has none.
 */
#ifndef MODEL_IMAGE_H
#define MODEL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest;
struct err;
struct image; /* model/nouns.h */

enum { IMAGE_HEAD = 0xD0 };

enum image_part { IMAGE_HEADER, IMAGE_SEGMENT, IMAGE_DATA, IMAGE_PAD, IMAGE_HASH, IMAGE_END, IMAGE_BAD };

/* Zeroed before the first byte. Only image.c looks inside. */
struct image_reader {
	uint64_t size; /* bytes so far */
	uint64_t end;  /* of the part we are in */
	uint64_t bad_at;
	enum image_part part;
	unsigned segments, segment; /* how many; which, from 1 */
	uint32_t first_segment;     /* its length */
	uint8_t field[8];           /* of the segment's header */
	uint8_t sum;                /* XOR of the data so far */
	bool sum_differs, hash_differs, out_of_memory;
	const char *bad; /* what is wrong with the layout */
	uint8_t hash[32];
	uint8_t head[IMAGE_HEAD];
	uint8_t table[2]; /* where a merged image has its partition table */
};

/* The next bytes. They go through the digest as well, which must have seen the same bytes before and no others: the appended SHA-256 is
 * that of the stream up to it, so nothing is hashed twice. */
void image_feed(struct image_reader *reader, struct digest *digest, const void *data, size_t len);

/* After the last byte: an app image with right lengths, checksum and SHA-256 (*out), or ERR_INVALID: what the file is instead, and what to
 * upload. ERR_INTERNAL: out of memory. */
bool image_finish(const struct image_reader *reader, struct image *out, struct err *err);

/* Can devices compare its version (model/version.h)? "v2.5.0" or "2.0.4-dirty" would make them reboot without end. ERR_INVALID. */
bool image_check_version(const struct image *image, struct err *err);

/* Its elf_sha256 (32 bytes, in image); NULL: it is no such image, or was built without (zeros). */
const uint8_t *image_elf(const struct image *image);

#endif
