/* Activation by a licence: proofs and who fails them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "activation_scene.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/activation.h"
#include "engine/admin.h"
#include "engine/private.h"
#include "model/licence.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int64_t make_licence(const char *serial, const char *encoding, int64_t product)
{
	struct licence_new l = {.licence.product_id = product};
	must(licence_take(&l, serial, KEY, encoding, &err));
	must(admin_licence_create(&engine, &worker, &alice, &l, &err));
	return l.licence.id;
}

static void hmac_of(const char *challenge, bool raw, char out[65])
{
	uint8_t bytes[64];
	uint8_t mac[32];
	memcpy(bytes, KEY, 64);
	if (raw) {
		text_unhex(KEY, bytes, 32);
	}
	struct digest_key *key = digest_key_new(bytes, raw ? 32 : 64);
	digest_mac(key, challenge, strlen(challenge), mac);
	digest_key_free(&key);
	text_hex(out, mac, 32);
}

static bool prove(const char *mac, const char *serial, const char *challenge, const char *hmac, int64_t product, struct activation *out)
{
	struct activation_facts f = facts_of(mac, UUID);
	text_copy(f.serial, sizeof f.serial, serial);
	struct activation_proof p = {.facts = &f, .challenge = challenge, .hmac = hmac, .product_id = product};
	return activation_prove(&engine, &worker, &p, out, &err);
}

static bool prove_right(const char *mac, const char *serial, const char *challenge, int64_t product, struct activation *out)
{
	char hmac[65];
	hmac_of(challenge, true, hmac);
	return prove(mac, serial, challenge, hmac, product, out);
}

/* ---- policies ---- */

static void a_licence_product_takes_no_code_without_a_proof(void **state)
{
	(void)state;
	struct device d;
	int64_t product = make_product("licensed", IDENTITY_LICENCE);
	make_licence("SN-1", "raw", 0);
	struct activation a = begin(MAC, UUID);
	struct activation proven;
	assert_err(confirm(a.code, product, "", &d), ERR_CONFLICT, "has not proven");
	must(prove_right(MAC, "SN-1", a.challenge, 0, &proven));
	assert_false(proven.bound); /* for which product? whoever enters the code says it */
	must(confirm(a.code, product, "", &d));
	assert_number("SELECT count(*) FROM licences l JOIN devices d ON d.id = l.device_id WHERE d.mac = '" MAC "'", 1);
	assert_true(begin(MAC, UUID).bound);
	assert_false(begin(MAC, OTHER_UUID).bound);
}

/* ---- proofs ---- */

static void a_licence_binds_silently_by_either_encoding(void **state)
{
	(void)state;
	static const char *const encodings[] = {"raw", "hex_text"};
	for (int i = 0; i < 2; i++) {
		char mac[MAC_SIZE];
		char hmac[65];
		struct activation out;
		snprintf(mac, sizeof mac, "%012X", (unsigned)i);
		make_licence(encodings[i], encodings[i], lamp);
		struct activation_facts f = facts_of(mac, UUID);
		text_copy(f.serial, sizeof f.serial, encodings[i]);
		struct activation a;
		must(activation_begin(&engine, &worker, &f, &a, &err));
		assert_true(a.licensed);
		hmac_of(a.challenge, i == 1, hmac); /* as the other encoding would */
		assert_err(prove(mac, encodings[i], a.challenge, hmac, 0, &out), ERR_DENIED, "no licence");
		hmac_of(a.challenge, i == 0, hmac);
		must(prove(mac, encodings[i], a.challenge, hmac, 0, &out));
		assert_true(out.bound);
		assert_true(out.device_id > 0);
		assert_true(begin(mac, UUID).bound);
	}
	assert_number("SELECT count(*) FROM audit WHERE actor = 'device' AND action = 'device.prove' AND detail LIKE '%by licence'", 2);
}

static void a_challenge_serves_once_for_its_own_device(void **state)
{
	(void)state;
	struct activation out;
	make_licence("SN-1", "raw", 0);
	make_licence("SN-2", "raw", 0);
	struct activation a = begin(MAC, UUID);
	struct activation b = begin("000000000002", UUID);
	assert_err(prove_right(MAC, "SN-1", b.challenge, 0, &out), ERR_DENIED, "not outstanding");
	struct activation later = begin(MAC, UUID); /* an earlier challenge counts as well */
	must(prove_right(MAC, "SN-1", a.challenge, 0, &out));
	assert_err(prove_right(MAC, "SN-1", a.challenge, 0, &out), ERR_DENIED, "not outstanding");
	must(prove_right(MAC, "SN-1", later.challenge, lamp, &out)); /* its board tells the product now */
	assert_true(out.bound);
	assert_err(prove_right("000000000002", "SN-1", b.challenge, lamp, &out), ERR_CONFLICT, "another device");
	must(prove_right("000000000002", "SN-2", b.challenge, lamp, &out)); /* what was refused used nothing up */
	assert_err(prove_right(MAC, "SN-1", "not a uuid", lamp, &out), ERR_DENIED, "not given here");
}

static void an_unknown_serial_is_told_in_the_words_of_a_wrong_hmac(void **state)
{
	(void)state;
	struct activation out;
	char said[256];
	make_licence("SN-1", "raw", lamp);
	struct activation a = begin(MAC, UUID);
	assert_err(prove_right(MAC, "SN-9", a.challenge, 0, &out), ERR_DENIED, "");
	text_copy(said, sizeof said, err.text);
	assert_err(prove(MAC, "SN-1", a.challenge, KEY, 0, &out), ERR_DENIED, said);
	assert_err(prove(MAC, "SN-1", a.challenge, "", 0, &out), ERR_DENIED, said);
	assert_false(out.bound);
}

static void failed_proofs_are_limited_by_device_and_by_address(void **state)
{
	(void)state;
	struct activation out;
	char mac[MAC_SIZE];
	make_licence("SN-1", "raw", lamp);
	make_licence("SN-2", "raw", lamp);
	struct activation a = begin(MAC, UUID);
	for (int i = 0; i < 10; i++) {
		assert_err(prove(MAC, "SN-1", a.challenge, KEY, 0, &out), ERR_DENIED, "");
	}
	assert_err(prove(MAC, "SN-1", a.challenge, KEY, 0, &out), ERR_BUSY, "for this device");
	must(prove_right(MAC, "SN-1", a.challenge, 0, &out)); /* who knows its MAC does not lock it out */
	struct activation other = begin("000000000001", UUID);
	must(prove_right("000000000001", "SN-2", other.challenge, 0, &out));
	for (int i = 0; i < 90; i++) {
		snprintf(mac, sizeof mac, "%012X", 0x100u + (unsigned)i);
		assert_err(prove(mac, "SN-1", a.challenge, KEY, 0, &out), ERR_DENIED, "");
	}
	assert_err(prove("0000000002FF", "SN-1", a.challenge, KEY, 0, &out), ERR_BUSY, "from this address");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, activation_scene_setup, activation_scene_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_licence_product_takes_no_code_without_a_proof),    TEST(a_licence_binds_silently_by_either_encoding),
		TEST(a_challenge_serves_once_for_its_own_device),         TEST(an_unknown_serial_is_told_in_the_words_of_a_wrong_hmac),
		TEST(failed_proofs_are_limited_by_device_and_by_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
