#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/acl.h"

static enum acl_verdict read_from(const char *topic)
{
	return acl_device("lamp-1", &(struct acl_request){.access = ACL_READ, .topic = topic});
}

static enum acl_verdict subscribe_to(const char *filter)
{
	return acl_device("lamp-1", &(struct acl_request){.access = ACL_SUBSCRIBE, .topic = filter});
}

static enum acl_verdict write_to(const char *topic, const char *payload)
{
	return acl_device("lamp-1", &(struct acl_request){.access = ACL_WRITE, .topic = topic, .payload = payload, .len = strlen(payload)});
}

static void a_device_reads_and_writes_its_own_tree(void **state)
{
	(void)state;
	assert_int_equal(read_from("/oc/devices/lamp-1/sys/ota"), ACL_ALLOWED);
	assert_int_equal(read_from("/oc/devices/lamp-1/anything/below"), ACL_ALLOWED);
	assert_int_equal(subscribe_to("/oc/devices/lamp-1/#"), ACL_ALLOWED);
	assert_int_equal(subscribe_to("/oc/devices/lamp-1/sys/+"), ACL_ALLOWED);
	assert_int_equal(write_to("/oc/devices/lamp-1/sys/ota/report", "{}"), ACL_ALLOWED);
	assert_int_equal(write_to("device-server/lamp-1", "binary \x01"), ACL_ALLOWED);
}

static void nothing_else(void **state)
{
	(void)state;
	static const char *const topics[] = {"#",
					     "+",
					     "+/#",
					     "/#",
					     "/+/+/+/#",
					     "/oc/#",
					     "/oc/devices/#",
					     "/oc/devices/+/sys/ota",
					     "/oc/devices/lamp-1",
					     "/oc/devices/lamp-10/sys/ota",
					     "/oc/devices/lamp-/sys/ota",
					     "/oc/devices/lamp-2/sys/ota",
					     "oc/devices/lamp-1/sys/ota",
					     "//oc/devices/lamp-1/x",
					     "$SYS/#",
					     "$SYS/broker/uptime",
					     "$share/x/#",
					     "$share/x//oc/devices/lamp-1/sys/ota",
					     "$CONTROL/otad/v1",
					     "otad/v1/presence",
					     "otad/v1/#",
					     "devices/p2p/lamp-1",
					     "devices/p2p/#",
					     "device-server/lamp-2",
					     "device-server/lamp-1/x",
					     "device-server/+",
					     ""};
	for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
		assert_int_equal(subscribe_to(topics[i]), ACL_FOREIGN);
		assert_int_equal(read_from(topics[i]), ACL_FOREIGN);
		assert_int_equal(write_to(topics[i], "{}"), ACL_FOREIGN);
	}
	assert_int_equal(read_from("device-server/lamp-1"), ACL_FOREIGN);
	assert_int_equal(subscribe_to("device-server/lamp-1"), ACL_FOREIGN);
}

static void nothing_is_retained(void **state)
{
	(void)state;
	struct acl_request r = {.access = ACL_WRITE, .topic = "/oc/devices/lamp-1/status", .payload = "{}", .len = 2, .retain = true};
	assert_int_equal(acl_device("lamp-1", &r), ACL_RETAINED);
	r.topic = "device-server/lamp-1";
	assert_int_equal(acl_device("lamp-1", &r), ACL_RETAINED);
}

static void what_looks_like_a_push_is_forged(void **state)
{
	(void)state;
	static const char topic[] = "/oc/devices/lamp-1/sys/ota";
	static const char *const pushes[] = {"{\"fileName\":\"a.bin\"}",   "{\"url\":\"http://x\"}", "{\"status\":\"ok\",\"url\":\"x\"}",
					     "{\"\\u0066ileName\":\"a\"}", "{\"FILENAME\":1}",       "{\"Url\":null}"};
	for (size_t i = 0; i < sizeof pushes / sizeof *pushes; i++) {
		assert_int_equal(write_to(topic, pushes[i]), ACL_FORGED);
	}
	assert_int_equal(write_to(topic, "{\"status\":\"accepted\"}"), ACL_ALLOWED);
	assert_int_equal(write_to("/oc/devices/lamp-1/sys/ota/report", pushes[0]), ACL_ALLOWED);
}

