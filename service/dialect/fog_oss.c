#include "dialect/fog_oss.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "config/config.h"
#include "dialect/auth.h"
#include "dialect/fog_callback.h"
#include "dialect/fog_envelope.h"
#include "dialect/fog_oss_error.h"
#include "dialect/fog_oss_post.h"
#include "dialect/fog_policy.h"
#include "engine/callback.h"
#include "engine/deliver.h"
#include "engine/engine.h"
#include "engine/objects.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"
#include "model/nouns.h"

#define ROOT "/oss"

enum { MD5_ETAG_SIZE = 2 * DIGEST_MD5_LEN + 3, TOKEN_MAX = 8192 };

/* --- host --- */

static void read_host(struct http_request *req, struct engine *engine, char out[FOG_OSS_HOST_SIZE])
{
	const struct config *config = engine_config(engine);
	const char *host = http_request_host(req);
	if (*config->public_url) {
		size_t len = strlen(config->public_url);
		len -= config->public_url[len - 1] == '/';
		snprintf(out, FOG_OSS_HOST_SIZE, "%.*s" ROOT, (int)len, config->public_url);
	} else {
		snprintf(out, FOG_OSS_HOST_SIZE, "%s://%.255s" ROOT, http_request_scheme(req), host ? host : "localhost");
	}
}

static const char *without_scheme(const char *url)
{
	return strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : url;
}

_Static_assert((int)FOG_OSS_KEY_SIZE == (int)FOG_KEY_SIZE, "a key is a key");

bool fog_oss_key(struct http_request *req, struct engine *engine, const char *url, char out[FOG_OSS_KEY_SIZE], struct err *err)
{
	char host[FOG_OSS_HOST_SIZE];
	read_host(req, engine, host);
	const char *own = without_scheme(host);
	const char *told = without_scheme(url);
	size_t len = strlen(own);
	*out = '\0';
	return strncmp(told, own, len) != 0 || told[len] != '/' ||
	       (fog_policy_is_key(told + len + 1) && text_copy(out, FOG_OSS_KEY_SIZE, told + len + 1)) ||
	       err_set(err, ERR_INVALID, "file_url: nothing can have been uploaded there");
}

/* --- GET /oss_token/ota/ --- */

static void put_member(struct buf *out, const char *key, const char *text)
{
	buf_putf(out, ",\"%s\":", key);
	buf_put_json(out, text);
}

static void hand_out(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct engine *engine = ctx;
	struct actor actor;
	char policy[FOG_POLICY_SIZE];
	char signature[OBJECTS_SIGNATURE_SIZE];
	char access[OBJECTS_ACCESS_SIZE];
	char host[FOG_OSS_HOST_SIZE];
	char target[CALLBACK_URL_SIZE] = "";
	char callback[FOG_CALLBACK_SIZE];
	int64_t expire = clock_wall_ms() / 1000 + FOG_OSS_TOKEN_S;
	struct fog_policy p = {.expires_ms = expire * 1000, .min = 1, .max = engine_config(engine)->upload_max};
	auth_actor(req, &actor);
	text_copy(p.prefix, sizeof p.prefix, FOG_OSS_DIR);
	callback_first(engine, target);
	if (!text_copy(p.issuer, sizeof p.issuer, actor.name) || !fog_policy_encode(&p, policy) || !fog_callback_encode(target, callback)) {
		fog_refuse_err(req, &(struct err){.kind = ERR_INTERNAL, .text = "the policy is too long"});
		return;
	}
	objects_access(engine, access);
	objects_sign(engine, policy, signature);
	read_host(req, engine, host);
	struct buf out;
	buf_init(&out, TOKEN_MAX);
	fog_begin(&out, FOG_CODE_FIRST, "oss token");
	buf_puts(&out, "{\"accessid\":");
	buf_put_json(&out, access);
	put_member(&out, "host", host);
	put_member(&out, "policy", policy);
	put_member(&out, "signature", signature);
	buf_puts(&out, ",\"expire\":");
	buf_put_i64(&out, expire);
	put_member(&out, "dir", FOG_OSS_DIR);
	put_member(&out, "callback", callback);
	buf_putc(&out, '}');
	fog_send(req, &out);
}

