/* The link against a real broker that is killed, paused, restarted and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/secret.h"
#include "link_scene.h"
#include "metrics/metrics.h"
#include "mqtt/link.h"

#define KILLS 3

/* Whether the last message was this one. */
static bool got(struct peer *peer, const char *topic, const void *payload, size_t len)
{
	pthread_mutex_lock(&peer->lock);
	bool same = strcmp(peer->topic, topic) == 0 && peer->len == len && memcmp(peer->payload, payload, len) == 0;
	pthread_mutex_unlock(&peer->lock);
	return same;
}

/* A link subscribed to t/#, up. */
static void begin_up(struct fixture *f, struct peer *peer, const char *id, unsigned window, bool persistent)
{
	struct link_config config = config_of(f, id);
	config.filters = ALL;
	config.window = window;
	config.persistent = persistent;
	int ups = atomic_load(&peer->ups);
	begin(peer, &config);
	eventually(atomic_load(&peer->ups) > ups);
	assert_true(link_is_up(peer->link));
}

static void carries_messages_with_any_bytes_between_two_links(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 100, false);
	struct link_config config = config_of(f, "b");
	begin(&f->b, &config);
	eventually(atomic_load(&f->b.ups) == 1);
	static const char bytes[] = {'x', '\0', (char)0xff, '\n'};
	assert_true(link_publish(f->b.link, "t/1", bytes, sizeof(bytes), true, 60, on_done, &f->sent[0]));
	eventually(atomic_load(&f->a.messages) == 1 && atomic_load(&f->sent[0].acked) == 1);
	assert_true(got(&f->a, "t/1", bytes, sizeof(bytes)));
	assert_true(link_publish(f->b.link, "t/2", "", 0, false, 0, on_done, &f->sent[1]));
	assert_true(link_publish(f->b.link, "t/2", "", 0, true, 0, NULL, NULL));
	eventually(atomic_load(&f->a.messages) == 3 && atomic_load(&f->sent[1].acked) == 1);
	assert_true(got(&f->a, "t/2", "", 0));
	assert_int_equal(atomic_load(&f->a.retained), 0);
}

static void refuses_beyond_the_window_and_tells_when_there_is_room(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 8, false);
	broker_pause(&f->broker);
	for (int i = 0; i < 8; i++) {
		assert_true(publish(&f->a, "t/1", "x", &f->sent[i]));
	}
	assert_false(publish(&f->a, "t/1", "x", &f->sent[8]));
	assert_int_equal(atomic_load(&f->a.writable), 0);
	broker_resume(&f->broker);
	eventually(count(f, 0, 8, true) == 8 && atomic_load(&f->a.writable) == 1);
	assert_true(publish(&f->a, "t/1", "x", &f->sent[8]));
	eventually(atomic_load(&f->sent[8].acked) == 1 && atomic_load(&f->a.messages) == 9);
	assert_once_each(f, 0, 9);
}

static void is_no_error_without_a_broker_and_comes_up_with_it(void **state)
{
	struct fixture *f = *state;
	struct link_config config = config_of(f, "a");
	config.filters = ALL;
	begin(&f->a, &config);
	usleep(300000);
	assert_false(link_is_up(f->a.link));
	assert_false(publish(&f->a, "t/1", "x", &f->sent[0]));
	broker_start(&f->broker, "");
	eventually(atomic_load(&f->a.ups) == 1);
	assert_true(publish(&f->a, "t/1", "x", &f->sent[0]));
	eventually(atomic_load(&f->a.messages) == 1);
	assert_int_equal(atomic_load(&f->sent[0].failed), 0);
}

static void kill_in_flight(struct fixture *f, bool persistent)
{
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 50, persistent);
	broker_pause(&f->broker);
	for (int i = 0; i < 50; i++) {
		assert_true(publish(&f->a, "t/1", "x", &f->sent[i]));
	}
	broker_kill(&f->broker);
	eventually(count(f, 0, 50, false) == 50 && atomic_load(&f->a.downs) == 1);
	assert_false(link_is_up(f->a.link));
	assert_false(publish(&f->a, "t/1", "x", &f->sent[50]));
	broker_start(&f->broker, "");
	eventually(atomic_load(&f->a.ups) == 2);
	for (int i = 50; i < 100; i++) {
		assert_true(publish(&f->a, "t/2", "x", &f->sent[i]));
	}
	eventually(count(f, 50, 100, true) == 50 && got(&f->a, "t/2", "x", 1) && atomic_load(&f->a.messages) >= 50);
	assert_once_each(f, 0, 100);
}

