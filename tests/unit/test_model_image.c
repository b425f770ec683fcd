#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "image_make.h"
#include "model/image.h"
#include "model/nouns.h"

enum { SMALL_LEN = 1264, ROOM = 0x20000 };

static uint8_t *file;
static size_t len;

static int setup(void **state)
{
	(void)state;
	file = calloc(1, ROOM);
	assert_non_null(file);
	len = image_make(file, &image_small);
	return len == SMALL_LEN ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(file);
	return 0;
}

/* Reads n bytes in two pieces, then in pieces of `step`. */
static bool read_image(const uint8_t *data, size_t n, size_t first, size_t step, struct image *out, struct err *err)
{
	struct image_reader reader = {0};
	struct digest *digest = digest_new();
	assert_non_null(digest);
	for (size_t at = 0, piece = first; at < n; at += piece, piece = step) {
		piece = n - at < piece ? n - at : piece;
		image_feed(&reader, digest, data + at, piece);
	}
	uint8_t md5[DIGEST_MD5_LEN];
	uint8_t sha256[DIGEST_SHA256_LEN];
	uint8_t expected[DIGEST_SHA256_LEN];
	digest_final(digest, md5, sha256);
	digest_free(&digest);
	digest_sha256(expected, data, n);
	assert_memory_equal(sha256, expected, sizeof expected);
	return image_finish(&reader, out, err);
}

static void assert_taken(const uint8_t *data, size_t n)
{
	struct image image;
	struct err err = {0};
	if (!read_image(data, n, n, n, &image, &err)) {
		fail_msg("%s", err.text);
	}
}

/* Refused, by a sentence that holds each of these words. */
static void assert_refused(const uint8_t *data, size_t n, const char *word, const char *other)
{
	struct image image = {.chip = "left"};
	struct err err = {0};
	if (read_image(data, n, n, n, &image, &err)) {
		fail_msg("taken; expected: %s", word);
	}
	assert_int_equal(err.kind, ERR_INVALID);
	if (!strstr(err.text, word) || !strstr(err.text, other)) {
		fail_msg("\"%s\" says neither \"%s\" nor \"%s\", or not both", err.text, word, other);
	}
	assert_string_equal(image.chip, "");
	assert_true(strlen(err.text) < sizeof err.text - 1);
}

/* Makes another image in file. */
static void make(struct image_spec spec)
{
	len = image_make(file, &spec);
}

/* ---- what an image says ---- */

static void an_app_image_says_what_it_is(void **state)
{
	(void)state;
	struct image image;
	uint8_t elf[32];
	for (size_t i = 0; i < sizeof elf; i++) {
		elf[i] = (uint8_t)i;
	}
	assert_true(read_image(file, len, len, len, &image, NULL));
	assert_string_equal(image.chip, "esp32s3");
	assert_string_equal(image.project, "xiaozhi");
	assert_string_equal(image.version, "2.4.2");
	assert_string_equal(image.idf, "v5.4.1");
	assert_string_equal(image.compiled, "Nov 21 2026 12:34:56");
	assert_memory_equal(image.elf_sha256, elf, sizeof elf);
	assert_ptr_equal(image_elf(&image), image.elf_sha256);
	assert_true(image_check_version(&image, NULL));
}

static void what_is_no_image_or_was_built_without_has_no_build(void **state)
{
	(void)state;
	struct image image = {.chip = "esp32s3"};
	assert_null(image_elf(&image));
	image.elf_sha256[31] = 1;
	assert_non_null(image_elf(&image));
	image.chip[0] = '\0';
	assert_null(image_elf(&image));
}

static void it_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct image whole;
	assert_true(read_image(file, len, len, len, &whole, NULL));
	for (size_t first = 1; first < len; first++) {
		struct image image;
		struct err err = {0};
		if (!read_image(file, len, first, len, &image, &err)) {
			fail_msg("cut at %zu: %s", first, err.text);
		}
		assert_memory_equal(&image, &whole, sizeof whole);
	}
	for (size_t step = 1; step < 70; step++) {
		struct image image;
		assert_true(read_image(file, len, step, step, &image, NULL));
		assert_memory_equal(&image, &whole, sizeof whole);
	}
}

static void every_chip_has_the_name_its_devices_tell(void **state)
{
	(void)state;
	static const struct {
		uint16_t id;
		const char *name;
	} chips[] = {
		{0x00, "esp32"},   {0x02, "esp32s2"}, {0x05, "esp32c3"}, {0x09, "esp32s3"},  {0x0C, "esp32c2"},
		{0x0D, "esp32c6"}, {0x10, "esp32h2"}, {0x12, "esp32p4"}, {0x14, "esp32c61"}, {0x17, "esp32c5"},
	};
	for (size_t i = 0; i < COUNT(chips); i++) {
		struct image_spec spec = image_small;
		struct image image;
		spec.chip = chips[i].id;
		make(spec);
		assert_true(read_image(file, len, len, len, &image, NULL));
		assert_string_equal(image.chip, chips[i].name);
	}
	struct image_spec spec = image_small;
	spec.chip = 0x0109; /* both bytes count */
	make(spec);
	assert_refused(file, len, "chip that is not known here", "chip id 265");
}

