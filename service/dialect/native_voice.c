#include "dialect/native_voice.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/secret.h"
#include "dialect/auth.h"
#include "dialect/native_noun.h"
#include "dialect/native_single.h"
#include "dialect/problem.h"
#include "engine/admin.h"
#include "http/reply.h"
#include "http/request.h"
#include "model/voice.h"

enum { SHOWN_MAX = VOICE_TEXT_SIZE + 512 };

/* Never the token. */
static void reply_row(struct http_request *req, int status, const struct voice *v)
{
	char mem[SHOWN_MAX];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"productId\":");
	buf_put_i64(&out, v->product_id);
	native_noun_put_text(&out, "mqtt", voice_mqtt_name(v->mqtt));
	if (*v->ws_url) {
		buf_puts(&out, ",\"websocket\":{\"url\":");
		buf_put_json(&out, v->ws_url);
		buf_puts(&out, v->ws_token_set ? ",\"tokenSet\":true,\"version\":" : ",\"tokenSet\":false,\"version\":");
		if (v->ws_version) {
			buf_put_i64(&out, v->ws_version);
		} else {
			buf_puts(&out, "null");
		}
		buf_putc(&out, '}');
	} else {
		buf_puts(&out, ",\"websocket\":null");
	}
	native_noun_put_time(&out, "createdAt", v->created_ms);
	native_noun_put_time(&out, "updatedAt", v->updated_ms);
	buf_putc(&out, '}');
	native_single_reply(req, status, v->rev, &out);
}

static bool find_rev(struct worker *w, int64_t product_id, int64_t *rev, struct err *err)
{
	struct voice now;
	bool ok = admin_voice_get(w, product_id, &now, err);
	*rev = ok ? now.rev : 0;
	return ok;
}

void native_voice_get(struct http_request *req, struct worker *w, void *ctx)
{
	(void)ctx;
	struct err err = {0};
	struct voice v;
	struct native_single single = {.find = find_rev};
	if (!native_single_product(req, &single, &err) || !admin_voice_get(w, single.product_id, &v, &err)) {
		problem_reply(req, &err);
		return;
	}
	reply_row(req, 200, &v);
}

static bool read_websocket(const struct cJSON *body, struct voice *v, char token[VOICE_TEXT_SIZE], struct err *err)
{
	static const char *const known[] = {"url", "token", "version", NULL};
	const struct cJSON *ws = NULL;
	if (!json_object(body, "websocket", &ws, err) || !ws) {
		return err->kind == ERR_NONE;
	}
	bool ok = json_only_keys(ws, known, err) && json_text(ws, "url", true, v->ws_url, sizeof v->ws_url, err) &&
		  json_int(ws, "version", false, 1, VOICE_VERSION_MAX, &v->ws_version, err) &&
		  json_text(ws, "token", false, token, VOICE_TEXT_SIZE, err);
	return ok || err_prefix(err, "websocket");
}

static bool read_fields(const struct cJSON *body, struct voice *v, char token[VOICE_TEXT_SIZE], struct err *err)
{
	static const char *const known[] = {"mqtt", "websocket", NULL};
	char mqtt[16];
	if (!json_only_keys(body, known, err) || !json_text(body, "mqtt", true, mqtt, sizeof mqtt, err)) {
		return false;
	}
	if (!voice_mqtt_parse(mqtt, &v->mqtt)) {
		return err_set(err, ERR_INVALID, "mqtt must be own, gateway or none");
	}
	return read_websocket(body, v, token, err) && voice_check(v, token, err);
}

static bool read_body(const struct http_request *req, struct voice *v, struct secret *token, struct err *err)
{
	char text[VOICE_TEXT_SIZE] = "";
	size_t len = 0;
	const char *body = http_request_body(req, &len);
	scoped_json struct cJSON *json = json_parse_object(body, len, err);
	bool ok = json && read_fields(json, v, text, err) && (secret_set(token, text) || err_set(err, ERR_UNAVAILABLE, "out of memory"));
	explicit_bzero(text, sizeof text);
	return ok;
}

void native_voice_put(struct http_request *req, struct worker *w, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct voice v = {0};
	struct native_single single = {.find = find_rev};
	scoped(secret_clear) struct secret token = {0};
	auth_actor(req, &actor);
	bool ok = native_single_product(req, &single, &err) && read_body(req, &v, &token, &err) &&
		  native_single_expect(req, w, &single, &err);
	v.product_id = single.product_id;
	if (!ok || !admin_voice_put(ctx, w, &actor, &v, &token, single.rev, &err)) {
		native_single_refuse(req, w, &single, &err);
		return;
	}
	reply_row(req, v.rev == 1 ? 201 : 200, &v);
}

void native_voice_remove(struct http_request *req, struct worker *w, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct native_single single = {.find = find_rev};
	auth_actor(req, &actor);
	if (!native_single_product(req, &single, &err) || !native_single_expect(req, w, &single, &err) ||
	    !admin_voice_delete(ctx, w, &actor, single.product_id, single.rev, &err)) {
		native_single_refuse(req, w, &single, &err);
		return;
	}
	http_reply(req, 204, NULL, NULL, 0);
}
