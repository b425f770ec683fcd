#include "dialect/native_gateway.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/secret.h"
#include "dialect/auth.h"
#include "dialect/native_etag.h"
#include "dialect/native_noun.h"
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
	char etag[NATIVE_ETAG_SIZE];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"productId\":");
	buf_put_i64(&out, g->product_id);
	native_noun_put_text(&out, "endpoint", g->endpoint);
	buf_puts(&out, ",\"signatureKeySet\":true");
	native_noun_put_time(&out, "createdAt", g->created_ms);
	native_noun_put_time(&out, "updatedAt", g->updated_ms);
	buf_putc(&out, '}');
	native_etag_make(etag, g->rev, out.data, out.len);
	http_reply_header(req, "ETag", etag);
	if (status == 200 && native_etag_is_fresh(http_request_header(req, "If-None-Match"), etag)) {
		http_reply(req, 304, NULL, NULL, 0);
		return;
	}
	http_reply(req, status, "application/json", out.data, out.len);
}

static bool read_product(const struct http_request *req, int64_t *id, struct err *err)
{
	static const char *const none[] = {NULL};
	const char *segment = http_request_segment(req, "id");
	return http_query_only(req, none, err) && native_noun_parse_id(segment ? segment : "", id, err);
}

void native_gateway_get(struct http_request *req, struct worker *w, void *ctx)
{
	(void)ctx;
	struct err err = {0};
	struct gateway g;
	int64_t id;
	if (!read_product(req, &id, &err) || !admin_gateway_get(w, id, &g, &err)) {
		problem_reply(req, &err);
		return;
	}
	reply_row(req, 200, &g);
}

/* The revision that a write with If-Match must find; 0 = any. False: it is another one, or there is none (stale), or it cannot be told. */
static bool expected_revision(const struct http_request *req, struct worker *w, int64_t id, int64_t *rev, bool *stale, struct err *err)
{
	const char *if_match = http_request_header(req, "If-Match");
	struct gateway now;
	*rev = 0;
	if (!if_match) {
		return true;
	}
	if (!admin_gateway_get(w, id, &now, err)) {
		*stale = err->kind == ERR_NOT_FOUND;
		return false;
	}
	*rev = now.rev;
	*stale = !native_etag_may_change(if_match, now.rev);
	return !*stale || err_set(err, ERR_CONFLICT, "it was changed since you read it; read it again");
}

/* With If-Match, a conflict with somebody faster is the condition that failed. */
static void refuse(struct http_request *req, bool stale, int64_t rev, const struct err *err)
{
	if (stale || (rev && err->kind == ERR_CONFLICT)) {
		problem_reply_as(req, 412, err);
	} else {
		problem_reply(req, err);
	}
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
	scoped(secret_clear) struct secret key = {0};
	int64_t rev = 0;
	bool stale = false;
	auth_actor(req, &actor);
	if (!read_product(req, &g.product_id, &err) || !read_body(req, &g, &key, &err) ||
	    !expected_revision(req, w, g.product_id, &rev, &stale, &err) || !admin_gateway_put(ctx, w, &actor, &g, &key, rev, &err)) {
		refuse(req, stale, rev, &err);
		return;
	}
	reply_row(req, g.rev == 1 ? 201 : 200, &g);
}

void native_gateway_remove(struct http_request *req, struct worker *w, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	int64_t id;
	int64_t rev = 0;
	bool stale = false;
	auth_actor(req, &actor);
	if (!read_product(req, &id, &err) || !expected_revision(req, w, id, &rev, &stale, &err) ||
	    !admin_gateway_delete(ctx, w, &actor, id, rev, &err)) {
		refuse(req, stale, rev, &err);
		return;
	}
	http_reply(req, 204, NULL, NULL, 0);
}
