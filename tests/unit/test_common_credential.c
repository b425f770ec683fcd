#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "common/credential.h"
#include "common/digest.h"
#include "common/err.h"

#define MAC "11_22_33_44_55_66"
#define XIAOZHI_ID "GID_test@@@" MAC "@@@36c98363-3656-43cb-a00f-8bced2391a90"
#define OLD_KEY "k1 an-old-signing-key-of-ours\n"
#define NEW_KEY "k2 the-new-signing-key-of-ours\n"

static struct credential_keys keys;
static struct credential_keys old_keys;
static struct credential_keys new_keys;

static int make_keys(void **state)
{
	(void)state;
	return credential_keys_parse(&keys, NEW_KEY OLD_KEY, NULL) && credential_keys_parse(&old_keys, OLD_KEY, NULL) &&
			       credential_keys_parse(&new_keys, NEW_KEY, NULL)
		       ? 0
		       : -1;
}

static int clear_keys(void **state)
{
	(void)state;
	credential_keys_clear(&keys);
	credential_keys_clear(&old_keys);
	credential_keys_clear(&new_keys);
	return 0;
}

static enum credential_verdict verify(const char *client_id, const char *username, const char *password)
{
	char device[CREDENTIAL_DEVICE_SIZE];
	uint32_t epoch;
	return credential_verify(&keys, client_id, username, password, device, &epoch);
}

static struct credential issue(const char *client_id, const char *device, uint32_t epoch)
{
	struct credential c;
	assert_true(credential_issue(&keys, client_id, device, epoch, "1.2.3.4", &c));
	return c;
}

static void public_gateways_vector(void **state)
{
	(void)state;
	char password[CREDENTIAL_PASSWORD_SIZE];
	struct digest_key *key = digest_key_new("TestKey123", 10);
	credential_xiaozhi_password(key, XIAOZHI_ID, "eyJpcCI6IjIyMi4yMjIuMjIyLjIyMiJ9", password);
	assert_string_equal(password, "s0bZyj4vH6bZxwmrbPaxGDaGcG9Paygt0ShzTl5T/Mc=");
	digest_key_free(&key);
}

static void plain_credentials_name_device_and_epoch(void **state)
{
	(void)state;
	char device[CREDENTIAL_DEVICE_SIZE];
	uint32_t epoch = 0;
	struct credential c = issue("client-7", "lamp-1", 41);
	assert_string_equal(c.username, "lamp-1");
	assert_int_equal(strncmp(c.password, "41.k2.", 6), 0);
	assert_int_equal(credential_verify(&keys, "client-7", c.username, c.password, device, &epoch), CREDENTIAL_GOOD);
	assert_string_equal(device, "lamp-1");
	assert_int_equal(epoch, 41);
}

static void xiaozhi_credentials_name_device_and_epoch(void **state)
{
	(void)state;
	char device[CREDENTIAL_DEVICE_SIZE];
	uint32_t epoch = 0;
	struct credential c = issue(XIAOZHI_ID, MAC, 3);
	assert_int_equal(credential_verify(&keys, XIAOZHI_ID, c.username, c.password, device, &epoch), CREDENTIAL_GOOD);
	assert_string_equal(device, MAC);
	assert_int_equal(epoch, 3);
}

static void a_username_without_epoch_and_key_is_epoch_0(void **state)
{
	(void)state;
	char device[CREDENTIAL_DEVICE_SIZE];
	char password[CREDENTIAL_PASSWORD_SIZE];
	uint32_t epoch = 7;
	const char *username = "eyJpcCI6IjIyMi4yMjIuMjIyLjIyMiJ9";
	credential_xiaozhi_password(keys.at[1].key, XIAOZHI_ID, username, password);
	assert_int_equal(credential_verify(&keys, XIAOZHI_ID, username, password, device, &epoch), CREDENTIAL_GOOD);
	assert_int_equal(epoch, 0);
}

static void both_keys_verify_and_a_retired_one_does_not(void **state)
{
	(void)state;
	char device[CREDENTIAL_DEVICE_SIZE];
	uint32_t epoch;
	const char *ids[] = {"client-7", XIAOZHI_ID};
	const char *names[] = {"lamp-1", MAC};
	for (size_t i = 0; i < 2; i++) {
		struct credential c;
		assert_true(credential_issue(&old_keys, ids[i], names[i], 1, "", &c));
		assert_int_equal(verify(ids[i], c.username, c.password), CREDENTIAL_GOOD);
		assert_int_equal(credential_verify(&new_keys, ids[i], c.username, c.password, device, &epoch), CREDENTIAL_UNKNOWN_KEY);
	}
}

