#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "dialect/xiaozhi_answer.h"
#include "xiaozhi_firmware.h"

static char mem[32 * 1024];
static struct buf out;
static struct err err;

static const struct xiaozhi_mqtt good_mqtt = {.endpoint = "mqtt.xiaozhi.me",
					      .client_id = "GID_test@@@94_a9_90_2c_84_b8@@@e2314aed-0a16-43f0-8128-766fbd3207f2",
					      .username = "eyJpcCI6IjIyMy4xMDQuODIuNzYifQ==",
					      .password = "MDWkGWYWOzFEY+DBZ1TMIF4VX1tUOFJxFRta91wza0c=",
					      .publish_topic = "device-server"};
static const struct xiaozhi_websocket good_websocket = {.url = "wss://api.tenclass.net/xiaozhi/v1/", .token = "test-token"};
static const struct xiaozhi_server_time good_time = {.timestamp_ms = 1766848942364, .timezone = "Asia/Shanghai", .offset_min = 480};
static const struct xiaozhi_activation good_activation = {
	.code = "209835", .message = "xiaozhi.me\n209835", .challenge = "7c69ff8d-307c-4b90-ba29-7c24f4212fe9"};
static const struct xiaozhi_firmware good_echo = {.version = "2.0.4", .url = ""};

static struct xiaozhi_answer plain(void)
{
	return (struct xiaozhi_answer){.own_version = "2.0.4", .firmware = &good_echo};
}

static bool encode(const struct xiaozhi_answer *answer)
{
	buf_init_fixed(&out, mem, sizeof mem);
	memset(&err, 0, sizeof err);
	return xiaozhi_answer_encode(&out, answer, &err);
}

static void gives(const struct xiaozhi_answer *answer, const char *text)
{
	if (!encode(answer)) {
		fail_msg("refused: %s", err.text);
	}
	assert_string_equal(buf_cstr(&out), text);
	struct device_reading r = device_reads(out.data, out.len, answer->own_version ? answer->own_version : "");
	if (r.fate == DEVICE_HURT) {
		fail_msg("%s: %s", r.hurt, text);
	}
}

static void refused(const struct xiaozhi_answer *answer, const char *word)
{
	if (encode(answer)) {
		fail_msg("sent: %s", buf_cstr(&out));
	}
	assert_int_equal(err.kind, ERR_INVALID);
	assert_int_equal(out.len, 0);
	if (!strstr(err.text, word)) {
		fail_msg("\"%s\" does not say \"%s\"", err.text, word);
	}
}

/* ---- what is sent ---- */

static void the_seeds_answer_to_an_unbound_device(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = {.own_version = "2.0.4",
					.mqtt = &good_mqtt,
					.websocket = &good_websocket,
					.server_time = &good_time,
					.firmware = &good_echo,
					.activation = &good_activation};
	gives(&answer, "{\"mqtt\":{\"endpoint\":\"mqtt.xiaozhi.me\",\"client_id\":\"GID_test@@@94_a9_90_2c_84_b8@@@e2314aed-0a16-43f0-8128-"
		       "766fbd3207f2\","
		       "\"username\":\"eyJpcCI6IjIyMy4xMDQuODIuNzYifQ==\",\"password\":\"MDWkGWYWOzFEY+DBZ1TMIF4VX1tUOFJxFRta91wza0c=\","
		       "\"publish_topic\":\"device-server\",\"subscribe_topic\":\"null\"},"
		       "\"websocket\":{\"url\":\"wss://api.tenclass.net/xiaozhi/v1/\",\"token\":\"test-token\"},"
		       "\"server_time\":{\"timestamp\":1766848942364,\"timezone\":\"Asia/Shanghai\",\"timeZone\":\"Asia/"
		       "Shanghai\",\"timezone_offset\":480},"
		       "\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"},"
		       "\"activation\":{\"code\":\"209835\",\"message\":\"xiaozhi.me\\n209835\",\"challenge\":\"7c69ff8d-307c-4b90-ba29-"
		       "7c24f4212fe9\"}}");
}

static void every_part_is_optional_but_the_firmware(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	gives(&answer, "{\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"}}");
	answer.firmware = NULL;
	refused(&answer, "must not be left out");
}

