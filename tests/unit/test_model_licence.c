#include "unit.h"

#include <string.h>

#include "common/err.h"
#include "model/gateway.h"
#include "model/licence.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static void a_raw_key_is_the_bytes_of_its_digits(void **state)
{
	(void)state;
	static const uint8_t expected[] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	static const char *const encodings[] = {"", "raw"};
	for (size_t i = 0; i < COUNT(encodings); i++) {
		struct licence_new l = {0};
		assert_true(licence_take(&l, "A1", KEY, encodings[i], NULL));
		assert_int_equal(l.licence.encoding, LICENCE_RAW);
		assert_string_equal(l.licence.serial, "A1");
		assert_int_equal(l.key.len, 32);
		assert_memory_equal(l.key.bytes, expected, 16);
		assert_memory_equal(l.key.bytes + 16, expected, 16);
	}
}

static void as_text_the_digits_are_the_key_letter_by_letter(void **state)
{
	(void)state;
	struct licence_new l = {0};
	assert_true(licence_take(&l, "A1", KEY, "hex_text", NULL));
	assert_int_equal(l.licence.encoding, LICENCE_HEX_TEXT);
	assert_int_equal(l.key.len, 64);
	assert_memory_equal(l.key.bytes, KEY, 64);
	licence_key_wipe(&l.key);
	assert_int_equal(l.key.len, 0);
	assert_null(memmem(l.key.bytes, sizeof l.key.bytes, "0011", 4));
}

static void bad_licences_are_refused_without_showing_the_key(void **state)
{
	(void)state;
	static const struct {
		const char *serial, *key, *encoding, *part;
	} bad[] = {
		{"", KEY, "", "serial"},
		{"123456789012345678901234567890123", KEY, "", "serial"},
		{" A", KEY, "", "serial"},
		{"A ", KEY, "", "serial"},
		{"A\tB", KEY, "", "serial"},
		{"\x7f", KEY, "", "serial"},
		{"\xc3\xa4", KEY, "", "serial"},
		{"A1", "", "", "the key must be 64 hex digits"},
		{"A1", "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEF", "", "the key must be 64 hex digits"},
		{"A1", KEY "0", "", "the key must be 64 hex digits"},
		{"A1", "g0112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF", "hex_text", "the key must be 64 hex digits"},
		{"A1", KEY, "base64", "encoding"},
		{"A1", KEY, "RAW", "encoding"},
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct licence_new l = {0};
		struct err err = {0};
		assert_false(licence_take(&l, bad[i].serial, bad[i].key, bad[i].encoding, &err));
		assert_int_equal(err.kind, ERR_INVALID);
		if (!strstr(err.text, bad[i].part)) {
			fail_msg("%zu: %s", i, err.text);
		}
		assert_null(strstr(err.text, "112233"));
		assert_int_equal(l.key.len, 0);
	}
}

static void serials_of_32_characters_with_anything_printable_are_good(void **state)
{
	(void)state;
	struct licence_new l = {0};
	assert_true(licence_take(&l, "12345678901234567890123456789012", KEY, "", NULL));
	assert_true(licence_take(&l, "a \"b\",c;'~!", KEY, "", NULL));
}

static void an_endpoint_is_what_devices_can_parse(void **state)
{
	(void)state;
	static const char *const good[] = {"mqtt.example.com", "mqtt.example.com:8883", "192.0.2.1",         "192.0.2.1:1883",
					   "localhost:1",      "a-b.example.com:65535", "mqtt_gateway:1883", "EXAMPLE.com"};
	for (size_t i = 0; i < COUNT(good); i++) {
		struct err err = {0};
		if (!gateway_check_endpoint(good[i], &err)) {
			fail_msg("%s: %s", good[i], err.text);
		}
	}
}

static void endpoints_that_make_devices_reboot_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *endpoint, *part;
	} bad[] = {
		{"", "host or host:port"},
		{"mqtt://example.com", "scheme"},
		{"mqtts://example.com:8883", "scheme"},
		{"[2001:db8::1]:1883", "IPv6"},
		{"2001:db8::1", "IPv6"},
		{"::1", "IPv6"},
		{"example.com:", "port"},
		{"example.com:x", "port"},
		{"example.com:18 83", "port"},
		{"example.com:0", "port"},
		{"example.com:65536", "port"},
		{"example.com:-1", "port"},
		{"example.com:+1", "port"},
		{"example.com:01883", "port"},
		{"example.com:99999999999999999999", "port"},
		{"example.com:1883/mqtt", "port"},
		{"example.com/mqtt", "host"},
		{"exa mple.com", "host"},
		{":1883", "host"},
		{".example.com", "host"},
		{"example.com.", "host"},
		{"a..b", "host"},
		{"-a.com", "host"},
		{"a-.com", "host"},
		{"ex\xc3\xa4mple.com", "host"},
		{"user@example.com:1883", "host"},
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		if (gateway_check_endpoint(bad[i].endpoint, &err)) {
			fail_msg("taken: %s", bad[i].endpoint);
		}
		assert_int_equal(err.kind, ERR_INVALID);
		if (!strstr(err.text, bad[i].part)) {
			fail_msg("%s: %s", bad[i].endpoint, err.text);
		}
	}
	char longest[ENDPOINT_SIZE + 1];
	memset(longest, 'a', sizeof longest);
	longest[ENDPOINT_SIZE] = '\0';
	assert_false(gateway_check_endpoint(longest, NULL));
	longest[64] = '\0'; /* one label of 64 */
	assert_false(gateway_check_endpoint(longest, NULL));
	longest[63] = '\0';
	assert_true(gateway_check_endpoint(longest, NULL));
}

static void a_signature_key_is_printable_text(void **state)
{
	(void)state;
	char text[GATEWAY_KEY_SIZE + 1];
	memset(text, 'k', sizeof text);
	text[GATEWAY_KEY_SIZE] = '\0';
	assert_false(gateway_check_key(text, NULL));
	text[GATEWAY_KEY_SIZE - 1] = '\0';
	assert_true(gateway_check_key(text, NULL));
	assert_true(gateway_check_key("\xe5\xaf\x86\xe9\x92\xa5", NULL));
	static const char *const bad[] = {"", "secret\n", "secret\x7f", "secret\xff"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		assert_false(gateway_check_key(bad[i], &err));
		assert_null(strstr(err.text, "secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_raw_key_is_the_bytes_of_its_digits),
		cmocka_unit_test(as_text_the_digits_are_the_key_letter_by_letter),
		cmocka_unit_test(bad_licences_are_refused_without_showing_the_key),
		cmocka_unit_test(serials_of_32_characters_with_anything_printable_are_good),
		cmocka_unit_test(an_endpoint_is_what_devices_can_parse),
		cmocka_unit_test(endpoints_that_make_devices_reboot_are_refused),
		cmocka_unit_test(a_signature_key_is_printable_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
