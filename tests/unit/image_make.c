#include "image_make.h"

#include <string.h>

#include "common/digest.h"

enum { HASH_LEN = 32, HEADER_LEN = 24, SEGMENT_LEN = 8, DESCRIPTOR_LEN = 256, TABLE_AT = 0x8000, APP_AT = 0x10000 };

const struct image_spec image_small = {
	.chip = 9, .version = "2.4.2", .project = "xiaozhi", .hashed = true, .segments = 3, .lengths = {512, 20, 640}};

static void put_u32(uint8_t *at, uint32_t v)
{
	for (int i = 0; i < 4; i++) {
		at[i] = (uint8_t)(v >> 8 * i);
	}
}

static void put_text(uint8_t *at, size_t size, const char *text)
{
	size_t len = strlen(text);
	memset(at, 0, size);
	memcpy(at, text, len < size ? len : size);
}

static void put_descriptor(uint8_t *at, const struct image_spec *spec)
{
	memset(at, 0, DESCRIPTOR_LEN);
	put_u32(at, 0xABCD5432);
	put_text(at + 0x10, 32, spec->version);
	put_text(at + 0x30, 32, spec->project);
	put_text(at + 0x50, 16, "12:34:56");
	put_text(at + 0x60, 16, "Nov 21 2026");
	put_text(at + 0x70, 32, "v5.4.1");
	for (uint8_t i = 0; i < 32; i++) {
		at[0x90 + i] = i;
	}
}

void image_mend(uint8_t *image, size_t len, const struct image_spec *spec)
{
	uint8_t sum = 0xEF;
	const uint8_t *at = image + HEADER_LEN;
	for (unsigned s = 0; s < spec->segments; s++) {
		at += SEGMENT_LEN;
		for (uint32_t i = 0; i < spec->lengths[s]; i++) {
			sum ^= *at++;
		}
	}
	size_t whole = spec->hashed ? len - HASH_LEN : len;
	image[whole - 1] = sum;
	if (spec->hashed) {
		digest_sha256(image + whole, image, whole);
	}
}

size_t image_make(uint8_t *out, const struct image_spec *spec)
{
	static const uint8_t header[HEADER_LEN] = {0xE9, 0, 2, 0x3F, 0xC4, 0x80, 0x37, 0x40, 0xEE, 0, 0, 0,
						   0,    0, 0, 0,    0,    0x63, 0,    0,    0,    0, 0, 0};
	memcpy(out, header, HEADER_LEN);
	out[1] = (uint8_t)spec->segments;
	out[0x0C] = (uint8_t)spec->chip;
	out[0x0D] = (uint8_t)(spec->chip >> 8);
	out[0x17] = spec->hashed;
	uint8_t *at = out + HEADER_LEN;
	for (unsigned s = 0; s < spec->segments; s++) {
		put_u32(at, 0x3C000020 + s * 0x10000);
		put_u32(at + 4, spec->lengths[s]);
		at += SEGMENT_LEN;
		for (uint32_t i = 0; i < spec->lengths[s]; i++) {
			at[i] = (uint8_t)(i * 7 + i / 251 + s);
		}
		if (s == 0 && spec->version) {
			put_descriptor(at, spec);
		}
		at += spec->lengths[s];
	}
	size_t len = (size_t)(at - out);
	size_t whole = (len + 16) / 16 * 16;
	memset(at, 0, whole - len);
	whole += spec->hashed ? HASH_LEN : 0;
	image_mend(out, whole, spec);
	return whole;
}

size_t image_merge(uint8_t *out, size_t bootloader_at, const struct image_spec *app)
{
	static const struct image_spec bootloader = {.chip = 9, .hashed = true, .segments = 2, .lengths = {96, 1024}};
	memset(out, 0xFF, APP_AT);
	image_make(out + bootloader_at, &bootloader);
	out[TABLE_AT] = 0xAA;
	out[TABLE_AT + 1] = 0x50;
	return APP_AT + image_make(out + APP_AT, app);
}
