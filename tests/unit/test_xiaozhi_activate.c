#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/err.h"
#include "dialect/xiaozhi_activate.h"

#define HMAC "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define CHALLENGE "7c69ff8d-307c-4b90-ba29-7c24f4212fe9"
#define FLAT "{\"algorithm\":\"hmac-sha256\",\"serial_number\":\"SN-1\",\"challenge\":\"" CHALLENGE "\",\"hmac\":\"" HMAC "\"}"

static struct xiaozhi_activate activate;
static struct err err;

static bool decode(const char *body)
{
	memset(&err, 0, sizeof err);
	memset(&activate, 0xa5, sizeof activate);
	return xiaozhi_activate_decode(body, strlen(body), &activate, &err);
}

static void a_device_without_a_key_posts_an_empty_object(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"", "{}", " {\r\n} ", "{\"Payload\":{}}", "{\"Payload\":null}", "{\"other\":[1]}", "{\"hmac\":null}"};
	for (size_t i = 0; i < COUNT(bodies); i++) {
		assert_true(decode(bodies[i]));
		assert_string_equal(activate.serial, "");
		assert_string_equal(activate.challenge, "");
		assert_string_equal(activate.hmac, "");
	}
}

static void flat_and_wrapped_bodies_say_the_same(void **state)
{
	(void)state;
	static const char *const bodies[] = {FLAT, "{\"Payload\":" FLAT "}"};
	for (size_t i = 0; i < COUNT(bodies); i++) {
		assert_true(decode(bodies[i]));
		assert_string_equal(activate.serial, "SN-1");
		assert_string_equal(activate.challenge, CHALLENGE);
		assert_string_equal(activate.hmac, HMAC);
	}
}

static void a_chip_without_a_key_sends_an_empty_hmac(void **state)
{
	(void)state;
	assert_true(decode("{\"algorithm\":\"hmac-sha256\",\"serial_number\":\"SN-1\",\"challenge\":\"c\",\"hmac\":\"\"}"));
	assert_string_equal(activate.serial, "SN-1");
	assert_string_equal(activate.hmac, "");
}

static void an_hmac_is_told_in_lower_case(void **state)
{
	(void)state;
	assert_true(decode("{\"serial_number\":\"S\",\"challenge\":\"c\","
			   "\"hmac\":\"0F1E2D3C4B5A69788796A5B4C3D2E1F00F1E2D3C4B5A69788796A5B4C3D2E1F0\"}"));
	assert_string_equal(activate.hmac, HMAC);
}

static void what_cannot_be_understood_is_refused(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"x",
		"[]",
		"null",
		"{\"hmac\":",
		"{\"Payload\":\"text\"}",
		"{\"Payload\":[]}",
		"{\"Payload\":{},\"Payload\":{}}",
		"{\"hmac\":\"\",\"hmac\":\"\"}",
		"{\"hmac\":5}",
		"{\"serial_number\":7}",
		"{\"serial_number\":\"123456789012345678901234567890123\"}",
		"{\"challenge\":\"12345678901234567890123456789012345678901234567890123456789012345\"}",
		"{\"serial_number\":\"S\",\"challenge\":\"c\",\"hmac\":\"0f1e\"}",
		"{\"serial_number\":\"S\",\"challenge\":\"c\",\"hmac\":\"" HMAC "00\"}",
		"{\"algorithm\":\"hmac-md5\",\"serial_number\":\"S\",\"challenge\":\"c\",\"hmac\":\"" HMAC "\"}",
		"{\"challenge\":\"c\",\"hmac\":\"" HMAC "\"}",
		"{\"serial_number\":\"S\",\"hmac\":\"" HMAC "\"}",
		"{\"challenge\":\"\xff\"}",
	};
	for (size_t i = 0; i < COUNT(bodies); i++) {
		if (decode(bodies[i])) {
			fail_msg("taken: %s", bodies[i]);
		}
		assert_int_equal(err.kind, ERR_INVALID);
		assert_true(err.text[0]);
	}
}

static void a_body_beyond_the_cap_is_refused(void **state)
{
	(void)state;
	static char body[XIAOZHI_ACTIVATE_BODY_MAX + 2];
	memset(body, ' ', sizeof body - 1);
	body[0] = '{';
	body[1] = '}';
	body[XIAOZHI_ACTIVATE_BODY_MAX] = '\0';
	assert_true(decode(body));
	body[XIAOZHI_ACTIVATE_BODY_MAX] = ' ';
	assert_false(decode(body));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_without_a_key_posts_an_empty_object), cmocka_unit_test(flat_and_wrapped_bodies_say_the_same),
		cmocka_unit_test(a_chip_without_a_key_sends_an_empty_hmac),     cmocka_unit_test(an_hmac_is_told_in_lower_case),
		cmocka_unit_test(what_cannot_be_understood_is_refused),         cmocka_unit_test(a_body_beyond_the_cap_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
