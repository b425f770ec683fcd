/* The check and /activate: what the device asks, and what it makes of the answers. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "sim.h"
#include "xiaozhi_firmware.h"

enum { REQUEST_MAX = 16 * 1024, URL_SIZE = 1400 };

static bool has_serial(const struct board *b)
{
	return b->sim->opt.serial && b->traits & TRAIT_SERIAL_NUMBER;
}

static void put_serial(const struct board *b, struct buf *out)
{
	char serial[64];
	link_fill_in(serial, sizeof serial, b->sim->opt.serial, b->name);
	buf_puts(out, serial);
}

static void put_headers(const struct board *b, struct buf *out)
{
	const struct options *opt = &b->sim->opt;
	buf_putf(out, "Device-Id: %s\r\nContent-Type: application/json\r\n", b->mac);
	if (b->traits & TRAIT_CLIENT_ID) {
		buf_putf(out, "Client-Id: %s\r\n", b->kind == GENERATION_WEB ? "web_test_client" : b->uuid);
	}
	if (b->traits & TRAIT_X_LANGUAGE) {
		buf_putf(out, "X-Language: %s\r\n", opt->language);
	}
	if (b->traits & TRAIT_ACCEPT_LANGUAGE) {
		buf_putf(out, "Accept-Language: %s\r\n", opt->language);
	}
	if (b->traits & TRAIT_USER_AGENT) {
		buf_putf(out, "User-Agent: %s/%s\r\n", board_sku(b), flash_running(&b->flash)->version);
	}
	if (b->traits & TRAIT_ACTIVATION_VERSION) {
		buf_putf(out, "Activation-Version: %s\r\n", b->kind == GENERATION_PYTHON ? "2.1.1" : has_serial(b) ? "2" : "1");
	}
	if (has_serial(b)) {
		buf_puts(out, "Serial-Number: ");
		put_serial(b, out);
		buf_puts(out, "\r\n");
	}
}

static bool ask(struct board *b, const char *url, struct buf *body)
{
	struct err err = {0};
	char mem[2048];
	struct buf headers;
	buf_init_fixed(&headers, mem, sizeof mem);
	put_headers(b, &headers);
	wire_content(&b->wire, body->data, body->len);
	b->wire.body = NULL;
	b->wire.rate = 0;
	b->wire.ctx = b;
	if (wire_start(&b->wire, b->sim->tls, "POST", url, &headers, &err)) {
		return true;
	}
	snprintf(b->why, sizeof b->why, "%s", err.text);
	return false;
}

/* ---- the answer ---- */

/* A value in flash stays until another one is written. */
static void keep(char **kept, const cJSON *section, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(section, name);
	if (cJSON_IsString(item)) {
		free(*kept);
		*kept = strdup(item->valuestring);
	}
}

static void keep_credentials(struct board_kept *k, const cJSON *mqtt)
{
	keep(&k->endpoint, mqtt, "endpoint");
	keep(&k->client_id, mqtt, "client_id");
	keep(&k->username, mqtt, "username");
	keep(&k->password, mqtt, "password");
	keep(&k->publish_topic, mqtt, "publish_topic");
	const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(mqtt, "keepalive");
	if (cJSON_IsNumber(seconds)) {
		k->keepalive = seconds->valueint;
	}
}

static void take_activation(struct board *b, const cJSON *activation)
{
	b->code[0] = b->challenge[0] = '\0';
	if (activation && b->traits & TRAIT_CODES) {
		json_text(activation, "code", false, b->code, sizeof b->code, NULL);
		json_text(activation, "challenge", false, b->challenge, sizeof b->challenge, NULL);
	}
}

static void take_offer(struct board *b, const cJSON *firmware)
{
	free(b->url);
	free(b->told);
	b->url = b->told = NULL;
	keep(&b->url, firmware, "url");
	keep(&b->told, firmware, "version");
	b->ordered = false;
	if (flash_is_pending(&b->flash)) {
		board_because(b, BOARD_HURT, "offered %s at the first check of a new image: it is never proven, and rolled back", b->told);
		return;
	}
	board_tell(b, EVENT_OFFER, "version %s, %s", b->told, b->url);
	board_happen(b, BOARD_OFFERED);
}

/* What an answer does to the firmware is read in xiaozhi_firmware.c; here is what it does to this generation. */
static bool survives(struct board *b, const char *data, size_t len, struct device_reading *r)
{
	struct device_firmware firmware = {.version = flash_running(&b->flash)->version, .texts_only = b->traits & TRAIT_TEXTS_ONLY};
	*r = device_reads_as(&firmware, data, len);
	if (r->fate == DEVICE_HURT) {
		board_because(b, BOARD_HURT, "%s: %.100s", r->hurt, data);
	}
	return r->fate != DEVICE_HURT;
}

