#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "common/buf.h"
#include "common/err.h"
#include "config/config.h"
#include "config/config_mask.h"

static char folder[] = "/tmp/otad-config-XXXXXX";
static char path[64];
static char secret_path[64];

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL) {
		return -1;
	}
	snprintf(path, sizeof path, "%s/conf", folder);
	snprintf(secret_path, sizeof secret_path, "%s/secret", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	unlink(secret_path);
	return rmdir(folder);
}

static int clear_environment(void **state)
{
	(void)state;
	return unsetenv("OTAD_HTTP_PORT") | unsetenv("OTAD_PG") | unsetenv("OTAD_MQTT_PASSWORD") | unsetenv("OTAD_MQTT_PASSWORD_FILE") |
	       unsetenv("OTAD_TOKEN");
}

static void write_to(const char *file, const char *data, size_t len)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static struct config *load(const char *text)
{
	struct err err = {0};
	write_to(path, text, strlen(text));
	struct config *c = config_load(path, &err);
	if (c == NULL) {
		fail_msg("%s", err.text);
	}
	return c;
}

static void expect_refused(const char *text, const char *sentence)
{
	struct err err = {0};
	write_to(path, text, strlen(text));
	struct config *c = config_load(path, &err);
	if (c != NULL || strstr(err.text, sentence) == NULL) {
		fail_msg("%s: got: %s", text, err.text);
	}
}

static void without_a_file_every_key_has_its_default(void **state)
{
	(void)state;
	struct config *c = config_load(NULL, NULL);
	assert_non_null(c);
	assert_string_equal(c->http_address, "0.0.0.0");
	assert_int_equal(c->http_port, 8080);
	assert_int_equal(c->http_idle_timeout, 60000);
	assert_int_equal(c->upload_max, 200 << 20);
	assert_int_equal(c->events_keep, 400LL * 86400000);
	assert_string_equal(c->pg, "");
	assert_false(secret_is_set(&c->mqtt_password));
	config_free(&c);
	assert_null(c);
	config_free(&c);
}

static void a_file_is_read_by_its_syntax(void **state)
{
	(void)state;
	struct config *c = load("# comment\n"
				"\n"
				"  http_port=9000  \r\n"
				"\tupload_max = 64KB # behind a value\n"
				"mqtt_username = a#b c\n"
				"mqtt_host = \"  with \\\"#\\\" and \\\\ \"  # comment\n"
				"cache_dir = /var/x=y\n"
				"trusted_proxies = # empty\n"
				"drain_timeout = 250ms");
	assert_int_equal(c->http_port, 9000);
	assert_int_equal(c->upload_max, 65536);
	assert_string_equal(c->mqtt_username, "a#b c");
	assert_string_equal(c->mqtt_host, "  with \"#\" and \\ ");
	assert_string_equal(c->cache_dir, "/var/x=y");
	assert_string_equal(c->trusted_proxies, "");
	assert_int_equal(c->drain_timeout, 250);
	config_free(&c);
}

static void the_environment_wins_over_the_file(void **state)
{
	(void)state;
	setenv("OTAD_HTTP_PORT", "9002", 1);
	setenv("OTAD_TOKEN", "not a key of ours", 1);
	struct config *c = load("http_port = 9001\nmqtt_port = 1884\n");
	assert_int_equal(c->http_port, 9002);
	assert_int_equal(c->mqtt_port, 1884);
	config_free(&c);
	setenv("OTAD_HTTP_PORT", "many", 1);
	expect_refused("", "environment variable OTAD_HTTP_PORT: http_port: \"many\" is not a whole number");
}

