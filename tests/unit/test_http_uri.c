#include <string.h>

#include "http/uri.h"
#include "unit.h"

static void fit_targets_pass(void **state)
{
	(void)state;
	assert_int_equal(http_uri_check("/"), 0);
	assert_int_equal(http_uri_check("/a/b?x=1&y=%C3%A9%20+"), 0);
	assert_int_equal(http_uri_check("/caf\xc3\xa9"), 0);
	assert_int_equal(http_uri_check("*"), 0);
}

static void bad_escapes_nul_and_bad_utf8_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"/%",     "/%4",     "/%4g",       "/%zz",   "/a%00.bin",     "/a?x=%00", "/a?x=%",
					  "/a?%c3", "/%c0%ae", "/%ed%a0%80", "/a\xff", "/%f5%80%80%80", "/%e2%82",  "/a?x=%c3&y=%a9"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(http_uri_check(bad[i]), 400);
	}
}

static void long_targets_are_refused(void **state)
{
	(void)state;
	static char uri[HTTP_URI_MAX + 2];
	memset(uri, 'a', sizeof(uri) - 1);
	uri[0] = '/';
	assert_int_equal(http_uri_check(uri), 414);
	uri[HTTP_URI_MAX] = '\0';
	assert_int_equal(http_uri_check(uri), 0);
}

static const char *path(const char *uri)
{
	static char text[256];
	memcpy(text, uri, strlen(uri) + 1);
	return http_uri_path(text);
}

static void paths_are_decoded_but_for_slash_and_percent(void **state)
{
	(void)state;
	assert_string_equal(path("/plain"), "/plain");
	assert_string_equal(path("/a%62c%20d"), "/abc d");
	assert_string_equal(path("/%2e%2E/x"), "/../x");
	assert_string_equal(path("/a%2Fb%2fc"), "/a%2Fb%2fc");
	assert_string_equal(path("/100%25"), "/100%25");
	assert_string_equal(path("http://host:80/x%41"), "/xA");
	assert_string_equal(path("HTTPS://host"), "");
}

static void segments_are_decoded_in_full(void **state)
{
	(void)state;
	char out[32];
	http_uri_segment("a%2Fb%25c", 9, out);
	assert_string_equal(out, "a/b%c");
	http_uri_segment("%252F", 5, out);
	assert_string_equal(out, "%2F");
	http_uri_segment("ab%2", 4, out);
	assert_string_equal(out, "ab%2");
	http_uri_segment("abcdef", 3, out);
	assert_string_equal(out, "abc");
}

static void values_are_decoded_in_place(void **state)
{
	(void)state;
	char text[] = "a%20b%c3%a9%26";
	assert_int_equal(http_uri_decode(text), 6);
	assert_string_equal(text, "a b\xc3\xa9&");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fit_targets_pass),
		cmocka_unit_test(bad_escapes_nul_and_bad_utf8_are_refused),
		cmocka_unit_test(long_targets_are_refused),
		cmocka_unit_test(paths_are_decoded_but_for_slash_and_percent),
		cmocka_unit_test(segments_are_decoded_in_full),
		cmocka_unit_test(values_are_decoded_in_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
