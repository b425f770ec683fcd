/* What clients ask of the broker. Line 1: the device's name, 2: a topic or filter. The rest: a payload. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/acl.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"

/* Below its own tree: exactly what begins with it. */
static bool own(const char *device, const char *topic)
{
	char prefix[96];
	snprintf(prefix, sizeof prefix, "/oc/devices/%s/", device);
	return strncmp(topic, prefix, strlen(prefix)) == 0;
}

static void reads(const char *device, const char *topic)
{
	for (int access = ACL_READ; access <= ACL_SUBSCRIBE; access++) {
		struct acl_request r = {.access = (enum acl_access)access, .topic = topic};
		bool allowed = acl_device(device, &r) == ACL_ALLOWED;
		if (access != ACL_WRITE) {
			CHECK(allowed == own(device, topic));
		}
		CHECK(!allowed || (topic[0] != '$' && topic[0] != '#' && topic[0] != '+'));
		acl_service(&r);
	}
	CHECK(!acl_brings_pushes(topic, device) || own(device, topic));
}

static void writes(const char *device, const char *topic, const char *payload, size_t len)
{
	struct acl_request r = {.access = ACL_WRITE, .topic = topic, .payload = payload, .len = len};
	enum acl_verdict verdict = acl_device(device, &r);
	r.retain = true;
	CHECK(acl_device(device, &r) != ACL_ALLOWED);
	char pushes[96];
	snprintf(pushes, sizeof pushes, "/oc/devices/%s/sys/ota", device);
	if (verdict == ACL_ALLOWED && strcmp(topic, pushes) == 0) { /* no lenient reader finds a push in it either */
		cJSON *json = cJSON_ParseWithLength(payload, len);
		CHECK(json && !cJSON_GetObjectItem(json, "fileName") && !cJSON_GetObjectItem(json, "url"));
		cJSON_Delete(json);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *device = fuzz_line(&in);
	scoped_free char *topic = fuzz_line(&in);
	if (!text_is_device_name(device)) {
		return 0;
	}
	reads(device, topic);
	size_t len = 0;
	scoped_free char *payload = fuzz_rest(&in, &len);
	writes(device, topic, payload, len);
	return 0;
}