static void numbers_are_sent_only_when_they_are_set(void **state)
{
	(void)state;
	struct xiaozhi_mqtt mqtt = {.endpoint = "h:1883", .client_id = "c", .publish_topic = "t", .subscribe_topic = "s", .keepalive = 90};
	struct xiaozhi_websocket websocket = {.url = "ws://h", .version = 3};
	struct xiaozhi_activation activation = {.challenge = "c", .timeout_ms = 30000};
	struct xiaozhi_server_time now = {.timestamp_ms = 1, .offset_min = -480};
	struct xiaozhi_answer answer = plain();
	answer.mqtt = &mqtt;
	answer.websocket = &websocket;
	answer.server_time = &now;
	answer.activation = &activation;
	gives(&answer, "{\"mqtt\":{\"endpoint\":\"h:1883\",\"client_id\":\"c\",\"username\":\"\",\"password\":\"\",\"publish_topic\":\"t\","
		       "\"subscribe_topic\":\"s\",\"keepalive\":90},\"websocket\":{\"url\":\"ws://h\",\"token\":\"\",\"version\":3},"
		       "\"server_time\":{\"timestamp\":1,\"timezone_offset\":-480},\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"},"
		       "\"activation\":{\"challenge\":\"c\",\"timeout_ms\":30000}}");
}

static void force_is_the_number_1(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_firmware firmware = {.version = "1.9.0", .url = "http://h:8003/f.bin", .force = true};
	answer.firmware = &firmware;
	gives(&answer, "{\"firmware\":{\"version\":\"1.9.0\",\"url\":\"http://h:8003/f.bin\",\"force\":1}}");
	assert_int_equal(device_reads(out.data, out.len, "2.0.4").fate, DEVICE_UPGRADES);
	firmware.force = false;
	gives(&answer, "{\"firmware\":{\"version\":\"1.9.0\",\"url\":\"http://h:8003/f.bin\"}}");
	assert_int_equal(device_reads(out.data, out.len, "2.0.4").fate, DEVICE_GOES_ON);
}

static void nothing_to_install_is_the_devices_own_version(void **state)
{
	(void)state;
	static const struct {
		const char *own, *text;
	} rows[] = {
		{"2.0.4", "{\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"}}"},
		{"2.4.2.0", "{\"firmware\":{\"version\":\"2.4.2.0\",\"url\":\"\"}}"},
		{"", "{\"firmware\":{\"version\":\"0.0.0\",\"url\":\"\"}}"},
		{NULL, "{\"firmware\":{\"version\":\"0.0.0\",\"url\":\"\"}}"},
		{"2.0.4-dirty", "{}"},
		{"v1", "{}"},
		{"1..0", "{}"},
		{"4294967296", "{}"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct xiaozhi_firmware echo;
		struct xiaozhi_answer answer = {.own_version = rows[i].own, .firmware = xiaozhi_answer_echo(rows[i].own, &echo)};
		assert_true(encode(&answer));
		assert_string_equal(buf_cstr(&out), rows[i].text);
		if (rows[i].own) {
			assert_int_equal(device_reads(out.data, out.len, *rows[i].own ? rows[i].own : "0.0.0").fate, DEVICE_GOES_ON);
		}
	}
}

/* ---- what is refused ---- */

static void versions_that_do_not_parse_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"v2.5.0", "latest", "1..0", "", ".1", "1.", "2147483648.0", "2.5.0-beta1", "99999999999999999999", "1.0 "};
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_firmware firmware = {.url = "http://h/f.bin"};
	answer.firmware = &firmware;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		firmware.version = wrong[i];
		refused(&answer, "dotted");
	}
	firmware.version = "2.5.0";
	assert_true(encode(&answer));
}

static void a_firmware_needs_both_members(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_firmware firmware = {.version = "2.5.0"};
	answer.firmware = &firmware;
	refused(&answer, "version and a url");
	firmware = (struct xiaozhi_firmware){.url = ""};
	refused(&answer, "version and a url");
}

