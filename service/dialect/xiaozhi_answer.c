#include "dialect/xiaozhi_answer.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "http/status.h"
#include "model/gateway.h"
#include "model/version.h"

enum { CODE_MAX = 16, KEEPALIVE_MAX = 65535, VERSION_MAX = 255, OFFSET_MAX = 14 * 60, OK = 200, WAITING = 202 };

static const int64_t exact_max = (int64_t)1 << 53; /* beyond it a device's numbers skip */

/* ---- writing: sticky; the first refusal stands ---- */

struct writer {
	struct buf *out;
	struct err *err;
	bool first; /* no comma before the next member */
	bool refused;
};

static void refuse(struct writer *w, const char *why)
{
	if (!w->refused) {
		err_set(w->err, ERR_INVALID, "%s", why);
		w->refused = true;
	}
}

static void key(struct writer *w, const char *name)
{
	size_t len = strlen(name);
	if (len > XIAOZHI_ANSWER_KEY_MAX) {
		refuse(w, "a key of more than 15 characters does not fit into a device's flash");
	}
	buf_puts(w->out, w->first ? "\"" : ",\"");
	w->first = false;
	buf_put(w->out, name, len); /* ours, with nothing to escape */
	buf_puts(w->out, "\":");
}

static void opens(struct writer *w, const char *name)
{
	key(w, name);
	buf_putc(w->out, '{');
	w->first = true;
}

static void closes(struct writer *w)
{
	buf_putc(w->out, '}');
	w->first = false;
}

/* NULL is "": null makes old firmware crash. */
static void text(struct writer *w, const char *name, const char *value)
{
	const char *s = value ? value : "";
	size_t len = strnlen(s, XIAOZHI_ANSWER_TEXT_MAX + 1);
	if (len > XIAOZHI_ANSWER_TEXT_MAX) {
		refuse(w, "a text of 4000 bytes or more does not fit into a device's flash");
		return;
	}
	if (!text_is_utf8(s, len)) {
		refuse(w, "a text for a device is not UTF-8");
		return;
	}
	key(w, name);
	buf_put_json_len(w->out, s, len);
}

static void number(struct writer *w, const char *name, int64_t value, int64_t min, int64_t max)
{
	if (value < min || value > max) {
		refuse(w, "a number for a device is out of its range");
		return;
	}
	key(w, name);
	buf_put_i64(w->out, value);
}

static bool is_said(const char *s)
{
	return s && *s;
}

/* ---- addresses ---- */

static void check_endpoint(struct writer *w, const char *endpoint)
{
	struct err why = {0};
	if (!gateway_check_endpoint(endpoint ? endpoint : "", &why)) {
		refuse(w, why.text);
	}
}

/* scheme, or scheme and an s, then host or host:port as in an endpoint: devices read a port by the same integer parser. */
static void check_url(struct writer *w, const char *url, const char *scheme)
{
	char host[ENDPOINT_SIZE];
	size_t n = strlen(scheme);
	if (strncmp(url, scheme, n) != 0) {
		refuse(w, "a url for a device has the wrong scheme");
		return;
	}
	url += n;
	url += *url == 's';
	if (strncmp(url, "://", 3) != 0) {
		refuse(w, "a url for a device has the wrong scheme");
		return;
	}
	url += 3;
	n = strcspn(url, "/?#");
	if (n >= sizeof host) {
		refuse(w, "a url for a device has too long a host");
		return;
	}
	memcpy(host, url, n);
	host[n] = '\0';
	check_endpoint(w, host);
	for (url += n; *url; url++) {
		if (*url <= ' ' || *url > '~' || *url == '"' || *url == '\\') {
			refuse(w, "a url for a device has a character that must be encoded");
		}
	}
}

/* ---- the parts ---- */

static void put_mqtt(struct writer *w, const struct xiaozhi_mqtt *mqtt)
{
	check_endpoint(w, mqtt->endpoint);
	if (!is_said(mqtt->client_id) || !is_said(mqtt->publish_topic)) {
		refuse(w, "mqtt needs a client_id and a publish_topic");
	}
	opens(w, "mqtt");
	text(w, "endpoint", mqtt->endpoint);
	text(w, "client_id", mqtt->client_id);
	text(w, "username", mqtt->username);
	text(w, "password", mqtt->password);
	text(w, "publish_topic", mqtt->publish_topic);
	text(w, "subscribe_topic", mqtt->subscribe_topic ? mqtt->subscribe_topic : "null");
	if (mqtt->keepalive != 0) {
		number(w, "keepalive", mqtt->keepalive, 1, KEEPALIVE_MAX);
	}
	closes(w);
}

static void put_websocket(struct writer *w, const struct xiaozhi_websocket *websocket)
{
	check_url(w, websocket->url ? websocket->url : "", "ws");
	opens(w, "websocket");
	text(w, "url", websocket->url);
	text(w, "token", websocket->token);
	if (websocket->version != 0) {
		number(w, "version", websocket->version, 1, VERSION_MAX);
	}
	closes(w);
}

static void put_server_time(struct writer *w, const struct xiaozhi_server_time *now)
{
	opens(w, "server_time");
	number(w, "timestamp", now->timestamp_ms, 1, exact_max);
	if (is_said(now->timezone)) { /* seed 000's spelling and seed 001's */
		text(w, "timezone", now->timezone);
		text(w, "timeZone", now->timezone);
	}
	number(w, "timezone_offset", now->offset_min, -OFFSET_MAX, OFFSET_MAX);
	closes(w);
}

