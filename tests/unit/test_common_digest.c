#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "common/digest.h"
#include "common/text.h"

static void assert_hex(const uint8_t *raw, size_t n, const char *hex)
{
	char text[2 * DIGEST_SHA256_LEN + 1];
	text_hex(text, raw, n);
	assert_string_equal(text, hex);
}

static void expect_stream(const char *data, size_t len, size_t step, const char *md5_hex, const char *sha256_hex)
{
	uint8_t md5[DIGEST_MD5_LEN];
	uint8_t sha256[DIGEST_SHA256_LEN];
	struct digest *d = digest_new();
	assert_non_null(d);
	for (size_t at = 0; at < len; at += step) {
		digest_update(d, data + at, len - at < step ? len - at : step);
	}
	digest_final(d, md5, sha256);
	digest_free(&d);
	assert_null(d);
	assert_hex(md5, sizeof md5, md5_hex);
	assert_hex(sha256, sizeof sha256, sha256_hex);
}

static void a_stream_gives_md5_and_sha256_however_it_is_cut(void **state)
{
	(void)state;
	expect_stream("", 0, 1, "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	expect_stream("abc", 3, 1, "900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	enum { MILLION = 1000000 };
	char *many = malloc(MILLION);
	assert_non_null(many);
	memset(many, 'a', MILLION);
	static const size_t steps[] = {63, 8191, 8192, 8193, MILLION};
	for (size_t i = 0; i < COUNT(steps); i++) {
		expect_stream(many, MILLION, steps[i], "7707d6ae4e027c70eea2a935c2296f21",
			      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	}
	free(many);
}

static void a_digest_so_far_leaves_the_stream_as_it_was(void **state)
{
	(void)state;
	uint8_t md5[DIGEST_MD5_LEN];
	uint8_t sha256[DIGEST_SHA256_LEN];
	struct digest *d = digest_new();
	assert_non_null(d);
	assert_true(digest_sha256_so_far(d, sha256));
	assert_hex(sha256, sizeof sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	digest_update(d, "abc", 3);
	assert_true(digest_sha256_so_far(d, sha256));
	assert_hex(sha256, sizeof sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_update(d, "def", 3);
	digest_final(d, md5, sha256);
	digest_free(&d);
	assert_hex(md5, sizeof md5, "e80b5017098950fc58aad83c8c14978e");
	assert_hex(sha256, sizeof sha256, "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721");
}

static void one_shot_sha256_matches_the_standard(void **state)
{
	(void)state;
	uint8_t out[DIGEST_SHA256_LEN];
	digest_sha256(out, "abc", 3);
	assert_hex(out, sizeof out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_sha256(out, "", 0);
	assert_hex(out, sizeof out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void freeing_nothing_is_allowed(void **state)
{
	(void)state;
	struct digest *d = NULL;
	struct digest_key *key = NULL;
	digest_free(&d);
	digest_key_free(&key);
}

static void lack_of_memory_gives_null(void **state)
{
	(void)state;
	alloc_fail_nth(1);
	assert_null(digest_new());
	alloc_fail_nth(1);
	assert_null(digest_key_new("k", 1));
}

/* ---- HMAC ---- */

static const struct {
	const char *key;
	size_t key_len;
	const char *data;
	size_t data_len;
	const char *mac;
} rfc4231[] = {
	{"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", 20, "Hi There", 8,
	 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{"Jefe", 4, "what do ya want for nothing?", 28, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19", 25,
	 "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
	 "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd",
	 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
};

static void hmac_matches_rfc4231(void **state)
{
	(void)state;
	uint8_t out[DIGEST_SHA256_LEN];
	for (size_t i = 0; i < COUNT(rfc4231); i++) {
		struct digest_key *key = digest_key_new(rfc4231[i].key, rfc4231[i].key_len);
		for (int again = 0; again < 3; again++) { /* the context is kept and used again */
			digest_mac(key, rfc4231[i].data, rfc4231[i].data_len, out);
			assert_hex(out, sizeof out, rfc4231[i].mac);
		}
		digest_key_free(&key);
		assert_null(key);
	}
}

/* The second case of RFC 2202 has a short key: zeros behind it make no difference to HMAC. */
static void hmac_sha1_matches_rfc2202(void **state)
{
	(void)state;
	static const uint8_t key[32] = "Jefe";
	static const uint8_t wanted[DIGEST_SHA1_LEN] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
							0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
	static const char text[] = "what do ya want for nothing?";
	uint8_t out[DIGEST_SHA1_LEN];
	digest_mac_sha1(key, text, sizeof text - 1, out);
	assert_memory_equal(out, wanted, sizeof wanted);
}

static void hmac_takes_keys_longer_than_a_block(void **state)
{
	(void)state;
	uint8_t long_key[131];
	uint8_t out[DIGEST_SHA256_LEN];
	static const char text[] =
		"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before "
		"being used by the HMAC algorithm.";
	memset(long_key, 0xaa, sizeof long_key);
	struct digest_key *key = digest_key_new(long_key, sizeof long_key);
	digest_mac(key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
	assert_hex(out, sizeof out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	digest_mac(key, text, sizeof text - 1, out);
	assert_hex(out, sizeof out, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
	digest_key_free(&key);
}

static void hmac_takes_an_empty_key_and_message(void **state)
{
	(void)state;
	uint8_t out[DIGEST_SHA256_LEN];
	struct digest_key *key = digest_key_new("", 0);
	digest_mac(key, "", 0, out);
	assert_hex(out, sizeof out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
	digest_key_free(&key);
}

/* The first MAC of a fresh key each time: what a context without a cache would give. */
static void mac_of(unsigned i, uint8_t out[DIGEST_SHA256_LEN])
{
	struct digest_key *key = digest_key_new(&i, sizeof i);
	digest_mac(key, "message", 7, out);
	digest_key_free(&key);
}

static void many_keys_in_turn_do_not_mix(void **state)
{
	(void)state;
	enum { KEYS = 20 };
	struct digest_key *keys[KEYS];
	uint8_t expected[KEYS][DIGEST_SHA256_LEN];
	uint8_t out[DIGEST_SHA256_LEN];
	for (unsigned i = 0; i < KEYS; i++) {
		mac_of(i, expected[i]);
		assert_true(i == 0 || memcmp(expected[i], expected[i - 1], sizeof out) != 0);
		keys[i] = digest_key_new(&i, sizeof i);
	}
	for (unsigned n = 0; n < 500; n++) {
		unsigned i = n * 7 % KEYS;
		digest_mac(keys[i], "message", 7, out);
		assert_memory_equal(out, expected[i], sizeof out);
	}
	for (unsigned i = 0; i < KEYS; i++) {
		digest_key_free(&keys[i]);
	}
}

enum { THREADS = 4, SHARED_KEYS = 3 };
static struct digest_key *shared[SHARED_KEYS];
static uint8_t shared_expected[SHARED_KEYS][DIGEST_SHA256_LEN];

static void *mac_in_a_thread(void *wrong)
{
	for (int n = 0; n < 2000; n++) {
		uint8_t out[DIGEST_SHA256_LEN];
		digest_mac(shared[n % SHARED_KEYS], "message", 7, out);
		*(int *)wrong += memcmp(out, shared_expected[n % SHARED_KEYS], sizeof out) != 0;
	}
	return NULL;
}

static void threads_share_keys(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	int wrong[THREADS] = {0};
	for (unsigned i = 0; i < SHARED_KEYS; i++) {
		mac_of(i, shared_expected[i]);
		shared[i] = digest_key_new(&i, sizeof i);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, mac_in_a_thread, &wrong[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(wrong[i], 0);
	}
	for (unsigned i = 0; i < SHARED_KEYS; i++) {
		digest_key_free(&shared[i]);
	}
}

static void subkeys_depend_on_master_and_purpose(void **state)
{
	(void)state;
	uint8_t master[32];
	uint8_t out[32];
	uint8_t other[32];
	for (unsigned i = 0; i < 32; i++) {
		master[i] = (uint8_t)i;
	}
	digest_derive(master, "alias", out);
	assert_hex(out, 32, "7abc7ccea4ecb81edbbb9f3f5484a8816c056c1540ec4260a1afc46f85eda2b2");
	digest_derive(master, "token", other);
	assert_memory_not_equal(out, other, 32);
	master[31] ^= 1;
	digest_derive(master, "alias", other);
	assert_memory_not_equal(out, other, 32);
}

static void equality_looks_at_every_byte(void **state)
{
	(void)state;
	char a[32] = {0};
	char b[32] = {0};
	assert_true(digest_equal(a, b, 32));
	for (size_t i = 0; i < 32; i++) {
		b[i] = 1;
		assert_false(digest_equal(a, b, 32));
		b[i] = 0;
	}
	assert_true(digest_equal("a", "b", 0));
}

static void random_bytes_fill_the_whole_and_differ(void **state)
{
	(void)state;
	uint8_t a[600];
	uint8_t b[600];
	memset(a, 0, sizeof a);
	digest_random(a, sizeof a);
	digest_random(b, sizeof b);
	for (size_t at = 0; at + 16 <= sizeof a; at += 8) {
		assert_memory_not_equal(a + at, b + at, 16);
		assert_memory_not_equal(a + at, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	}
}

/* ---- passwords ---- */

static void scrypt_matches_rfc7914(void **state)
{
	(void)state;
	/* The first 32 bytes of the RFC's 64 are what a 32-byte output is. Salts: "SodiumChloride", "NaCl". */
	static const char costly[] =
		"scrypt$14$8$1$536f6469756d43686c6f72696465$7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2";
	static const char parallel[] = "scrypt$10$8$16$4e61436c$fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162";
	assert_true(digest_password_verify("pleaseletmein", costly));
	assert_false(digest_password_verify("pleaseletmeIn", costly));
	assert_true(digest_password_verify("password", parallel));
	assert_false(digest_password_verify("", parallel));
}

static void a_hashed_password_is_salted_and_verified(void **state)
{
	(void)state;
	char one[160];
	char two[160];
	assert_true(digest_password_hash("g\xc3\xa4nse f\xc3\xbc\xc3\x9f"
					 "chen",
					 one));
	assert_true(digest_password_hash("g\xc3\xa4nse f\xc3\xbc\xc3\x9f"
					 "chen",
					 two));
	assert_string_not_equal(one, two);
	assert_memory_equal(one, "scrypt$14$8$1$", 14);
	assert_int_equal(strlen(one), 14 + 32 + 1 + 64);
	assert_true(digest_password_verify("g\xc3\xa4nse f\xc3\xbc\xc3\x9f"
					   "chen",
					   one));
	assert_false(digest_password_verify("g\xc3\xa4nse f\xc3\xbc\xc3\x9f"
					    "che",
					    one));
}

static void damaged_password_hashes_verify_nothing(void **state)
{
	(void)state;
#define HASH "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
	static const char *const bad[] = {
		"",
		"x",
		"scrypt",
		"scrypt$",
		"scrypt$10$8$16",
		"scrypt$10$8$16$4e61436c",
		"scrypt$10$8$16$4e61436c$",
		"scrypt$10$8$16$4e61436c$00",
		"bcrypt$10$8$16$4e61436c$" HASH,
		"scrypt$63$8$16$4e61436c$" HASH,
		"scrypt$0$8$16$4e61436c$" HASH,
		"scrypt$10$0$16$4e61436c$" HASH,
		"scrypt$10$8$99999$4e61436c$" HASH,
		"scrypt$10$8$16$4e6143$" HASH,
		"scrypt$10$8$16$4e61436$" HASH,
		"scrypt$10$8$16$zz61436c$" HASH,
		"scrypt$10$8$16$4e61436c$" HASH "0",
		"scrypt$-10$8$16$4e61436c$" HASH,
		"scrypt$10$8$16$4e61436c4e61436c4e61436c4e61436c4e61436c4e61436c4e61436c4e61436c00$" HASH,
		"scrypt$10$8$16$4e61436c$" HASH HASH HASH HASH HASH,
	};
	assert_true(digest_password_verify("password", "scrypt$10$8$16$4e61436c$" HASH));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(digest_password_verify("password", bad[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_gives_md5_and_sha256_however_it_is_cut),
		cmocka_unit_test(a_digest_so_far_leaves_the_stream_as_it_was),
		cmocka_unit_test(one_shot_sha256_matches_the_standard),
		cmocka_unit_test(freeing_nothing_is_allowed),
		cmocka_unit_test(lack_of_memory_gives_null),
		cmocka_unit_test(hmac_matches_rfc4231),
		cmocka_unit_test(hmac_sha1_matches_rfc2202),
		cmocka_unit_test(hmac_takes_keys_longer_than_a_block),
		cmocka_unit_test(hmac_takes_an_empty_key_and_message),
		cmocka_unit_test(many_keys_in_turn_do_not_mix),
		cmocka_unit_test(threads_share_keys),
		cmocka_unit_test(subkeys_depend_on_master_and_purpose),
		cmocka_unit_test(equality_looks_at_every_byte),
		cmocka_unit_test(random_bytes_fill_the_whole_and_differ),
		cmocka_unit_test(scrypt_matches_rfc7914),
		cmocka_unit_test(a_hashed_password_is_salted_and_verified),
		cmocka_unit_test(damaged_password_hashes_verify_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
