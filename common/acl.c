#include "common/acl.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "common/json.h"
#include "common/scoped.h"

#define DEVICES "/oc/devices/"
#define PUSHES "sys/ota"
#define UPWARD "device-server/"
#define DOWNWARD "devices/p2p/"
#define TOLD "otad/v1/"
#define CONTROL "$CONTROL/otad/v1"

enum { ANSWER_MAX = 4096 };

static bool begins(const char *text, const char *prefix, size_t len)
{
	return strncmp(text, prefix, len) == 0;
}

/* What stands behind "/oc/devices/{device}/", or NULL. */
static const char *own_tail(const char *topic, const char *device)
{
	size_t len = strlen(device);
	if (!begins(topic, DEVICES, sizeof DEVICES - 1)) {
		return NULL;
	}
	topic += sizeof DEVICES - 1;
	return begins(topic, device, len) && topic[len] == '/' ? topic + len + 1 : NULL;
}

/* Parsers of devices are lenient: any case of the names counts, and what we cannot read they might. */
static enum acl_verdict judge_answer(const void *payload, size_t len)
{
	scoped_json struct cJSON *json = len <= ANSWER_MAX ? json_parse_object(payload, len, NULL) : NULL;
	if (!json) {
		return ACL_UNREADABLE;
	}
	return cJSON_GetObjectItem(json, "fileName") || cJSON_GetObjectItem(json, "url") ? ACL_FORGED : ACL_ALLOWED;
}

static enum acl_verdict judge_write(const char *device, const struct acl_request *r)
{
	const char *tail = own_tail(r->topic, device);
	bool upward = begins(r->topic, UPWARD, sizeof UPWARD - 1) && strcmp(r->topic + sizeof UPWARD - 1, device) == 0;
	if (!tail && !upward) {
		return ACL_FOREIGN;
	}
	if (r->retain) {
		return ACL_RETAINED;
	}
	return tail && r->payload && strcmp(tail, PUSHES) == 0 ? judge_answer(r->payload, r->len) : ACL_ALLOWED;
}

enum acl_verdict acl_device(const char *device, const struct acl_request *r)
{
	if (r->access == ACL_WRITE) {
		return judge_write(device, r);
	}
	return own_tail(r->topic, device) ? ACL_ALLOWED : ACL_FOREIGN;
}

bool acl_service(const struct acl_request *r)
{
	if (strcmp(r->topic, CONTROL) == 0) {
		return r->access == ACL_WRITE;
	}
	if (begins(r->topic, TOLD, sizeof TOLD - 1)) {
		return r->access != ACL_WRITE;
	}
	return begins(r->topic, DEVICES, sizeof DEVICES - 1) || begins(r->topic, UPWARD, sizeof UPWARD - 1) ||
	       begins(r->topic, DOWNWARD, sizeof DOWNWARD - 1);
}

bool acl_brings_pushes(const char *filter, const char *device)
{
	const char *tail = own_tail(filter, device);
	if (!tail) {
		return false;
	}
	static const char *const covering[] = {PUSHES,  "#",   "sys/#", "sys/ota/#", "sys/+",  "+/+",
					       "+/ota", "+/#", "+/+/#", "+/ota/#",   "sys/+/#"};
	for (size_t i = 0; i < sizeof covering / sizeof *covering; i++) {
		if (strcmp(tail, covering[i]) == 0) {
			return true;
		}
	}
	return false;
}
