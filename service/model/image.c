#include "model/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "model/nouns.h"
#include "model/version.h"

enum {
	HEADER_LEN = 24,
	SEGMENT_LEN = 8,
	SEGMENTS_MAX = 16,
	SEGMENT_MAX = 16 << 20,
	ALIGNMENT = 16,
	DESCRIPTOR_LEN = 256,
	TABLE_AT = 0x8000, /* of the partition table, in flash and in merged images */
	MAGIC = 0xE9,
	SUM_START = 0xEF,
	/* offsets in the file */
	SEGMENTS_AT = 0x01,
	CHIP_AT = 0x0C,
	HASHED_AT = 0x17,
	DESCRIPTOR_AT = 0x20,
	VERSION_AT = 0x30,
	PROJECT_AT = 0x50,
	TIME_AT = 0x70,
	DATE_AT = 0x80,
	IDF_AT = 0x90,
	ELF_AT = 0xB0,
	STAMP_LEN = 16,
};

#define DESCRIPTOR_MAGIC 0xABCD5432u
#define WANTED "upload the app image, the build's <project>.bin"

static uint32_t read_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void refuse(struct image_reader *r, const char *why)
{
	r->part = IMAGE_BAD;
	r->bad = why;
	r->bad_at = r->size;
}

/* ---- the walk: what follows when a part is complete ---- */

static void begin_segment(struct image_reader *r)
{
	r->part = IMAGE_SEGMENT;
	r->segment++;
	r->end = r->size + SEGMENT_LEN;
}

static void after_header(struct image_reader *r)
{
	r->segments = r->head[SEGMENTS_AT];
	r->sum = SUM_START;
	if (r->segments == 0 || r->segments > SEGMENTS_MAX) {
		refuse(r, "an impossible number of segments");
	} else if (r->head[HASHED_AT] > 1) {
		refuse(r, "neither 0 nor 1 for whether a SHA-256 is appended");
	} else {
		begin_segment(r);
	}
}

static void begin_pad(struct image_reader *r)
{
	r->part = IMAGE_PAD;
	r->end = (r->size + ALIGNMENT) / ALIGNMENT * ALIGNMENT; /* at least one byte, the checksum */
}

static void after_data(struct image_reader *r)
{
	if (r->segment == r->segments) {
		begin_pad(r);
	} else {
		begin_segment(r);
	}
}

static void after_segment(struct image_reader *r)
{
	uint32_t len = read_u32(r->field + 4);
	if (len % 4 != 0 || len > SEGMENT_MAX) {
		refuse(r, "an impossible length of a segment");
		return;
	}
	if (r->segment == 1) {
		r->first_segment = len;
	}
	r->part = IMAGE_DATA;
	r->end = r->size + len;
	if (len == 0) {
		after_data(r);
	}
}

static void after_pad(struct image_reader *r, const struct digest *digest, uint8_t sum)
{
	r->sum_differs = sum != r->sum;
	if (r->head[HASHED_AT] == 0) {
		r->part = IMAGE_END;
		return;
	}
	r->out_of_memory = !digest_sha256_so_far(digest, r->hash);
	r->part = IMAGE_HASH;
	r->end = r->size + sizeof r->hash;
}

/* The part's last byte has come. */
static void next_part(struct image_reader *r, const struct digest *digest, uint8_t last)
{
	switch (r->part) {
	case IMAGE_HEADER:
		after_header(r);
		break;
	case IMAGE_SEGMENT:
		after_segment(r);
		break;
	case IMAGE_DATA:
		after_data(r);
		break;
	case IMAGE_PAD:
		after_pad(r, digest, last);
		break;
	case IMAGE_HASH:
		r->part = IMAGE_END;
		break;
	case IMAGE_END:
	case IMAGE_BAD:
		break;
	}
}

/* ---- the bytes ---- */

/* XOR of n bytes, by eight. */
static uint8_t fold(const uint8_t *at, size_t n)
{
	uint64_t wide = 0;
	for (; n >= sizeof wide; n -= sizeof wide, at += sizeof wide) {
		uint64_t word;
		memcpy(&word, at, sizeof word);
		wide ^= word;
	}
	wide ^= wide >> 32;
	wide ^= wide >> 16;
	uint8_t sum = (uint8_t)(wide ^ wide >> 8);
	while (n-- > 0) {
		sum ^= *at++;
	}
	return sum;
}

