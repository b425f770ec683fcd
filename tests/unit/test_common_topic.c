#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "common/topic.h"

static const struct {
	enum topic_kind kind;
	const char *topic;
} rows[] = {
	{TOPIC_OTA, "/oc/devices/esp-1/sys/ota"},
	{TOPIC_REPORT, "/oc/devices/esp-1/sys/ota/report"},
	{TOPIC_PROGRESS, "/oc/devices/esp-1/sys/ota/progress"},
	{TOPIC_GET, "/oc/devices/esp-1/sys/ota/get"},
	{TOPIC_REPORT_REPLY, "/oc/devices/esp-1/sys/ota/report_reply"},
	{TOPIC_GET_REPLY, "/oc/devices/esp-1/sys/ota/get_reply"},
	{TOPIC_CHUNK_GET, "/oc/devices/esp-1/sys/ota/chunk/get"},
	{TOPIC_CHUNK_GET_REPLY, "/oc/devices/esp-1/sys/ota/chunk/get_reply"},
};

static void each_kind_is_made_and_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char made[TOPIC_SIZE];
		char device[TOPIC_DEVICE_SIZE];
		topic_make(made, rows[i].kind, "esp-1");
		assert_string_equal(made, rows[i].topic);
		assert_int_equal(topic_parse(made, strlen(made), device), rows[i].kind);
		assert_string_equal(device, "esp-1");
	}
}

static void a_chunk_has_a_topic_of_its_own(void **state)
{
	(void)state;
	static const struct {
		int64_t task, offset;
		const char *topic;
	} chunks[] = {
		{7, 0, "/oc/devices/esp-1/sys/ota/chunk/7/0"},
		{0, 16384, "/oc/devices/esp-1/sys/ota/chunk/0/16384"},
		{INT64_MAX, INT64_MAX, "/oc/devices/esp-1/sys/ota/chunk/9223372036854775807/9223372036854775807"},
	};
	char device[TOPIC_DEVICE_SIZE];
	char made[TOPIC_SIZE];
	for (size_t i = 0; i < COUNT(chunks); i++) {
		topic_make_chunk(made, "esp-1", chunks[i].task, chunks[i].offset);
		assert_string_equal(made, chunks[i].topic);
		assert_int_equal(topic_parse(made, strlen(made), device), TOPIC_CHUNK);
		assert_string_equal(device, "esp-1");
	}
	topic_make(made, TOPIC_CHUNK, "esp-1");
	assert_string_equal(made, "");
}

static void a_chunk_with_other_numbers_is_foreign(void **state)
{
	(void)state;
	static const char *const tails[] = {
		"chunk/",      "chunk/7",     "chunk/7/",
		"chunk//0",    "chunk/7/0/",  "chunk/07/0",
		"chunk/7/00",  "chunk/7/-1",  "chunk/-7/0",
		"chunk/+7/0",  "chunk/7/ 0",  "chunk/7/0x0",
		"chunk/+/+",   "chunk/7/#",   "chunk/7/9223372036854775808",
		"chunk/get/0", "chunk/7/1e3", "chunk/7/12345678901234567890",
		"chunk",
	};
	for (size_t i = 0; i < COUNT(tails); i++) {
		char topic[TOPIC_SIZE];
		char device[TOPIC_DEVICE_SIZE];
		snprintf(topic, sizeof topic, "/oc/devices/esp-1/sys/ota/%s", tails[i]);
		assert_int_equal(topic_parse(topic, strlen(topic), device), TOPIC_FOREIGN);
	}
	static const char nul[] = "/oc/devices/esp-1/sys/ota/chunk/7/1\0";
	char device[TOPIC_DEVICE_SIZE];
	assert_int_equal(topic_parse(nul, sizeof nul - 1, device), TOPIC_FOREIGN);
}

static void devices_write_to_five_of_them(void **state)
{
	(void)state;
	static const enum topic_kind down[] = {TOPIC_FOREIGN,         TOPIC_REPORT_REPLY, TOPIC_GET_REPLY,
					       TOPIC_CHUNK_GET_REPLY, TOPIC_CHUNK,        (enum topic_kind)77};
	static const enum topic_kind up[] = {TOPIC_OTA, TOPIC_REPORT, TOPIC_PROGRESS, TOPIC_GET, TOPIC_CHUNK_GET};
	for (size_t i = 0; i < COUNT(down); i++) {
		assert_false(topic_is_up(down[i]));
	}
	for (size_t i = 0; i < COUNT(up); i++) {
		assert_true(topic_is_up(up[i]));
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
	topic_make(made, TOPIC_CHUNK_GET_REPLY, name);
	assert_int_equal(topic_parse(made, strlen(made), device), TOPIC_CHUNK_GET_REPLY);
	assert_string_equal(device, name);
	topic_make_chunk(made, name, INT64_MAX, INT64_MAX);
	assert_int_equal(topic_parse(made, strlen(made), device), TOPIC_CHUNK);
	assert_string_equal(device, name);
}

static void foreign_has_no_topic(void **state)
{
	(void)state;
	char made[TOPIC_SIZE] = "x";
	topic_make(made, TOPIC_FOREIGN, "esp-1");
	assert_string_equal(made, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_made_and_parsed),
		cmocka_unit_test(a_chunk_has_a_topic_of_its_own),
		cmocka_unit_test(a_chunk_with_other_numbers_is_foreign),
		cmocka_unit_test(devices_write_to_five_of_them),
		cmocka_unit_test(foreign_topics_and_wildcards_are_refused),
		cmocka_unit_test(a_nul_inside_is_foreign),
		cmocka_unit_test(device_names_have_1_to_64_characters),
		cmocka_unit_test(only_the_stated_length_is_read),
		cmocka_unit_test(the_longest_topic_fits),
		cmocka_unit_test(foreign_has_no_topic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
