/* The check and the activation: what a device posts when it starts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "config/config.h"
#include "dialect/xiaozhi_activate.h"
#include "dialect/xiaozhi_answer.h"
#include "dialect/xiaozhi_check.h"
#include "dialect/xiaozhi_routes.h"
#include "engine/activation.h"
#include "engine/check.h"
#include "engine/engine.h"
#include "http/reply.h"
#include "http/request.h"
#include "model/gateway.h"
#include "model/version.h"

enum { ANSWER_MAX = 20 * 1024 };

/* What of the request the answer needs; it may come after the handler has returned. */
struct asked {
	const struct config *config;
	bool browser;
	char version[VERSION_SIZE];
	char language[TOLD_LANGUAGE_SIZE];
	char base_url[XIAOZHI_BASE_SIZE];
};

struct waiting {
	struct http_request *req;
	struct asked asked;
};

/* --- the parts of the answer --- */

/* Firmware up to 1.6.2 takes every value of mqtt and websocket for a text (protocols/xiaozhi.md 4). */
static bool knows_numbers(const char *version)
{
	return version_is_read(version) && version_compare(version, "1.6.2") > 0;
}

/* The process runs in the configured zone. Zones change at whole minutes, and the C library reads the zone's rule anew each time. */
static int zone_offset(int64_t wall_ms)
{
	static _Thread_local int64_t known_min = -1;
	static _Thread_local int offset_min;
	if (wall_ms / 60000 != known_min) {
		struct tm local;
		time_t s = (time_t)(wall_ms / 1000);
		localtime_r(&s, &local);
		offset_min = (int)(local.tm_gmtoff / 60);
		known_min = wall_ms / 60000;
	}
	return offset_min;
}

static struct xiaozhi_server_time clock_now(const struct config *config)
{
	int64_t ms = clock_wall_ms();
	return (struct xiaozhi_server_time){.timestamp_ms = ms, .timezone = config->timezone, .offset_min = zone_offset(ms)};
}

/* Can a device fetch from there? What a client calls us may be no host that a device knows how to reach. */
static bool is_reachable(const char *base_url)
{
	char host[XIAOZHI_HOST_SIZE];
	xiaozhi_host(base_url, true, host);
	return gateway_check_endpoint(host, NULL);
}

static const struct xiaozhi_firmware *offer(const struct asked *asked, const struct check_answer *a, char *url, size_t size,
					    struct xiaozhi_firmware *out)
{
	int n = a->offered ? snprintf(url, size, "%s/xiaozhi/ota/firmware/%s", asked->base_url, a->offer.alias) : 0;
	if (n <= 0 || (size_t)n >= size || !is_reachable(asked->base_url)) {
		return xiaozhi_answer_echo(asked->version, out);
	}
	*out = (struct xiaozhi_firmware){.version = a->offer.image_version, .url = url, .force = a->force};
	return out;
}

/* A device with a licence is left to prove itself: no code, silent. */
static bool activation(const struct asked *asked, const struct check_answer *a, char message[XIAOZHI_ANSWER_MESSAGE_SIZE],
		       struct xiaozhi_activation *out)
{
	char host[XIAOZHI_HOST_SIZE];
	*out = (struct xiaozhi_activation){.challenge = a->activation.challenge};
	if (a->activation.licensed) {
		return true;
	}
	xiaozhi_host(asked->base_url, true, host);
	out->code = a->activation.code;
	out->message = message;
	return xiaozhi_answer_message(message, asked->language, *asked->config->activation_host ? asked->config->activation_host : host,
				      out->code);
}

static struct xiaozhi_mqtt mqtt(const struct check_voice *v)
{
	return (struct xiaozhi_mqtt){.endpoint = v->endpoint,
				     .client_id = v->client_id,
				     .username = v->credential.username,
				     .password = v->credential.password,
				     .publish_topic = v->publish_topic,
				     .subscribe_topic = "null"};
}

static bool encode(const struct asked *asked, const struct check_answer *a, struct buf *out, struct err *err)
{
	char url[XIAOZHI_BASE_SIZE + 128];
	char message[XIAOZHI_ANSWER_MESSAGE_SIZE];
	struct xiaozhi_firmware firmware;
	struct xiaozhi_activation shown;
	const struct xiaozhi_server_time now = clock_now(asked->config);
	const struct xiaozhi_mqtt broker = mqtt(&a->voice);
	const struct xiaozhi_websocket websocket = {.url = a->voice.websocket_url,
						    .token = a->voice.websocket_token,
						    .version = knows_numbers(asked->version) ? a->voice.websocket_version : 0};
	if (a->activation.shown && !activation(asked, a, message, &shown)) {
		return err_set(err, ERR_INTERNAL, "activation_host is too long to be shown");
	}
	const struct xiaozhi_answer answer = {
		.own_version = asked->version,
		.mqtt = a->voice.mqtt ? &broker : NULL,
		.websocket = a->voice.websocket ? &websocket : NULL,
		.server_time = &now,
		.firmware = offer(asked, a, url, sizeof url, &firmware),
		.activation = a->activation.shown ? &shown : NULL,
	};
	return xiaozhi_answer_encode(out, &answer, err);
}

