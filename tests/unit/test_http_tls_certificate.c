/* The certificate of a running server: replaced, refused, missing. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "http/server.h"
#include "http/tls.h"
#include "http_tls_scene.h"
#include "test_http_tls_client.h"
#include "unit.h"

/* --- the certificate ---------------------------------------------------------------------------------------------------------------- */

static bool reload(const char *cert, const char *key, struct err *err)
{
	return http_server_reload(server, in_dir(cert), in_dir(key), err);
}

static void a_new_certificate_is_for_new_connections(void **state)
{
	(void)state;
	struct tls_client c;
	struct err err = {0};
	told_reset();
	tls_open(&c, port, 0, 0);
	assert_int_equal(tls_serial(&c), 1);
	ask(&c, "/file", "", 200);
	read_file(&c, 0, 1000000);
	assert_true(reload("two.pem", "two.key", &err));
	assert_int_equal(shown(), 2);
	read_file(&c, 1000000, SIZE);
	assert_int_equal(told_after(1), SIZE);
	ask(&c, "/scheme", "", 200);
	tls_close(&c);
	assert_true(reload("one.pem", "one.key", &err));
	assert_int_equal(shown(), 1);
}

/* The server has taken the certificate and, under TLS 1.2, waits for the client's half. */
static void a_handshake_under_way_keeps_the_certificate_it_began_with(void **state)
{
	(void)state;
	struct tls_client c;
	struct err err = {0};
	tls_connect(&c, port, TLS1_2_VERSION, 0);
	tls_hello(&c);
	int waiting = 0;
	for (int i = 0; i < 1000 && waiting < 500; i++) {
		usleep(2000);
		ioctl(c.fd, FIONREAD, &waiting);
	}
	assert_true(waiting >= 500); /* ServerHello and certificate are here */
	assert_true(reload("two.pem", "two.key", &err));
	assert_true(reload("one.pem", "one.key", &err));
	assert_true(reload("two.pem", "two.key", &err));
	assert_true(tls_shake(&c));
	assert_int_equal(tls_serial(&c), 1);
	ask(&c, "/scheme", "", 200);
	tls_close(&c);
	assert_true(reload("one.pem", "one.key", &err));
}

static void copy(const char *from, const char *to, const char *cut)
{
	char command[512];
	snprintf(command, sizeof(command), "%s %s >%s && chmod 600 %s", cut, in_dir(from), in_dir(to), in_dir(to));
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

static void bad_files_are_refused_with_what_to_do_and_the_old_certificate_stays(void **state)
{
	(void)state;
	copy("one.key", "open.key", "cat");
	chmod(in_dir("open.key"), 0644);
	copy("one.key", "half.key", "head -c 100");
	copy("one.pem", "half.pem", "head -c 300");
	copy("one.pem", "empty.pem", "head -c 0");
	copy("one.key", "locked.key", "openssl pkey -aes128 -passout pass:x -in");
	copy("one.pem", "mixed.pem", "cat /tmp/does-not-exist 2>/dev/null;cat");
	static const char *const rows[][3] = {
		{"none.pem", "one.key", "tls_cert_file: "},
		{"one.pem", "none.key", "tls_key_file: "},
		{"one.pem", "open.key", "run: chmod o= "},
		{"one.pem", "two.key", "is not the key of the first certificate"},
		{"one.pem", "half.key", "holds no private key in PEM form"},
		{"one.pem", "one.pem", "chmod o= "},
		{"half.pem", "one.key", "holds no certificate in PEM form"},
		{"empty.pem", "one.key", "holds no certificate in PEM form"},
		{"one.pem", "locked.key", "is protected by a password"},
		{"one.key", "one.key", "holds no certificate in PEM form"},
	};
	for (unsigned i = 0; i < COUNT(rows); i++) {
		struct err err = {0};
		assert_false(reload(rows[i][0], rows[i][1], &err));
		if (!strstr(err.text, rows[i][2])) {
			fail_msg("%s does not say: %s", err.text, rows[i][2]);
		}
		assert_false(http_tls_check(in_dir(rows[i][0]), in_dir(rows[i][1]), NULL));
	}
	assert_int_equal(shown(), 1);
	assert_true(http_tls_check(in_dir("one.pem"), in_dir("one.key"), NULL));
}

static void a_server_does_not_start_without_a_listener_or_with_bad_files(void **state)
{
	(void)state;
	struct err err = {0};
	assert_null(start(-1, NULL, NULL, 20000, &err));
	assert_non_null(strstr(err.text, "no port to listen on"));
	assert_null(start(0, in_dir("one.pem"), in_dir("two.key"), 20000, &err));
	assert_non_null(strstr(err.text, "belongs together"));
}

static void https_may_be_all_there_is(void **state)
{
	(void)state;
	struct err err = {0};
	char text[100];
	struct http_server *s = start(-1, in_dir("one.pem"), in_dir("one.key"), 20000, &err);
	assert_non_null(s);
	assert_int_equal(http_server_port(s), 0);
	assert_int_equal(tls_get(http_server_tls_port(s), "/scheme", "", text, sizeof(text)), 200);
	assert_string_equal(text, "https");
	http_server_stop(&s, 0);
}

static void https_is_switched_on_and_off_by_a_restart_only(void **state)
{
	(void)state;
	struct err err = {0};
	assert_false(http_server_reload(server, "", "", &err));
	assert_non_null(strstr(err.text, "by a restart only"));
	struct http_server *s = start(0, "", "", 20000, &err);
	assert_non_null(s);
	assert_int_equal(http_server_tls_port(s), 0);
	assert_true(http_server_reload(s, "", "", &err));
	assert_false(http_server_reload(s, in_dir("one.pem"), in_dir("one.key"), &err));
	http_server_stop(&s, 0);
}

/* An argument selects tests by a pattern. */
int main(int argc, char **argv)
{
	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_certificate_is_for_new_connections),
		cmocka_unit_test(a_handshake_under_way_keeps_the_certificate_it_began_with),
		cmocka_unit_test(bad_files_are_refused_with_what_to_do_and_the_old_certificate_stays),
		cmocka_unit_test(a_server_does_not_start_without_a_listener_or_with_bad_files),
		cmocka_unit_test(https_may_be_all_there_is),
		cmocka_unit_test(https_is_switched_on_and_off_by_a_restart_only),
	};
	return cmocka_run_group_tests(tests, http_tls_scene_setup, http_tls_scene_teardown);
}
