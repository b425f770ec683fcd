#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "dialect/fog_policy.h"
#include "unit.h"

enum { LONG = 3000 };

static const struct fog_policy sample = {
	.expires_ms = 1541665617000, .min = 1, .max = 200 << 20, .prefix = "ota/", .issuer = "operator \"one\""};

static void a_policy_comes_back_as_it_was(void **state)
{
	(void)state;
	char text[FOG_POLICY_SIZE];
	char json[FOG_POLICY_SIZE];
	struct fog_policy p;
	struct err err = {0};
	assert_true(fog_policy_encode(&sample, text));
	long n = text_unbase64(text, strlen(text), json, sizeof json - 1);
	assert_true(n > 0);
	json[n] = '\0';
	assert_string_equal(json, "{\"expiration\":\"2018-11-08T08:26:57.000Z\",\"conditions\":[[\"content-length-range\",1,209715200],"
				  "[\"starts-with\",\"$key\",\"ota/\"]],\"issuer\":\"operator \\\"one\\\"\"}");
	assert_true(fog_policy_decode(text, &p, &err));
	assert_int_equal(p.expires_ms, sample.expires_ms);
	assert_int_equal(p.min, sample.min);
	assert_int_equal(p.max, sample.max);
	assert_string_equal(p.prefix, sample.prefix);
	assert_string_equal(p.issuer, sample.issuer);
}

static bool decodes(const char *json, struct fog_policy *out)
{
	char text[2 * LONG];
	struct err err = {0};
	text_base64(text, json, strlen(json));
	bool ok = fog_policy_decode(text, out, &err);
	assert_int_equal(err.kind == ERR_NONE, ok);
	return ok;
}

#define RANGE "[\"content-length-range\",1,9]"
#define KEY "[\"starts-with\",\"$key\",\"ota/\"]"
#define POLICY(time, conditions) "{\"expiration\":\"" time "\",\"conditions\":[" conditions "],\"issuer\":\"me\"}"
#define TIME "2018-11-08T08:26:57Z"

static void conditions_come_in_any_order_and_times_with_or_without_milliseconds(void **state)
{
	(void)state;
	struct fog_policy p;
	assert_true(decodes(POLICY(TIME, KEY "," RANGE), &p));
	assert_int_equal(p.expires_ms, 1541665617000);
	assert_true(decodes(POLICY("2018-11-08T08:26:57.250Z", RANGE "," KEY), &p));
	assert_int_equal(p.expires_ms, 1541665617250);
	assert_true(decodes(POLICY("2024-02-29T23:59:59Z", RANGE "," KEY), &p));
}

static void what_is_no_policy_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		POLICY(TIME, ""),
		POLICY(TIME, RANGE),
		POLICY(TIME, KEY),
		POLICY(TIME, KEY "," KEY),
		POLICY(TIME, RANGE "," RANGE "," KEY),
		POLICY(TIME, RANGE "," KEY ",[\"eq\",\"$acl\",\"private\"]"),
		POLICY(TIME, KEY ",{\"bucket\":\"x\"}"),
		POLICY(TIME, KEY ",[\"content-length-range\",9,1]"),
		POLICY(TIME, KEY ",[\"content-length-range\",-1,1]"),
		POLICY(TIME, KEY ",[\"content-length-range\",1.5,2]"),
		POLICY(TIME, KEY ",[\"content-length-range\",1,1e300]"),
		POLICY(TIME, KEY ",[\"content-length-range\",\"1\",2]"),
		POLICY(TIME, KEY ",[\"content-length-range\",1]"),
		POLICY(TIME, KEY ",[\"content-length-range\",1,2,3]"),
		POLICY(TIME, RANGE ",[\"starts-with\",\"$name\",\"x\"]"),
		POLICY(TIME, RANGE ",[\"starts-with\",\"$key\",7]"),
		POLICY(TIME, RANGE ",[\"starts-with\",\"$key\",\""
				   "a234567890123456789012345678901234567890"
				   "\"]"),
		POLICY("2018-11-08 08:26:57Z", RANGE "," KEY),
		POLICY("2018-11-08T08:26:57", RANGE "," KEY),
		POLICY("2018-02-30T08:26:57Z", RANGE "," KEY),
		POLICY("2018-11-08T24:26:57Z", RANGE "," KEY),
		POLICY("1969-12-31T23:59:59Z", RANGE "," KEY),
		POLICY("2018-11-08T08:26:57.2Z ", RANGE "," KEY),
		POLICY("2018-11-08T08:26:57,250Z", RANGE "," KEY),
		"{\"expiration\":\"" TIME "\",\"conditions\":[" RANGE "," KEY "]}",
		"{\"expiration\":\"" TIME "\",\"conditions\":[" RANGE "," KEY "],\"issuer\":\"me\",\"more\":1}",
		"{\"expiration\":\"" TIME "\",\"conditions\":[" RANGE "," KEY "],\"issuer\":\"\"}",
		"{\"expiration\":1,\"conditions\":[" RANGE "," KEY "],\"issuer\":\"me\"}",
	};
	struct fog_policy p;
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (decodes(bad[i], &p)) {
			fail_msg("taken: %s", bad[i]);
		}
	}
	char text[LONG];
	memset(text, 'A', sizeof text);
	text[2000] = '\0';
	assert_false(fog_policy_decode(text, &p, NULL));
	assert_false(fog_policy_decode("%%%%", &p, NULL));
}

