#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "dialect/xiaozhi_push.h"
#include "engine/dispatch.h"
#include "engine/message.h"

#define DEVICE "94_a9_90_2c_84_b8"
#define TOPIC "device-server/" DEVICE
#define MCP(payload) "{\"session_id\":\"\",\"type\":\"mcp\",\"payload\":" payload "}"
#define RESULT(call, text) \
	"{\"jsonrpc\":\"2.0\",\"id\":" call ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"" text "\"}],\"isError\":false}}"
#define ERROR(call, text) "{\"jsonrpc\":\"2.0\",\"id\":" call ",\"error\":{\"message\":\"" text "\"}}"

static struct message_answer answer;

static bool decode(const char *topic, const char *payload)
{
	memset(&answer, 0xa5, sizeof answer);
	return xiaozhi_push.decode(topic, payload, strlen(payload), &answer);
}

static void assert_answer(const char *payload, enum answer_kind kind, int call, const char *detail)
{
	assert_true(decode(TOPIC, payload));
	assert_int_equal(answer.kind, kind);
	assert_int_equal(answer.call, call);
	assert_string_equal(answer.device, DEVICE);
	assert_string_equal(answer.detail, detail);
}

static void true_means_that_it_is_scheduled(void **state)
{
	(void)state;
	assert_answer(MCP(RESULT("8", "true")), ANSWER_TAKEN, 8, "true");
	assert_answer(MCP("{\"jsonrpc\":\"2.0\",\"id\":2147483647,\"result\":{}}"), ANSWER_TAKEN, INT32_MAX, "");
	assert_answer(MCP("{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{\"content\":[]}}"), ANSWER_TAKEN, 8, "");
}

static void an_unknown_tool_is_told_from_a_refusal(void **state)
{
	(void)state;
	assert_answer(MCP(ERROR("8", "Unknown tool: self.upgrade_firmware")), ANSWER_NO_TOOL, 8, "Unknown tool: self.upgrade_firmware");
	assert_answer(MCP(ERROR("8", "Method not implemented: tools/call")), ANSWER_NO_TOOL, 8, "Method not implemented: tools/call");
	assert_answer(MCP(ERROR("8", "battery low")), ANSWER_REFUSED, 8, "battery low");
	assert_answer(MCP("{\"jsonrpc\":\"2.0\",\"id\":8,\"error\":{}}"), ANSWER_REFUSED, 8, "");
	assert_answer(MCP("{\"jsonrpc\":\"2.0\",\"id\":8,\"error\":\"x\"}"), ANSWER_REFUSED, 8, "");
	assert_answer(MCP(RESULT("8", "false")), ANSWER_REFUSED, 8, "false");
	assert_answer(
		MCP("{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"no room\"}],\"isError\":true}}"),
		ANSWER_REFUSED, 8, "no room");
}

static void only_true_itself_is_an_error(void **state)
{
	(void)state;
	assert_answer(MCP("{\"id\":8,\"result\":{\"isError\":\"true\",\"content\":[]}}"), ANSWER_TAKEN, 8, "");
	assert_answer(MCP("{\"id\":8,\"result\":{\"isError\":false,\"content\":[]}}"), ANSWER_TAKEN, 8, "");
	assert_answer(MCP("{\"id\":8,\"result\":{\"isError\":null,\"content\":[]}}"), ANSWER_TAKEN, 8, "");
	assert_answer(MCP("{\"id\":8,\"result\":{\"isError\": true}}"), ANSWER_REFUSED, 8, "");
}

static void a_long_text_is_cut_at_a_whole_character(void **state)
{
	(void)state;
	char text[900];
	char payload[1024];
	for (size_t i = 0; i + 3 < sizeof text; i += 3) {
		memcpy(text + i, "电", 4);
	}
	text[600] = '\0';
	snprintf(payload, sizeof payload, MCP(ERROR("8", "%s")), text);
	assert_true(decode(TOPIC, payload));
	assert_int_equal(answer.kind, ANSWER_REFUSED);
	assert_int_equal(strlen(answer.detail), 255); /* 85 characters of three bytes */
}