static void another_key_under_the_same_id_is_refused(void **state)
{
	(void)state;
	struct credential_keys forger = {.count = 0};
	struct credential c;
	assert_true(credential_keys_parse(&forger, "k1 a-key-that-someone-made-up\n", NULL));
	assert_true(credential_issue(&forger, "client-7", "lamp-1", 1, "", &c));
	assert_int_equal(verify("client-7", c.username, c.password), CREDENTIAL_WRONG);
	assert_true(credential_issue(&forger, XIAOZHI_ID, MAC, 1, "", &c));
	assert_int_equal(verify(XIAOZHI_ID, c.username, c.password), CREDENTIAL_WRONG);
	credential_keys_clear(&forger);
}

static void every_altered_character_of_a_password_is_refused(void **state)
{
	(void)state;
	const char *ids[] = {"client-7", XIAOZHI_ID};
	const char *names[] = {"lamp-1", MAC};
	for (size_t k = 0; k < 2; k++) {
		struct credential c = issue(ids[k], names[k], 12);
		for (size_t i = 0; c.password[i]; i++) {
			for (int bit = 1; bit < 128; bit <<= 1) {
				c.password[i] ^= (char)bit;
				assert_int_not_equal(verify(ids[k], c.username, c.password), CREDENTIAL_GOOD);
				c.password[i] ^= (char)bit;
			}
		}
		assert_int_equal(verify(ids[k], c.username, c.password), CREDENTIAL_GOOD);
	}
}

static void every_altered_character_of_a_username_is_refused(void **state)
{
	(void)state;
	struct credential c = issue(XIAOZHI_ID, MAC, 12);
	for (size_t i = 0; c.username[i]; i++) {
		for (int bit = 1; bit < 128; bit <<= 1) {
			c.username[i] ^= (char)bit;
			assert_int_not_equal(verify(XIAOZHI_ID, c.username, c.password), CREDENTIAL_GOOD);
			c.username[i] ^= (char)bit;
		}
	}
}

static void another_client_id_or_device_is_refused(void **state)
{
	(void)state;
	struct credential c = issue("client-7", "lamp-1", 1);
	assert_int_equal(verify("client-8", "lamp-1", c.password), CREDENTIAL_WRONG);
	assert_int_equal(verify("client-7", "lamp-2", c.password), CREDENTIAL_WRONG);
	c = issue(XIAOZHI_ID, MAC, 1);
	assert_int_equal(verify("GID_test@@@11_22_33_44_55_67@@@36c98363-3656-43cb-a00f-8bced2391a90", c.username, c.password),
			 CREDENTIAL_WRONG);
}

static void the_fields_of_a_signature_cannot_be_shifted(void **state)
{
	(void)state;
	struct credential_keys one = {.count = 0};
	struct credential c;
	char device[CREDENTIAL_DEVICE_SIZE];
	uint32_t epoch;
	assert_true(credential_keys_parse(&one, NEW_KEY, NULL));
	assert_false(credential_issue(&one, "a|b", "c", 1, "", &c));
	assert_true(credential_issue(&one, "a", "b", 1, "", &c));
	assert_int_not_equal(credential_verify(&one, "a|b", "1", c.password, device, &epoch), CREDENTIAL_GOOD);
	credential_keys_clear(&one);
}

static void malformed_is_told_apart_from_wrong(void **state)
{
	(void)state;
	const char *passwords[] = {"",
				   ".",
				   "..",
				   "1.k1",
				   "1.k1.",
				   "0.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
				   "01.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
				   "-1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
				   "99999999999.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
				   "1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
				   "1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
				   "1.a-key-id-that-is-too-long.AAAA"};
	for (size_t i = 0; i < sizeof passwords / sizeof *passwords; i++) {
		assert_int_equal(verify("client-7", "lamp-1", passwords[i]), CREDENTIAL_MALFORMED);
	}
	assert_int_equal(verify(NULL, "lamp-1", "x"), CREDENTIAL_MALFORMED);
	assert_int_equal(verify("client-7", NULL, "x"), CREDENTIAL_MALFORMED);
	assert_int_equal(verify("client-7", "lamp-1", NULL), CREDENTIAL_MALFORMED);
}

static void usernames_that_are_not_base64_of_a_json_object_are_malformed(void **state)
{
	(void)state;
	const char *usernames[] = {"",
				   "eyJ",
				   "!!!!",
				   "eyJpcCI6IjEifQ",
				   "eyJpcCI6IjEifQ===",
				   "W10=" /* [] */,
				   "bnVsbA==",
				   "e30",
				   "e30= ",
				   " e30=",
				   "e3 0=",
				   "eyJlcG9jaCI6MH0=" /* epoch 0 */,
				   "eyJlcG9jaCI6LTF9",
				   "e30+",
				   "eyJrZXkiOiJ4eHh4eHh4eHh4eHh4eHh4eHh4eHh4In0="};
	char password[CREDENTIAL_PASSWORD_SIZE];
	for (size_t i = 0; i < sizeof usernames / sizeof *usernames; i++) {
		credential_xiaozhi_password(keys.at[0].key, XIAOZHI_ID, usernames[i], password);
		assert_int_equal(verify(XIAOZHI_ID, usernames[i], password), CREDENTIAL_MALFORMED);
	}
}

