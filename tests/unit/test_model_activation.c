#include "unit.h"

#include <string.h>

#include "common/text.h"
#include "model/activation.h"
#include "model/licence.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CHALLENGE "7c69ff8d-307c-4b90-ba29-7c24f4212fe9"
/* computed by Python's hmac module */
#define BY_RAW "6c7e57027ddedd08e90f65bc2df353f36bfecc2908d8bf092d6bf430703d9fce"
#define BY_HEX_TEXT "867981499fd019e0eea91b8cccfb167802eb83e56a4cbcdcc0d84308fe959be7"

static void a_code_is_six_digits_and_no_number_is_favoured(void **state)
{
	(void)state;
	char code[ACTIVATION_CODE_SIZE];
	assert_true(activation_code_from(0, code));
	assert_string_equal(code, "000000");
	assert_true(activation_code_from(1000042, code));
	assert_string_equal(code, "000042");
	assert_true(activation_code_from(4293999999, code));
	assert_string_equal(code, "999999");
	assert_false(activation_code_from(4294000000, code));
	assert_false(activation_code_from(UINT32_MAX, code));
}

static void fresh_codes_differ(void **state)
{
	(void)state;
	char codes[100][ACTIVATION_CODE_SIZE];
	int same = 0;
	for (int i = 0; i < 100; i++) {
		activation_code(codes[i]);
		assert_true(activation_is_code(codes[i]));
		for (int j = 0; j < i; j++) {
			same += strcmp(codes[i], codes[j]) == 0;
		}
	}
	assert_in_range(same, 0, 3);
}

static void what_is_no_code_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "12345", "1234567", "12345a", " 12345", "-12345", "12 345", "１２"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(activation_is_code(bad[i]));
	}
	assert_true(activation_is_code("012345"));
}

static void a_device_is_named_by_its_mac(void **state)
{
	(void)state;
	char name[NAME_SIZE];
	activation_name("94A9902C84B8", name);
	assert_string_equal(name, "94_a9_90_2c_84_b8");
	assert_true(text_is_device_name(name));
}

static void an_address_counts_by_its_network(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{"192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::", "2001:db8:1:2::/64"},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		char out[64];
		activation_network(pairs[i][0], out);
		assert_string_equal(out, pairs[i][1]);
	}
}

static struct licence_new take(const char *encoding)
{
	struct licence_new l = {0};
	assert_true(licence_take(&l, "SN-1", KEY, encoding, NULL));
	return l;
}

static void a_proof_is_the_hmac_by_the_licences_encoding(void **state)
{
	(void)state;
	struct licence_new raw = take("raw");
	struct licence_new text = take("hex_text");
	assert_true(activation_proves(&raw.key, CHALLENGE, BY_RAW));
	assert_true(activation_proves(&text.key, CHALLENGE, BY_HEX_TEXT));
	assert_false(activation_proves(&raw.key, CHALLENGE, BY_HEX_TEXT));
	assert_false(activation_proves(&text.key, CHALLENGE, BY_RAW));
	assert_false(activation_proves(&raw.key, "7c69ff8d-307c-4b90-ba29-7c24f4212fe8", BY_RAW));
	assert_false(activation_proves(&raw.key, CHALLENGE, ""));
	assert_false(activation_proves(&raw.key, CHALLENGE, BY_RAW "0"));
	assert_false(activation_proves(&raw.key, CHALLENGE, "6C7E57027DDEDD08E90F65BC2DF353F36BFECC2908D8BF092D6BF430703D9FCE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_code_is_six_digits_and_no_number_is_favoured),
		cmocka_unit_test(fresh_codes_differ),
		cmocka_unit_test(what_is_no_code_is_refused),
		cmocka_unit_test(a_device_is_named_by_its_mac),
		cmocka_unit_test(an_address_counts_by_its_network),
		cmocka_unit_test(a_proof_is_the_hmac_by_the_licences_encoding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