static void the_longest_one_fits(void **state)
{
	(void)state;
	struct fog_policy p = sample;
	struct fog_policy again;
	char text[FOG_POLICY_SIZE];
	p.min = p.max = (uint64_t)1 << 53;
	memset(p.issuer, '"', sizeof p.issuer - 1); /* two bytes each in JSON */
	memset(p.prefix, '"', sizeof p.prefix - 1);
	p.issuer[sizeof p.issuer - 1] = p.prefix[sizeof p.prefix - 1] = '\0';
	assert_true(fog_policy_encode(&p, text));
	assert_true(fog_policy_decode(text, &again, NULL));
	assert_int_equal(again.max, p.max);
	assert_string_equal(again.issuer, p.issuer);
	assert_string_equal(again.prefix, p.prefix);
}

static void keys_are_plain_and_short(void **state)
{
	(void)state;
	static const char *const good[] = {"a", "ota/a.bin", "ota/2018/11/x_y-1.0.1.bin", "ota/...", "ota/.hidden"};
	static const char *const bad[] = {"",
					  "/",
					  "/a",
					  "a/",
					  "a//b",
					  ".",
					  "..",
					  "ota/..",
					  "ota/../a",
					  "ota/./a",
					  "a/b/c/d/e",
					  "ota/a b",
					  "ota/a%2e",
					  "ota/a?",
					  "ota/a#b",
					  "ota/\xe5\x9b\xba",
					  "ota/a\\b",
					  "ota/a+b",
					  "ota/${filename}",
					  "ota/a\n"};
	char key[FOG_KEY_SIZE + 1];
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(fog_policy_is_key(good[i]));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (fog_policy_is_key(bad[i])) {
			fail_msg("taken: %s", bad[i]);
		}
	}
	memset(key, 'a', sizeof key);
	key[FOG_KEY_SIZE - 1] = '\0';
	assert_true(fog_policy_is_key(key));
	key[FOG_KEY_SIZE - 1] = 'a';
	key[FOG_KEY_SIZE] = '\0';
	assert_false(fog_policy_is_key(key));
}

static void the_file_s_name_takes_its_place_in_the_key(void **state)
{
	(void)state;
	char key[16];
	assert_true(fog_policy_key(key, sizeof key, "ota/x", "a.bin"));
	assert_string_equal(key, "ota/x");
	assert_true(fog_policy_key(key, sizeof key, "ota/${filename}.1", "a.bin"));
	assert_string_equal(key, "ota/a.bin.1");
	assert_true(fog_policy_key(key, sizeof key, "ota/${filename}", "01234567890"));
	assert_false(fog_policy_key(key, sizeof key, "ota/${filename}", "012345678901"));
	assert_true(fog_policy_key(key, sizeof key, "ota/${filename}", "")); /* "ota/" is no key */
	assert_false(fog_policy_is_key(key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_comes_back_as_it_was),
		cmocka_unit_test(conditions_come_in_any_order_and_times_with_or_without_milliseconds),
		cmocka_unit_test(what_is_no_policy_is_refused),
		cmocka_unit_test(the_longest_one_fits),
		cmocka_unit_test(keys_are_plain_and_short),
		cmocka_unit_test(the_file_s_name_takes_its_place_in_the_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
