#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/seal.h"

#define CONTEXT "licence/A1"

static struct seal_key *key;
static struct seal_key *other_key;

static int setup(void **state)
{
	(void)state;
	uint8_t master[32] = {1};
	uint8_t sub[32];
	digest_derive(master, "seal", sub);
	key = seal_key_new(sub);
	master[31] ^= 1;
	digest_derive(master, "seal", sub);
	other_key = seal_key_new(sub);
	return key && other_key ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	seal_key_free(&key);
	seal_key_free(&other_key);
	seal_key_free(&key); /* nothing twice */
	return 0;
}

static uint8_t *sealed(const void *clear, size_t len)
{
	uint8_t *out = malloc(len + SEAL_OVERHEAD);
	struct err err = {0};
	assert_non_null(out);
	if (!seal_close(key, CONTEXT, clear, len, out, &err)) {
		fail_msg("%s", err.text);
	}
	return out;
}

static void assert_round_trip(size_t len)
{
	scoped_free uint8_t *clear = malloc(len + 1);
	scoped_free uint8_t *back = malloc(len + 1);
	size_t back_len = 99;
	struct err err = {0};
	assert_true(clear && back);
	digest_random(clear, len + 1);
	back[len] = 0xA5;
	scoped_free uint8_t *value = sealed(clear, len);
	if (!seal_open(key, CONTEXT, value, len + SEAL_OVERHEAD, back, &back_len, &err)) {
		fail_msg("%zu: %s", len, err.text);
	}
	assert_int_equal(back_len, len);
	assert_memory_equal(back, clear, len);
	assert_int_equal(back[len], 0xA5);
}

static void assert_refused(const struct seal_key *with, const char *context, const uint8_t *value, size_t len, const char *part)
{
	uint8_t out[128];
	struct err err = {0};
	memset(out, 'x', sizeof out);
	size_t out_len = 77;
	assert_false(seal_open(with, context, value, len, out, &out_len, &err));
	assert_int_equal(err.kind, ERR_INTERNAL);
	assert_non_null(strstr(err.text, part));
	assert_int_equal(out_len, 77);
	assert_null(memmem(out, sizeof out, "secret", 6)); /* what did not verify is not handed out */
}

static void what_was_sealed_opens_again(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 1, 15, 16, 17, 32, 64, 255, 4096, 65536};
	for (size_t i = 0; i < COUNT(lengths); i++) {
		assert_round_trip(lengths[i]);
	}
}

static void a_sealed_value_shows_nothing_and_is_never_the_same_twice(void **state)
{
	(void)state;
	static const char clear[] = "the secret of the house, the secret of the house";
	scoped_free uint8_t *one = sealed(clear, sizeof clear);
	scoped_free uint8_t *two = sealed(clear, sizeof clear);
	assert_int_equal(one[0], 1);
	assert_null(memmem(one, sizeof clear + SEAL_OVERHEAD, "secret", 6));
	assert_memory_not_equal(one + 1, two + 1, 12);
	assert_memory_not_equal(one + 13, two + 13, sizeof clear);
}

static void every_altered_bit_is_refused(void **state)
{
	(void)state;
	static const char clear[] = "the secret";
	size_t len = sizeof clear + SEAL_OVERHEAD;
	scoped_free uint8_t *value = sealed(clear, sizeof clear);
	for (size_t bit = 0; bit < len * 8; bit++) {
		value[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_refused(key, CONTEXT, value, len, bit < 8 ? "of version" : "does not open");
		value[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void what_is_cut_off_or_longer_is_refused(void **state)
{
	(void)state;
	static const char clear[] = "the secret";
	size_t len = sizeof clear + SEAL_OVERHEAD;
	scoped_free uint8_t *value = sealed(clear, sizeof clear);
	for (size_t cut = 0; cut < len; cut++) {
		scoped_free uint8_t *head = malloc(cut + 1); /* of just that size: a read beyond it is seen */
		memcpy(head, value, cut);
		assert_refused(key, CONTEXT, head, cut, cut < SEAL_OVERHEAD ? "no sealed value" : "does not open");
	}
	uint8_t longer[sizeof clear + SEAL_OVERHEAD + 1] = {0};
	memcpy(longer, value, len);
	assert_refused(key, CONTEXT, longer, len + 1, "does not open");
}

static void a_value_opens_in_its_own_place_only(void **state)
{
	(void)state;
	static const char *const contexts[] = {"", "licence/A", "licence/A12", "licence/a1", "gateway/1", "licence/A1 "};
	static const char clear[] = "the secret";
	scoped_free uint8_t *value = sealed(clear, sizeof clear);
	for (size_t i = 0; i < COUNT(contexts); i++) {
		assert_refused(key, contexts[i], value, sizeof clear + SEAL_OVERHEAD, "belongs elsewhere");
	}
}

static void another_master_key_opens_nothing(void **state)
{
	(void)state;
	static const char clear[] = "the secret";
	scoped_free uint8_t *value = sealed(clear, sizeof clear);
	assert_refused(other_key, CONTEXT, value, sizeof clear + SEAL_OVERHEAD, "another master key");
}

/* Fixed once and for all: values in databases are of this form. Made by another implementation (python3-cryptography). */
static void version_1_stays_what_it_is(void **state)
{
	(void)state;
	static const uint8_t bytes[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
					  16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
	static const uint8_t value[] = {0x01, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e,
					0x6f, 0x20, 0x7e, 0xb2, 0x0a, 0x16, 0xee, 0xa9, 0xc6, 0x4b, 0x38, 0xf8,
					0xcb, 0x9b, 0xb4, 0x5c, 0x55, 0xfc, 0xd7, 0xd1, 0x39, 0x8e};
	uint8_t out[16];
	size_t len = 0;
	struct seal_key *fixed = seal_key_new(bytes);
	assert_true(seal_open(fixed, "licence/A1", value, sizeof value, out, &len, NULL));
	assert_int_equal(len, 5);
	assert_memory_equal(out, "hello", 5);
	seal_key_free(&fixed);
}

static void more_than_the_cap_is_refused(void **state)
{
	(void)state;
	uint8_t out[1] = {'x'};
	struct err err = {0};
	assert_false(seal_close(key, CONTEXT, "", (size_t)SEAL_MAX + 1, out, &err));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
	assert_int_equal(out[0], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_opens_again),
		cmocka_unit_test(a_sealed_value_shows_nothing_and_is_never_the_same_twice),
		cmocka_unit_test(every_altered_bit_is_refused),
		cmocka_unit_test(what_is_cut_off_or_longer_is_refused),
		cmocka_unit_test(a_value_opens_in_its_own_place_only),
		cmocka_unit_test(another_master_key_opens_nothing),
		cmocka_unit_test(version_1_stays_what_it_is),
		cmocka_unit_test(more_than_the_cap_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
