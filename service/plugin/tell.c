#include "plugin/tell.h"

#include <stdbool.h>

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

void tell_publish(const char *topic, struct buf *out)
{
	if (buf_ok(out)) {
		mosquitto_broker_publish_copy(NULL, topic, (int)out->len, out->data, 0, false, NULL);
	}
	buf_free(out);
}

void tell_send(struct buf *out)
{
	buf_putc(out, '}');
	tell_publish(TOPIC, out);
}
