#include "dialect/fog.h"

#include "common/err.h"
#include "dialect/auth.h"
#include "dialect/fog_body.h"
#include "dialect/fog_envelope.h"
#include "dialect/fog_routes.h"
#include "http/request.h"
#include "model/nouns.h"

/* Each path with and without a slash at its end, and never a redirect: a client would lose its body. */
#define READ(url, run)                                                                                        \
	{.method = "GET", .path = (url), .where = HTTP_WORKER, .handle = (run), .flags = ROLE_VIEWER},        \
	{                                                                                                     \
		.method = "GET", .path = url "/", .where = HTTP_WORKER, .handle = (run), .flags = ROLE_VIEWER \
	}
#define WRITE(verb, url, has, run)                                                                                                 \
	{.method = (verb),                                                                                                         \
	 .path = (url),                                                                                                            \
	 .where = HTTP_WORKER,                                                                                                     \
	 .body = (has),                                                                                                            \
	 .body_max = FOG_BODY_MAX,                                                                                                 \
	 .handle = (run),                                                                                                          \
	 .flags = ROLE_OPERATOR},                                                                                                  \
	{                                                                                                                          \
		.method = (verb), .path = url "/", .where = HTTP_WORKER, .body = (has), .body_max = FOG_BODY_MAX, .handle = (run), \
		.flags = ROLE_OPERATOR                                                                                             \
	}

#define PREFLIGHT(url)                                                        \
	{.method = "OPTIONS", .path = (url), .handle = fog_preflight},        \
	{                                                                     \
		.method = "OPTIONS", .path = url "/", .handle = fog_preflight \
	}

/* Devices' calls: anybody's, unless the product says otherwise. */
enum { REPORT_MAX = 64 * 1024 };
#define CHECK(url)                                                    \
	{.method = "GET", .path = (url), .handle = fog_check},        \
	{                                                             \
		.method = "GET", .path = url "/", .handle = fog_check \
	}
#define REPORT(url)                                                                                                     \
	{                                                                                                               \
		.method = "PUT", .path = (url), .body = HTTP_BODY_MEMORY, .body_max = REPORT_MAX, .handle = fog_version \
	}

/* flags: the role a route demands */
static const struct http_route routes[] = {
	WRITE("POST", "/api/v1/ota/{product}/files", HTTP_BODY_MEMORY, fog_create),
	READ("/api/v1/ota/{product}/files", fog_list),
	READ("/api/v1/ota/{product}/files/{id}", fog_get),
	WRITE("PUT", "/api/v1/ota/{product}/files/{id}", HTTP_BODY_MEMORY, fog_edit),
	WRITE("PATCH", "/api/v1/ota/{product}/files/{id}", HTTP_BODY_MEMORY, fog_edit),
	WRITE("DELETE", "/api/v1/ota/{product}/files/{id}", HTTP_BODY_NONE, fog_delete),
	PREFLIGHT("/api/v1/ota/{product}/files"),
	PREFLIGHT("/api/v1/ota/{product}/files/{id}"),
	CHECK("/api/v1/ota/device"),
	CHECK("/api/v1/ota/devce"),
	REPORT("/api/v1/ota/version"),
	REPORT("/api/v1/ota/version/"),
	READ("/api/v1/ota/files", fog_no_product),
	READ("/api/v1/ota//files", fog_no_product),
	WRITE("POST", "/api/v1/ota/files", HTTP_BODY_NONE, fog_no_product),
	WRITE("POST", "/api/v1/ota//files", HTTP_BODY_NONE, fog_no_product),
};

static bool admit(struct http_request *req, void *ctx)
{
	struct err err = {0};
	enum role need = (enum role)http_request_route(req)->flags;
	if (need != ROLE_NONE) {
		fog_cors(req);
	}
	if (auth_admit(req, ctx, need, &err)) {
		return true;
	}
	fog_refuse_err(req, &err);
	return false;
}

static void refuse(struct http_request *req, int status, const struct err *err, void *ctx)
{
	(void)ctx;
	fog_refuse_status(req, status, err);
}

void fog_dialect(struct http_dialect *out, struct engine *engine)
{
	*out = (struct http_dialect){
		.prefix = "/api/v1/ota/",
		.routes = routes,
		.route_count = sizeof routes / sizeof *routes,
		.admit = admit,
		.refuse = refuse,
		.ctx = engine,
	};
}