static void another_version_without_a_url_is_refused(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_firmware firmware = {.version = "2.0.5", .url = ""};
	answer.firmware = &firmware;
	refused(&answer, "repeat");
	firmware.version = "2.0.3";
	refused(&answer, "repeat");
	firmware = (struct xiaozhi_firmware){.version = "2.0.4", .url = "", .force = true};
	refused(&answer, "repeat");
	answer.own_version = "";
	firmware = (struct xiaozhi_firmware){.version = "2.0.4", .url = ""};
	refused(&answer, "repeat");
}

static void a_device_whose_own_version_aborts_it_gets_no_firmware(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_firmware firmware = {.version = "2.5.0", .url = "http://h/f.bin"};
	answer.firmware = &firmware;
	answer.own_version = "v1";
	refused(&answer, "own version");
	answer.own_version = "2.0.4-dirty";
	refused(&answer, "own version");
	answer.own_version = "";
	refused(&answer, "unknown version");
}

static void endpoints_that_do_not_parse_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"mqtt://h",
					    "mqtts://h:8883",
					    "tcp://1.2.3.4:1883",
					    "h:port",
					    "h:",
					    ":1883",
					    "h:0",
					    "h:65536",
					    "h:1883/x",
					    "[::1]:1883",
					    "::1",
					    "fe80::1",
					    "",
					    "h h",
					    "h:18 83",
					    "h:-1",
					    "h:+1",
					    "u@h",
					    "h/x"};
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_mqtt mqtt = good_mqtt;
	answer.mqtt = &mqtt;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		mqtt.endpoint = wrong[i];
		refused(&answer, "endpoint");
	}
	mqtt.endpoint = NULL;
	refused(&answer, "endpoint");
	mqtt.endpoint = "10.0.0.1:8883";
	assert_true(encode(&answer));
}

static void texts_of_4000_bytes_are_refused(void **state)
{
	(void)state;
	static char text[4001];
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_mqtt mqtt = good_mqtt;
	struct xiaozhi_websocket websocket = good_websocket;
	memset(text, 'x', 4000);
	answer.mqtt = &mqtt;
	answer.websocket = &websocket;
	const char **const members[] = {&mqtt.client_id,     &mqtt.username,        &mqtt.password,
					&mqtt.publish_topic, &mqtt.subscribe_topic, &websocket.token};
	for (size_t i = 0; i < COUNT(members); i++) {
		const char *before = *members[i];
		*members[i] = text;
		text[3999] = 'x';
		refused(&answer, "4000");
		text[3999] = '\0';
		assert_true(encode(&answer));
		assert_int_not_equal(device_reads(out.data, out.len, "2.0.4").fate, DEVICE_HURT);
		*members[i] = before;
	}
	text[3999] = 'x';
	memcpy(text, "ws://h/", 7);
	websocket.url = text;
	refused(&answer, "4000");
}

static void mqtt_without_a_client_id_or_topic_is_refused(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_mqtt mqtt = good_mqtt;
	answer.mqtt = &mqtt;
	mqtt.client_id = NULL;
	refused(&answer, "client_id");
	mqtt = good_mqtt;
	mqtt.publish_topic = "";
	refused(&answer, "publish_topic");
}

static void urls_that_do_not_parse_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"http://h/",     "",         "h",           "wss:/h",      "wsx://h",    "ws://",           "ws:///v1",
		"ws://h:port/",  "ws://h:/", "ws://[::1]/", "ws://u:p@h/", "ws://h/a b", "ws://h/\r\nX: y", "ws://h/\xe4\xb8\xad",
		"ws://h:99999/", "WS://h"};
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_websocket websocket = {0};
	answer.websocket = &websocket;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		websocket.url = wrong[i];
		assert_false(encode(&answer));
	}
	websocket.url = NULL;
	refused(&answer, "scheme");
	struct xiaozhi_firmware firmware = {.version = "2.5.0", .url = "ftp://h/f.bin"};
	answer.websocket = NULL;
	answer.firmware = &firmware;
	refused(&answer, "scheme");
	firmware.url = "https://h:x/f.bin";
	refused(&answer, "port");
	firmware.url = "https://h:8443/f.bin?k=1#x";
	assert_true(encode(&answer));
}