static void faults_are_named_by_file_line_and_key(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"\nhttp_prot = 1\n", ":2: unknown key \"http_prot\"; did you mean http_port?"},
		{"HTTP-Port = 1\n", ":1: unknown key \"HTTP-Port\"; did you mean http_port?"},
		{"mqtt_pasword_file = x\n", "did you mean mqtt_password_file?"},
		{"completely_different_thing = 1\n", "unknown key \"completely_different_thing\"; otad --print-config lists all keys"},
		{"http_port = 70000\n", ":1: http_port: 70000 is out of range (-1 to 65535)"},
		{"http_port = -2\n", "out of range"},
		{"https_port = -1\n", "out of range"},
		{"http_port = -1\n", "http_port: is -1 (no plain HTTP) and tls_cert_file is not set (no HTTPS): nothing would listen"},
		{"tls_cert_file = c.pem\n", "tls_key_file: must be set too, because tls_cert_file is"},
		{"tls_key_file = k.pem\n", "tls_cert_file: must be set too, because tls_key_file is"},
		{"http_port = 8443\ntls_cert_file = c\ntls_key_file = k\n", "https_port: is the same as http_port"},
		{"mqtt_tls = yes\n", "mqtt_tls: \"yes\" is neither on nor off"},
		{"mqtt_tls = on\nmqtt_host = ::1\n", "mqtt_host: with mqtt_tls it must be a name or an IPv4 address"},
		{"mqtt_ca_file = ca.pem\n", "mqtt_ca_file: is set, but mqtt_tls is off"},
		{"fetch_ca_file = /nowhere/ca.pem\n", "fetch_ca_file: /nowhere/ca.pem: No such file or directory"},
		{"http_port = 80a\n", "http_port: \"80a\" is not a whole number"},
		{"http_port =\n", "http_port: \"\" is not a whole number"},
		{"http_port = 99999999999999999999\n", "is not a whole number"},
		{"http_idle_timeout = 10ms\n", "http_idle_timeout: 10ms is out of range (1s to 1h)"},
		{"http_idle_timeout = soon\n", "is not a time like"},
		{"upload_max = 5GB\n", "upload_max: 5GB is out of range (1KB to 4GB)"},
		{"upload_max = 18446744073709551615\n", "out of range"},
		{"upload_max = big\n", "is not a size like"},
		{"http_port = 1\nmqtt_port = 2\nhttp_port = 3\n", ":3: http_port: already set in line 1"},
		{"http_port\n", ":1: not of the form \"key = value\""},
		{"= 5\n", "no key before the ="},
		{"cache_dir = \"unclosed\n", "a quoted value must end"},
		{"cache_dir = \"a\" b\n", "a quoted value must end"},
		{"cache_dir = \"a\\\n", "a quoted value must end"},
		{"cache_dir = a\x1b[31m\n", "not printable"},
		{"cache_dir = \xff\n", "not printable"},
		{"http_address = localhost\n", "http_address: \"localhost\" is not a numeric"},
		{"trusted_proxies = 10.0.0.0/8, 10.0.0.0/33\n", "trusted_proxies: \"10.0.0.0/33\""},
		{"trusted_proxies = proxy.example.com\n", "trusted_proxies: \"proxy.example.com\""},
		{"trusted_proxies = ::1/129\n", "trusted_proxies"},
		{"trusted_proxies = 10.0.0.0/\n", "trusted_proxies"},
		{"public_url = ota.example.com\n", "public_url: must be http(s)://"},
		{"public_url = https://\n", "public_url"},
		{"public_url = https:///\n", "public_url"},
		{"public_url = https://h/?q\n", "public_url"},
		{"public_url = https://u:p@h\n", "public_url"},
		{"log_level = loud\n", "log_level: \"loud\" is none of"},
		{"log_format = xml\n", "log_format: \"xml\""},
		{"resend_min = 1h\n", "resend_min: is longer than resend_max"},
		{"mqtt_client_id =\n", "mqtt_client_id: must not be empty"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		expect_refused(rows[i][0], rows[i][1]);
	}
	expect_refused("x = 1\n", path);
}

static void tls_may_stand_beside_plain_http_or_alone(void **state)
{
	(void)state;
	struct config *c = load("tls_cert_file = c\ntls_key_file = k\nmqtt_tls = on\nmqtt_ca_file = ca\n");
	assert_int_equal(c->http_port, 8080);
	assert_int_equal(c->https_port, 8443);
	config_free(&c);
	c = load("http_port = -1\ntls_cert_file = c\ntls_key_file = k\nmqtt_tls = on\n");
	assert_int_equal(c->http_port, -1);
	assert_string_equal(c->mqtt_ca_file, "");
	config_free(&c);
	c = load("http_port = 0\nhttps_port = 0\ntls_cert_file = c\ntls_key_file = k\n"); /* two free ones */
	config_free(&c);
}

