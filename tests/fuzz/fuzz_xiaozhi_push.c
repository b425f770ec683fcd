/* What devices say on device-server/. Line 1: the topic; the rest: the payload. What was understood, written again plainly, is understood
 * the same; nothing that a parser of its own would call another thing is. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/xiaozhi_push.h"
#include "engine/dispatch.h"
#include "engine/message.h"
#include "fuzz.h"

static void check_answer(const struct message_answer *a)
{
	size_t len = strnlen(a->detail, sizeof a->detail);
	CHECK(len < sizeof a->detail && text_is_utf8(a->detail, len) && text_is_printable(a->detail, len));
	CHECK(a->kind == ANSWER_NONE || (a->call >= 1 && text_is_device_name(a->device)));
	CHECK(a->kind != ANSWER_NO_TOOL || *a->detail);
}

static void read_back(const struct message_answer *a, const char *topic)
{
	char mem[4096];
	struct buf out;
	struct message_answer again;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_putf(&out, "{\"type\":\"mcp\",\"payload\":{\"id\":%d,", a->call);
	if (a->kind == ANSWER_TAKEN) {
		buf_puts(&out, "\"result\":{\"content\":[{\"text\":");
		buf_put_json(&out, a->detail);
		buf_puts(&out, "}]}}}");
	} else {
		buf_puts(&out, "\"error\":{\"message\":");
		buf_put_json(&out, a->detail);
		buf_puts(&out, "}}}");
	}
	CHECK(buf_ok(&out) && xiaozhi_push.decode(topic, out.data, out.len, &again));
	if (out.len <= XIAOZHI_PUSH_ANSWER_MAX) {
		CHECK(again.kind == a->kind || a->kind == ANSWER_REFUSED); /* a result that begins as an error does */
		CHECK(again.call == a->call && strcmp(again.detail, a->detail) == 0 && strcmp(again.device, a->device) == 0);
	}
}

/* What cJSON reads it reads the same; it does not read all that is JSON (half a surrogate pair). */
static void check_with_another_parser(const char *payload, size_t len)
{
	cJSON *json = cJSON_ParseWithLength(payload, len);
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "type");
	CHECK(!json || (cJSON_IsString(type) && strcmp(type->valuestring, "mcp") == 0));
	CHECK(!json || cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(json, "payload")));
	cJSON_Delete(json);
}

static void check_push(const char *device)
{
	struct dispatch_message message = {.how = DISPATCH_UPGRADE, .call = 8, .offer = {.alias = "alias.bin"}};
	char topic[TOPIC_SIZE];
	char mem[512];
	struct buf out;
	text_copy(message.device, sizeof message.device, device);
	buf_init_fixed(&out, mem, sizeof mem);
	xiaozhi_push.push(&message, "http://ota.example.com", topic, &out);
	CHECK(buf_ok(&out) && strncmp(topic, "devices/p2p/", 12) == 0 && strcmp(topic + 12, device) == 0);
	struct message_answer none; /* ours, sent back to us, is no answer */
	char up[TOPIC_SIZE] = "device-server/";
	text_copy(up + strlen(up), sizeof up - strlen(up), device);
	CHECK(xiaozhi_push.decode(up, out.data, out.len, &none) && none.kind == ANSWER_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct message_answer answer;
	size_t len;
	scoped_free char *topic = fuzz_line(&in);
	scoped_free char *payload = fuzz_rest(&in, &len);
	CHECK(xiaozhi_push.decode(topic, payload, len, &answer) == (strncmp(topic, "device-server/", 14) == 0));
	check_answer(&answer);
	if (answer.kind != ANSWER_NONE) {
		read_back(&answer, topic);
		check_with_another_parser(payload, len);
		check_push(answer.device);
	}
	return 0;
}
