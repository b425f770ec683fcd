#include "plugin/tell.h"

#include <string.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/text.h"
#include "plugin/broker.h"

#define TOPIC "otad/v1/presence"

enum { MESSAGE_MAX = 128 * 1024 };

void tell_init(struct tell *t)
{
	uint8_t random[8];
	digest_random(random, sizeof random);
	text_hex(t->boot, random, sizeof random);
	t->seq = 0;
}

void tell_begin(struct tell *t, struct buf *out)
{
	buf_init(out, MESSAGE_MAX);
	buf_puts(out, "{\"boot\":\"");
	buf_puts(out, t->boot);
	buf_puts(out, "\",\"seq\":");
	buf_put_u64(out, ++t->seq);
	buf_putc(out, ',');
}

void tell_skip(struct tell *t)
{
	t->seq++;
}

/* mosquitto_broker_publish_copy() takes its copy from calloc(), but frees it as one of the broker's own: what the broker believes to use
 * sinks below nothing, and a memory_limit then refuses all. */
bool tell_copy(const char *client_id, const char *topic, const void *payload, size_t len, int qos)
{
	void *copy = len > 0 ? mosquitto_malloc(len) : NULL;
	if (len > 0 && !copy) {
		return false;
	}
	if (copy) {
		memcpy(copy, payload, len);
	}
	if (mosquitto_broker_publish(client_id, topic, (int)len, copy, qos, false, NULL) != MOSQ_ERR_SUCCESS) {
		mosquitto_free(copy);
		return false;
	}
	return true;
}

void tell_publish(const char *topic, struct buf *out)
{
	if (buf_ok(out)) {
		tell_copy(NULL, topic, out->data, out->len, 0);
	}
	buf_free(out);
}

void tell_send(struct buf *out)
{
	buf_putc(out, '}');
	tell_publish(TOPIC, out);
}
