/* What RabbitMQ sends of its users, and what others make of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialect/broker_form.h"
#include "unit.h"

static struct broker_form form;

static bool parse(const char *text)
{
	return broker_form_parse(&form, text, strlen(text));
}

static void expect(const char *name, const char *value)
{
	const char *got = broker_form_get(&form, name);
	assert_non_null(got);
	assert_string_equal(got, value);
}

static void fields_are_decoded(void **state)
{
	(void)state;
	assert_true(parse("username=lamp-1&password=a%2Bb%26c%3d+d%C3%A9&empty=&variable_map.client_id=G%40%40%40x"));
	expect("username", "lamp-1");
	expect("password", "a+b&c= d\xc3\xa9");
	expect("empty", "");
	expect("variable_map.client_id", "G@@@x");
	assert_null(broker_form_get(&form, "user"));
	broker_form_free(&form);
	assert_null(broker_form_get(&form, "username"));
}

static void a_value_may_hold_equals_signs(void **state)
{
	(void)state;
	assert_true(parse("username=eyJpcCI6IiJ9==&x%3Dy=1"));
	expect("username", "eyJpcCI6IiJ9==");
	expect("x=y", "1");
	broker_form_free(&form);
}

static void nothing_has_no_fields(void **state)
{
	(void)state;
	assert_true(parse(""));
	assert_int_equal(form.count, 0);
	broker_form_free(&form);
}

static void odd_ones_are_refused_whole(void **state)
{
	(void)state;
	static const char *const odd[] = {
		"a",     "=1",    "a=1&",  "&a=1",     "a=1&&b=2", "a=1&a=2", "a=1&%61=2", "a=%",         "a=%4",   "a=%zz", "a=%4g",
		"a=%00", "%00=1", "a=%ff", "a=%c0%af", "a=%0a",    "a=\x01",  "a=1&b=%7f", "a=%ed%a0%80", "a=\xff", "a=1;b", "\xc3=\xa9",
	};
	for (size_t i = 0; i < COUNT(odd); i++) {
		bool good = strcmp(odd[i], "a=1;b") == 0; /* a semicolon is a character like others */
		if (parse(odd[i]) != good) {
			fail_msg("%s", odd[i]);
		}
		broker_form_free(&form);
	}
	assert_false(broker_form_parse(&form, "a=1\0b", 5));
}

static void too_much_is_refused(void **state)
{
	(void)state;
	char many[BROKER_FORM_FIELDS * 8 + 16] = "";
	for (int i = 0; i < BROKER_FORM_FIELDS; i++) {
		size_t at = strlen(many);
		snprintf(many + at, sizeof many - at, "%sf%d=x", i ? "&" : "", i);
	}
	assert_true(parse(many));
	assert_int_equal(form.count, BROKER_FORM_FIELDS);
	broker_form_free(&form);
	size_t len = strlen(many);
	snprintf(many + len, sizeof many - len, "&last=x");
	assert_false(parse(many));
	char *large = calloc(1, BROKER_FORM_MAX + 2);
	assert_non_null(large);
	memset(large, 'x', BROKER_FORM_MAX + 1);
	large[1] = '=';
	assert_false(broker_form_parse(&form, large, BROKER_FORM_MAX + 1));
	assert_true(broker_form_parse(&form, large, BROKER_FORM_MAX));
	broker_form_free(&form);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_decoded),    cmocka_unit_test(a_value_may_hold_equals_signs),
		cmocka_unit_test(nothing_has_no_fields), cmocka_unit_test(odd_ones_are_refused_whole),
		cmocka_unit_test(too_much_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