static void take_answer(struct board *b, const char *data, size_t len)
{
	struct device_reading r;
	if (!survives(b, data, len, &r)) {
		return;
	}
	scoped_json struct cJSON *json = cJSON_ParseWithLength(data, len);
	keep_credentials(&b->kept, cJSON_GetObjectItemCaseSensitive(json, "mqtt"));
	b->by_websocket = r.has_websocket && !r.has_mqtt;
	take_activation(b, cJSON_GetObjectItemCaseSensitive(json, "activation"));
	b->why[0] = '\0';
	b->checks++;
	board_judge(b);
	bool upgrades = r.fate == DEVICE_UPGRADES && b->kind == GENERATION_FIRMWARE;
	board_tell(b, EVENT_CHECKED, "%s", upgrades ? "something newer" : b->challenge[0] ? "not activated" : "nothing new");
	if (upgrades) {
		take_offer(b, cJSON_GetObjectItemCaseSensitive(json, "firmware"));
	} else {
		board_happen(b, b->challenge[0] ? BOARD_CODE : BOARD_CLEAN);
	}
}

static void unanswered(struct board *b, const char *why)
{
	snprintf(b->why, sizeof b->why, "%s", why);
	board_tell(b, EVENT_CHECK_FAILED, "%s", b->why);
	board_happen(b, BOARD_UNANSWERED);
}

static void on_answer(void *ctx, const char *why, const char *data, size_t len)
{
	struct board *b = ctx;
	const struct wire *w = &b->wire;
	char text[64];
	if (why && w->head_read) {
		board_because(b, BOARD_HURT, "the answer costs the device half a minute: %s", why);
	} else if (why) {
		unanswered(b, why);
	} else if (w->status >= 300 && w->status < 400) {
		board_because(b, BOARD_HURT, "status %d: a device follows no redirect", w->status);
	} else if (w->status != 200) {
		snprintf(text, sizeof text, "HTTP status %d", w->status);
		unanswered(b, text);
	} else if (w->chunked) {
		board_because(b, BOARD_HURT, "the answer is chunked: a device reads nothing of it");
	} else if (w->misspelt) {
		board_because(b, BOARD_HURT, "Content-Length is not spelt so: a 4G modem does not find it");
	} else {
		take_answer(b, data, len);
	}
}

void board_check(struct board *b)
{
	char mem[REQUEST_MAX];
	struct buf body;
	buf_init_fixed(&body, mem, sizeof mem);
	board_describe(b, &body);
	b->state = BOARD_CHECKING;
	b->wire.done = on_answer;
	if (!ask(b, b->sim->opt.ota_url, &body)) {
		board_tell(b, EVENT_CHECK_FAILED, "%s", b->why);
		board_happen(b, BOARD_UNANSWERED);
	}
}

/* ---- /activate ---- */

static void on_activated(void *ctx, const char *why, const char *data, size_t len)
{
	struct board *b = ctx;
	const struct wire *w = &b->wire;
	if (why && w->head_read) {
		board_because(b, BOARD_HURT, "the answer to /activate costs the device half a minute: %s", why);
	} else if (why) {
		board_because(b, BOARD_REFUSED, "/activate: %s", why);
	} else if (w->status == 200) {
		board_happen(b, BOARD_ACTIVATED);
	} else if (w->status == 202) {
		board_because(b, BOARD_NOT_YET, "/activate says: not yet");
	} else {
		board_because(b, BOARD_REFUSED, "/activate says %d: %.*s", w->status, (int)(len > 100 ? 100 : len), data);
	}
}

static bool put_hmac(const struct board *b, struct buf *out)
{
	const char *hex = b->sim->opt.hmac_key;
	uint8_t raw[DIGEST_SHA256_LEN];
	uint8_t mac[DIGEST_SHA256_LEN];
	bool as_text = b->sim->opt.hmac_text || b->kind == GENERATION_PYTHON;
	if (!hex) {
		return true; /* a chip without the key sends "" */
	}
	if (!as_text && !text_unhex(hex, raw, sizeof raw)) {
		return false;
	}
	struct digest_key *key = as_text ? digest_key_new(hex, strlen(hex)) : digest_key_new(raw, sizeof raw);
	digest_mac(key, b->challenge, strlen(b->challenge), mac);
	digest_key_free(&key);
	buf_put_hex(out, mac, sizeof mac);
	return true;
}

static void put_proof(const struct board *b, struct buf *out)
{
	bool wrapped = b->sim->opt.wrapped || b->kind == GENERATION_PYTHON;
	if (!has_serial(b)) {
		buf_puts(out, "{}");
		return;
	}
	buf_puts(out, wrapped ? "{\"Payload\":{" : "{");
	buf_puts(out, "\"algorithm\":\"hmac-sha256\",\"serial_number\":\"");
	put_serial(b, out);
	buf_puts(out, "\",\"challenge\":");
	buf_put_json(out, b->challenge);
	buf_puts(out, ",\"hmac\":\"");
	put_hmac(b, out);
	buf_puts(out, wrapped ? "\"}}" : "\"}");
}

void board_activate(struct board *b)
{
	char mem[1024];
	char url[URL_SIZE];
	struct buf body;
	const char *base = b->sim->opt.ota_url;
	size_t len = strlen(base);
	snprintf(url, sizeof url, "%s%sactivate", base, len && base[len - 1] == '/' ? "" : "/");
	buf_init_fixed(&body, mem, sizeof mem);
	put_proof(b, &body);
	b->state = BOARD_ACTIVATING;
	b->wire.done = on_activated;
	if (!ask(b, url, &body)) {
		board_happen(b, BOARD_REFUSED);
	}
}
