/* ESP-IDF images. First byte: 1 = the rest gets the checksum and SHA-256 that it should have, where its layout allows; second byte: the
 * length of the first piece. The rest is the file. */
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "fuzz.h"
#include "model/image.h"
#include "model/nouns.h"

enum { HEADER_LEN = 24, SEGMENT_LEN = 8, HASH_LEN = 32 };

static size_t read_u32(const uint8_t *at)
{
	return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

/* Where the padded checksum ends, by the plainest walk; 0 = not within len. */
static size_t sum_end(const uint8_t *file, size_t len, uint8_t *sum)
{
	size_t at = HEADER_LEN;
	*sum = 0xEF;
	for (unsigned s = 0; len >= HEADER_LEN && s < file[1]; s++) {
		if (len - at < SEGMENT_LEN || len - at - SEGMENT_LEN < read_u32(file + at + 4)) {
			return 0;
		}
		size_t n = read_u32(file + at + 4);
		at += SEGMENT_LEN;
		for (; n > 0; n--) {
			*sum ^= file[at++];
		}
	}
	size_t end = (at + 16) / 16 * 16;
	return end <= len ? end : 0;
}

static void mend(uint8_t *file, size_t len)
{
	uint8_t sum;
	size_t end = sum_end(file, len, &sum);
	if (end > 0) {
		file[end - 1] = sum;
		if (file[0x17] == 1 && len - end >= HASH_LEN) {
			digest_sha256(file + end, file, end);
		}
	}
}

static bool read_image(const uint8_t *file, size_t len, size_t first, size_t step, struct image *out, struct err *err)
{
	struct image_reader reader = {0};
	scoped_digest struct digest *digest = digest_new();
	CHECK(digest);
	for (size_t at = 0, n = first; at < len; at += n, n = step) {
		n = n < len - at ? n : len - at;
		scoped_free uint8_t *piece = malloc(n); /* of its own, so that a read beyond it is seen */
		memcpy(piece, file + at, n);
		image_feed(&reader, digest, piece, n);
	}
	return image_finish(&reader, out, err);
}

/* What is taken holds in every respect. */
static void check_taken(const uint8_t *file, size_t len, const struct image *image)
{
	uint8_t sum;
	uint8_t hash[HASH_LEN];
	size_t end = sum_end(file, len, &sum);
	CHECK(end >= 0x120 && file[0] == 0xE9 && file[1] >= 1 && file[1] <= 16);
	CHECK(file[end - 1] == sum);
	CHECK(len == end + (file[0x17] ? HASH_LEN : 0));
	digest_sha256(hash, file, end);
	CHECK(!file[0x17] || memcmp(hash, file + end, HASH_LEN) == 0);
	CHECK(memcmp(file + 0x20, "\x32\x54\xCD\xAB", 4) == 0);
	CHECK(*image->chip && memcmp(image->elf_sha256, file + 0xB0, HASH_LEN) == 0);
	CHECK(strncmp(image->version, (const char *)file + 0x30, 32) == 0 && strncmp(image->project, (const char *)file + 0x50, 32) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 7, 64, 4096};
	struct fuzz_input in = {data, size};
	bool mended = fuzz_number(&in, 1) == 1;
	size_t first = (size_t)fuzz_number(&in, 1) + 1;
	size_t len;
	scoped_free char *rest = fuzz_rest(&in, &len);
	uint8_t *file = (uint8_t *)rest;
	struct image whole;
	struct err why = {0};
	if (mended && len > HEADER_LEN) {
		mend(file, len);
	}
	bool taken = read_image(file, len, len, len, &whole, &why);
	CHECK(taken ? why.kind == ERR_NONE : why.kind == ERR_INVALID && *why.text && !*whole.chip);
	if (taken) {
		check_taken(file, len, &whole);
		image_check_version(&whole, NULL);
	}
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct image image;
		struct err err = {0};
		CHECK(read_image(file, len, first, steps[i], &image, &err) == taken);
		CHECK(memcmp(&image, &whole, sizeof image) == 0 && strcmp(err.text, why.text) == 0);
	}
	return 0;
}