static void ids_of_two_or_four_parts_belong_to_nobody(void **state)
{
	(void)state;
	char device[CREDENTIAL_DEVICE_SIZE];
	const char *ids[] = {"GID@@@" MAC,
			     "GID@@@" MAC "@@@",
			     "@@@" MAC "@@@u",
			     "GID@@@" MAC "@@@u@@@v",
			     "GID@@@11_22_33_44_55_6G@@@u",
			     "GID@@@11:22:33:44:55:66@@@u",
			     "GID@@@AA_BB_CC_DD_EE_FF@@@u",
			     "GID@@@11_22_33_44_55@@@u",
			     "@@@",
			     "@@@@@@"};
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		assert_false(credential_device(ids[i], "lamp-1", device));
	}
}

static void the_services_ids_belong_to_no_device(void **state)
{
	(void)state;
	char device[CREDENTIAL_DEVICE_SIZE];
	struct credential c;
	struct err err = {0};
	assert_true(credential_is_service_id("otad"));
	assert_true(credential_is_service_id("otad:replica-2"));
	assert_false(credential_is_service_id("otad-lamp"));
	assert_false(credential_device("otad", "lamp-1", device));
	assert_false(credential_device("otad:x", "lamp-1", device));
	assert_false(credential_issue(&keys, "otad", "lamp-1", 1, "", &c));
	assert_false(credential_check_client_id("otad:echo", "lamp-1", &err));
	assert_non_null(strstr(err.text, "service's own"));
}

static void only_its_own_mac_fits_a_device(void **state)
{
	(void)state;
	struct err err = {0};
	assert_true(credential_check_client_id(XIAOZHI_ID, MAC, &err));
	assert_false(credential_check_client_id(XIAOZHI_ID, "lamp-1", &err));
	assert_false(credential_check_client_id("a@@@b", "lamp-1", &err));
	assert_false(credential_check_client_id("", "lamp-1", &err));
	assert_false(credential_check_client_id("a\nb", "lamp-1", &err));
}

static void key_files_are_strict(void **state)
{
	(void)state;
	const char *bad[] = {"",
			     "\n\n",
			     "# nothing\n",
			     "k1\n",
			     "k1 short\n",
			     " k1 a-secret-of-some-length\n",
			     "k1  a-secret-of-some-length\n",
			     "k1 a-secret of-some-length\n",
			     "k/1 a-secret-of-some-length\n",
			     "an-id-longer-than-16 a-secret-of-some-length\n",
			     (OLD_KEY OLD_KEY),
			     (OLD_KEY NEW_KEY "k3 a-third-one-is-too-many\n")};
	struct credential_keys k = {.count = 0};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = {0};
		assert_false(credential_keys_parse(&k, bad[i], &err));
		assert_int_not_equal(err.text[0], 0);
		assert_int_equal(k.count, 0);
	}
	assert_true(credential_keys_parse(&k, "# comment\r\n\nk1 a-secret-of-some-length\r\n", NULL));
	assert_string_equal(k.at[0].id, "k1");
	credential_keys_clear(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_gateways_vector),
		cmocka_unit_test(plain_credentials_name_device_and_epoch),
		cmocka_unit_test(xiaozhi_credentials_name_device_and_epoch),
		cmocka_unit_test(a_username_without_epoch_and_key_is_epoch_0),
		cmocka_unit_test(both_keys_verify_and_a_retired_one_does_not),
		cmocka_unit_test(another_key_under_the_same_id_is_refused),
		cmocka_unit_test(every_altered_character_of_a_password_is_refused),
		cmocka_unit_test(every_altered_character_of_a_username_is_refused),
		cmocka_unit_test(another_client_id_or_device_is_refused),
		cmocka_unit_test(the_fields_of_a_signature_cannot_be_shifted),
		cmocka_unit_test(malformed_is_told_apart_from_wrong),
		cmocka_unit_test(usernames_that_are_not_base64_of_a_json_object_are_malformed),
		cmocka_unit_test(ids_of_two_or_four_parts_belong_to_nobody),
		cmocka_unit_test(the_services_ids_belong_to_no_device),
		cmocka_unit_test(only_its_own_mac_fits_a_device),
		cmocka_unit_test(key_files_are_strict),
	};
	return cmocka_run_group_tests(tests, make_keys, clear_keys);
}
