/* What devices may be told of a voice back end. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "model/voice.h"

static void a_url_is_one_that_devices_can_read(void **state)
{
	(void)state;
	static const struct {
		const char *url, *words;
	} cases[] = {
		{"wss://voice.example.com/v1/?device=1", NULL},
		{"ws://192.0.2.1:8000/xiaozhi/v1/", NULL},
		{"ws://voice", NULL},
		{"", NULL}, /* none at all */
		{"voice.example.com", "begin with ws"},
		{"https://voice.example.com", "begin with ws"},
		{"WS://voice.example.com", "begin with ws"},
		{"ws:/voice", "begin with ws"},
		{"ws://", "go on with host"},
		{"ws:///path", "go on with host"},
		{"ws://[2001:db8::1]/", "go on with host"},
		{"ws://voice:port/", "go on with host"},
		{"ws://voice:70000/", "go on with host"},
		{"ws://me@voice/", "go on with host"},
		{"ws://voice/a b", "must be encoded"},
		{"ws://voice/\"", "must be encoded"},
		{"ws://voice/\xc3\xa4", "must be encoded"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		struct voice v = {.product_id = 1};
		text_copy(v.ws_url, sizeof v.ws_url, cases[i].url);
		assert_int_equal(voice_check(&v, "", &err), !cases[i].words);
		assert_true(!cases[i].words || strstr(err.text, cases[i].words));
	}
}

static void token_and_version_are_bounded_and_need_a_url(void **state)
{
	(void)state;
	char longest[VOICE_TEXT_SIZE + 1];
	struct err err = {0};
	struct voice v = {.ws_url = "ws://voice", .ws_version = VOICE_VERSION_MAX};
	memset(longest, 'x', sizeof longest);
	longest[VOICE_TEXT_SIZE - 1] = '\0';
	assert_true(voice_check(&v, longest, &err));
	longest[VOICE_TEXT_SIZE - 1] = 'x';
	longest[VOICE_TEXT_SIZE] = '\0';
	assert_false(voice_check(&v, longest, &err));
	assert_non_null(strstr(err.text, "at most 3999 bytes"));
	assert_null(strstr(err.text, "xxx"));
	assert_false(voice_check(&v, "a\nb", &err));
	v.ws_version = VOICE_VERSION_MAX + 1;
	assert_false(voice_check(&v, "", &err));
	v.ws_version = 1;
	*v.ws_url = '\0';
	assert_false(voice_check(&v, "", &err));
	v.ws_version = 0;
	assert_false(voice_check(&v, "token", &err));
	assert_true(voice_check(&v, "", &err));
}

static void names_are_read_as_they_are_written(void **state)
{
	(void)state;
	for (enum voice_mqtt mqtt = VOICE_OWN; mqtt <= VOICE_NONE; mqtt++) {
		enum voice_mqtt read = VOICE_OWN;
		assert_true(voice_mqtt_parse(voice_mqtt_name(mqtt), &read));
		assert_int_equal(read, mqtt);
	}
	assert_false(voice_mqtt_parse("ours", &(enum voice_mqtt){VOICE_OWN}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_is_one_that_devices_can_read),
		cmocka_unit_test(token_and_version_are_bounded_and_need_a_url),
		cmocka_unit_test(names_are_read_as_they_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
