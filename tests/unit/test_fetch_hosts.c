#include "unit.h"

#include <string.h>

#include "common/err.h"
#include "fetch/hosts.h"

static void a_host_is_allowed_by_its_entry_and_by_no_other(void **state)
{
	(void)state;
	static const struct {
		const char *list, *url;
		bool allowed;
	} rows[] = {
		{"files.example.com", "https://files.example.com/a.bin", true},
		{"files.example.com", "http://files.example.com/a.bin", true},
		{"files.example.com", "http://files.example.com:80/", true},
		{"files.example.com", "https://files.example.com:443/", true},
		{"files.example.com", "HTTPS://FILES.Example.COM./a", true},
		{"Files.Example.Com.", "https://files.example.com/", true},
		{" a.example , files.example.com ", "https://files.example.com", true},
		{"files.example.com", "https://files.example.com?x=1", true},
		{"files.example.com", "https://files.example.com#x", true},
		{"files.example.com", "https://files%2eexample.com/", true}, /* as it is connected to */
		{"files.example.com", "https://files.example.com:8443/", false},
		{"files.example.com", "http://files.example.com:443/", false},
		{"files.example.com", "https://files.example.com:80/", false},
		{"files.example.com", "https://xfiles.example.com/", false},
		{"files.example.com", "https://files.example.com.evil.org/", false},
		{"files.example.com", "https://evil.org/files.example.com", false},
		{"files.example.com", "https://evil.org#files.example.com/", false},
		{"files.example.com", "https://evil.org?files.example.com/", false},
		{"", "https://files.example.com/", false},
		{" , ,", "https://files.example.com/", false},
		{"files.example.com:8080", "http://files.example.com:8080/", true},
		{"files.example.com:8080", "https://files.example.com:8080/", true},
		{"files.example.com:8080", "http://files.example.com:08080/", true},
		{"files.example.com:8080", "http://files.example.com/", false},
		{"files.example.com:80", "http://files.example.com/", true},
		{"files.example.com:80", "https://files.example.com/", false},
		{"files.example.com:80", "https://files.example.com:80/", true},
		{"*.example.com", "https://a.example.com/", true},
		{"*.example.com", "https://A.B.example.com./", true},
		{"*.example.com", "https://example.com/", false},
		{"*.example.com", "https://.example.com/", false},
		{"*.example.com", "https://aexample.com/", false},
		{"*.example.com", "https://a.example.com:8443/", false},
		{"*.example.com:8443", "https://a.example.com:8443/", true},
		{"10.0.0.7", "http://10.0.0.7/", true},
		{"10.0.0.7", "http://0x0a.0.0.7/", true}, /* one address, several spellings: all are the one that is connected to */
		{"10.0.0.7", "http://012.0.0.7/", true},
		{"10.0.0.7", "http://167772167/", true},
		{"10.0.0.7", "http://10.7/", true},
		{"10.0.0.7", "http://10.0.0.70/", false},
		{"*.0.0.example", "http://10.0.0.7/", false},
		{"[fd00::7]", "http://[fd00::7]/", true},
		{"[FD00:0:0::7]:8080", "http://[fd00::7]:8080/", true},
		{"[fd00::7]", "http://[fd00::8]/", false},
		{"10.0.0.7", "http://[::ffff:10.0.0.7]/", false},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = {0};
		if (hosts_allow(rows[i].list, "import_hosts", rows[i].url, &err) != rows[i].allowed) {
			fail_msg("\"%s\" and %s: %s", rows[i].list, rows[i].url, rows[i].allowed ? err.text : "allowed");
		}
		if (!rows[i].allowed && err.kind != ERR_DENIED) {
			fail_msg("\"%s\" and %s: %s (%s)", rows[i].list, rows[i].url, err.text, err_kind_name(err.kind));
		}
	}
}

