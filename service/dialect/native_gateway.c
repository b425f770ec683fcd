#include "dialect/native_gateway.h"

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
#include "model/gateway.h"

enum { BODY_MAX = 2048 };

/* Never the key; that there is one is sure. */
static void reply_row(struct http_request *req, int status, const struct gateway *g)
{
	char mem[BODY_MAX];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"productId\":");
	buf_put_i64(&out, g->product_id);
	native_noun_put_text(&out, "endpoint", g->endpoint);
	buf_puts(&out, ",\"signatureKeySet\":true");
	native_noun_put_time(&out, "createdAt", g->created_ms);
	native_noun_put_time(&out, "updatedAt", g->updated_ms);
	buf_putc(&out, '}');
	native_single_reply(req, status, g->rev, &out);
}

static bool find_rev(struct worker *w, int64_t product_id, int64_t *rev, struct err *err)
{
	struct gateway now;
	bool ok = admin_gateway_get(w, product_id, &now, err);
	*rev = ok ? now.rev : 0;
	return ok;
}

void native_gateway_get(struct http_request *req, struct worker *w, void *ctx)
{
	(void)ctx;
	struct err err = {0};
	struct gateway g;
	struct native_single single = {.find = find_rev};
	if (!native_single_product(req, &single, &err) || !admin_gateway_get(w, single.product_id, &g, &err)) {
		problem_reply(req, &err);
		return;
	}
	reply_row(req, 200, &g);
}

static bool read_body(const struct http_request *req, struct gateway *g, struct secret *key, struct err *err)
{
	static const char *const known[] = {"endpoint", "signatureKey", NULL};
	char text[GATEWAY_KEY_SIZE];
	size_t len = 0;
	const char *body = http_request_body(req, &len);
	scoped_json struct cJSON *json = json_parse_object(body, len, err);
	bool ok = json && json_only_keys(json, known, err) && json_text(json, "endpoint", true, g->endpoint, sizeof g->endpoint, err) &&
		  gateway_check_endpoint(g->endpoint, err) && json_text(json, "signatureKey", true, text, sizeof text, err) &&
		  gateway_check_key(text, err) && (secret_set(key, text) || err_set(err, ERR_UNAVAILABLE, "out of memory"));
	explicit_bzero(text, sizeof text);
	return ok;
}

void native_gateway_put(struct http_request *req, struct worker *w, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct gateway g = {0};
	struct native_single single = {.find = find_rev};
	scoped(secret_clear) struct secret key = {0};
	auth_actor(req, &actor);
	bool ok =
		native_single_product(req, &single, &err) && read_body(req, &g, &key, &err) && native_single_expect(req, w, &single, &err);
	g.product_id = single.product_id;
	if (!ok || !admin_gateway_put(ctx, w, &actor, &g, &key, single.rev, &err)) {
		native_single_refuse(req, w, &single, &err);
		return;
	}
	reply_row(req, g.rev == 1 ? 201 : 200, &g);
}

void native_gateway_remove(struct http_request *req, struct worker *w, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct native_single single = {.find = find_rev};
	auth_actor(req, &actor);
	if (!native_single_product(req, &single, &err) || !native_single_expect(req, w, &single, &err) ||
	    !admin_gateway_delete(ctx, w, &actor, single.product_id, single.rev, &err)) {
		native_single_refuse(req, w, &single, &err);
		return;
	}
	http_reply(req, 204, NULL, NULL, 0);
}