static void unreadable_files_are_refused(void **state)
{
	(void)state;
	struct err err = {0};
	assert_null(config_load("/nonexistent/otad.conf", &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_null(config_load(folder, &err));
	write_to(path, "http_port = 1\n\0\n", 16);
	assert_null(config_load(path, &err));
	assert_non_null(strstr(err.text, "NUL"));
	char *big = malloc((1 << 20) + 1);
	assert_non_null(big);
	memset(big, '#', (1 << 20) + 1);
	write_to(path, big, 1 << 20);
	struct config *c = config_load(path, &err);
	assert_non_null(c);
	config_free(&c);
	write_to(path, big, (1 << 20) + 1);
	assert_null(config_load(path, &err));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
	free(big);
}

static void urls_and_address_lists_are_accepted(void **state)
{
	(void)state;
	struct config *c = load("trusted_proxies = 127.0.0.1, 10.0.0.0/8,::1 fd00::/8\npublic_url = "
				"https://ota.example.com:8443/base//\nhttp_address = ::\n");
	assert_string_equal(c->public_url, "https://ota.example.com:8443/base");
	config_free(&c);
}

/* ---- secrets ---- */

static void a_secret_comes_from_its_file(void **state)
{
	(void)state;
	char text[256];
	write_to(secret_path, "from file\n", 10);
	snprintf(text, sizeof text, "mqtt_password_file = %s\n", secret_path);
	struct config *c = load(text);
	assert_true(secret_equals(&c->mqtt_password, "from file"));
	config_free(&c);
	chmod(secret_path, 0644);
	expect_refused(text, "chmod o= ");
	chmod(secret_path, 0600);
	expect_refused("mqtt_password_file = /nonexistent\n", "mqtt_password_file: /nonexistent: ");
}

static void of_secret_and_secret_file_the_later_source_counts(void **state)
{
	(void)state;
	char text[256];
	write_to(secret_path, "from file\n", 10);
	snprintf(text, sizeof text, "mqtt_password = inline\nmqtt_password_file = %s\n", secret_path);
	expect_refused(text, "mqtt_password and mqtt_password_file are both set");
	setenv("OTAD_MQTT_PASSWORD_FILE", secret_path, 1);
	struct config *c = load("mqtt_password = inline\n");
	assert_true(secret_equals(&c->mqtt_password, "from file"));
	config_free(&c);
	unsetenv("OTAD_MQTT_PASSWORD_FILE");
	setenv("OTAD_MQTT_PASSWORD", "from environment", 1);
	snprintf(text, sizeof text, "mqtt_password_file = %s\n", secret_path);
	c = load(text);
	assert_true(secret_equals(&c->mqtt_password, "from environment"));
	config_free(&c);
	setenv("OTAD_MQTT_PASSWORD", "", 1);
	c = load("mqtt_password = inline\n");
	assert_false(secret_is_set(&c->mqtt_password));
	config_free(&c);
}

/* ---- printing ---- */

static char *print(const struct config *c)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	config_print(c, &b);
	assert_true(buf_ok(&b));
	char *text = strdup(buf_cstr(&b));
	buf_free(&b);
	assert_non_null(text);
	return text;
}

static void printing_masks_secrets(void **state)
{
	(void)state;
	struct config *c = load("mqtt_password = tops3cret\n"
				"pg = postgresql://otad:tops3cret@db/otad\n"
				"pg_migrate = \"host=db password='tops3cret'\"\n");
	char *text = print(c);
	assert_null(strstr(text, "tops3cret"));
	assert_non_null(strstr(text, "\nmqtt_password = ********\n"));
	assert_non_null(strstr(text, "\npg = postgresql://otad:********@db/otad\n"));
	assert_non_null(strstr(text, "\npg_migrate = host=db password=********\n"));
	free(text);
	config_free(&c);
}

static void what_is_printed_can_be_read_again(void **state)
{
	(void)state;
	struct config *c = load("mqtt_host = \" a # \\\"b\\\" \\\\ \"\nmqtt_username = \"\\\"quoted\\\"\"\nresend_max = "
				"90s\nupload_max = 1025\ncache_max = 3TB\n");
	char *first = print(c);
	config_free(&c);
	assert_non_null(strstr(first, "\nresend_max = 90s\n"));
	assert_non_null(strstr(first, "\nupload_max = 1025\n"));
	assert_non_null(strstr(first, "\ncache_max = 3TB\n"));
	c = load(first);
	assert_string_equal(c->mqtt_host, " a # \"b\" \\ ");
	assert_string_equal(c->mqtt_username, "\"quoted\"");
	char *second = print(c);
	assert_string_equal(first, second);
	config_free(&c);
	free(first);
	free(second);
}

/* The example with every # before a key removed is the defaults. */
static void the_example_names_every_key_with_its_default(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1 << 20);
	config_print_example(&b);
	assert_true(buf_ok(&b));
	char *text = strdup(buf_cstr(&b));
	assert_non_null(text);
	buf_free(&b);
	size_t keys = 0;
	for (char *at = text; (at = strstr(at, "\n#")) != NULL; at++) {
		if (at[2] != ' ') {
			at[1] = ' ';
			keys++;
		}
	}
	size_t expected = 0;
#define X(name, type, def, min, max, reload, help) expected++;
	CONFIG_KEYS(X)
#undef X
	assert_int_equal(keys, expected);
	struct config *from_example = load(text);
	struct config *defaults = config_load(NULL, NULL);
	char *one = print(from_example);
	char *other = print(defaults);
	assert_string_equal(one, other);
	free(one);
	free(other);
	free(text);
	config_free(&from_example);
	config_free(&defaults);
}

