#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "common/err.h"
#include "http/proxy.h"
#include "unit.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static union address make(const char *text)
{
	union address a;
	memset(&a, 0, sizeof(a));
	if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1);
		a.in6.sin6_family = AF_INET6;
	}
	return a;
}

static void expect(const char *list, const char *peer, const char *forwarded, const char *wanted)
{
	struct err err = {0};
	struct http_proxies *proxies = http_proxy_new(list, &err);
	assert_non_null(proxies);
	union address a = make(peer);
	char got[HTTP_PEER_SIZE];
	http_proxy_client(proxies, &a.any, forwarded, got);
	assert_string_equal(got, wanted);
	http_proxy_free(&proxies);
}

static void nobody_is_trusted_by_default(void **state)
{
	(void)state;
	expect("", "127.0.0.1", "1.2.3.4", "127.0.0.1");
	expect(" , ", "10.0.0.1", "1.2.3.4", "10.0.0.1");
}

static void a_trusted_proxy_is_believed(void **state)
{
	(void)state;
	expect("10.0.0.1", "10.0.0.1", "1.2.3.4", "1.2.3.4");
	expect("10.0.0.1", "10.0.0.2", "1.2.3.4", "10.0.0.2");
	expect("10.0.0.1", "10.0.0.1", NULL, "10.0.0.1");
	expect("192.0.2.0/24, 10.0.0.0/8", "10.200.3.4", "1.2.3.4", "1.2.3.4");
}

static void the_last_untrusted_address_counts(void **state)
{
	(void)state;
	expect("10.0.0.0/8", "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4");
	expect("10.0.0.0/8", "10.0.0.1", "6.6.6.6,1.2.3.4", "1.2.3.4");
	expect("10.0.0.0/8", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3");
}

static void rubbish_ends_the_search(void **state)
{
	(void)state;
	expect("10.0.0.0/8", "10.0.0.1", "1.2.3.4, unknown", "10.0.0.1");
	expect("10.0.0.0/8", "10.0.0.1", "1.2.3.4, , 10.0.0.2", "10.0.0.2");
	expect("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1");
	expect("10.0.0.0/8", "10.0.0.1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "10.0.0.1");
	expect("10.0.0.0/8", "10.0.0.1", "1.2.3.4\"; drop", "10.0.0.1");
}

static void ports_and_brackets_are_understood(void **state)
{
	(void)state;
	expect("10.0.0.1", "10.0.0.1", "1.2.3.4:5678", "1.2.3.4");
	expect("10.0.0.1", "10.0.0.1", "[2001:db8::1]:443", "2001:db8::1");
	expect("10.0.0.1", "10.0.0.1", "2001:DB8::1", "2001:db8::1");
}

static void mapped_addresses_are_ipv4(void **state)
{
	(void)state;
	expect("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:1.2.3.4", "1.2.3.4");
	expect("::ffff:10.0.0.0/104", "10.1.2.3", "1.2.3.4", "1.2.3.4");
	expect("", "::ffff:9.8.7.6", NULL, "9.8.7.6");
}

static void prefixes_of_any_length(void **state)
{
	(void)state;
	expect("2001:db8::/33", "2001:db8:7fff::1", "1.2.3.4", "1.2.3.4");
	expect("2001:db8::/33", "2001:db8:8000::1", "1.2.3.4", "2001:db8:8000::1");
	expect("10.0.0.0/31", "10.0.0.1", "1.2.3.4", "1.2.3.4");
	expect("10.0.0.0/31", "10.0.0.2", "1.2.3.4", "10.0.0.2");
	expect("::/0", "2001:db8::1", "1.2.3.4, 5.6.7.8", "1.2.3.4");
	expect("0.0.0.0/0", "2001:db8::1", "1.2.3.4", "2001:db8::1");
}

static void malformed_lists_name_the_item(void **state)
{
	(void)state;
	static const char *const bad[] = {"localhost",      "10.0.0.0/33",        "10.0.0.0/", "10.0.0.0/x",
					  "2001:db8::/129", "10.0.0.1, nonsense", "1.2.3"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		assert_null(http_proxy_new(bad[i], &err));
		assert_int_equal(err.kind, ERR_INVALID);
	}
	struct err err = {0};
	assert_null(http_proxy_new("10.0.0.1, nonsense", &err));
	assert_non_null(strstr(err.text, "\"nonsense\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_trusted_by_default),
		cmocka_unit_test(a_trusted_proxy_is_believed),
		cmocka_unit_test(the_last_untrusted_address_counts),
		cmocka_unit_test(rubbish_ends_the_search),
		cmocka_unit_test(ports_and_brackets_are_understood),
		cmocka_unit_test(mapped_addresses_are_ipv4),
		cmocka_unit_test(prefixes_of_any_length),
		cmocka_unit_test(malformed_lists_name_the_item),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
