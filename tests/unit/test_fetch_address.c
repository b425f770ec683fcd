#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "common/err.h"
#include "fetch/address.h"

static bool check(const char *text, struct err *err)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		return address_check((const struct sockaddr *)&v4, err);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return address_check((const struct sockaddr *)&v6, err);
}

static void public_and_private_ones_are_good(void **state)
{
	(void)state;
	static const char *const good[] = {
		"1.1.1.1",          "10.0.0.7",        "172.16.0.1",       "192.168.1.1",     "192.0.2.2",       "100.64.0.1",
		"126.255.255.255",  "128.0.0.0",       "169.253.0.1",      "169.255.0.0",     "223.255.255.255", "192.0.1.0",
		"2606:4700::1111",  "fd00::7",         "fdff:1::1",        "2001:1::1",       "fec0::1",         "::ffff:10.0.0.7",
		"64:ff9b::808:808", "2002:808:808::1", "::ffff:0:8.8.8.8", "100.100.100.201", "fe7f::1",         "2003::1",
	};
	for (size_t i = 0; i < COUNT(good); i++) {
		struct err err = {0};
		if (!check(good[i], &err)) {
			fail_msg("%s: %s", good[i], err.text);
		}
	}
}

static void those_that_only_a_machine_or_its_link_can_mean_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *address, *what;
	} bad[] = {
		{"0.0.0.0", "unspecified"},
		{"0.1.2.3", "unspecified"},
		{"127.0.0.1", "loopback"},
		{"127.255.255.254", "loopback"},
		{"169.254.0.1", "link-local"},
		{"169.254.169.254", "link-local"},
		{"224.0.0.1", "multicast"},
		{"239.255.255.255", "multicast"},
		{"255.255.255.255", "broadcast"},
		{"240.0.0.1", "reserved"},
		{"192.0.0.192", "reserved"},
		{"100.100.100.200", "metadata"},
		{"168.63.129.16", "metadata"},
		{"::", "unspecified"},
		{"::1", "loopback"},
		{"::7f00:1", "reserved"}, /* ::127.0.0.1 */
		{"::ffff:127.0.0.1", "loopback"},
		{"::ffff:0.0.0.0", "unspecified"},
		{"::ffff:169.254.169.254", "link-local"},
		{"::ffff:255.255.255.255", "broadcast"},
		{"::ffff:0:127.0.0.1", "loopback"},
		{"64:ff9b::7f00:1", "loopback"},
		{"64:ff9b::a9fe:a9fe", "link-local"},
		{"64:ff9b:1::808:808", "local translator"},
		{"2002:7f00:1::", "loopback"},
		{"2002:a9fe:a9fe::1", "link-local"},
		{"2002:e000:1::", "multicast"},
		{"2001:0:4136:e378:8000:63bf:3fff:fdd2", "tunnel"},
		{"fe80::1", "link-local"},
		{"febf::1", "link-local"},
		{"ff02::1", "multicast"},
		{"fd00:ec2::254", "metadata"},
		{"fd20:ce::254", "metadata"},
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		if (check(bad[i].address, &err)) {
			fail_msg("%s is taken", bad[i].address);
		}
		assert_int_equal(err.kind, ERR_DENIED);
		assert_true(strchr(bad[i].address, ':') || strstr(err.text, bad[i].address));
		if (!strstr(err.text, bad[i].what)) {
			fail_msg("%s: \"%s\" does not say %s", bad[i].address, err.text, bad[i].what);
		}
	}
}

static void what_is_no_internet_address_is_refused(void **state)
{
	(void)state;
	struct err err = {0};
	const struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
	assert_false(address_check((const struct sockaddr *)&un, &err));
	assert_int_equal(err.kind, ERR_DENIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_and_private_ones_are_good),
		cmocka_unit_test(those_that_only_a_machine_or_its_link_can_mean_are_refused),
		cmocka_unit_test(what_is_no_internet_address_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