static void what_is_no_plain_url_is_refused_whoever_is_listed(void **state)
{
	(void)state;
	static const char *const urls[] = {
		"",
		"files.example.com",
		"/a.bin",
		"ftp://files.example.com/",
		"file:///etc/passwd",
		"gopher://files.example.com/",
		"https://files.example.com@evil.org/",
		"https://evil.org@files.example.com/",
		"https://user:password@files.example.com/",
		"https://@files.example.com/",
		"https://evil.org\\@files.example.com/",
		"https://files.example.com\\.evil.org/",
		"https://files.example.com:99999/",
		"https://files.example.com:x/",
		"https://files.example.com:-1/",
		"https://files.exa mple.com/",
		"https://files.example.com\n.evil.org/",
		"https://files.example.com%00.evil.org/",
		"https://files.example.com%2fx/",
		"https://[files.example.com]/",
		"https://[fe80::1%25eth0]/",
		"https://[::1/",
		"https://files.example.com../",
		"https://f\xc3\xadles.example.com/",
		"https://f%c3%adles.example.com/",
		"https://files\xe3\x80\x82.example.com/",
		"https://files%2cx.example.com/",
		"https:///",
		"https://",
	};
	static const char list[] = "files.example.com, *.example.com, evil.org, *.org, [fe80::1], [::1]";
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct err err = {0};
		if (hosts_allow(list, "import_hosts", urls[i], &err)) {
			fail_msg("%s is taken", urls[i]);
		}
		if (err.kind != ERR_INVALID) {
			fail_msg("%s: %s", urls[i], err.text);
		}
	}
}

static void a_refusal_names_the_entry_that_is_missing(void **state)
{
	(void)state;
	struct err err = {0};
	assert_false(hosts_allow("a.example", "import_hosts", "http://Files.example.com:8080/x?secret", &err));
	assert_string_equal(
		err.text,
		"the service fetches nothing from files.example.com:8080: its configuration's import_hosts must name it (it names "
		"others)");
	assert_false(hosts_allow("a.example", "import_hosts", "https://files.example.com:443/x", &err));
	assert_non_null(strstr(err.text, "from files.example.com: its"));
	assert_false(hosts_allow("", "import_hosts", "http://files.example.com:443/x", &err));
	assert_string_equal(
		err.text,
		"the service fetches nothing from files.example.com:443: its configuration's import_hosts must name it (it is empty: "
		"nobody)");
}

static void a_list_is_judged_entry_by_entry(void **state)
{
	(void)state;
	static const char *const good[] = {"", "a", "a.b:1", "*.b", "*.b.c:65535", "1.2.3.4", "[::1]", "[::1]:80", "a_b.c", " a ,, b ,"};
	static const char *const bad[] = {
		"*",   "*.",    "*a.b",      "a.*",     "http://a", "a/b", "a b",   "a:", "a:0x50", "a:70000",          ":80",
		"a@b", "a%2eb", "*.1.2.3.4", "*.[::1]", "[::1",     "::1", "a,*,b", ".a", "a..",    "[fe80::1%25eth0]", "\xc3\xa4.example"};
	for (size_t i = 0; i < COUNT(good); i++) {
		struct err err = {0};
		if (!hosts_check(good[i], &err)) {
			fail_msg("\"%s\": %s", good[i], err.text);
		}
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};
		if (hosts_check(bad[i], &err)) {
			fail_msg("\"%s\" is taken", bad[i]);
		}
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

static void an_entry_longer_than_any_name_is_refused(void **state)
{
	(void)state;
	struct err err = {0};
	char list[2000];
	memset(list, 'a', sizeof list);
	list[sizeof list - 1] = '\0';
	assert_false(hosts_check(list, &err));
	memset(list, ' ', sizeof list - 1);
	memcpy(list + sizeof list - 10, "a.example", 9);
	assert_true(hosts_allow(list, "import_hosts", "http://a.example/", &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_is_allowed_by_its_entry_and_by_no_other),
		cmocka_unit_test(what_is_no_plain_url_is_refused_whoever_is_listed),
		cmocka_unit_test(a_refusal_names_the_entry_that_is_missing),
		cmocka_unit_test(a_list_is_judged_entry_by_entry),
		cmocka_unit_test(an_entry_longer_than_any_name_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
