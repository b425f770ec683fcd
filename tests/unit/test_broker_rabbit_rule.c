/* Queues and routing keys of RabbitMQ's MQTT plugin. */
#include <string.h>

#include "dialect/broker_rabbit_rule.h"
#include "unit.h"

static bool may(const char *kind, const char *name, const char *permission)
{
	return broker_rabbit_rule_resource("lamp-1", kind, name, permission);
}

static void a_client_has_its_two_queues(void **state)
{
	(void)state;
	static const char *const permissions[] = {"configure", "write", "read"};
	for (size_t i = 0; i < COUNT(permissions); i++) {
		assert_true(may("queue", "mqtt-subscription-lamp-1qos0", permissions[i]));
		assert_true(may("queue", "mqtt-subscription-lamp-1qos1", permissions[i]));
	}
	assert_false(may("queue", "mqtt-subscription-lamp-1qos1", "delete"));
}

static void no_other_queue_is_its_own(void **state)
{
	(void)state;
	static const char *const names[] = {
		"mqtt-subscription-lamp-2qos1",
		"mqtt-subscription-lamp-1qos2",
		"mqtt-subscription-lamp-1",
		"mqtt-subscription-lamp-1qos1x",
		"mqtt-subscription-lampqos1",
		"mqtt-subscription-lamp-11qos1",
		"mqtt-subscription-qos1",
		"subscription-lamp-1qos1",
		"lamp-1qos1",
		"mqtt-subscription-lamp-1qos1 ",
		"tasks",
		"",
	};
	for (size_t i = 0; i < COUNT(names); i++) {
		if (may("queue", names[i], "read")) {
			fail_msg("%s", names[i]);
		}
	}
	assert_false(broker_rabbit_rule_resource("", "queue", "mqtt-subscription-qos1", "read"));
}

static void the_topic_exchange_may_be_used_but_not_changed(void **state)
{
	(void)state;
	assert_true(may("exchange", "amq.topic", "read"));
	assert_true(may("exchange", "amq.topic", "write"));
	assert_false(may("exchange", "amq.topic", "configure"));
	assert_false(may("exchange", "amq.fanout", "write"));
	assert_false(may("exchange", "", "write"));
	assert_false(may("topic", "amq.topic", "write"));
	assert_false(may("", "amq.topic", "write"));
}

static void expect(const char *key, const char *wanted)
{
	char topic[64];
	assert_true(broker_rabbit_rule_topic(key, topic, sizeof topic));
	assert_string_equal(topic, wanted);
}

static void a_routing_key_is_a_topic_again(void **state)
{
	(void)state;
	expect(".oc.devices.lamp-1.sys.ota", "/oc/devices/lamp-1/sys/ota");
	expect("device-server.lamp-1", "device-server/lamp-1");
	expect("otad.v1.#", "otad/v1/#");
	expect("#", "#");
	expect("$share.g.x", "$share/g/x");
	expect("", "");
	expect("..", "//");
}

static void a_star_is_a_wildcard_only_as_a_whole_level(void **state)
{
	(void)state;
	expect("*", "+");
	expect("a.*.b", "a/+/b");
	expect("*.*.*", "+/+/+");
	expect("a.b*.c", "a/b*/c");
	expect("a.*b.c", "a/*b/c");
	expect(".oc.devices.*.sys", "/oc/devices/+/sys");
}

static void a_key_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	char topic[8];
	assert_true(broker_rabbit_rule_topic("1234567", topic, sizeof topic));
	assert_false(broker_rabbit_rule_topic("12345678", topic, sizeof topic));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_has_its_two_queues),
		cmocka_unit_test(no_other_queue_is_its_own),
		cmocka_unit_test(the_topic_exchange_may_be_used_but_not_changed),
		cmocka_unit_test(a_routing_key_is_a_topic_again),
		cmocka_unit_test(a_star_is_a_wildcard_only_as_a_whole_level),
		cmocka_unit_test(a_key_that_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