static void a_code_needs_a_challenge_and_a_message(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_activation activation = {.code = "123456", .message = "m"};
	answer.activation = &activation;
	refused(&answer, "challenge");
	activation = (struct xiaozhi_activation){.code = "123456", .challenge = "c"};
	refused(&answer, "message");
	activation = (struct xiaozhi_activation){.code = "12a456", .message = "m", .challenge = "c"};
	refused(&answer, "digits");
}

static void numbers_out_of_range_are_refused(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_server_time now = good_time;
	struct xiaozhi_mqtt mqtt = good_mqtt;
	struct xiaozhi_activation activation = good_activation;
	answer.server_time = &now;
	now.timestamp_ms = 0;
	refused(&answer, "range");
	now.timestamp_ms = INT64_MAX;
	refused(&answer, "range");
	now = good_time;
	now.offset_min = 480 * 60;
	refused(&answer, "range");
	answer.server_time = NULL;
	answer.mqtt = &mqtt;
	mqtt.keepalive = -1;
	refused(&answer, "range");
	mqtt.keepalive = 65536;
	refused(&answer, "range");
	answer.mqtt = NULL;
	answer.activation = &activation;
	activation.timeout_ms = -1;
	refused(&answer, "range");
}

static void text_that_is_no_utf8_is_refused(void **state)
{
	(void)state;
	struct xiaozhi_answer answer = plain();
	struct xiaozhi_mqtt mqtt = good_mqtt;
	mqtt.password = "\xff\xfe";
	answer.mqtt = &mqtt;
	refused(&answer, "UTF-8");
}

static void a_full_buffer_is_an_error_and_left_as_it_was(void **state)
{
	(void)state;
	char small[64];
	struct xiaozhi_answer answer = plain();
	answer.mqtt = &good_mqtt;
	buf_init_fixed(&out, small, sizeof small);
	buf_puts(&out, "before");
	assert_false(xiaozhi_answer_encode(&out, &answer, &err));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
	assert_true(buf_ok(&out));
	assert_string_equal(buf_cstr(&out), "before");
}

/* ---- at random ---- */

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(seed >> 33) % below;
}

#define PICK(list) ((list)[draw((uint32_t)COUNT(list))])

static const char *word(void)
{
	static char longest[4000];
	static char too_long[4001];
	memset(longest, 'y', sizeof longest - 1);
	memset(too_long, 'z', sizeof too_long - 1);
	const char *const words[] = {"a",
				     "GID@@@b@@@c",
				     "quote\"back\\slash\n\t",
				     "\xe5\x8d\xa7\xe5\xae\xa4",
				     "",
				     NULL,
				     longest,
				     too_long,
				     "\xc3",
				     "null",
				     "123456",
				     "device-server",
				     "x",
				     "y",
				     "z",
				     "topic/with/levels",
				     "\x01\x7f"};
	return PICK(words);
}

static const char *random_version(void)
{
	static const char *const versions[] = {"2.0.4",       "2.0.5",      "2.0.3",        "2.0.4.0", "2.0",  "0.0.0",
					       "10.0.0",      "v1",         "latest",       "1..0",    "",     NULL,
					       "2.0.4-dirty", "2147483648", "2147483647.1", "0",       "-1.0", "2.0.4."};
	return PICK(versions);
}

static const char *random_url(void)
{
	static const char *const urls[] = {"http://h/f.bin",
					   "https://h:8443/f.bin",
					   "http://h:x/",
					   "",
					   NULL,
					   "ws://h/",
					   "wss://h:443/v1/",
					   "ws://h:/",
					   "ftp://h/",
					   "http://[::1]/",
					   "h",
					   "http://h/a b",
					   "ws://10.0.0.1:8000/xiaozhi/v1/"};
	return PICK(urls);
}

static const char *random_endpoint(void)
{
	static const char *const endpoints[] = {"h", "h:1883", "10.0.0.1:8883",    "mqtt://h",     "h:x", "[::1]:1", "::1",
						"",  NULL,     "mqtt.example.com", "h:99999999999"};
	return PICK(endpoints);
}

