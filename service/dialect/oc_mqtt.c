/* The oc dialect over MQTT: /oc/devices/{deviceName}/sys/ota and the topics below it. */
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/oc.h"
#include "dialect/oc_envelope.h"
#include "engine/dispatch.h"
#include "engine/message.h"

enum { PAYLOAD_MAX = 4096 };

/* Task ids travel as strings; numbers are accepted. 0 = none named. */
static bool decode_task_id(const struct cJSON *json, int64_t *out, struct err *err)
{
	*out = 0;
	return json_int(json, "taskId", false, 1, INT64_MAX, out, err);
}

static bool decode_version(const struct cJSON *json, struct report *r, struct err *err)
{
	r->kind = REPORT_VERSION;
	return json_text_or_number(json, "version", true, r->version, sizeof r->version, err);
}

static bool decode_progress(const struct cJSON *json, const char *key, struct report *r, struct err *err)
{
	r->kind = REPORT_PROGRESS;
	return json_int(json, key, true, -99, 100, &r->step, err) && json_text(json, "desc", false, r->detail, sizeof r->detail, err);
}

/* A device's answer on the push topic. */
static bool decode_status(const struct cJSON *json, struct report *r, struct err *err)
{
	static const struct {
		const char *word;
		enum report_kind kind;
		int64_t step;
	} words[] = {
		{"accepted", REPORT_PROGRESS, 0},     {"received", REPORT_PROGRESS, 0}, {"downloading", REPORT_PROGRESS, 1},
		{"installing", REPORT_PROGRESS, 100}, {"failed", REPORT_PROGRESS, -1},  {"error", REPORT_PROGRESS, -1},
		{"rejected", REPORT_REJECTED, 0},     {"refused", REPORT_REJECTED, 0},
	};
	char word[32];
	if (!json_text(json, "status", true, word, sizeof word, err) || !json_text(json, "desc", false, r->detail, sizeof r->detail, err)) {
		return false;
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (text_equals_nocase(word, words[i].word)) {
			r->kind = words[i].kind;
			r->step = words[i].step;
			return true;
		}
	}
	return err_set(err, ERR_INVALID, "status must be accepted, downloading, installing, failed or rejected");
}

/* Push-shaped, whatever else it holds: a forger must not hide behind a member that we refuse and devices ignore. */
static bool decode_push(const struct cJSON *json, struct message *m)
{
	if (!json_has(json, "fileName") && !json_has(json, "url")) {
		return false;
	}
	m->kind = MESSAGE_PUSH;
	json_text(json, "fileName", false, m->alias, sizeof m->alias, NULL);
	return true;
}

/* What a device says on the push topic. */
static bool decode_answer(const struct cJSON *json, struct report *r, struct err *err)
{
	return json_has(json, "version")    ? decode_version(json, r, err)
	       : json_has(json, "progress") ? decode_progress(json, "progress", r, err)
					    : decode_status(json, r, err);
}

static bool decode_component(const struct cJSON *json, struct report *r, struct err *err)
{
	if (!json_text(json, "component", false, r->component, sizeof r->component, err)) {
		return false;
	}
	for (const char *c = r->component; *c; c++) {
		if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_')) {
			return err_set(err, ERR_INVALID, "component must be of a-z, 0-9 and _");
		}
	}
	return *r->component || text_copy(r->component, sizeof r->component, COMPONENT_DEFAULT);
}

/* The task names the file; where it has ended, only the file name of the offer still does. */
static bool decode_chunk(const struct cJSON *json, struct message *m, struct err *err)
{
	struct message_chunk *c = &m->chunk;
	if (!json_text(json, "fileName", false, m->alias, sizeof m->alias, err)) {
		return false;
	}
	bool named = *m->alias != '\0';
	return json_int(json, "taskId", !named, named ? 0 : 1, INT64_MAX, &c->task_id, err) &&
	       json_int(json, "offset", true, 0, INT64_MAX, &c->offset, err) &&
	       json_int(json, "length", true, 1, MESSAGE_CHUNK_MAX, &c->length, err);
}