/* A device installs what is newer than what it runs, or forced, also from no url at all: then it fails, and some reboot for ever. */
static void check_offer(struct writer *w, const struct xiaozhi_firmware *firmware, const char *own)
{
	if (!firmware->version || !firmware->url) {
		refuse(w, "firmware needs a version and a url");
		return;
	}
	if (!version_is_dotted(firmware->version)) {
		refuse(w, "firmware.version must be dotted numbers; a device aborts on anything else");
	}
	if (*firmware->url == '\0') {
		if (firmware->force || strcmp(firmware->version, own ? own : "0.0.0") != 0) {
			refuse(w, "firmware without a url must repeat the device's own version");
		}
		return;
	}
	if (!own) {
		refuse(w, "a device of unknown version is offered nothing");
	}
	check_url(w, firmware->url, "http");
}

static void put_firmware(struct writer *w, const struct xiaozhi_firmware *firmware, const char *own_version)
{
	const char *own = is_said(own_version) ? own_version : NULL;
	bool aborts = own && !version_is_dotted(own);
	if (aborts != !firmware) {
		refuse(w, aborts ? "the device aborts while it compares its own version: firmware must be left out"
				 : "firmware must not be left out: old devices take that for a failed check");
	}
	if (!firmware) {
		return;
	}
	check_offer(w, firmware, own);
	opens(w, "firmware");
	text(w, "version", firmware->version);
	text(w, "url", firmware->url);
	if (firmware->force) {
		number(w, "force", 1, 1, 1); /* true is ignored */
	}
	closes(w);
}

static void put_activation(struct writer *w, const struct xiaozhi_activation *activation)
{
	if (!is_said(activation->challenge)) {
		refuse(w, "activation needs a challenge: without one a device waits a hundred seconds and asks nothing");
	}
	opens(w, "activation");
	if (is_said(activation->code)) {
		size_t len = strnlen(activation->code, CODE_MAX + 1);
		if (len > CODE_MAX || strspn(activation->code, "0123456789") != len) {
			refuse(w, "activation.code must be digits, for they are spoken");
		}
		if (!is_said(activation->message)) {
			refuse(w, "activation.code needs a message to be shown");
		}
		text(w, "code", activation->code);
		text(w, "message", activation->message);
	}
	text(w, "challenge", activation->challenge);
	if (activation->timeout_ms != 0) {
		number(w, "timeout_ms", activation->timeout_ms, 1, INT32_MAX);
	}
	closes(w);
}

bool xiaozhi_answer_encode(struct buf *out, const struct xiaozhi_answer *answer, struct err *err)
{
	struct writer w = {.out = out, .err = err, .first = true};
	struct buf before = *out;
	buf_putc(out, '{');
	if (answer->mqtt) {
		put_mqtt(&w, answer->mqtt);
	}
	if (answer->websocket) {
		put_websocket(&w, answer->websocket);
	}
	if (answer->server_time) {
		put_server_time(&w, answer->server_time);
	}
	put_firmware(&w, answer->firmware, answer->own_version);
	if (answer->activation) {
		put_activation(&w, answer->activation);
	}
	buf_putc(out, '}');
	if (!w.refused && buf_ok(out)) {
		return true;
	}
	out->len = before.len;
	out->failed = before.failed;
	return w.refused ? false : err_set(err, ERR_TOO_LARGE, "the answer does not fit into its buffer");
}

const struct xiaozhi_firmware *xiaozhi_answer_echo(const char *own_version, struct xiaozhi_firmware *firmware)
{
	bool known = is_said(own_version);
	if (known && !version_is_dotted(own_version)) {
		return NULL;
	}
	*firmware = (struct xiaozhi_firmware){.version = known ? own_version : "0.0.0", .url = ""};
	return firmware;
}

bool xiaozhi_answer_message(char out[XIAOZHI_ANSWER_MESSAGE_SIZE], const char *language, const char *host, const char *code)
{
	const char *before = "";
	const char *after = "";
	if (strncmp(language, "zh", 2) == 0) {
		before = "请在 ";
		after = " 输入";
	} else if (strncmp(language, "en", 2) == 0) {
		before = "Enter at ";
	}
	int n = snprintf(out, XIAOZHI_ANSWER_MESSAGE_SIZE, "%s%s%s\n%s", before, host, after, code);
	return n > 0 && n < XIAOZHI_ANSWER_MESSAGE_SIZE;
}

/* ---- anything but a 200 to a check ---- */

static void put_error(struct buf *out, const char *sentence)
{
	buf_puts(out, "{\"error\":");
	buf_put_json(out, sentence);
	buf_putc(out, '}');
}

static int put_failure(struct buf *out)
{
	put_error(out, "Failed to read device auto_update status");
	return 500;
}

int xiaozhi_answer_error(struct buf *out, enum err_kind kind)
{
	int status = http_status(kind);
	if (status != 400 && status != 413) {
		return put_failure(out);
	}
	put_error(out, kind == ERR_MISSING ? "Device ID is required" : "Invalid OTA request");
	return status;
}

int xiaozhi_answer_activated(struct buf *out, int64_t device_id)
{
	buf_puts(out, "{\"message\":\"Device activated\",\"device_id\":");
	buf_put_i64(out, device_id);
	buf_putc(out, '}');
	return OK;
}

int xiaozhi_answer_waiting(struct buf *out)
{
	buf_puts(out, "{\"message\":\"Waiting for the code to be entered\"}");
	return WAITING;
}

int xiaozhi_answer_refused(struct buf *out, const struct err *err)
{
	int status = err->kind == ERR_BUSY ? 429 : http_status(err->kind);
	if (status >= 500) {
		return put_failure(out);
	}
	put_error(out, err->text);
	return status;
}