static void fails_what_was_in_flight_when_the_broker_is_killed_once_and_subscribes_again(void **state)
{
	kill_in_flight(*state, false);
}

static void does_so_with_a_persistent_session_too(void **state)
{
	kill_in_flight(*state, true);
}

/* The session survives here: the library sends the lot again, and its late acknowledgements must not count. */
static void ignores_late_acknowledgements_in_a_resumed_session(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, BROKER_PERSISTENT);
	begin_up(f, &f->a, "a", 50, true);
	broker_save(&f->broker);
	broker_pause(&f->broker);
	for (int i = 0; i < 50; i++) {
		assert_true(publish(&f->a, "t/1", "x", &f->sent[i]));
	}
	broker_kill(&f->broker);
	eventually(count(f, 0, 50, false) == 50);
	broker_start(&f->broker, BROKER_PERSISTENT);
	eventually(atomic_load(&f->a.ups) == 2);
	assert_true(publish(&f->a, "t/2", "x", &f->sent[50]));
	eventually(atomic_load(&f->sent[50].acked) == 1 && got(&f->a, "t/2", "x", 1));
	assert_int_equal(count(f, 0, 50, true), 0);
	assert_once_each(f, 0, 51);
}

static void notices_an_orderly_end_of_the_broker(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 50, false);
	broker_stop(&f->broker);
	eventually(atomic_load(&f->a.downs) == 1);
	broker_start(&f->broker, "");
	eventually(atomic_load(&f->a.ups) == 2);
}

static void comes_back_after_another_client_took_its_id(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "same", 50, false);
	begin_up(f, &f->b, "same", 50, false);
	eventually(atomic_load(&f->a.downs) == 1);
	assert_int_equal(atomic_load(&f->b.downs), 0);
	link_free(&f->b.link);
	eventually(atomic_load(&f->a.ups) == 2);
}

static const char DYNSEC[] = "plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so\nplugin_opt_config_file DIR/acl.json\n";

static void acl(const struct fixture *f, const char *filter)
{
	char text[1024];
	snprintf(
		text, sizeof(text),
		"{\"defaultACLAccess\":{\"publishClientSend\":true,\"publishClientReceive\":true,\"subscribe\":false,\"unsubscribe\":true},"
		"\"anonymousGroup\":\"all\",\"groups\":[{\"groupname\":\"all\",\"roles\":[{\"rolename\":\"r\"}]}],"
		"\"roles\":[{\"rolename\":\"r\",\"acls\":["
		"{\"acltype\":\"subscribePattern\",\"topic\":\"%s\",\"allow\":true},"
		"{\"acltype\":\"publishClientSend\",\"topic\":\"denied/#\",\"allow\":false}]}]}",
		filter);
	broker_file(&f->broker, "acl.json", text);
}

static void stays_down_while_a_subscription_is_refused(void **state)
{
	struct fixture *f = *state;
	int64_t before = metrics_get(METRIC_MQTT_REFUSED);
	acl(f, "t/#");
	broker_start(&f->broker, DYNSEC);
	static const char *const filters[] = {"t/#", "secret/#", NULL};
	struct link_config config = config_of(f, "a");
	config.filters = filters;
	begin(&f->a, &config);
	eventually(metrics_get(METRIC_MQTT_REFUSED) >= before + 2); /* it asks again */
	assert_int_equal(atomic_load(&f->a.ups), 0);
	assert_false(publish(&f->a, "t/1", "x", &f->sent[0]));
	broker_kill(&f->broker);
	acl(f, "#");
	broker_start(&f->broker, DYNSEC);
	eventually(atomic_load(&f->a.ups) == 1);
}

static void completes_a_denied_publish_as_failed(void **state)
{
	struct fixture *f = *state;
	acl(f, "t/#");
	broker_start(&f->broker, DYNSEC);
	begin_up(f, &f->a, "a", 50, false);
	assert_true(publish(&f->a, "denied/1", "x", &f->sent[0]));
	assert_true(publish(&f->a, "t/1", "x", &f->sent[1]));
	eventually(atomic_load(&f->sent[0].failed) == 1 && atomic_load(&f->sent[1].acked) == 1);
	assert_true(link_is_up(f->a.link));
}

static void refuses_a_topic_that_is_no_utf8(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 1, false);
	for (int i = 0; i < 3; i++) { /* and no place in the window is lost */
		assert_false(publish(&f->a, "t/\xff", "x", &f->sent[0]));
	}
	assert_true(publish(&f->a, "t/1", "x", &f->sent[1]));
	eventually(atomic_load(&f->sent[1].acked) == 1);
	assert_int_equal(atomic_load(&f->sent[0].failed), 0);
}

