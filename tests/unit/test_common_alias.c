#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "common/alias.h"
#include "common/digest.h"
#include "common/text.h"

static const struct alias sample = {.kind = ALIAS_TASK,
				    .sha_head = {0xde, 0xad, 0xbe, 0xef, 0x01, 0x23, 0xab, 0xcd},
				    .id = 123456789012,
				    .device = 987654321,
				    .expires_h = 500000};

static struct digest_key *key;

static int make_key(void **state)
{
	(void)state;
	key = digest_key_new("a key of some length, 32 bytes..", 32);
	return key != NULL ? 0 : -1;
}

static int free_key(void **state)
{
	(void)state;
	digest_key_free(&key);
	return 0;
}

static void assert_same(const struct alias *a, const struct alias *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_memory_equal(a->sha_head, b->sha_head, sizeof a->sha_head);
	assert_true(a->id == b->id);
	assert_true(a->device == b->device);
	assert_true(a->expires_h == b->expires_h);
}

static void an_alias_carries_its_fields(void **state)
{
	(void)state;
	static const struct alias rows[] = {
		{.kind = ALIAS_TASK, .id = 1, .device = 1},
		{.kind = ALIAS_ROLLOUT,
		 .id = (1ULL << 48) - 1,
		 .device = (1ULL << 40) - 1,
		 .expires_h = (1U << 24) - 1,
		 .sha_head = {255, 255, 255, 255, 255, 255, 255, 255}},
		{.kind = ALIAS_ROLLOUT},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[ALIAS_SIZE];
		struct alias back;
		assert_true(alias_make(key, &rows[i], text));
		assert_int_equal(strlen(text), ALIAS_LEN);
		assert_true(alias_verify(key, text, &back));
		assert_same(&back, &rows[i]);
	}
}

static void an_alias_is_a_plain_file_name_beginning_with_the_hash(void **state)
{
	(void)state;
	char text[ALIAS_SIZE];
	assert_true(alias_make(key, &sample, text));
	assert_memory_equal(text, "deadbeef0123abcd-", 17);
	assert_string_equal(text + ALIAS_LEN - 4, ".bin");
	assert_true(text_is_key(text)); /* letters, digits, . _ - : needs no escaping anywhere */
}

static void fields_out_of_range_are_refused(void **state)
{
	(void)state;
	char text[ALIAS_SIZE];
	struct alias a = sample;
	a.id = 1ULL << 48;
	assert_false(alias_make(key, &a, text));
	assert_string_equal(text, "");
	a = sample;
	a.device = 1ULL << 40;
	assert_false(alias_make(key, &a, text));
	a = sample;
	a.expires_h = 1U << 24;
	assert_false(alias_make(key, &a, text));
	a = sample;
	a.kind = (enum alias_kind)0;
	assert_false(alias_make(key, &a, text));
	a.kind = (enum alias_kind)3;
	assert_false(alias_make(key, &a, text));
}

/* How many of the 256 bytes at this place make an alias. */
static int accepted_at(char text[ALIAS_SIZE], size_t at)
{
	int accepted = 0;
	char right = text[at];
	struct alias out;
	for (int c = 0; c < 256; c++) {
		text[at] = (char)c;
		accepted += alias_verify(key, text, &out);
	}
	text[at] = right;
	return accepted;
}

static void any_other_byte_at_any_place_is_refused(void **state)
{
	(void)state;
	char text[ALIAS_SIZE];
	struct alias out;
	assert_true(alias_make(key, &sample, text));
	for (size_t at = 0; at < ALIAS_LEN; at++) {
		assert_int_equal(accepted_at(text, at), 1);
	}
	assert_true(alias_verify(key, text, &out));
}

static void other_spellings_and_lengths_are_refused(void **state)
{
	(void)state;
	char text[ALIAS_SIZE];
	struct alias out;
	assert_true(alias_make(key, &sample, text));
	for (size_t len = 0; len < ALIAS_LEN; len++) {
		char cut[ALIAS_SIZE] = {0};
		memcpy(cut, text, len);
		assert_false(alias_verify(key, cut, &out));
	}
	char other[ALIAS_SIZE + 8];
	snprintf(other, sizeof other, "%sx", text);
	assert_false(alias_verify(key, other, &out));
	snprintf(other, sizeof other, "%.57s=.bin", text); /* padded */
	assert_false(alias_verify(key, other, &out));
	snprintf(other, sizeof other, "DEADBEEF0123ABCD%s", text + 16);
	assert_false(alias_verify(key, other, &out));
	snprintf(other, sizeof other, "%.57s.bin", text);
	assert_true(alias_verify(key, other, &out));
	assert_false(alias_verify(key, "", &out));
}

static void the_parts_of_two_aliases_do_not_mix(void **state)
{
	(void)state;
	char one[ALIAS_SIZE];
	char two[ALIAS_SIZE];
	struct alias out;
	struct alias other = sample;
	other.device++;
	other.sha_head[0] ^= 1;
	assert_true(alias_make(key, &sample, one));
	assert_true(alias_make(key, &other, two));
	memcpy(two, one, 16); /* the other's token under this artifact's hash */
	assert_false(alias_verify(key, two, &out));
}

static void another_key_refuses(void **state)
{
	(void)state;
	char text[ALIAS_SIZE];
	struct alias out;
	struct digest_key *second = digest_key_new("another", 7);
	assert_true(alias_make(second, &sample, text));
	assert_true(alias_verify(second, text, &out));
	assert_false(alias_verify(key, text, &out));
	digest_key_free(&second);
}

static void a_kind_from_the_future_is_refused_though_signed(void **state)
{
	(void)state;
	uint8_t raw[38] = {0};
	uint8_t mac[DIGEST_SHA256_LEN];
	char text[ALIAS_SIZE];
	struct alias out;
	for (int kind = 0; kind < 4; kind++) {
		raw[8] = (uint8_t)kind;
		digest_mac(key, raw, 23, mac);
		memcpy(raw + 23, mac, 15);
		char token[41];
		text_base64url(token, raw + 8, 30);
		snprintf(text, sizeof text, "0000000000000000-%s.bin", token);
		assert_int_equal(alias_verify(key, text, &out), kind == ALIAS_TASK || kind == ALIAS_ROLLOUT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alias_carries_its_fields),
		cmocka_unit_test(an_alias_is_a_plain_file_name_beginning_with_the_hash),
		cmocka_unit_test(fields_out_of_range_are_refused),
		cmocka_unit_test(any_other_byte_at_any_place_is_refused),
		cmocka_unit_test(other_spellings_and_lengths_are_refused),
		cmocka_unit_test(the_parts_of_two_aliases_do_not_mix),
		cmocka_unit_test(another_key_refuses),
		cmocka_unit_test(a_kind_from_the_future_is_refused_though_signed),
	};
	return cmocka_run_group_tests(tests, make_key, free_key);
}
