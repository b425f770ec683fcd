#include "dialect/xiaozhi_activate.h"

#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "dialect/xiaozhi_json.h"

enum { ALGORITHM, SERIAL, CHALLENGE, HMAC, NAMES };
static const struct xiaozhi_json_name names[NAMES] = {[ALGORITHM] = {XIAOZHI_JSON_NAME("algorithm")},
						      [SERIAL] = {XIAOZHI_JSON_NAME("serial_number")},
						      [CHALLENGE] = {XIAOZHI_JSON_NAME("challenge")},
						      [HMAC] = {XIAOZHI_JSON_NAME("hmac")}};

static const struct xiaozhi_json_name payload_name[] = {{XIAOZHI_JSON_NAME("Payload")}};

static bool take(const struct xiaozhi_json *json, int token, const char *name, char *out, size_t size, struct err *err)
{
	if (token == XIAOZHI_JSON_ABSENT || xiaozhi_json_text(json, token, out, size)) {
		return true;
	}
	return err_set(err, ERR_INVALID, "%s is not a text of at most %zu bytes", name, size - 1);
}

static bool take_proof(const struct xiaozhi_json *json, const int *at, struct xiaozhi_activate *out, struct err *err)
{
	char algorithm[32] = "";
	uint8_t digest[32];
	if (!take(json, at[ALGORITHM], names[ALGORITHM].text, algorithm, sizeof algorithm, err) ||
	    !take(json, at[SERIAL], names[SERIAL].text, out->serial, sizeof out->serial, err) ||
	    !take(json, at[CHALLENGE], names[CHALLENGE].text, out->challenge, sizeof out->challenge, err) ||
	    !take(json, at[HMAC], names[HMAC].text, out->hmac, sizeof out->hmac, err)) {
		return false;
	}
	if (out->hmac[0] == '\0') {
		return true;
	}
	if (algorithm[0] && strcmp(algorithm, "hmac-sha256") != 0) {
		return err_set(err, ERR_INVALID, "algorithm is not hmac-sha256");
	}
	if (!text_unhex(out->hmac, digest, sizeof digest)) {
		return err_set(err, ERR_INVALID, "hmac is not 64 hex digits");
	}
	text_hex(out->hmac, digest, sizeof digest);
	return (out->serial[0] && out->challenge[0]) || err_set(err, ERR_INVALID, "hmac comes without serial_number and challenge");
}

/* The object that holds the members: the body, or its Payload. -1: neither. */
static int find(const struct xiaozhi_json *json)
{
	int payload;
	if (!xiaozhi_json_members(json, 0, payload_name, 1, &payload)) {
		return -1;
	}
	if (payload == XIAOZHI_JSON_ABSENT) {
		return 0;
	}
	return xiaozhi_json_is_object(json, payload) ? payload : -1;
}

bool xiaozhi_activate_decode(const char *body, size_t len, struct xiaozhi_activate *out, struct err *err)
{
	struct xiaozhi_json json;
	int at[NAMES];
	memset(out, 0, sizeof *out);
	if (len == 0) {
		return true;
	}
	if (len > XIAOZHI_ACTIVATE_BODY_MAX) {
		return err_set(err, ERR_TOO_LARGE, "the body has more than %d bytes", XIAOZHI_ACTIVATE_BODY_MAX);
	}
	if (!xiaozhi_json_parse(&json, body, len) || !xiaozhi_json_is_object(&json, 0)) {
		return err_set(err, ERR_INVALID, "the body is not a JSON object");
	}
	int object = find(&json);
	if (object < 0 || !xiaozhi_json_members(&json, object, names, NAMES, at)) {
		return err_set(err, ERR_INVALID, "the body says something twice, or its Payload is not an object");
	}
	return take_proof(&json, at, out, err);
}