static bool random_answer_is_harmless(void)
{
	struct xiaozhi_mqtt mqtt = {random_endpoint(), word(), word(), word(), word(), word(), (int)draw(3) * 120};
	struct xiaozhi_websocket websocket = {random_url(), word(), (int)draw(4)};
	struct xiaozhi_server_time now = {(int64_t)draw(2000000000) * 1000, word(), (int)draw(1000) - 100};
	struct xiaozhi_firmware firmware = {random_version(), random_url(), draw(4) == 0};
	struct xiaozhi_activation activation = {word(), word(), word(), draw(2) * 1000};
	const char *own = random_version();
	struct xiaozhi_answer answer = {own,
					draw(3) ? NULL : &mqtt,
					draw(3) ? NULL : &websocket,
					draw(3) ? NULL : &now,
					draw(4) ? &firmware : NULL,
					draw(3) ? NULL : &activation};
	if (!encode(&answer)) {
		assert_int_equal(out.len, 0);
		assert_true(err.kind == ERR_INVALID && err.text[0]);
		return false;
	}
	struct device_reading r = device_reads(out.data, out.len, own && *own ? own : "0.0.0");
	if (r.fate == DEVICE_HURT) {
		fail_msg("%s: own %s, %s", r.hurt, own ? own : "-", buf_cstr(&out));
	}
	assert_true(r.has_mqtt == !!answer.mqtt && r.has_websocket == !!answer.websocket && r.has_activation == !!answer.activation);
	return true;
}

static void no_random_answer_hurts_a_device(void **state)
{
	(void)state;
	int sent = 0;
	seed = 20240601;
	for (int i = 0; i < 200000; i++) {
		sent += random_answer_is_harmless();
	}
	assert_in_range(sent, 5000, 195000); /* both ways are taken */
}

/* The model itself: what the protocol's table says is fatal, is. */
static void the_model_of_the_device_knows_what_hurts(void **state)
{
	(void)state;
	static const char *const fatal[] = {
		"{\"firmware\":{\"version\":\"v2.5.0\",\"url\":\"\"}}",
		"{\"firmware\":{\"version\":\"latest\",\"url\":\"\"}}",
		"{\"firmware\":{\"version\":\"1..0\",\"url\":\"\"}}",
		"{\"firmware\":{\"version\":\"2147483648\",\"url\":\"\"}}",
		"{\"firmware\":{\"version\":\"9.9\",\"url\":\"\"}}",
		"{\"firmware\":{\"version\":\"2.0.4.0\",\"url\":\"\"}}",
		"{\"firmware\":{\"version\":\"1.0\",\"url\":\"\",\"force\":1}}",
		"{\"firmware\":{\"version\":\"1.0\",\"url\":null}}",
		"{\"firmware\":{\"version\":1,\"url\":\"\"}}",
		"{\"firmware\":{\"version\":\"1.0\"}}",
		"{}",
		"{\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"},\"mqtt\":{\"endpoint\":\"h\",\"sixteen_letters_\":\"\"}}",
		"{\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"},\"mqtt\":{\"endpoint\":\"mqtt://h\"}}",
		"{\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"},\"mqtt\":{\"endpoint\":\"h:x\"}}",
		"{\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"},\"activation\":{\"code\":\"1\",\"message\":\"m\"}}",
		"{\"firmware\":{\"version\":\"2.0.4\",\"url\":\"\"},\"activation\":{\"code\":1,\"message\":\"m\",\"challenge\":\"c\"}}",
	};
	for (size_t i = 0; i < COUNT(fatal); i++) {
		if (device_reads(fatal[i], strlen(fatal[i]), "2.0.4").fate != DEVICE_HURT) {
			fail_msg("survived: %s", fatal[i]);
		}
	}
}

/* ---- messages and errors ---- */

