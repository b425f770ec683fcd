#include "mqtt/inbound.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/topic.h"
#include "engine/alarm.h"
#include "engine/climb.h"
#include "engine/dispatch.h"
#include "engine/hear.h"
#include "engine/message.h"
#include "engine/poll.h"
#include "engine/presence.h"
#include "metrics/metrics.h"
#include "mqtt/chunk.h"
#include "mqtt/outbound.h"

enum { PAYLOAD_MAX = 2048 };

/* Who is to be answered when the commit is done. */
struct asker {
	struct inbound *inbound;
	char device[NAME_SIZE];
};

static void send(struct inbound *in, const char *topic, const struct buf *payload)
{
	if (buf_ok(payload)) {
		outbound_reply(in->outbound, topic, payload->data, payload->len);
	}
}

static void reply_report(struct inbound *in, const char *device, const struct err *why)
{
	char topic[TOPIC_SIZE];
	char mem[PAYLOAD_MAX];
	struct buf payload;
	buf_init_fixed(&payload, mem, sizeof mem);
	in->dialect->report_reply(device, why, topic, &payload);
	send(in, topic, &payload);
}

static void heard(void *ctx, const struct err *err)
{
	struct asker *asker = ctx;
	/* not committed for a reason of ours: silence, so that the device repeats it */
	bool ours =
		err && (err->kind == ERR_UNAVAILABLE || err->kind == ERR_BUSY || err->kind == ERR_NO_SPACE || err->kind == ERR_INTERNAL);
	if (!ours) {
		reply_report(asker->inbound, asker->device, err);
	}
	free(asker);
}

static struct asker *asker_new(struct inbound *in, const char *device)
{
	struct asker *asker = calloc(1, sizeof *asker);
	if (asker) {
		asker->inbound = in;
		text_copy(asker->device, sizeof asker->device, device);
	}
	return asker;
}

static void on_report(struct inbound *in, const struct message *m)
{
	struct err err = {0};
	struct asker *asker = m->answerable ? asker_new(in, m->device) : NULL;
	if (!hear_report(in->engine, m->device, &m->report, asker ? heard : NULL, asker, &err)) {
		free(asker);
		if (m->answerable && err.kind != ERR_BUSY) {
			reply_report(in, m->device, &err);
		}
	}
}

static void looked_up(void *ctx, const struct offer *offer, const struct err *err)
{
	struct asker *asker = ctx;
	char topic[TOPIC_SIZE];
	char mem[PAYLOAD_MAX];
	struct buf payload;
	buf_init_fixed(&payload, mem, sizeof mem);
	asker->inbound->dialect->get_reply(asker->device, offer, err, asker->inbound->public_url, topic, &payload);
	send(asker->inbound, topic, &payload);
	free(asker);
}

static void on_get(struct inbound *in, const struct message *m)
{
	struct asker *asker = asker_new(in, m->device);
	if (asker) {
		presence_asked(in->engine, m->device);
		poll_device(in->engine, &(struct poll){.device = m->device, .version = ""}, looked_up, asker);
	}
}

static void on_push(struct inbound *in, const struct message *m)
{
	if (dispatch_is_ours(in->engine, m->device, m->alias)) {
		metrics_add(METRIC_PUSH_ECHOES, 1);
		return;
	}
	alarm_forged(in->engine, m->device, 1);
}

void inbound_message(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	struct inbound *in = ctx;
	struct message m;
	struct err err = {0};
	metrics_add(METRIC_MQTT_MESSAGES, 1);
	if (retained) { /* of unknown age: no evidence of anything */
		metrics_add(METRIC_MQTT_REJECTED, 1);
		log_debug("retained message ignored", LOG_S("topic", topic));
		return;
	}
	struct message_answer answer;
	if (in->direct->decode(topic, payload, len, &answer)) {
		if (answer.kind != ANSWER_NONE) {
			climb_answer(in->engine, &answer);
		}
		return;
	}
	in->dialect->decode(topic, payload, len, &m, &err);
	switch (m.kind) {
	case MESSAGE_REPORT:
		on_report(in, &m);
		break;
	case MESSAGE_GET:
		on_get(in, &m);
		break;
	case MESSAGE_PUSH:
		on_push(in, &m);
		break;
	case MESSAGE_CHUNK:
		chunk_take(in->chunks, &m);
		break;
	case MESSAGE_BAD:
		metrics_add(METRIC_MQTT_REJECTED, 1);
		log_debug("message not understood", LOG_S("topic", topic), LOG_S("error", err.text));
		if (m.answerable) {
			reply_report(in, m.device, &err);
		} else if (m.about_chunk) {
			chunk_refuse(in->chunks, m.device, &err);
		}
		break;
	}
}