static void a_message_waits_in_a_persistent_session_but_not_beyond_its_expiry(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 50, true);
	link_free(&f->a.link);
	struct link_config config = config_of(f, "b");
	begin(&f->b, &config);
	eventually(link_is_up(f->b.link));
	assert_true(link_publish(f->b.link, "t/1", "short", 5, true, 1, on_done, &f->sent[0]));
	assert_true(link_publish(f->b.link, "t/1", "long", 4, true, 60, on_done, &f->sent[1]));
	eventually(count(f, 0, 2, true) == 2);
	sleep(3);
	begin_up(f, &f->a, "a", 50, true);
	eventually(atomic_load(&f->a.messages) == 1);
	assert_true(got(&f->a, "t/1", "long", 4));
	assert_true(publish(&f->b, "t/2", "x", &f->sent[2]));
	eventually(atomic_load(&f->sent[2].acked) == 1 && got(&f->a, "t/2", "x", 1));
	usleep(100000);
	assert_int_equal(atomic_load(&f->a.messages), 2);
}

static void never_delivers_more_than_a_mebibyte(void **state)
{
	struct fixture *f = *state;
	static char big[1300 * 1024];
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 50, false);
	memset(big, 'x', sizeof(big));
	int64_t rejected = metrics_get(METRIC_MQTT_REJECTED);
	assert_true(link_publish(f->a.link, "t/big", big, sizeof(big), true, 0, on_done, &f->sent[0]));     /* the broker keeps it */
	assert_true(link_publish(f->a.link, "t/big", big, 1024 * 1024 + 1, true, 0, on_done, &f->sent[1])); /* the link drops it */
	assert_true(link_publish(f->a.link, "t/big", big, 1024 * 1024, true, 0, on_done, &f->sent[2]));
	eventually(count(f, 0, 3, true) == 3 && atomic_load(&f->a.messages) == 1);
	assert_int_equal(atomic_load(&f->a.longest), 1024 * 1024);
	assert_int_equal(metrics_get(METRIC_MQTT_REJECTED), rejected + 1);
}

struct publisher {
	pthread_t thread;
	struct fixture *f;
	int first;
	int last;
};

static void *publish_many(void *ctx)
{
	struct publisher *p = ctx;
	for (int i = p->first; i < p->last; i++) {
		while (!publish(&p->f->a, "t/1", "x", &p->f->sent[i])) {
			usleep(500);
		}
		usleep(300);
	}
	return NULL;
}

/* At such a moment a write fails in the library, which must not take up that session's messages again. */
static void publish_while_the_broker_dies(struct fixture *f, bool persistent, const char *extra)
{
	struct publisher publishers[4];
	broker_start(&f->broker, extra);
	begin_up(f, &f->a, "a", 50, persistent);
	for (int i = 0; i < 4; i++) {
		publishers[i] = (struct publisher){.f = f, .first = i * SENT / 4, .last = (i + 1) * SENT / 4};
		assert_int_equal(pthread_create(&publishers[i].thread, NULL, publish_many, &publishers[i]), 0);
	}
	for (int i = 0; i < KILLS; i++) {
		int ups = atomic_load(&f->a.ups);
		if (persistent) {
			broker_save(&f->broker);
		}
		usleep(50000);
		broker_kill(&f->broker);
		broker_start(&f->broker, extra);
		int64_t end = clock_mono_ms() + PATIENCE_MS;
		while (atomic_load(&f->a.ups) == ups && clock_mono_ms() < end) { /* no assertion while threads use f */
			usleep(2000);
		}
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(publishers[i].thread, NULL);
	}
	eventually(count(f, 0, SENT, true) + count(f, 0, SENT, false) == SENT);
	usleep(200000);
	assert_once_each(f, 0, SENT);
	assert_true(count(f, 0, SENT, true) > SENT / 2);
	assert_int_equal(atomic_load(&f->a.downs), KILLS);
	assert_int_equal(atomic_load(&f->a.strange), 0);
}

static void many_threads_get_one_completion_each_while_the_broker_dies(void **state)
{
	publish_while_the_broker_dies(*state, false, "");
}

static void many_threads_do_so_in_a_session_that_outlives_the_broker(void **state)
{
	publish_while_the_broker_dies(*state, true, BROKER_PERSISTENT);
}

static void freeing_fails_what_is_in_flight_and_does_not_hang(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 50, false);
	broker_pause(&f->broker);
	for (int i = 0; i < 20; i++) {
		assert_true(publish(&f->a, "t/1", "x", &f->sent[i]));
	}
	int64_t before = clock_mono_ms();
	link_free(&f->a.link);
	assert_true(clock_mono_ms() - before < 5000);
	assert_null(f->a.link);
	assert_int_equal(count(f, 0, 20, false), 20);
	assert_once_each(f, 0, 20);
	assert_int_equal(atomic_load(&f->a.downs), 0);
	link_free(&f->a.link); /* nothing */
}

