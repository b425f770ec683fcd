/* The oc dialect's messages. Line 1: the topic; the rest: the payload. What was understood is then written as an offer and as replies. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/alias.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/oc.h"
#include "engine/dispatch.h"
#include "engine/message.h"
#include "fuzz.h"

enum { PAYLOAD_MAX = 2048 /* of what the transport sends */, MESSAGE_MAX = 4096 /* of what devices send */ };

static bool fits(const char *s, size_t size)
{
	return memchr(s, '\0', size) && text_is_utf8(s, strlen(s)) && text_is_printable(s, strlen(s));
}

static void check_report(const struct report *r)
{
	CHECK(fits(r->component, sizeof r->component) && *r->component);
	CHECK(strspn(r->component, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(r->component));
	CHECK(fits(r->version, sizeof r->version) && fits(r->detail, sizeof r->detail));
	CHECK(r->task_id >= 0 && r->step >= -99 && r->step <= 100);
	CHECK(r->kind == REPORT_VERSION || r->kind == REPORT_PROGRESS || r->kind == REPORT_REJECTED);
	CHECK(r->kind != REPORT_VERSION || *r->version);
	CHECK(r->device_id == 0 && r->bytes.count == 0);
}

static void check_message(const struct message *m, const struct err *err)
{
	CHECK(*m->device ? text_is_device_name(m->device) : m->kind == MESSAGE_BAD && !m->answerable && !m->about_chunk);
	CHECK(!m->answerable || !m->about_chunk);
	CHECK((m->kind == MESSAGE_BAD) == (err->kind != ERR_NONE));
	CHECK(m->kind != MESSAGE_BAD || *err->text);
	CHECK(fits(m->alias, sizeof m->alias) && (m->kind == MESSAGE_PUSH || m->about_chunk || !*m->alias));
	if (m->kind == MESSAGE_REPORT) {
		check_report(&m->report);
	}
	if (m->kind == MESSAGE_CHUNK) {
		const struct message_chunk *c = &m->chunk;
		CHECK(m->about_chunk && c->task_id >= (*m->alias ? 0 : 1) && c->offset >= 0);
		CHECK(c->length >= 1 && c->length <= MESSAGE_CHUNK_MAX);
	}
}

/* Only topics that devices write to name a sender. An object on the push topic that a device could take for an update is seen as a push,
 * whatever else stands in it. */
static void check_topic_kind(const struct message *m, const char *topic, const char *payload, size_t len)
{
	char device[TOPIC_DEVICE_SIZE];
	enum topic_kind kind = topic_parse(topic, strlen(topic), device);
	CHECK((*m->device != '\0') ==
	      (kind == TOPIC_OTA || kind == TOPIC_REPORT || kind == TOPIC_PROGRESS || kind == TOPIC_GET || kind == TOPIC_CHUNK_GET));
	CHECK(m->about_chunk == (kind == TOPIC_CHUNK_GET));
	if (kind != TOPIC_OTA || len > MESSAGE_MAX) {
		return;
	}
	scoped_json cJSON *json = json_parse_object(payload, len, NULL);
	bool push = json && (json_has(json, "fileName") || json_has(json, "url"));
	CHECK(push == (m->kind == MESSAGE_PUSH));
}

static cJSON *read_strings(const struct buf *payload)
{
	const char *end = NULL;
	CHECK(buf_ok(payload));
	cJSON *json = cJSON_ParseWithLengthOpts(payload->data, payload->len, &end, false);
	CHECK(cJSON_IsObject(json) && end == payload->data + payload->len);
	for (const cJSON *member = json->child; member; member = member->next) {
		CHECK(cJSON_IsString(member));
	}
	return json;
}

static void check_topic(const char *topic, enum topic_kind wanted, const char *wanted_device)
{
	char device[TOPIC_DEVICE_SIZE];
	CHECK(topic_parse(topic, strlen(topic), device) == wanted && strcmp(device, wanted_device) == 0);
}

static void check_replies(const char *device, const struct err *why)
{
	char topic[TOPIC_SIZE];
	char mem[PAYLOAD_MAX];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	oc_messages.report_reply(device, why, topic, &out);
	check_topic(topic, TOPIC_REPORT_REPLY, device);
	cJSON *json = read_strings(&out);
	CHECK((strcmp(cJSON_GetObjectItem(json, "code")->valuestring, "200") == 0) == (why == NULL));
	cJSON_Delete(json);
	buf_reset(&out);
	oc_messages.get_reply(device, NULL, why, "http://ota.example.com", topic, &out);
	check_topic(topic, TOPIC_GET_REPLY, device);
	json = read_strings(&out);
	cJSON_Delete(json);
	buf_reset(&out);
	oc_messages.chunk_reply(device, why, topic, &out);
	check_topic(topic, TOPIC_CHUNK_GET_REPLY, device);
	json = read_strings(&out);
	cJSON_Delete(json);
}

/* A push carries the seed's three keys first, and comes back as one. */
static void check_push(const char *device, const char *version)
{
	struct dispatch_message push = {
		.offer = {.task_id = 7, .size = 4096, .component = "app", .md5 = "d41d8cd98f00b204e9800998ecf8427e"}};
	memset(push.offer.alias, 'a', ALIAS_LEN);
	text_copy(push.device, sizeof push.device, device);
	text_copy(push.offer.version, sizeof push.offer.version, version);
	char topic[TOPIC_SIZE];
	char mem[PAYLOAD_MAX];
	struct buf out;
	struct message back;
	struct err err = {0};
	buf_init_fixed(&out, mem, sizeof mem);
	oc_messages.push(&push, "http://ota.example.com", topic, &out);
	check_topic(topic, TOPIC_OTA, device);
	cJSON *json = read_strings(&out);
	const cJSON *first = json->child;
	CHECK(strcmp(first->string, "fileName") == 0 && strcmp(first->valuestring, push.offer.alias) == 0);
	CHECK(strcmp(first->next->string, "version") == 0 && strcmp(first->next->valuestring, version) == 0);
	CHECK(strcmp(first->next->next->string, "md5") == 0);
	cJSON_Delete(json);
	oc_messages.decode(topic, out.data, out.len, &back, &err);
	CHECK(back.kind == MESSAGE_PUSH && strcmp(back.alias, push.offer.alias) == 0 && strcmp(back.device, device) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct message m;
	struct err err = {0};
	size_t len;
	scoped_free char *topic = fuzz_line(&in);
	scoped_free char *payload = fuzz_rest(&in, &len);
	oc_messages.decode(topic, payload, len, &m, &err);
	check_message(&m, &err);
	check_topic_kind(&m, topic, payload, len);
	if (*m.device) {
		check_replies(m.device, err.kind != ERR_NONE ? &err : NULL);
		check_push(m.device, m.report.version);
		char answer[TOPIC_SIZE];
		oc_messages.chunk(m.device, &m.chunk, answer);
		check_topic(answer, TOPIC_CHUNK, m.device);
	}
	return 0;
}