static void other_shapes_are_images_too(void **state)
{
	(void)state;
	static const struct image_spec shapes[] = {
		{.chip = 0, .version = "1", .project = "p", .hashed = true, .segments = 1, .lengths = {256}},
		{.chip = 0, .version = "1", .project = "p", .segments = 1, .lengths = {256}},
		{.chip = 0, .version = "1", .project = "p", .hashed = true, .segments = 1, .lengths = {256 + 12}},
		{.chip = 0, .version = "1", .project = "p", .hashed = true, .segments = 4, .lengths = {256, 0, 0, 4}},
		{.chip = 0, .version = "1", .project = "", .segments = 16, .lengths = {260, 4, 8, 12, 16, 0, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}},
		{.chip = 0, .version = "1", .project = "p", .hashed = true, .segments = 2, .lengths = {0x9000, 70000}},
	};
	for (size_t i = 0; i < COUNT(shapes); i++) {
		make(shapes[i]);
		assert_taken(file, len);
	}
}

static void a_text_may_fill_its_field(void **state)
{
	(void)state;
	struct image_spec spec = image_small;
	struct image image;
	spec.project = "a-project-name-of-32-characters!";
	make(spec);
	assert_true(read_image(file, len, len, len, &image, NULL));
	assert_string_equal(image.project, spec.project);
	spec.project = "line\nbreak";
	make(spec);
	assert_refused(file, len, "no text", "build it again");
	spec.project = "\xFF\xFE";
	make(spec);
	assert_refused(file, len, "no text", "build it again");
}

/* ---- what is refused ---- */

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t n = 1; n < len; n++) {
		assert_refused(file, n, "cut off", "copy the whole file again");
	}
	assert_refused(file, len - 1, "within the SHA-256", "byte 1264");
	assert_refused(file, len - 33, "within the checksum", "byte 1232");
	assert_refused(file, 600, "within a segment", "byte 1220");
}

static void every_flipped_bit_is_refused(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct image image;
		struct err err = {0};
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (read_image(file, len, len, len, &image, &err)) {
			fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
		}
		assert_int_equal(err.kind, ERR_INVALID);
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_taken(file, len);
}

static void a_wrong_checksum_is_told_from_a_wrong_hash(void **state)
{
	(void)state;
	file[len - 1] ^= 1;
	assert_refused(file, len, "its SHA-256 is wrong", "build or copy it again");
	file[600] ^= 1;
	assert_refused(file, len, "its checksum is wrong", "build or copy it again");
	struct image_spec spec = image_small;
	spec.hashed = false;
	make(spec);
	file[len - 1] ^= 0x80;
	assert_refused(file, len, "its checksum is wrong", "build or copy it again");
}

static void trailing_bytes_are_refused(void **state)
{
	(void)state;
	assert_refused(file, len + 1, "1 bytes follow the image, which ends at byte 1264", "upload the app image");
	memset(file + len, 0xFF, 4096);
	assert_refused(file, len + 4096, "4096 bytes follow the image", "as the build made it");
	struct image_spec spec = image_small;
	spec.hashed = false;
	make(spec);
	assert_refused(file, len + 32, "32 bytes follow the image", "as the build made it");
}

static void impossible_layouts_are_refused(void **state)
{
	(void)state;
	static const uint8_t counts[] = {0, 17, 255};
	for (size_t i = 0; i < COUNT(counts); i++) {
		file[1] = counts[i];
		assert_refused(file, len, "impossible number of segments", "damaged");
	}
	image_make(file, &image_small);
	file[0x17] = 2;
	assert_refused(file, len, "neither 0 nor 1", "damaged");
	static const uint8_t lengths[][4] = {{2, 2, 0, 0}, {4, 0, 0, 1}, {0, 0, 0, 0x80}, {0xFC, 0xFF, 0xFF, 0xFF}};
	for (size_t i = 0; i < COUNT(lengths); i++) {
		image_make(file, &image_small);
		memcpy(file + 28, lengths[i], 4);
		assert_refused(file, len, "impossible length of a segment", "before byte 32");
	}
}