static void decode(const char *topic, const void *payload, size_t len, struct message *m, struct err *err)
{
	*m = (struct message){.kind = MESSAGE_BAD};
	enum topic_kind kind = topic_parse(topic, strlen(topic), m->device);
	if (!topic_is_up(kind)) {
		err_set(err, ERR_INVALID, "not a topic devices write to");
		m->device[0] = '\0';
		return;
	}
	m->answerable = kind == TOPIC_REPORT || kind == TOPIC_PROGRESS;
	m->about_chunk = kind == TOPIC_CHUNK_GET;
	if (kind == TOPIC_GET) {
		m->kind = MESSAGE_GET; /* whatever it says */
		return;
	}
	if (len > PAYLOAD_MAX) {
		err_set(err, ERR_TOO_LARGE, "a message may have %d bytes", PAYLOAD_MAX);
		return;
	}
	scoped_json struct cJSON *json = json_parse_object(payload, len, err);
	struct report *r = &m->report;
	if (json && kind == TOPIC_CHUNK_GET) {
		m->kind = decode_chunk(json, m, err) ? MESSAGE_CHUNK : MESSAGE_BAD;
		return;
	}
	if (!json || (kind == TOPIC_OTA && decode_push(json, m)) || !decode_component(json, r, err) ||
	    !decode_task_id(json, &r->task_id, err)) {
		return;
	}
	bool ok = kind == TOPIC_OTA      ? decode_answer(json, r, err)
		  : kind == TOPIC_REPORT ? decode_version(json, r, err)
					 : decode_progress(json, "step", r, err);
	m->kind = ok ? MESSAGE_REPORT : MESSAGE_BAD;
}

/* The seed's three keys first; all values are strings. */
static void put_offer(const struct offer *o, const char *public_url, struct buf *out)
{
	buf_puts(out, "{\"fileName\":\"");
	buf_puts(out, o->alias);
	buf_puts(out, "\",\"version\":");
	buf_put_json(out, o->version);
	buf_puts(out, ",\"md5\":\"");
	buf_puts(out, o->md5);
	buf_puts(out, "\",\"taskId\":\"");
	buf_put_i64(out, o->task_id);
	buf_puts(out, "\",\"url\":\"");
	buf_puts(out, public_url);
	buf_puts(out, "/api/v2/micro/");
	buf_puts(out, o->alias);
	buf_puts(out, "\",\"size\":\"");
	buf_put_i64(out, o->size);
	buf_puts(out, "\",\"sha256\":\"");
	buf_puts(out, o->sha256);
	buf_puts(out, "\",\"component\":\"");
	buf_puts(out, o->component);
	buf_puts(out, "\"}");
}

static void push(const struct dispatch_message *message, const char *public_url, char topic[TOPIC_SIZE], struct buf *payload)
{
	topic_make(topic, TOPIC_OTA, message->device);
	put_offer(&message->offer, public_url, payload);
}

/* The platform's replies: the code is a string. */
static void put_status(const struct err *why, const char *good, struct buf *out)
{
	buf_puts(out, "{\"code\":\"");
	buf_put_i64(out, why ? oc_code(why->kind) : 200);
	buf_puts(out, "\",\"status\":");
	buf_put_json(out, why ? why->text : good);
	buf_putc(out, '}');
}

static void report_reply(const char *device, const struct err *why, char topic[TOPIC_SIZE], struct buf *payload)
{
	topic_make(topic, TOPIC_REPORT_REPLY, device);
	put_status(why, "ok", payload);
}

static void get_reply(const char *device, const struct offer *offer, const struct err *why, const char *public_url, char topic[TOPIC_SIZE],
		      struct buf *payload)
{
	topic_make(topic, TOPIC_GET_REPLY, device);
	if (offer) {
		put_offer(offer, public_url, payload);
	} else {
		put_status(why, "nothing", payload);
	}
}

static void chunk(const char *device, const struct message_chunk *c, char topic[TOPIC_SIZE])
{
	topic_make_chunk(topic, device, c->task_id, c->offset);
}

static void chunk_reply(const char *device, const struct err *why, char topic[TOPIC_SIZE], struct buf *payload)
{
	topic_make(topic, TOPIC_CHUNK_GET_REPLY, device);
	put_status(why, "ok", payload);
}

static const char *const report_filters[] = {"/oc/devices/+/sys/ota/report", "/oc/devices/+/sys/ota/progress", "/oc/devices/+/sys/ota/get",
					     NULL};
static const char *const push_filters[] = {"/oc/devices/+/sys/ota", "/oc/devices/+/sys/ota/chunk/get", NULL};

const struct message_dialect oc_messages = {
	.report_filters = report_filters,
	.push_filters = push_filters,
	.decode = decode,
	.push = push,
	.report_reply = report_reply,
	.get_reply = get_reply,
	.chunk = chunk,
	.chunk_reply = chunk_reply,
};