static bool admit(struct http_request *req, void *ctx)
{
	struct err err = {0};
	fog_cors(req);
	if (auth_admit(req, ctx, (enum role)http_request_route(req)->flags, &err)) {
		return true;
	}
	fog_refuse_err(req, &err);
	return false;
}

static void refuse_token(struct http_request *req, int status, const struct err *err, void *ctx)
{
	(void)ctx;
	fog_refuse_status(req, status, err);
}

/* --- GET /oss/{key} --- */

static void send_object(struct http_request *req, const struct artifact *a, int fd)
{
	char etag[MD5_ETAG_SIZE];
	fog_oss_etag(a, etag);
	const struct http_file file = {
		.fd = fd,
		.size = (uint64_t)a->size,
		.content_type = "application/octet-stream",
		.etag = etag,
		.cache_control = "public, max-age=3600, immutable",
	};
	fog_oss_headers(req);
	http_reply_file(req, &file);
}

static void serve(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	scoped(delivery_free) struct delivery *d = NULL;
	const char *key = http_request_path(req) + sizeof ROOT;
	bool found = fog_policy_is_key(key) ? objects_open(ctx, worker, key, &d, &err) : err_set(&err, ERR_NOT_FOUND, "no key");
	int fd = found ? delivery_open_file(d, worker, &err) : -1;
	if (fd >= 0) {
		send_object(req, delivery_artifact(d), fd);
	} else {
		fog_oss_fail(req, &err);
	}
}

static void preflight(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	fog_oss_headers(req);
	http_reply_header(req, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
	http_reply_header(req, "Access-Control-Allow-Headers", "*");
	http_reply_header(req, "Access-Control-Max-Age", "3600");
	http_reply(req, 200, "text/plain", "", 0);
}

/* A refusal of the form's own has its code with the request. */
static void refuse(struct http_request *req, int status, const struct err *err, void *ctx)
{
	(void)ctx;
	enum oss_code code = fog_oss_post_code(req);
	fog_oss_refuse(req, code == OSS_NONE ? fog_oss_of_status(status) : code, err->text);
}

/* --- routes --- */

#define TOKEN(url)                                                                    \
	{.method = "GET", .path = (url), .handle = hand_out, .flags = ROLE_OPERATOR}, \
	{                                                                             \
		.method = "OPTIONS", .path = (url), .handle = fog_preflight           \
	}
#define FORM(url)                                                                                                 \
	{.method = "POST", .path = (url), .where = HTTP_WORKER, .body = HTTP_BODY_FILE, .upload = &fog_oss_post}, \
	{                                                                                                         \
		.method = "OPTIONS", .path = (url), .handle = preflight                                           \
	}
#define OBJECT(url)                                                              \
	{.method = "GET", .path = (url), .where = HTTP_WORKER, .handle = serve}, \
	{                                                                        \
		.method = "OPTIONS", .path = (url), .handle = preflight          \
	}

static const struct http_route token_routes[] = {TOKEN("/oss_token/ota"), TOKEN("/oss_token/ota/")};
static const struct http_route store_routes[] = {
	FORM(ROOT), FORM(ROOT "/"), OBJECT(ROOT "/{a}/{b}"), OBJECT(ROOT "/{a}/{b}/{c}"), OBJECT(ROOT "/{a}/{b}/{c}/{d}"),
};

void fog_oss_dialects(struct http_dialect *out, struct engine *engine)
{
	out[0] = (struct http_dialect){
		.prefix = "/oss_token/",
		.routes = token_routes,
		.route_count = sizeof token_routes / sizeof *token_routes,
		.admit = admit,
		.refuse = refuse_token,
		.ctx = engine,
	};
	out[1] = (struct http_dialect){
		.prefix = ROOT,
		.routes = store_routes,
		.route_count = sizeof store_routes / sizeof *store_routes,
		.refuse = refuse,
		.ctx = engine,
	};
}
