#include "xiaozhi_firmware.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { FLASH_KEY_MAX = 15, FLASH_TEXT_MAX = 3999, PARTS_MAX = 64 };

static void hurt(struct device_reading *r, const char *why)
{
	if (r->fate != DEVICE_HURT) {
		r->fate = DEVICE_HURT;
		r->hurt = why;
	}
}

/* The C++ library's stoi(): throws when no digit comes first or the number is beyond an int; nobody catches. */
static bool integer(const char *s, long *out)
{
	char *end;
	*out = strtol(s, &end, 10);
	return end != s && *out >= INT_MIN && *out <= INT_MAX;
}

/* Split on dots; a last empty part does not count. -1: aborted. */
static int split(const char *version, long parts[PARTS_MAX])
{
	int n = 0;
	while (*version && n < PARTS_MAX) {
		char part[64] = "";
		size_t len = strcspn(version, ".");
		if (len >= sizeof part) {
			return -1;
		}
		memcpy(part, version, len);
		if (!integer(part, &parts[n++])) {
			return -1;
		}
		version += len;
		version += *version == '.';
	}
	return n;
}

static bool no_null(const cJSON *node)
{
	for (const cJSON *child = node->child; child; child = child->next) {
		if (cJSON_IsNull(child) || !no_null(child)) {
			return false;
		}
	}
	return true;
}

static void keep_in_flash(struct device_reading *r, const cJSON *section, bool texts_only)
{
	for (const cJSON *item = section->child; item; item = item->next) {
		if (strlen(item->string) > FLASH_KEY_MAX) {
			hurt(r, "flash key too long");
		}
		if (cJSON_IsString(item) && strlen(item->valuestring) > FLASH_TEXT_MAX) {
			hurt(r, "flash value too long");
		}
		if (!cJSON_IsString(item) && !cJSON_IsNumber(item)) {
			hurt(r, "neither text nor number");
		}
		if (!cJSON_IsString(item) && texts_only) {
			hurt(r, "a number where this firmware reads a text");
		}
	}
}

static void connects(struct device_reading *r, const char *endpoint)
{
	long port;
	const char *colon = strchr(endpoint, ':');
	if (colon && !integer(colon + 1, &port)) {
		hurt(r, "endpoint's port");
	}
	if (colon == endpoint || *endpoint == '\0') {
		hurt(r, "no host");
	}
}

static void opens_url(struct device_reading *r, const char *url, const char *scheme, const char *secure)
{
	char host[512] = "";
	const char *at = strstr(url, "://");
	size_t scheme_len = at ? (size_t)(at - url) : 0;
	bool known = (scheme_len == strlen(scheme) && strncmp(url, scheme, scheme_len) == 0) ||
		     (scheme_len == strlen(secure) && strncmp(url, secure, scheme_len) == 0);
	if (!at || !known) {
		hurt(r, "url without its scheme");
		return;
	}
	size_t len = strcspn(at + 3, "/");
	if (len >= sizeof host) {
		hurt(r, "host too long");
		return;
	}
	memcpy(host, at + 3, len);
	connects(r, host);
	if (strpbrk(url, " \r\n\t")) {
		hurt(r, "url breaks the request line");
	}
}

static const char *string(struct device_reading *r, const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	if (!cJSON_IsString(item)) {
		hurt(r, "no text where one belongs");
		return "";
	}
	return item->valuestring;
}

static void activates(struct device_reading *r, const cJSON *activation)
{
	if (cJSON_GetObjectItemCaseSensitive(activation, "code")) {
		string(r, activation, "message");
		const char *code = string(r, activation, "code");
		if (strspn(code, "0123456789") != strlen(code) || !*code) {
			hurt(r, "a code that cannot be spoken");
		}
	}
	if (*string(r, activation, "challenge") == '\0') {
		hurt(r, "nothing to activate with");
	}
}

