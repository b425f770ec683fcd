#include "mqtt/told.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "common/json.h"
#include "common/text.h"
#include "engine/alarm.h"
#include "engine/presence.h"
#include "metrics/metrics.h"

static const char *text_at(const struct cJSON *array, int i)
{
	const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(array, i));
	return text ? text : "";
}

static int64_t number_at(const struct cJSON *array, int i)
{
	const struct cJSON *item = cJSON_GetArrayItem(array, i);
	return cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble < 1e15 ? (int64_t)item->valuedouble : 0;
}

static void take_event(struct engine *e, const struct cJSON *event)
{
	const char *device = text_at(event, 1);
	switch (text_at(event, 0)[0]) {
	case 'c':
		presence_told(e, device, PRESENCE_CONNECTED, number_at(event, 2) != 0, number_at(event, 3));
		break;
	case 's':
		presence_told(e, device, PRESENCE_SUBSCRIBED, number_at(event, 2) != 0, number_at(event, 3));
		break;
	case 'd':
	case 'n': /* a message for it found nobody */
		presence_told(e, device, PRESENCE_GONE, false, 0);
		break;
	case 'f':
		alarm_forged(e, device, number_at(event, 2));
		break;
	default:
		break; /* of a newer plugin */
	}
}

static int64_t counter(const struct cJSON *counters, const char *name)
{
	int64_t n = 0;
	json_int(counters, name, false, 0, INT64_MAX, &n, NULL);
	return n;
}

static void take_counters(const struct cJSON *counters)
{
	static const struct {
		enum metric metric;
		const char *names[6];
	} sums[] = {
		{METRIC_BROKER_LOGINS, {"auth_good"}},
		{METRIC_BROKER_LOGINS_REFUSED, {"auth_malformed", "auth_unknown_key", "auth_wrong", "auth_revoked", "auth_service_id"}},
		{METRIC_BROKER_ACCESS_DENIED, {"acl_denied", "acl_retained", "acl_unreadable", "forged"}},
		{METRIC_BROKER_ONLINE, {"online"}},
		{METRIC_BROKER_REVOCATIONS, {"revocations"}},
	};
	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
		int64_t sum = 0;
		for (size_t k = 0; k < 6 && sums[i].names[k]; k++) {
			sum += counter(counters, sums[i].names[k]);
		}
		metrics_set(sums[i].metric, sum);
	}
}

static bool take_dump(struct told *t, struct engine *e, const struct cJSON *json)
{
	bool first = false;
	bool last = false;
	const struct cJSON *item;
	json_bool(json, "first", false, &first, NULL);
	json_bool(json, "last", false, &last, NULL);
	if (first) {
		t->dumps = t->gap ? 1 : t->dumps + 1;
		t->gap = false;
		presence_complete(e, false);
		presence_reset(e);
	}
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "online"))
	{
		if (cJSON_IsString(item)) {
			presence_listed(e, item->valuestring);
		}
	}
	if (last) {
		t->dumps -= t->dumps > 0;
		t->incomplete = t->gap || t->dumps > 0;
		presence_complete(e, !t->incomplete);
	}
	return last;
}

/* True: nothing is missing before this one. */
static bool follow(struct told *t, const char *boot, int64_t seq)
{
	bool anew = atomic_exchange(&t->forgotten, false);
	bool same = strcmp(t->boot, boot) == 0;
	bool next = !anew && same && seq == t->seq + 1;
	if (!anew && !same && t->boot[0]) {
		t->new_boot = true;
	}
	text_copy(t->boot, sizeof t->boot, boot);
	t->seq = seq;
	return next;
}

bool told_take(struct told *t, struct engine *e, const struct cJSON *json)
{
	char boot[sizeof t->boot];
	int64_t seq = 0;
	bool look = false;
	const struct cJSON *item;
	if (!json_text(json, "boot", true, boot, sizeof boot, NULL) || !json_int(json, "seq", true, 0, INT64_MAX, &seq, NULL)) {
		metrics_add(METRIC_MQTT_REJECTED, 1);
		return false;
	}
	if (!follow(t, boot, seq)) {
		t->incomplete = true;
		t->gap = true;
		look = true;
	}
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "events"))
	{
		take_event(e, item);
	}
	if (json_has(json, "counters")) {
		take_counters(cJSON_GetObjectItemCaseSensitive(json, "counters"));
	}
	return (json_has(json, "dump") && take_dump(t, e, json)) || look;
}

void told_forget(struct told *t)
{
	t->forgotten = true;
	t->incomplete = true;
	t->new_boot = false;
}

bool told_wants_dump(struct told *t)
{
	return t->incomplete;
}

bool told_new_boot(struct told *t)
{
	return atomic_exchange(&t->new_boot, false);
}
