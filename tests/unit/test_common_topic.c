#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "common/topic.h"

static const struct {
	enum topic_kind kind;
	const char *topic;
	const char *filter;
} rows[] = {
	{TOPIC_OTA, "/oc/devices/esp-1/sys/ota", "/oc/devices/+/sys/ota"},
	{TOPIC_REPORT, "/oc/devices/esp-1/sys/ota/report", "/oc/devices/+/sys/ota/report"},
	{TOPIC_PROGRESS, "/oc/devices/esp-1/sys/ota/progress", "/oc/devices/+/sys/ota/progress"},
	{TOPIC_GET, "/oc/devices/esp-1/sys/ota/get", "/oc/devices/+/sys/ota/get"},
	{TOPIC_REPORT_REPLY, "/oc/devices/esp-1/sys/ota/report_reply", "/oc/devices/+/sys/ota/report_reply"},
	{TOPIC_GET_REPLY, "/oc/devices/esp-1/sys/ota/get_reply", "/oc/devices/+/sys/ota/get_reply"},
};

static void each_kind_is_made_parsed_and_filtered(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char made[TOPIC_SIZE];
		char device[TOPIC_DEVICE_SIZE];
		topic_make(made, rows[i].kind, "esp-1");
		assert_string_equal(made, rows[i].topic);
		assert_int_equal(topic_parse(made, strlen(made), device), rows[i].kind);
		assert_string_equal(device, "esp-1");
		assert_string_equal(topic_filter(rows[i].kind), rows[i].filter);
	}
}

static void foreign_topics_and_wildcards_are_refused(void **state)
{
	(void)state;
	static const char *const foreign[] = {
		"",
		"/",
		"#",
		"+",
		"$SYS/broker/uptime",
		"$share/g//oc/devices/a/sys/ota",
		"/oc/devices/",
		"/oc/devices/a",
		"/oc/devices/a/",
		"/oc/devices/a/sys",
		"/oc/devices/a/sys/ota/",
		"/oc/devices/a/sys/otax",
		"/oc/devices/a/sys/ota/reports",
		"/oc/devices/a/sys/ota/repor",
		"/oc/devices/a/sys/ota/report/x",
		"oc/devices/a/sys/ota",
		"//oc/devices/a/sys/ota",
		"/OC/devices/a/sys/ota",
		"/oc/devices//sys/ota",
		"/oc/devices/+/sys/ota",
		"/oc/devices/#",
		"/oc/devices/a+/sys/ota",
		"/oc/devices/#/sys/ota",
		"/oc/devices/$SYS/sys/ota",
		"/oc/devices/a b/sys/ota",
		"/oc/devices/a.b/sys/ota",
		"/oc/devices/\xe4\xb8\xad/sys/ota",
		"/oc/devices/../sys/ota",
		"/oc/devices/a/+/ota",
		"/oc/devices/a/b/sys/ota",
	};
	for (size_t i = 0; i < COUNT(foreign); i++) {
		char device[TOPIC_DEVICE_SIZE] = "left over";
		assert_int_equal(topic_parse(foreign[i], strlen(foreign[i]), device), TOPIC_FOREIGN);
		assert_string_equal(device, "");
	}
}

static void a_nul_inside_is_foreign(void **state)
{
	(void)state;
	static const char in_name[] = "/oc/devices/a\0b/sys/ota";
	static const char in_tail[] = "/oc/devices/a/sys/ota\0";
	char device[TOPIC_DEVICE_SIZE];
	assert_int_equal(topic_parse(in_name, sizeof in_name - 1, device), TOPIC_FOREIGN);
	assert_int_equal(topic_parse(in_tail, sizeof in_tail - 1, device), TOPIC_FOREIGN);
}

static void device_names_have_1_to_64_characters(void **state)
{
	(void)state;
	char name[70];
	memset(name, 'd', sizeof name);
	for (size_t len = 1; len < sizeof name; len++) {
		char topic[128];
		char device[TOPIC_DEVICE_SIZE];
		snprintf(topic, sizeof topic, "/oc/devices/%.*s/sys/ota/report_reply", (int)len, name);
		enum topic_kind kind = topic_parse(topic, strlen(topic), device);
		assert_int_equal(kind, len <= 64 ? TOPIC_REPORT_REPLY : TOPIC_FOREIGN);
		assert_int_equal(strlen(device), len <= 64 ? len : 0);
	}
}

/* Read under a sanitizer: the topic has a length and no NUL. */
static void only_the_stated_length_is_read(void **state)
{
	(void)state;
	static const char topic[] = "/oc/devices/esp-1/sys/ota/report";
	for (size_t len = 0; len < sizeof topic; len++) {
		char *copy = test_malloc(len + 1);
		char device[TOPIC_DEVICE_SIZE];
		memcpy(copy, topic, len);
		copy[len] = '/'; /* whatever stands behind must not matter */
		enum topic_kind kind = topic_parse(copy, len, device);
		assert_int_equal(kind, len == strlen("/oc/devices/esp-1/sys/ota") ? TOPIC_OTA
				       : len == sizeof topic - 1                  ? TOPIC_REPORT
										  : TOPIC_FOREIGN);
		test_free(copy);
	}
}

static void the_longest_topic_fits(void **state)
{
	(void)state;
	char name[65];
	memset(name, 'd', 64);
	name[64] = '\0';
	char made[TOPIC_SIZE];
	char device[TOPIC_DEVICE_SIZE];
	topic_make(made, TOPIC_REPORT_REPLY, name);
	assert_int_equal(topic_parse(made, strlen(made), device), TOPIC_REPORT_REPLY);
	assert_string_equal(device, name);
}

static void foreign_has_neither_topic_nor_filter(void **state)
{
	(void)state;
	char made[TOPIC_SIZE] = "x";
	topic_make(made, TOPIC_FOREIGN, "esp-1");
	assert_string_equal(made, "");
	assert_string_equal(topic_filter(TOPIC_FOREIGN), "");
	assert_string_equal(topic_filter((enum topic_kind)77), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_made_parsed_and_filtered),
		cmocka_unit_test(foreign_topics_and_wildcards_are_refused),
		cmocka_unit_test(a_nul_inside_is_foreign),
		cmocka_unit_test(device_names_have_1_to_64_characters),
		cmocka_unit_test(only_the_stated_length_is_read),
		cmocka_unit_test(the_longest_topic_fits),
		cmocka_unit_test(foreign_has_neither_topic_nor_filter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