/* What of [data, data + n), which is at `at` of the file, belongs to the len bytes kept from `from` on. */
static void keep(uint8_t *kept, uint64_t from, uint64_t len, uint64_t at, const uint8_t *data, size_t n)
{
	uint64_t first = at > from ? at : from;
	uint64_t end = at + n < from + len ? at + n : from + len;
	if (first < end) {
		memcpy(kept + (first - from), data + (first - at), end - first);
	}
}

static void look(struct image_reader *r, const uint8_t *data, size_t n)
{
	switch (r->part) {
	case IMAGE_SEGMENT:
		keep(r->field, r->end - SEGMENT_LEN, SEGMENT_LEN, r->size, data, n);
		break;
	case IMAGE_DATA:
		r->sum ^= fold(data, n);
		break;
	case IMAGE_HASH:
		r->hash_differs |= memcmp(r->hash + sizeof r->hash - (r->end - r->size), data, n) != 0;
		break;
	case IMAGE_HEADER:
	case IMAGE_PAD:
	case IMAGE_END:
	case IMAGE_BAD:
		break;
	}
}

void image_feed(struct image_reader *r, struct digest *digest, const void *bytes, size_t len)
{
	const uint8_t *data = bytes;
	if (len > 0 && r->size == 0) {
		r->end = HEADER_LEN;
		if (data[0] != MAGIC) {
			refuse(r, "no 0xE9 at its beginning");
		}
	}
	while (len > 0) {
		bool open = r->part != IMAGE_END && r->part != IMAGE_BAD;
		size_t n = open && r->end - r->size < len ? (size_t)(r->end - r->size) : len;
		keep(r->head, 0, sizeof r->head, r->size, data, n);
		keep(r->table, TABLE_AT, sizeof r->table, r->size, data, n);
		look(r, data, n);
		digest_update(digest, data, n);
		r->size += n;
		data += n;
		len -= n;
		if (open && r->size == r->end) {
			next_part(r, digest, data[-1]);
		}
	}
}

/* ---- what it is ---- */

static const char *chip_name(unsigned id)
{
	static const struct {
		unsigned id;
		const char *name;
	} chips[] = {
		{0x00, "esp32"},   {0x02, "esp32s2"}, {0x05, "esp32c3"}, {0x09, "esp32s3"},  {0x0C, "esp32c2"},
		{0x0D, "esp32c6"}, {0x10, "esp32h2"}, {0x12, "esp32p4"}, {0x14, "esp32c61"}, {0x17, "esp32c5"},
	};
	for (size_t i = 0; i < sizeof chips / sizeof *chips; i++) {
		if (chips[i].id == id) {
			return chips[i].name;
		}
	}
	return NULL;
}

static unsigned chip_id(const struct image_reader *r)
{
	return r->head[CHIP_AT] | (unsigned)r->head[CHIP_AT + 1] << 8;
}

static bool begins_with(const struct image_reader *r, const char *magic, size_t len)
{
	return r->size >= len && memcmp(r->head, magic, len) == 0;
}

static bool has_table(const struct image_reader *r)
{
	return r->size >= TABLE_AT + sizeof r->table && r->table[0] == 0xAA && r->table[1] == 0x50;
}

/* A file that is no image at all: people upload what else the build makes. */
static bool refuse_foreign(const struct image_reader *r, struct err *err)
{
	static const struct {
		const char *magic;
		size_t len;
		const char *what;
	} others[] = {
		{"\xAA\x50", 2, "a partition table"},
		{"\x7F"
		 "ELF",
		 4, "an ELF file"},
		{"PK\x03\x04", 4, "a zip archive"},
		{"\x1F\x8B", 2, "a gzip file"},
		{":", 1, "a hex file"},
	};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (begins_with(r, others[i].magic, others[i].len)) {
			return err_set(err, ERR_INVALID, "this is %s, no ESP32 app image; " WANTED, others[i].what);
		}
	}
	return err_set(err, ERR_INVALID, "this is no ESP32 app image: it does not begin with 0xE9; " WANTED);
}

/* Does the first segment begin with an app's descriptor? */
static bool has_descriptor(const struct image_reader *r)
{
	return r->first_segment >= DESCRIPTOR_LEN && read_u32(r->head + DESCRIPTOR_AT) == DESCRIPTOR_MAGIC;
}