static void freeing_waits_for_the_last_acknowledgements(void **state)
{
	struct fixture *f = *state;
	broker_start(&f->broker, "");
	begin_up(f, &f->a, "a", 200, false);
	for (int i = 0; i < 200; i++) {
		assert_true(publish(&f->a, "t/1", "x", &f->sent[i]));
	}
	link_free(&f->a.link);
	assert_int_equal(count(f, 0, 200, true), 200);
}

static void proves_who_it_is_and_tries_again_when_not_believed(void **state)
{
	struct fixture *f = *state;
	char command[256];
	broker_file(&f->broker, "users", "otad:right\n");
	snprintf(command, sizeof(command), "mosquitto_passwd -U %s/users", f->broker.dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the command is the test's own */
	broker_start(&f->broker, "allow_anonymous false\npassword_file DIR/users\n");
	struct link_config config = config_of(f, "a");
	struct secret right = {.reveal = NULL};
	struct secret wrong = {.reveal = NULL};
	assert_true(secret_set(&right, "right") && secret_set(&wrong, "wrong"));
	config.username = "otad";
	config.password = &right;
	begin(&f->a, &config);
	config.client_id = "b";
	config.password = &wrong;
	begin(&f->b, &config);
	secret_clear(&right);
	secret_clear(&wrong);
	eventually(link_is_up(f->a.link));
	usleep(1500000);
	assert_false(link_is_up(f->b.link));
	broker_kill(&f->broker);
	broker_start(&f->broker, "");
	eventually(link_is_up(f->a.link) && link_is_up(f->b.link));
}

/* --- TLS */

static void assert_invalid(const struct link_config *config)
{
	struct err err = {.kind = ERR_NONE};
	struct link_handlers handlers = {.ctx = NULL};
	assert_null(link_new(config, &handlers, &err));
	assert_int_equal(err.kind, ERR_INVALID);
	assert_true(strlen(err.text) > 0);
}

static void bad_configuration_is_an_error(void **state)
{
	const struct fixture *f = *state;
	struct link_config good = config_of(f, "a");
	struct link_config bad[11];
	char host[400];
	memset(host, 'x', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	for (size_t i = 0; i < 11; i++) {
		bad[i] = good;
	}
	bad[0].host = "";
	bad[1].host = host;
	bad[2].port = 0;
	bad[3].port = 65536;
	bad[4].client_id = "";
	bad[5].client_id = "\xff";
	bad[6].window = 0;
	bad[7].qos = 3;
	bad[8].tls = bad[9].tls = bad[10].tls = true;
	bad[10].host = "::1";
	bad[8].ca_file = "/does/not/exist";
	bad[9].ca_file = "/dev/null";
	for (size_t i = 0; i < 11; i++) {
		assert_invalid(&bad[i]);
	}
}

/* An argument selects tests by a pattern. */
int main(int argc, char **argv)
{
	if (argc > 1) {
		cmocka_set_test_filter(argv[1]);
	}
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_scene_setup, link_scene_teardown)
	const struct CMUnitTest tests[] = {
		TEST(carries_messages_with_any_bytes_between_two_links),
		TEST(refuses_beyond_the_window_and_tells_when_there_is_room),
		TEST(is_no_error_without_a_broker_and_comes_up_with_it),
		TEST(fails_what_was_in_flight_when_the_broker_is_killed_once_and_subscribes_again),
		TEST(does_so_with_a_persistent_session_too),
		TEST(ignores_late_acknowledgements_in_a_resumed_session),
		TEST(notices_an_orderly_end_of_the_broker),
		TEST(comes_back_after_another_client_took_its_id),
		TEST(stays_down_while_a_subscription_is_refused),
		TEST(completes_a_denied_publish_as_failed),
		TEST(refuses_a_topic_that_is_no_utf8),
		TEST(a_message_waits_in_a_persistent_session_but_not_beyond_its_expiry),
		TEST(never_delivers_more_than_a_mebibyte),
		TEST(many_threads_get_one_completion_each_while_the_broker_dies),
		TEST(many_threads_do_so_in_a_session_that_outlives_the_broker),
		TEST(freeing_fails_what_is_in_flight_and_does_not_hang),
		TEST(freeing_waits_for_the_last_acknowledgements),
		TEST(proves_who_it_is_and_tries_again_when_not_believed),
		TEST(bad_configuration_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
