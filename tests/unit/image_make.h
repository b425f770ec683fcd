/* ESP-IDF images for tests, made as the build tools do. */
#ifndef TESTS_IMAGE_MAKE_H
#define TESTS_IMAGE_MAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_spec {
	uint16_t chip;
	const char *version; /* NULL: no app descriptor, as a bootloader */
	const char *project;
	bool hashed;
	unsigned segments;
	uint32_t lengths[16]; /* of the segments; the first one's data begins with the descriptor */
};

/* An app for the ESP32-S3 with three segments, "xiaozhi" 2.4.2, of 1,264 bytes, with its SHA-256. */
extern const struct image_spec image_small;

/* Makes it in out, which must be large enough, and returns its length. The descriptor's elf_sha256 is 0, 1, 2 ... 31. */
size_t image_make(uint8_t *out, const struct image_spec *spec);

/* Gives the image of len bytes a right checksum and SHA-256 again, after bytes inside were changed. */
void image_mend(uint8_t *image, size_t len, const struct image_spec *spec);

/* A whole flash: 0xFF, the bootloader at its offset, the partition table at 0x8000, the app at 0x10000. Returns its length. */
size_t image_merge(uint8_t *out, size_t bootloader_at, const struct image_spec *app);

#endif