/* Whatever stands before the app in a device's flash, or in a file of the whole flash. */
static bool check_kind(const struct image_reader *r, struct err *err)
{
	if (has_table(r) && !has_descriptor(r)) {
		return err_set(err, ERR_INVALID,
			       "this is a merged image (bootloader, partition table and app in one file), as merged-binary.bin; " WANTED
			       ", not the merged one");
	}
	if (!begins_with(r, "\xE9", 1)) {
		return refuse_foreign(r, err);
	}
	if (r->size >= DESCRIPTOR_AT + 4 && r->part != IMAGE_BAD && !has_descriptor(r)) {
		return err_set(err, ERR_INVALID,
			       "this is a bootloader image: it has no app descriptor; " WANTED ", not bootloader/bootloader.bin");
	}
	return true;
}

/* Lengths, from the first byte to the last. */
static bool check_layout(const struct image_reader *r, struct err *err)
{
	if (r->part == IMAGE_BAD) {
		return err_set(err, ERR_INVALID, "the image is damaged: it has %s before byte %" PRIu64 "; build or copy it again", r->bad,
			       r->bad_at);
	}
	if (r->part == IMAGE_END && r->size > r->end) {
		return err_set(err, ERR_INVALID,
			       "%" PRIu64 " bytes follow the image, which ends at byte %" PRIu64 "; " WANTED ", as the build made it",
			       r->size - r->end, r->end);
	}
	static const char *const places[] = {
		[IMAGE_HEADER] = "its header", [IMAGE_SEGMENT] = "a segment's header", [IMAGE_DATA] = "a segment",
		[IMAGE_PAD] = "the checksum",  [IMAGE_HASH] = "the SHA-256",
	};
	return r->part == IMAGE_END || err_set(err, ERR_INVALID,
					       "the image is cut off: after %" PRIu64
					       " bytes it ends within %s, which goes on to byte %" PRIu64 "; copy the whole file again",
					       r->size, places[r->part], r->end);
}

static bool check_sums(const struct image_reader *r, struct err *err)
{
	if (r->out_of_memory) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	if (r->sum_differs) {
		return err_set(err, ERR_INVALID, "the image is damaged: its checksum is wrong; build or copy it again");
	}
	return !r->hash_differs || err_set(err, ERR_INVALID, "the image is damaged: its SHA-256 is wrong; build or copy it again");
}

/* A text of the descriptor: NUL-padded, or exactly as long as its field. */
static bool take_text(const uint8_t *field, size_t len, char *out)
{
	size_t n = strnlen((const char *)field, len);
	memcpy(out, field, n);
	out[n] = '\0';
	return text_is_utf8(out, n) && text_is_printable(out, n);
}

static bool take_descriptor(const struct image_reader *r, struct image *out)
{
	enum { FIELD = IMAGE_TEXT_SIZE - 1 };
	char time[STAMP_LEN + 1];
	char date[STAMP_LEN + 1];
	bool ok = take_text(r->head + VERSION_AT, FIELD, out->version) && take_text(r->head + PROJECT_AT, FIELD, out->project) &&
		  take_text(r->head + IDF_AT, FIELD, out->idf) && take_text(r->head + TIME_AT, STAMP_LEN, time) &&
		  take_text(r->head + DATE_AT, STAMP_LEN, date);
	if (ok) {
		snprintf(out->compiled, sizeof out->compiled, "%s %s", date, time);
		memcpy(out->elf_sha256, r->head + ELF_AT, sizeof out->elf_sha256);
	}
	return ok;
}

bool image_finish(const struct image_reader *r, struct image *out, struct err *err)
{
	*out = (struct image){0};
	if (!check_kind(r, err) || !check_layout(r, err) || !check_sums(r, err)) {
		return false;
	}
	struct image image = {0};
	const char *chip = chip_name(chip_id(r));
	if (!chip) {
		return err_set(err, ERR_INVALID, "the image is for a chip that is not known here (chip id %u)", chip_id(r));
	}
	if (!take_descriptor(r, &image)) {
		return err_set(err, ERR_INVALID, "the image's descriptor has a version, project or date that is no text; build it again");
	}
	text_copy(image.chip, sizeof image.chip, chip);
	*out = image;
	return true;
}

bool image_check_version(const struct image *image, struct err *err)
{
	return version_is_dotted(image->version) || err_set(err, ERR_INVALID,
							    "the image's version \"%s\" is not numbers with single dots, which devices "
							    "cannot compare; set PROJECT_VER to one like "
							    "2.5.0, build again and upload that",
							    image->version);
}

const uint8_t *image_elf(const struct image *image)
{
	static const uint8_t none[sizeof image->elf_sha256];
	return *image->chip && memcmp(image->elf_sha256, none, sizeof none) != 0 ? image->elf_sha256 : NULL;
}