static void a_bootloader_is_refused(void **state)
{
	(void)state;
	make((struct image_spec){.chip = 9, .hashed = true, .segments = 3, .lengths = {96, 512, 1024}});
	assert_refused(file, len, "bootloader image", "upload the app image, the build's <project>.bin");
	/* a magic makes no descriptor of what is shorter */
	struct image_spec spec = {.chip = 9, .hashed = true, .segments = 2, .lengths = {252, 256}};
	make(spec);
	memcpy(file + 0x20, "\x32\x54\xCD\xAB", 4);
	image_mend(file, len, &spec);
	assert_refused(file, len, "bootloader image", "not bootloader/bootloader.bin");
}

static void a_merged_image_is_refused(void **state)
{
	(void)state;
	static const size_t offsets[] = {0, 0x1000, 0x2000};
	for (size_t i = 0; i < COUNT(offsets); i++) {
		size_t n = image_merge(file, offsets[i], &image_small);
		assert_refused(file, n, "merged image", "upload the app image, the build's <project>.bin");
		assert_refused(file, 0x8002, "merged-binary.bin", "not the merged one");
	}
	image_merge(file, 0, &image_small);
	assert_refused(file, 0x8001, "bootloader image", "upload the app image");
	/* an app's own bytes there mean nothing */
	make((struct image_spec){.chip = 9, .version = "1", .project = "p", .hashed = true, .segments = 1, .lengths = {0x9000}});
	file[0x8000] = 0xAA;
	file[0x8001] = 0x50;
	image_mend(file, len, &(struct image_spec){.hashed = true, .segments = 1, .lengths = {0x9000}});
	assert_taken(file, len);
}

static void other_files_are_refused_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		const char *what;
	} files[] = {
		{"\xAA\x50\x01\x02", 4, "a partition table"},
		{"\x7F"
		 "ELF\x01",
		 5, "an ELF file"},
		{"PK\x03\x04\x14", 5, "a zip archive"},
		{"\x1F\x8B\x08", 3, "a gzip file"},
		{":020000040000FA", 15, "a hex file"},
		{"\xFF\xFF\xFF\xFF", 4, "does not begin with 0xE9"},
		{"firmware", 8, "does not begin with 0xE9"},
		{"\x7F", 1, "does not begin with 0xE9"},
	};
	for (size_t i = 0; i < COUNT(files); i++) {
		assert_refused((const uint8_t *)files[i].bytes, files[i].len, files[i].what, "upload the app image");
	}
	assert_refused(file, 0, "no ESP32 app image", "upload the app image");
}

static void versions_that_devices_cannot_compare_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"v2.5.0", "2.0.4-dirty", "1..0", "", "latest", "2.5.0-beta1", "1.", "2147483648", "a2e0a1f"};
	static const char *const right[] = {"2.4.2", "2.4.2.0", "0.9.8", "1", "2147483647.0"};
	for (size_t i = 0; i < COUNT(wrong) + COUNT(right); i++) {
		bool good = i >= COUNT(wrong);
		struct image_spec spec = image_small;
		struct image image;
		struct err err = {0};
		spec.version = good ? right[i - COUNT(wrong)] : wrong[i];
		make(spec);
		assert_true(read_image(file, len, len, len, &image, NULL));
		assert_int_equal(image_check_version(&image, &err), good);
		if (!good) {
			char quoted[48];
			snprintf(quoted, sizeof quoted, "version \"%s\" is not numbers", spec.version);
			assert_int_equal(err.kind, ERR_INVALID);
			assert_non_null(strstr(err.text, quoted));
			assert_non_null(strstr(err.text, "build again and upload that"));
		}
	}
}

static void lack_of_memory_is_not_taken_for_a_bad_image(void **state)
{
	(void)state;
	struct image_reader reader = {0};
	struct image image;
	struct err err = {0};
	struct digest *digest = digest_new();
	assert_non_null(digest);
	image_feed(&reader, digest, file, len);
	reader.out_of_memory = true;
	assert_false(image_finish(&reader, &image, &err));
	assert_int_equal(err.kind, ERR_INTERNAL);
	digest_free(&digest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_app_image_says_what_it_is, setup, teardown),
		cmocka_unit_test(what_is_no_image_or_was_built_without_has_no_build),
		cmocka_unit_test_setup_teardown(it_may_be_cut_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(every_chip_has_the_name_its_devices_tell, setup, teardown),
		cmocka_unit_test_setup_teardown(other_shapes_are_images_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_text_may_fill_its_field, setup, teardown),
		cmocka_unit_test_setup_teardown(every_truncation_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(every_flipped_bit_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_wrong_checksum_is_told_from_a_wrong_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(trailing_bytes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(impossible_layouts_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bootloader_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_merged_image_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(other_files_are_refused_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(versions_that_devices_cannot_compare_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(lack_of_memory_is_not_taken_for_a_bad_image, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
