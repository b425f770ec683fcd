#include "model/voice.h"

#include <stddef.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "model/gateway.h"

static const char *const mqtt_names[] = {[VOICE_OWN] = "own", [VOICE_GATEWAY] = "gateway", [VOICE_NONE] = "none"};

const char *voice_mqtt_name(enum voice_mqtt mqtt)
{
	return mqtt_names[mqtt];
}

bool voice_mqtt_parse(const char *name, enum voice_mqtt *out)
{
	for (size_t i = 0; i < sizeof mqtt_names / sizeof *mqtt_names; i++) {
		if (strcmp(name, mqtt_names[i]) == 0) {
			*out = (enum voice_mqtt)i;
			return true;
		}
	}
	return false;
}

/* Devices read host and port by the same integer parser as an endpoint's, and abort on what is none. */
static bool check_url(const char *url, struct err *err)
{
	char host[ENDPOINT_SIZE];
	struct err why = {0};
	const char *at = strncmp(url, "wss://", 6) == 0 ? url + 6 : strncmp(url, "ws://", 5) == 0 ? url + 5 : NULL;
	if (!at) {
		return err_set(err, ERR_INVALID, "websocket.url must begin with ws:// or wss://");
	}
	size_t n = strcspn(at, "/?#");
	if (n >= sizeof host) {
		return err_set(err, ERR_INVALID, "websocket.url has too long a host");
	}
	memcpy(host, at, n);
	host[n] = '\0';
	if (!gateway_check_endpoint(host, &why)) {
		return err_set(err, ERR_INVALID, "websocket.url must go on with host or host:port: a name or an IPv4 address");
	}
	for (at += n; *at; at++) {
		if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\') {
			return err_set(err, ERR_INVALID, "websocket.url has a character that must be encoded");
		}
	}
	return true;
}

bool voice_check(const struct voice *v, const char *token, struct err *err)
{
	size_t len = strnlen(token, VOICE_TEXT_SIZE);
	if (!*v->ws_url) {
		return (len == 0 && v->ws_version == 0) || err_set(err, ERR_INVALID, "websocket needs a url");
	}
	if (len == VOICE_TEXT_SIZE || !text_is_utf8(token, len) || !text_is_printable(token, len)) {
		return err_set(err, ERR_INVALID, "websocket.token must have at most %d bytes of printable UTF-8", VOICE_TEXT_SIZE - 1);
	}
	if (v->ws_version < 0 || v->ws_version > VOICE_VERSION_MAX) {
		return err_set(err, ERR_INVALID, "websocket.version must be a number from 1 to %d", VOICE_VERSION_MAX);
	}
	return check_url(v->ws_url, err);
}