static void what_else_a_device_says_there_is_not_for_us(void **state)
{
	(void)state;
	static const char *const payloads[] = {
		"",
		"x",
		"{\"type\":\"hello\",\"version\":3,\"transport\":\"udp\",\"features\":{\"mcp\":true},\"audio_params\":{\"format\":\"opus\"}"
		"}",
		"{\"session_id\":\"a\",\"type\":\"listen\",\"state\":\"detect\",\"text\":\"id mcp\"}",
		"{\"session_id\":\"a\",\"type\":\"goodbye\"}",
		"{\"session_id\":\"a\",\"type\":\"abort\",\"id\":1,\"x\":\"mcp\"}",
		"{\"type\":\"mcp\"}",
		"{\"type\":\"mcp\",\"id\":8,\"result\":{}}",
		MCP("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/state\",\"params\":{\"id\":8}}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/call\",\"result\":{}}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":8}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{}}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{}}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":-1,\"result\":{}}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":2147483648,\"result\":{}}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"result\":{}}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":null}"),
		MCP("{\"jsonrpc\":\"2.0\",\"id\":8,\"id\":9,\"result\":{}}"),
		MCP("[8]"),
		"[\"mcp\",\"id\"]",
		"{\"type\":\"mcp\",\"type\":\"mcp\",\"payload\":{\"id\":8,\"result\":{}}}",
		"{\"type\":\"mcp\",\"payload\":{\"id\":8,\"result\":{}}",
	};
	for (size_t i = 0; i < COUNT(payloads); i++) {
		assert_true(decode(TOPIC, payloads[i]));
		if (answer.kind != ANSWER_NONE) {
			fail_msg("taken: %s", payloads[i]);
		}
	}
}

static void what_is_too_long_is_not_read(void **state)
{
	(void)state;
	static char payload[XIAOZHI_PUSH_ANSWER_MAX + 2];
	const char *good = MCP(RESULT("8", "true"));
	memset(payload, ' ', sizeof payload - 1);
	memcpy(payload, good, strlen(good));
	assert_true(xiaozhi_push.decode(TOPIC, payload, XIAOZHI_PUSH_ANSWER_MAX, &answer));
	assert_int_equal(answer.kind, ANSWER_TAKEN);
	assert_true(xiaozhi_push.decode(TOPIC, payload, XIAOZHI_PUSH_ANSWER_MAX + 1, &answer));
	assert_int_equal(answer.kind, ANSWER_NONE);
}

static void only_the_devices_own_topics_are_its(void **state)
{
	(void)state;
	const char *good = MCP(RESULT("8", "true"));
	assert_false(decode("/oc/devices/" DEVICE "/sys/ota", good));
	assert_false(decode("device-server", good));
	assert_false(decode("otad/v1/presence", good));
	static const char *const nobody[] = {"device-server/", "device-server/a/b", "device-server/a b",
					     "device-server/0123456789012345678901234567890123456789012345678901234567890123456789"};
	for (size_t i = 0; i < COUNT(nobody); i++) {
		assert_true(decode(nobody[i], good));
		assert_int_equal(answer.kind, ANSWER_NONE);
	}
}

static void assert_pushed(enum dispatch_how how, const char *expected)
{
	struct dispatch_message message = {.how = how, .call = 8, .offer = {.alias = "0123456789abcdef-alias.bin"}, .device = DEVICE};
	char topic[TOPIC_SIZE];
	char mem[512];
	struct buf payload;
	buf_init_fixed(&payload, mem, sizeof mem);
	xiaozhi_push.push(&message, "https://ota.example.com", topic, &payload);
	assert_string_equal(topic, "devices/p2p/" DEVICE);
	assert_string_equal(buf_cstr(&payload), expected);
}

static void a_call_and_a_command_are_what_the_firmware_reads(void **state)
{
	(void)state;
	assert_pushed(DISPATCH_UPGRADE, "{\"type\":\"mcp\",\"payload\":{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/call\",\"params\":"
					"{\"name\":\"self.upgrade_firmware\",\"arguments\":"
					"{\"url\":\"https://ota.example.com/xiaozhi/ota/firmware/0123456789abcdef-alias.bin\"}}}}");
	assert_pushed(DISPATCH_REBOOT, "{\"type\":\"system\",\"command\":\"reboot\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(true_means_that_it_is_scheduled),
		cmocka_unit_test(an_unknown_tool_is_told_from_a_refusal),
		cmocka_unit_test(only_true_itself_is_an_error),
		cmocka_unit_test(a_long_text_is_cut_at_a_whole_character),
		cmocka_unit_test(what_else_a_device_says_there_is_not_for_us),
		cmocka_unit_test(what_is_too_long_is_not_read),
		cmocka_unit_test(only_the_devices_own_topics_are_its),
		cmocka_unit_test(a_call_and_a_command_are_what_the_firmware_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
