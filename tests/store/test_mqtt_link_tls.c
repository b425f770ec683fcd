/* The link over TLS: whom it trusts, and what it says of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "link_scene.h"
#include "mqtt/link.h"
#include "mqtt/trust.h"

/* --- TLS */

/* Runs a shell command in the broker's directory. */
static void in_dir(const struct fixture *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void in_dir(const struct fixture *f, const char *format, ...)
{
	char command[1024];
	int n = snprintf(command, sizeof(command), "cd %s && exec 2>/dev/null; ", f->broker.dir);
	va_list args;
	va_start(args, format);
	vsnprintf(command + n, sizeof(command) - (size_t)n, format, args);
	va_end(args);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the command is the test's own */
}

/* A private authority: NAME.pem and NAME.key. */
static void make_ca(const struct fixture *f, const char *name)
{
	in_dir(f, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=%s' -keyout %s.key -out %s.pem",
	       name, name, name);
}

/* The broker's certificate, server.pem, signed by ca for the names. */
static void make_cert(const struct fixture *f, const char *ca, const char *names)
{
	in_dir(f,
	       "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=broker -keyout server.key -out server.csr && "
	       "echo 'subjectAltName=%s' >server.ext && "
	       "openssl x509 -req -days 2 -in server.csr -CA %s.pem -CAkey %s.key -CAcreateserial -extfile server.ext -out server.pem",
	       names, ca, ca);
}

static const char TLS[] = "certfile DIR/server.pem\nkeyfile DIR/server.key\n";

static const char *path_of(const struct fixture *f, const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", f->broker.dir, name);
	return path;
}

static void begin_tls(struct fixture *f, struct peer *peer, const char *host, const char *ca)
{
	struct link_config config = config_of(f, peer == &f->a ? "a" : "b");
	config.host = host;
	config.tls = true;
	config.ca_file = ca ? path_of(f, ca) : "";
	config.filters = ALL;
	begin(peer, &config);
}

static void assert_explained(const struct fixture *f, const char *host, const char *ca, const char *part)
{
	char reason[256];
	trust_explain(host, f->broker.port, ca ? path_of(f, ca) : "", reason, sizeof(reason));
	if (strstr(reason, part) == NULL) {
		fail_msg("%s does not say: %s", reason, part);
	}
}

static void trusts_a_broker_with_the_right_certificate(void **state)
{
	struct fixture *f = *state;
	make_ca(f, "ca");
	make_cert(f, "ca", "IP:127.0.0.1,DNS:localhost");
	broker_start(&f->broker, TLS);
	begin_tls(f, &f->a, "127.0.0.1", "ca.pem");
	begin_tls(f, &f->b, "localhost", "ca.pem");
	eventually(link_is_up(f->a.link) && link_is_up(f->b.link));
	for (int i = 0; i < SENT; i++) {
		while (!publish(&f->a, "t/1", "x", &f->sent[i])) {
			usleep(500);
		}
	}
	eventually(count(f, 0, SENT, true) == SENT && atomic_load(&f->b.messages) == SENT);
	assert_once_each(f, 0, SENT);
	assert_int_equal(atomic_load(&f->a.downs), 0);
}

static void carries_large_messages_over_tls(void **state)
{
	struct fixture *f = *state;
	static char big[1024 * 1024];
	make_ca(f, "ca");
	make_cert(f, "ca", "IP:127.0.0.1");
	broker_start(&f->broker, TLS);
	begin_tls(f, &f->a, "127.0.0.1", "ca.pem");
	eventually(link_is_up(f->a.link));
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 20; i++) {
		assert_true(link_publish(f->a.link, "t/big", big, sizeof(big), true, 0, on_done, &f->sent[i]));
	}
	eventually(count(f, 0, 20, true) == 20 && atomic_load(&f->a.messages) == 20);
	assert_int_equal(atomic_load(&f->a.longest), sizeof(big));
	assert_int_equal(atomic_load(&f->a.downs), 0);
}

