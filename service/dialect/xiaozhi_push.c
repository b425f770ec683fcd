#include "dialect/xiaozhi_push.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "common/topic.h"
#include "dialect/xiaozhi_json.h"
#include "engine/dispatch.h"
#include "engine/message.h"

#define UPWARD "device-server/"
#define DOWNWARD "devices/p2p/"
#define TOOL "self.upgrade_firmware"
#define FILES "/xiaozhi/ota/firmware/"

enum { UPWARD_LEN = sizeof UPWARD - 1 };

/* --- what arrives --- */

static bool has(const char *text, size_t len, const char *word)
{
	return memmem(text, len, word, strlen(word)) != NULL;
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is(const struct xiaozhi_json *json, int token, const char *word)
{
	char text[8];
	return xiaozhi_json_text(json, token, text, sizeof text) && strcmp(text, word) == 0;
}

/* As much of it as fits, in whole characters. */
static void cut(char out[TEXT_SIZE], const char *text)
{
	size_t len = strlen(text);
	len = len < TEXT_SIZE ? len : TEXT_SIZE - 1;
	while (!text_is_utf8(text, len)) { /* the last character, at most */
		len--;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

/* {"message":"Unknown tool: self.upgrade_firmware"} */
static void take_error(const struct xiaozhi_json *json, int error, struct message_answer *out)
{
	static const struct xiaozhi_json_name names[] = {{XIAOZHI_JSON_NAME("message")}};
	char text[XIAOZHI_PUSH_ANSWER_MAX] = "";
	int at;
	if (xiaozhi_json_members(json, error, names, 1, &at)) {
		xiaozhi_json_text(json, at, text, sizeof text);
	}
	bool unknown = begins(text, "Unknown tool") || begins(text, "Method not implemented");
	out->kind = unknown ? ANSWER_NO_TOOL : ANSWER_REFUSED;
	cut(out->detail, text);
}

/* A value of an object, where it starts (of a string: behind its quote). */
static bool is_true(const char *value)
{
	return value[0] == 't' && value[-1] != '"';
}

/* {"content":[{"type":"text","text":"true"}],"isError":false}. The text is what the tool returned: "true" = it is scheduled. */
static void take_result(const struct xiaozhi_json *json, int result, struct message_answer *out)
{
	static const struct xiaozhi_json_name names[] = {{XIAOZHI_JSON_NAME("content")}, {XIAOZHI_JSON_NAME("isError")}};
	static const struct xiaozhi_json_name of_content[] = {{XIAOZHI_JSON_NAME("text")}};
	char text[XIAOZHI_PUSH_ANSWER_MAX] = "";
	int at[2];
	int content;
	if (!xiaozhi_json_members(json, result, names, 2, at)) {
		return;
	}
	int first = xiaozhi_json_first(json, at[0]);
	if (first != XIAOZHI_JSON_ABSENT && xiaozhi_json_members(json, first, of_content, 1, &content)) {
		xiaozhi_json_text(json, content, text, sizeof text);
	}
	bool failed = at[1] != XIAOZHI_JSON_ABSENT && is_true(json->text + json->token[at[1]].start);
	out->kind = failed || strcmp(text, "false") == 0 ? ANSWER_REFUSED : ANSWER_TAKEN;
	cut(out->detail, text);
}

/* JSON-RPC: one of result and error, and the number of the call. What has a method is a call of the device's own. */
static void take_payload(const struct xiaozhi_json *json, int payload, struct message_answer *out)
{
	enum { ID, RESULT, ERROR, METHOD, NAMES };
	static const struct xiaozhi_json_name names[NAMES] = {[ID] = {XIAOZHI_JSON_NAME("id")},
							      [RESULT] = {XIAOZHI_JSON_NAME("result")},
							      [ERROR] = {XIAOZHI_JSON_NAME("error")},
							      [METHOD] = {XIAOZHI_JSON_NAME("method")}};
	int at[NAMES];
	int64_t call;
	if (!xiaozhi_json_members(json, payload, names, NAMES, at) || at[METHOD] != XIAOZHI_JSON_ABSENT ||
	    !xiaozhi_json_int(json, at[ID], 1, INT32_MAX, &call)) {
		return;
	}
	out->call = (int32_t)call;
	if (at[ERROR] != XIAOZHI_JSON_ABSENT) {
		take_error(json, at[ERROR], out);
	} else if (at[RESULT] != XIAOZHI_JSON_ABSENT) {
		take_result(json, at[RESULT], out);
	}
}

/* Most of what devices say there is talk for a voice back end: it is dropped before anything is parsed. */
static bool decode(const char *topic, const void *payload, size_t len, struct message_answer *out)
{
	enum { TYPE, PAYLOAD, NAMES };
	static const struct xiaozhi_json_name names[NAMES] = {
		[TYPE] = {XIAOZHI_JSON_NAME("type")}, [PAYLOAD] = {XIAOZHI_JSON_NAME("payload")}};
	struct xiaozhi_json json;
	int at[NAMES];
	out->kind = ANSWER_NONE;
	out->device[0] = out->detail[0] = '\0';
	out->call = 0;
	if (!begins(topic, UPWARD)) {
		return false;
	}
	const char *device = topic + UPWARD_LEN;
	if (len == 0 || len > XIAOZHI_PUSH_ANSWER_MAX || !has(payload, len, "\"mcp\"") || !has(payload, len, "\"id\"") ||
	    !text_is_device_name(device) || !xiaozhi_json_parse(&json, payload, len) || !xiaozhi_json_members(&json, 0, names, NAMES, at) ||
	    !is(&json, at[TYPE], "mcp")) {
		return true;
	}
	text_copy(out->device, sizeof out->device, device);
	take_payload(&json, at[PAYLOAD], out);
	return true;
}

/* --- what is sent --- */

static void push(const struct dispatch_message *message, const char *public_url, char topic[TOPIC_SIZE], struct buf *payload)
{
	snprintf(topic, TOPIC_SIZE, DOWNWARD "%.64s", message->device);
	if (message->how == DISPATCH_REBOOT) {
		buf_puts(payload, "{\"type\":\"system\",\"command\":\"reboot\"}");
		return;
	}
	buf_puts(payload, "{\"type\":\"mcp\",\"payload\":{\"jsonrpc\":\"2.0\",\"id\":");
	buf_put_i64(payload, message->call);
	buf_puts(payload, ",\"method\":\"tools/call\",\"params\":{\"name\":\"" TOOL "\",\"arguments\":{\"url\":\"");
	buf_puts(payload, public_url);
	buf_puts(payload, FILES);
	buf_puts(payload, message->offer.alias);
	buf_puts(payload, "\"}}}}");
}

static const char *const filters[] = {UPWARD "+", NULL};

const struct message_direct xiaozhi_push = {.filters = filters, .decode = decode, .push = push};