static void what_we_cannot_read_a_device_might(void **state)
{
	(void)state;
	static const char topic[] = "/oc/devices/lamp-1/sys/ota";
	static const char *const payloads[] = {
		"", "x", "[]", "{\"url\":\"a\",\"url\":\"b\"}", "{\"fileName\":\"a\"} trailing", "{\"status\":\"\xff\"", "{\"fileName\":"};
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
		assert_int_equal(write_to(topic, payloads[i]), ACL_UNREADABLE);
	}
	char *large = calloc(1, 5001);
	memset(large, ' ', 5000);
	memcpy(large, "{}", 2);
	assert_int_equal(write_to(topic, large), ACL_UNREADABLE);
	free(large);
}

static void a_payload_that_is_not_known_is_not_judged(void **state)
{
	(void)state;
	const struct acl_request r = {.access = ACL_WRITE, .topic = "/oc/devices/lamp-1/sys/ota"};
	assert_int_equal(acl_device("lamp-1", &r), ACL_ALLOWED);
}

static bool service_may(enum acl_access access, const char *topic)
{
	return acl_service(&(struct acl_request){.access = access, .topic = topic});
}

static void the_service_sees_devices_and_what_the_plugin_tells(void **state)
{
	(void)state;
	assert_true(service_may(ACL_SUBSCRIBE, "/oc/devices/+/sys/ota"));
	assert_true(service_may(ACL_WRITE, "/oc/devices/lamp-1/sys/ota"));
	assert_true(service_may(ACL_SUBSCRIBE, "otad/v1/presence"));
	assert_true(service_may(ACL_WRITE, "$CONTROL/otad/v1"));
	assert_true(service_may(ACL_WRITE, "devices/p2p/aa_bb_cc_dd_ee_ff"));
	assert_false(service_may(ACL_WRITE, "otad/v1/presence"));
	assert_false(service_may(ACL_READ, "$CONTROL/otad/v1"));
	assert_false(service_may(ACL_SUBSCRIBE, "#"));
	assert_false(service_may(ACL_SUBSCRIBE, "$SYS/#"));
	assert_false(service_may(ACL_WRITE, "$CONTROL/dynamic-security/v1"));
}

static void filters_that_bring_pushes(void **state)
{
	(void)state;
	assert_true(acl_brings_pushes("/oc/devices/lamp-1/sys/ota", "lamp-1"));
	assert_true(acl_brings_pushes("/oc/devices/lamp-1/#", "lamp-1"));
	assert_true(acl_brings_pushes("/oc/devices/lamp-1/sys/ota/#", "lamp-1"));
	assert_true(acl_brings_pushes("/oc/devices/lamp-1/+/ota", "lamp-1"));
	assert_false(acl_brings_pushes("/oc/devices/lamp-1/sys/ota/report_reply", "lamp-1"));
	assert_false(acl_brings_pushes("/oc/devices/lamp-1/+", "lamp-1"));
	assert_false(acl_brings_pushes("/oc/devices/lamp-2/#", "lamp-1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_reads_and_writes_its_own_tree),
		cmocka_unit_test(nothing_else),
		cmocka_unit_test(nothing_is_retained),
		cmocka_unit_test(what_looks_like_a_push_is_forged),
		cmocka_unit_test(what_we_cannot_read_a_device_might),
		cmocka_unit_test(a_payload_that_is_not_known_is_not_judged),
		cmocka_unit_test(the_service_sees_devices_and_what_the_plugin_tells),
		cmocka_unit_test(filters_that_bring_pushes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