static void connection_strings_are_masked(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"", ""},
		{"postgresql://", "postgresql://"},
		{"postgresql:///db?host=/tmp", "postgresql:///db?host=/tmp"},
		{"postgres://u@h:5432/db", "postgres://u@h:5432/db"},
		{"postgres://u:pw@h1:1,h2:2/db?target_session_attrs=any", "postgres://u:********@h1:1,h2:2/db?target_session_attrs=any"},
		{"postgres://u:pw@[::1]:5432/db", "postgres://u:********@[::1]:5432/db"},
		{"postgres://u:@h", "postgres://u:********@h"},
		{"postgres://u:p/w@h/db", "postgres://u:********@h/db"},
		{"postgres://u:p@w@h/db", "postgres://u:********@h/db"},
		{"postgres://u:p?w@h/db", "postgres://u:********@h/db"},
		{"postgres://h/db?password=pw", "postgres://h/db?password=********"},
		{"postgres://h/db?user=a&password=pw&sslpassword=pw&x=y",
		 "postgres://h/db?user=a&password=********&sslpassword=********&x=y"},
		{"postgres://h/db?pass%77ord=pw", "postgres://h/db?pass%77ord=********"},
		{"postgres://h/db?flag&password=", "postgres://h/db?flag&password=********"},
		{"host=h user=u", "host=h user=u"},
		{"host=h password=pw user=u", "host=h password=******** user=u"},
		{"host = h  password = 'p w\\' x' user=u", "host=h password=******** user=u"},
		{"password=p\\ w user=u", "password=******** user=u"},
		{"password=pw\\", "password=********"},
		{"sslpassword='pw'host=h", "sslpassword=******** host=h"},
		{"password='pw", "********"},
		{"just words", "********"},
		{"host=h pw", "********"},
		{"=pw", "********"},
		{"http://u:pw@h", "********"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b;
		buf_init(&b, 1000);
		config_mask_dsn(rows[i][0], &b);
		assert_string_equal(b.len > 0 ? buf_cstr(&b) : "", rows[i][1]);
		buf_free(&b);
	}
}

/* ---- reload ---- */

static void a_reload_applies_what_may_change_and_names_the_rest(void **state)
{
	(void)state;
	struct config *old = load("http_port = 1000\nlog_level = info\nmqtt_password = one\ncache_dir = /a\n");
	struct config *fresh = load("http_port = 2000\nlog_level = debug\nmqtt_password = two\ncache_dir = /a\nworkers = 9\n");
	struct buf ignored;
	buf_init(&ignored, 1000);
	assert_true(config_keep_fixed(fresh, old, &ignored));
	assert_string_equal(buf_cstr(&ignored), "http_port, workers, mqtt_password");
	assert_int_equal(fresh->http_port, 1000);
	assert_int_equal(fresh->workers, 4);
	assert_string_equal(fresh->log_level, "debug");
	assert_true(secret_equals(&fresh->mqtt_password, "one"));
	config_free(&old); /* fresh owns its copies */
	assert_string_equal(fresh->cache_dir, "/a");
	assert_true(secret_equals(&fresh->mqtt_password, "one"));
	buf_free(&ignored);
	config_free(&fresh);
}