static void refuses_a_broker_that_another_authority_vouches_for(void **state)
{
	struct fixture *f = *state;
	make_ca(f, "ca");
	make_ca(f, "other");
	make_cert(f, "ca", "IP:127.0.0.1");
	broker_start(&f->broker, TLS);
	begin_tls(f, &f->a, "127.0.0.1", "other.pem");
	begin_tls(f, &f->b, "127.0.0.1", NULL); /* the system's */
	sleep(4);
	assert_false(link_is_up(f->a.link));
	assert_false(link_is_up(f->b.link));
	assert_explained(f, "127.0.0.1", "other.pem", "the broker's certificate is not trusted by");
	assert_explained(f, "127.0.0.1", NULL, "the broker's certificate is not trusted by the system: ");
	assert_explained(f, "127.0.0.1", "ca.pem", "the connection broke off"); /* nothing is wrong */
	in_dir(f, "cp ca.pem other.pem");                                       /* read at every connect */
	eventually(link_is_up(f->a.link));
	assert_false(link_is_up(f->b.link));
}

static void refuses_a_broker_of_another_name(void **state)
{
	struct fixture *f = *state;
	make_ca(f, "ca");
	make_cert(f, "ca", "DNS:broker.example,IP:127.0.0.2");
	broker_start(&f->broker, TLS);
	begin_tls(f, &f->a, "127.0.0.1", "ca.pem");
	begin_tls(f, &f->b, "localhost", "ca.pem");
	sleep(4);
	assert_false(link_is_up(f->a.link));
	assert_false(link_is_up(f->b.link));
	assert_explained(f, "127.0.0.1", "ca.pem", "the broker's certificate does not name 127.0.0.1");
	assert_explained(f, "localhost", "ca.pem", "the broker's certificate does not name localhost");
}

static void comes_back_to_a_broker_with_a_new_certificate(void **state)
{
	struct fixture *f = *state;
	make_ca(f, "ca");
	make_cert(f, "ca", "IP:127.0.0.1");
	broker_start(&f->broker, TLS);
	begin_tls(f, &f->a, "127.0.0.1", "ca.pem");
	eventually(link_is_up(f->a.link));
	make_cert(f, "ca", "IP:127.0.0.1");
	kill(f->broker.pid, SIGHUP); /* it reads the new one; the link stays */
	sleep(1);
	assert_int_equal(atomic_load(&f->a.downs), 0);
	for (int i = 0; i < 3; i++) {
		int ups = atomic_load(&f->a.ups);
		broker_kill(&f->broker);
		if (i == 1) { /* another authority as well */
			make_ca(f, "ca");
			make_cert(f, "ca", "IP:127.0.0.1");
		}
		broker_start(&f->broker, TLS);
		eventually(atomic_load(&f->a.ups) > ups);
		assert_true(publish(&f->a, "t/1", "x", &f->sent[i]));
		eventually(atomic_load(&f->sent[i].acked) == 1);
	}
}

static void tls_and_plain_do_not_meet(void **state)
{
	struct fixture *f = *state;
	make_ca(f, "ca");
	make_cert(f, "ca", "IP:127.0.0.1");
	broker_start(&f->broker, "");
	begin_tls(f, &f->a, "127.0.0.1", "ca.pem");
	sleep(3);
	assert_false(link_is_up(f->a.link));
	assert_explained(f, "127.0.0.1", "ca.pem", "TLS does not come about");
	broker_kill(&f->broker);
	assert_explained(f, "127.0.0.1", "ca.pem", "no connection");
	broker_start(&f->broker, TLS);
	struct link_config config = config_of(f, "b");
	begin(&f->b, &config);
	eventually(link_is_up(f->a.link));
	sleep(2);
	assert_false(link_is_up(f->b.link));
}

/* An argument selects tests by a pattern. */
int main(int argc, char **argv)
{
	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_scene_setup, link_scene_teardown)
	const struct CMUnitTest tests[] = {
		TEST(trusts_a_broker_with_the_right_certificate),          TEST(carries_large_messages_over_tls),
		TEST(refuses_a_broker_that_another_authority_vouches_for), TEST(refuses_a_broker_of_another_name),
		TEST(comes_back_to_a_broker_with_a_new_certificate),       TEST(tls_and_plain_do_not_meet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