static void the_message_is_host_and_code_in_the_devices_language(void **state)
{
	(void)state;
	char message[XIAOZHI_ANSWER_MESSAGE_SIZE];
	char host[XIAOZHI_ANSWER_MESSAGE_SIZE];
	assert_true(xiaozhi_answer_message(message, "zh-CN", "xiaozhi.me", "209835"));
	assert_string_equal(message, "请在 xiaozhi.me 输入\n209835");
	assert_true(xiaozhi_answer_message(message, "en-US", "xiaozhi.me", "209835"));
	assert_string_equal(message, "Enter at xiaozhi.me\n209835");
	assert_true(xiaozhi_answer_message(message, "", "xiaozhi.me", "209835"));
	assert_string_equal(message, "xiaozhi.me\n209835");
	memset(host, 'h', sizeof host - 1);
	host[sizeof host - 1] = '\0';
	assert_false(xiaozhi_answer_message(message, "", host, "209835"));
}

static void says(int status, int expected, const char *text)
{
	assert_int_equal(status, expected);
	assert_string_equal(buf_cstr(&out), text);
	buf_reset(&out);
}

static void a_failed_check_has_the_seeds_words_and_is_never_200(void **state)
{
	(void)state;
	buf_init_fixed(&out, mem, sizeof mem);
	says(xiaozhi_answer_error(&out, ERR_MISSING), 400, "{\"error\":\"Device ID is required\"}");
	says(xiaozhi_answer_error(&out, ERR_INVALID), 400, "{\"error\":\"Invalid OTA request\"}");
	says(xiaozhi_answer_error(&out, ERR_TOO_LARGE), 413, "{\"error\":\"Invalid OTA request\"}");
	for (int kind = ERR_NONE; kind <= ERR_INTERNAL; kind++) {
		int status = xiaozhi_answer_error(&out, (enum err_kind)kind);
		assert_true(status == 400 || status == 413 || status == 500);
		buf_reset(&out);
	}
	says(xiaozhi_answer_error(&out, ERR_UNAVAILABLE), 500, "{\"error\":\"Failed to read device auto_update status\"}");
}

static void activation_has_its_answers(void **state)
{
	(void)state;
	buf_init_fixed(&out, mem, sizeof mem);
	says(xiaozhi_answer_activated(&out, 1421825), 200, "{\"message\":\"Device activated\",\"device_id\":1421825}");
	assert_int_equal(xiaozhi_answer_waiting(&out), 202);
	buf_reset(&out);
	err_set(&err, ERR_DENIED, "the \"hmac\" is wrong");
	says(xiaozhi_answer_refused(&out, &err), 403, "{\"error\":\"the \\\"hmac\\\" is wrong\"}");
	for (int kind = ERR_NONE; kind <= ERR_INTERNAL; kind++) {
		err_set(&err, (enum err_kind)kind, "no");
		assert_in_range(xiaozhi_answer_refused(&out, &err), 400, 500);
		buf_reset(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seeds_answer_to_an_unbound_device),
		cmocka_unit_test(every_part_is_optional_but_the_firmware),
		cmocka_unit_test(numbers_are_sent_only_when_they_are_set),
		cmocka_unit_test(force_is_the_number_1),
		cmocka_unit_test(nothing_to_install_is_the_devices_own_version),
		cmocka_unit_test(versions_that_do_not_parse_are_refused),
		cmocka_unit_test(a_firmware_needs_both_members),
		cmocka_unit_test(another_version_without_a_url_is_refused),
		cmocka_unit_test(a_device_whose_own_version_aborts_it_gets_no_firmware),
		cmocka_unit_test(endpoints_that_do_not_parse_are_refused),
		cmocka_unit_test(texts_of_4000_bytes_are_refused),
		cmocka_unit_test(mqtt_without_a_client_id_or_topic_is_refused),
		cmocka_unit_test(urls_that_do_not_parse_are_refused),
		cmocka_unit_test(a_code_needs_a_challenge_and_a_message),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(text_that_is_no_utf8_is_refused),
		cmocka_unit_test(a_full_buffer_is_an_error_and_left_as_it_was),
		cmocka_unit_test(no_random_answer_hurts_a_device),
		cmocka_unit_test(the_model_of_the_device_knows_what_hurts),
		cmocka_unit_test(the_message_is_host_and_code_in_the_devices_language),
		cmocka_unit_test(a_failed_check_has_the_seeds_words_and_is_never_200),
		cmocka_unit_test(activation_has_its_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