static bool is_newer(const long *a, int n, const long *b, int m)
{
	for (int i = 0; i < n && i < m; i++) {
		if (a[i] != b[i]) {
			return b[i] > a[i];
		}
	}
	return m > n;
}

static void compares(struct device_reading *r, const cJSON *firmware, const char *own)
{
	long a[PARTS_MAX];
	long b[PARTS_MAX];
	const char *url = string(r, firmware, "url");
	int n = split(own, a);
	int m = split(string(r, firmware, "version"), b);
	if (n < 0 || m < 0 || m == 0) {
		hurt(r, "version that is no integers");
		return;
	}
	const cJSON *force = cJSON_GetObjectItemCaseSensitive(firmware, "force");
	bool forced = false;
	if (force) {
		forced = cJSON_IsNumber(force) && force->valueint == 1;
		if (!forced) {
			hurt(r, "force that is not the number 1 is ignored");
		}
	}
	if (!forced && !is_newer(a, n, b, m)) {
		return;
	}
	if (*url == '\0') {
		hurt(r, "upgrades from nowhere, reboots for ever");
		return;
	}
	opens_url(r, url, "http", "https");
	if (r->fate == DEVICE_GOES_ON) {
		r->fate = DEVICE_UPGRADES;
	}
}

/* What it does not survive unharmed, though nothing crashes: the time, and errors that come as answers. */
static void reads_rest(struct device_reading *r, const cJSON *root)
{
	const cJSON *server_time = cJSON_GetObjectItemCaseSensitive(root, "server_time");
	const cJSON *timestamp = cJSON_GetObjectItemCaseSensitive(server_time, "timestamp");
	if (timestamp && !cJSON_IsNumber(timestamp)) {
		hurt(r, "timestamp that is no number");
	}
	if (cJSON_GetObjectItemCaseSensitive(root, "error")) {
		hurt(r, "an error that says 200");
	}
}

static void reads_parts(struct device_reading *r, const cJSON *root, const struct device_firmware *device)
{
	const char *own = device->version;
	const cJSON *activation = cJSON_GetObjectItemCaseSensitive(root, "activation");
	const cJSON *mqtt = cJSON_GetObjectItemCaseSensitive(root, "mqtt");
	const cJSON *websocket = cJSON_GetObjectItemCaseSensitive(root, "websocket");
	const cJSON *firmware = cJSON_GetObjectItemCaseSensitive(root, "firmware");
	r->has_activation = activation != NULL;
	r->has_mqtt = mqtt != NULL;
	r->has_websocket = websocket != NULL;
	if (activation) {
		activates(r, activation);
	}
	if (mqtt) {
		keep_in_flash(r, mqtt, device->texts_only);
		connects(r, string(r, mqtt, "endpoint"));
	}
	if (websocket) {
		keep_in_flash(r, websocket, device->texts_only);
		opens_url(r, string(r, websocket, "url"), "ws", "wss");
	}
	if (firmware) {
		compares(r, firmware, own);
	} else {
		long parts[PARTS_MAX];
		size_t len = strlen(own);
		bool dotted = len > 0 && strspn(own, "0123456789.") == len && own[len - 1] != '.';
		if (dotted && split(own, parts) > 0) {
			hurt(r, "old firmware fails the whole check");
		}
	}
}

struct device_reading device_reads_as(const struct device_firmware *firmware, const char *answer, size_t len)
{
	struct device_reading r = {.fate = DEVICE_GOES_ON};
	cJSON *root = cJSON_ParseWithLength(answer, len);
	if (!cJSON_IsObject(root)) {
		hurt(&r, "no JSON");
	} else if (!no_null(root)) {
		hurt(&r, "null");
	} else {
		reads_rest(&r, root);
		reads_parts(&r, root, firmware);
	}
	cJSON_Delete(root);
	return r;
}

struct device_reading device_reads(const char *answer, size_t len, const char *own_version)
{
	struct device_firmware newest = {.version = own_version};
	return device_reads_as(&newest, answer, len);
}