static void a_reload_without_changes_names_nothing(void **state)
{
	(void)state;
	struct config *old = load("mqtt_password = one\n");
	struct config *fresh = load("mqtt_password = one\nresend_max = 20m\n");
	struct buf ignored;
	buf_init(&ignored, 1000);
	assert_true(config_keep_fixed(fresh, old, &ignored));
	assert_int_equal(ignored.len, 0);
	assert_int_equal(fresh->resend_max, 1200000);
	buf_free(&ignored);
	config_free(&old);
	config_free(&fresh);
}

static void a_secret_set_or_unset_is_a_change(void **state)
{
	(void)state;
	struct config *with = load("mqtt_password = one\n");
	struct config *without = load("");
	struct buf ignored;
	buf_init(&ignored, 1000);
	assert_true(config_keep_fixed(without, with, &ignored));
	assert_string_equal(buf_cstr(&ignored), "mqtt_password");
	assert_true(secret_equals(&without->mqtt_password, "one"));
	config_free(&without);
	without = load("");
	assert_true(config_keep_fixed(with, without, &ignored));
	assert_false(secret_is_set(&with->mqtt_password));
	buf_free(&ignored);
	config_free(&with);
	config_free(&without);
}

/* ---- memory ---- */

static void each_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
	(void)state;
	write_to(secret_path, "from file\n", 10);
	char text[256];
	snprintf(text, sizeof text, "http_address = ::1\npg = host=h\nmqtt_password_file = %s\n", secret_path);
	write_to(path, text, strlen(text));
	unsigned n = 1;
	for (;; n++) {
		struct err err = {0};
		alloc_fail_nth(n);
		struct config *c = config_load(path, &err);
		bool failed = alloc_failed();
		alloc_fail_nth(0);
		if (!failed) {
			assert_non_null(c);
			config_free(&c);
			break;
		}
		assert_null(c);
		assert_int_not_equal(err.kind, ERR_NONE);
	}
	unsigned texts = 0;
#define X(name, type, def, min, max, reload, help) texts += #type[0] == 't' && #type[1] == 'e';
	CONFIG_KEYS(X)
#undef X
	assert_true(texts > 5 && n > texts + 4); /* those, the struct, the file's text, its three values */
}

static void a_reload_without_memory_fails(void **state)
{
	(void)state;
	struct config *old = load("cache_dir = /a\n");
	struct config *fresh = load("cache_dir = /b\n");
	char memory[100];
	struct buf ignored;
	buf_init_fixed(&ignored, memory, sizeof memory);
	alloc_fail_nth(1);
	assert_false(config_keep_fixed(fresh, old, &ignored));
	config_free(&old);
	config_free(&fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(without_a_file_every_key_has_its_default, clear_environment),
		cmocka_unit_test(a_file_is_read_by_its_syntax),
		cmocka_unit_test_teardown(the_environment_wins_over_the_file, clear_environment),
		cmocka_unit_test(faults_are_named_by_file_line_and_key),
		cmocka_unit_test(tls_may_stand_beside_plain_http_or_alone),
		cmocka_unit_test(unreadable_files_are_refused),
		cmocka_unit_test(urls_and_address_lists_are_accepted),
		cmocka_unit_test(a_secret_comes_from_its_file),
		cmocka_unit_test_teardown(of_secret_and_secret_file_the_later_source_counts, clear_environment),
		cmocka_unit_test(printing_masks_secrets),
		cmocka_unit_test(what_is_printed_can_be_read_again),
		cmocka_unit_test(the_example_names_every_key_with_its_default),
		cmocka_unit_test(connection_strings_are_masked),
		cmocka_unit_test(a_reload_applies_what_may_change_and_names_the_rest),
		cmocka_unit_test(a_reload_without_changes_names_nothing),
		cmocka_unit_test(a_secret_set_or_unset_is_a_change),
		cmocka_unit_test(each_failing_allocation_is_reported_and_leaks_nothing),
		cmocka_unit_test(a_reload_without_memory_fails),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
