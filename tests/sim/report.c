#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/scoped.h"
#include "sim.h"

enum { MESSAGE_MAX = 1024 };

void report_version(struct device *d)
{
	char mem[MESSAGE_MAX];
	struct buf text;
	buf_init_fixed(&text, mem, sizeof mem);
	buf_puts(&text, "{\"version\":");
	buf_put_json(&text, d->version);
	if (d->offer.component[0]) {
		buf_puts(&text, ",\"component\":");
		buf_put_json(&text, d->offer.component);
	}
	buf_putc(&text, '}');
	if (link_publish(d, TOPIC_REPORT, buf_cstr(&text))) {
		d->reported_ms = clock_mono_ms();
		stats_tell(d, EVENT_REPORTED, &d->offer, "version %s", d->version);
	}
}

int report_progress(struct device *d, int step, const char *desc)
{
	char mem[MESSAGE_MAX];
	struct buf text;
	buf_init_fixed(&text, mem, sizeof mem);
	buf_puts(&text, "{\"taskId\":");
	buf_put_json(&text, d->offer.task);
	buf_putf(&text, ",\"step\":%d,\"desc\":", step);
	buf_put_json(&text, desc);
	buf_putc(&text, '}');
	int mid = link_publish(d, TOPIC_PROGRESS, buf_cstr(&text));
	if (mid) {
		stats_tell(d, EVENT_PROGRESS, &d->offer, "step %d: %s", step, desc);
	}
	return mid;
}

void report_reply(struct device *d, const char *text, size_t len)
{
	scoped_json struct cJSON *json = json_parse_object(text, len, NULL);
	char code[16] = "";
	if (!json || !json_text(json, "code", true, code, sizeof code, NULL)) {
		stats_tell(d, EVENT_REFUSED, NULL, "the report: its reply has no \"code\" as text");
	} else if (strcmp(code, "200") != 0) {
		stats_tell(d, EVENT_REFUSED, &d->offer, "the report: its reply says code %s", code);
	} else {
		stats_tell(d, EVENT_ACKNOWLEDGED, &d->offer, "code %s after %lld ms", code, (long long)(clock_mono_ms() - d->reported_ms));
		if (d->hellos > 0) {
			d->hellos--;
		} else {
			device_happen(d, DEVICE_ANSWERED);
		}
	}
}