static void reply(struct http_request *req, const struct asked *asked, const struct check_answer *a)
{
	char mem[ANSWER_MAX];
	struct buf out;
	struct err err = {0};
	buf_init_fixed(&out, mem, sizeof mem);
	if (asked->browser) {
		http_reply_header(req, "Access-Control-Allow-Origin", "*");
	}
	if (!encode(asked, a, &out, &err)) {
		log_error("a check was not answered: the answer would have hurt the device", LOG_I("device", a->device_id),
			  LOG_S("error", err.text));
		xiaozhi_refuse(req, ERR_INTERNAL);
		return;
	}
	http_reply(req, 200, "application/json", out.data, out.len);
}

/* --- the check --- */

static bool decode(struct http_request *req, struct xiaozhi_check *out, struct err *err)
{
	size_t len;
	struct xiaozhi_headers headers;
	const char *body = http_request_body(req, &len);
	xiaozhi_read_headers(req, &headers);
	return xiaozhi_check_decode(&headers, body, len, out, err);
}

static void ask(struct http_request *req, const struct xiaozhi_check *told, struct engine *engine, struct check *check, struct asked *asked)
{
	asked->config = engine_config(engine);
	asked->browser = http_request_header(req, "Origin") != NULL;
	memcpy(asked->version, told->version, sizeof asked->version);
	memcpy(asked->language, told->told.language, sizeof asked->language);
	xiaozhi_base_url(req, asked->config, asked->base_url);
	check->told = &told->told;
	memcpy(check->mac, told->mac, sizeof check->mac);
	text_copy(check->name, sizeof check->name, told->name);
	memcpy(check->version, told->version, sizeof check->version);
	memcpy(check->serial, told->serial, sizeof check->serial);
	text_copy(check->address, sizeof check->address, http_request_peer(req));
	xiaozhi_host(asked->base_url, false, check->host);
}

static void checked(void *ctx, const struct check_answer *answer, const struct err *err)
{
	struct waiting *w = ctx;
	if (answer) {
		reply(w->req, &w->asked, answer);
	} else {
		log_debug("a check was not answered", LOG_S("error", err->text));
		if (w->asked.browser) {
			http_reply_header(w->req, "Access-Control-Allow-Origin", "*");
		}
		xiaozhi_refuse(w->req, err->kind);
	}
	free(w);
}

void xiaozhi_post(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct xiaozhi_check told;
	struct check check;
	struct asked asked;
	struct check_answer answer;
	struct err err = {0};
	if (http_query_ends(req, "/activate")) { /* the device has put it behind its URL's query */
		http_request_to_worker(req, xiaozhi_post_proof);
		return;
	}
	if (!decode(req, &told, &err)) {
		log_debug("a check was refused", LOG_S("error", err.text), LOG_S("address", http_request_peer(req)));
		xiaozhi_allow_origin(req);
		xiaozhi_refuse(req, err.kind);
		return;
	}
	ask(req, &told, ctx, &check, &asked);
	if (check_now(ctx, &check, &answer)) {
		reply(req, &asked, &answer);
		return;
	}
	struct waiting *w = malloc(sizeof *w);
	if (!w) {
		xiaozhi_refuse(req, ERR_BUSY);
		return;
	}
	*w = (struct waiting){.req = req, .asked = asked};
	check_later(ctx, &check, checked, w);
}

/* --- /activate --- */

static bool decode_proof(struct http_request *req, struct xiaozhi_check *told, struct xiaozhi_activate *proof, struct err *err)
{
	size_t len;
	struct xiaozhi_headers headers;
	const char *body = http_request_body(req, &len);
	xiaozhi_read_headers(req, &headers);
	return xiaozhi_check_decode(&headers, "", 0, told, err) && xiaozhi_activate_decode(body, len, proof, err);
}

void xiaozhi_post_proof(struct http_request *req, struct worker *worker, void *ctx)
{
	struct xiaozhi_check told;
	struct xiaozhi_activate body;
	struct activation_facts facts;
	struct activation state;
	struct err err = {0};
	char mem[1024];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	xiaozhi_allow_origin(req);
	if (!decode_proof(req, &told, &body, &err)) {
		int refused = xiaozhi_answer_error(&out, err.kind);
		http_reply(req, refused, "application/json", out.data, out.len);
		return;
	}
	const struct check check = {.told = &told.told};
	check_facts(&check, &facts);
	memcpy(facts.mac, told.mac, sizeof facts.mac);
	memcpy(facts.serial, *body.hmac ? body.serial : told.serial, sizeof facts.serial);
	text_copy(facts.address, sizeof facts.address, http_request_peer(req));
	const struct activation_proof proof = {.facts = &facts, .challenge = body.challenge, .hmac = body.hmac};
	bool ok = *body.hmac ? activation_prove(ctx, worker, &proof, &state, &err) : activation_ask(ctx, worker, &facts, &state, &err);
	int status = !ok           ? xiaozhi_answer_refused(&out, &err)
		     : state.bound ? xiaozhi_answer_activated(&out, state.device_id)
				   : xiaozhi_answer_waiting(&out);
	http_reply(req, status, "application/json", out.data, out.len);
}
