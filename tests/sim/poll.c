#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "sim.h"

#include <cjson/cJSON.h>

enum { ANSWER_MAX = 65536, URL_SIZE = 1280 };

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct device *d = ctx;
	buf_put(&d->poll.body, data, one * len);
	return buf_ok(&d->poll.body) ? one * len : 0;
}

static bool read_offer(const cJSON *data, struct offer *offer, struct err *err)
{
	*offer = (struct offer){.polled = true};
	return json_text(data, "fileName", true, offer->file, sizeof offer->file, err) &&
	       json_text(data, "version", true, offer->version, sizeof offer->version, err) &&
	       json_text(data, "md5", true, offer->md5, sizeof offer->md5, err);
}

/* The envelope: 200 with data is an offer, 1001 says that there is none. */
static void read_answer(struct device *d)
{
	struct err err = {0};
	struct offer offer;
	int64_t code = 0;
	scoped_json struct cJSON *json = json_parse_object(d->poll.body.data, d->poll.body.len, &err);
	if (!json || !json_int(json, "errorCode", true, 0, 1000000, &code, &err)) {
		stats_tell(d, EVENT_POLL_FAILED, NULL, "no envelope: %s", err.text);
		return;
	}
	d->poll.answered = true;
	stats_tell(d, EVENT_POLLED, NULL, "errorCode %lld", (long long)code);
	const cJSON *data = cJSON_GetObjectItemCaseSensitive(json, "data");
	if (code != 200 || !cJSON_IsObject(data)) {
		return;
	}
	if (!read_offer(data, &offer, &err)) {
		stats_tell(d, EVENT_POLL_FAILED, NULL, "an offer that a device cannot read: %s", err.text);
	} else if (d->state == DEVICE_IDLE && strcmp(offer.version, d->version) != 0) {
		device_offer(d, &offer);
	}
}

static void on_done(struct http_call *call, CURLcode result, long status)
{
	struct device *d = call->ctx;
	if (result != CURLE_OK) {
		stats_tell(d, EVENT_POLL_FAILED, NULL, "%s", call->why[0] ? call->why : curl_easy_strerror(result));
	} else if (status != 200) {
		stats_tell(d, EVENT_POLL_FAILED, NULL, "HTTP status %ld", status);
	} else {
		read_answer(d);
	}
	device_judge(d);
	loop_arm(d->sim->loop, &d->poll.timer, d->sim->opt.poll_ms);
}

static void ask(void *ctx)
{
	struct device *d = ctx;
	const struct options *opt = &d->sim->opt;
	if (!d->poll.call.easy) {
		char url[URL_SIZE];
		snprintf(url, sizeof url, "%.*s/api/v2/otaPassiveEnable?deviceName=%s", opt->url_len, opt->url, d->name);
		if (!http_open(d->sim->http, &d->poll.call, url)) {
			stats_tell(d, EVENT_POLL_FAILED, NULL, "no URL: %s", url);
			return;
		}
		curl_easy_setopt(d->poll.call.easy, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(d->poll.call.easy, CURLOPT_WRITEDATA, d);
	}
	buf_reset(&d->poll.body);
	http_start(d->sim->http, &d->poll.call);
}

void poll_start(struct device *d)
{
	const struct options *opt = &d->sim->opt;
	d->poll.call = (struct http_call){.done = on_done, .ctx = d};
	d->poll.timer = (struct loop_timer){.fn = ask, .ctx = d};
	buf_init(&d->poll.body, ANSWER_MAX);
	if (opt->poll_ms) { /* a fleet spreads over the interval */
		int64_t share = opt->poll_ms * (int64_t)(d - d->sim->devices) / (int64_t)d->sim->count;
		loop_arm(d->sim->loop, &d->poll.timer, opt->offline_ms + share);
	}
}

void poll_stop(struct device *d)
{
	loop_disarm(d->sim->loop, &d->poll.timer);
	http_close(d->sim->http, &d->poll.call);
	buf_free(&d->poll.body);
}
