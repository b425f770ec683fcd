#include "model/gateway.h"

#include <stddef.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"

enum { PORT_DIGITS = 5, PORT_MAX = 65535, LABEL_MAX = 63 };

/* Letters, digits, '-' and (as container networks have it) '_'; a label neither empty nor longer than 63, no '-' at its ends. */
static bool is_host(const char *s, size_t len)
{
	size_t label = 0;
	for (size_t i = 0; i <= len; i++) {
		if (i == len || s[i] == '.') {
			if (label == 0 || label > LABEL_MAX || s[i - 1] == '-' || s[i - label] == '-') {
				return false;
			}
			label = 0;
			continue;
		}
		char c = s[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
			return false;
		}
		label++;
	}
	return true;
}

static bool is_port(const char *s)
{
	uint64_t port = 0;
	return strlen(s) <= PORT_DIGITS && *s != '0' && text_to_u64(s, &port) && port <= PORT_MAX;
}

bool gateway_check_endpoint(const char *endpoint, struct err *err)
{
	size_t len = strnlen(endpoint, ENDPOINT_SIZE);
	if (len == 0 || len == ENDPOINT_SIZE) {
		return err_set(err, ERR_INVALID, "endpoint must be host or host:port, 1 to %d characters", ENDPOINT_SIZE - 1);
	}
	if (strstr(endpoint, "://")) {
		return err_set(err, ERR_INVALID, "endpoint must be host or host:port without a scheme; devices add their own");
	}
	const char *colon = strchr(endpoint, ':');
	if (colon && strchr(colon + 1, ':')) {
		return err_set(err, ERR_INVALID, "endpoint must be host or host:port; devices cannot reach IPv6 addresses");
	}
	if (!is_host(endpoint, colon ? (size_t)(colon - endpoint) : len)) {
		return err_set(err, ERR_INVALID, "endpoint must be host or host:port; this host is no name and no IPv4 address");
	}
	return !colon || is_port(colon + 1) || err_set(err, ERR_INVALID, "the port of endpoint must be a number from 1 to %d", PORT_MAX);
}

bool gateway_check_key(const char *key, struct err *err)
{
	size_t len = strnlen(key, GATEWAY_KEY_SIZE);
	if (len == 0 || len == GATEWAY_KEY_SIZE || !text_is_utf8(key, len) || !text_is_printable(key, len)) {
		return err_set(err, ERR_INVALID, "signatureKey must have 1 to %d bytes of printable UTF-8", GATEWAY_KEY_SIZE - 1);
	}
	return true;
}
