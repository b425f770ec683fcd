#include "dialect/oc.h"

#include "common/err.h"
#include "dialect/auth.h"
#include "dialect/oc_envelope.h"
#include "dialect/oc_routes.h"
#include "http/request.h"
#include "model/nouns.h"

enum { BODY_MAX = 64 * 1024 };

/* flags: the role a route demands */
static const struct http_route routes[] = {
	{.method = "POST",
	 .path = "/api/v2/login",
	 .where = HTTP_WORKER,
	 .body = HTTP_BODY_MEMORY,
	 .body_max = BODY_MAX,
	 .handle = oc_login},
	{.method = "POST",
	 .path = "/api/v2/otaUpload",
	 .where = HTTP_WORKER,
	 .body = HTTP_BODY_FILE,
	 .upload = &oc_upload,
	 .flags = ROLE_OPERATOR},
	{.method = "POST", .path = "/api/v2/otaEnable", .handle = oc_enable, .flags = ROLE_OPERATOR},
	{.method = "GET", .path = "/api/v2/otaList", .where = HTTP_WORKER, .handle = oc_list, .flags = ROLE_VIEWER},
	{.method = "DELETE", .path = "/api/v2/otaDelete", .where = HTTP_WORKER, .handle = oc_delete, .flags = ROLE_OPERATOR},
	{.method = "POST",
	 .path = "/api/v2/otaPassive",
	 .body = HTTP_BODY_MEMORY,
	 .body_max = BODY_MAX,
	 .body_type = "application/json",
	 .handle = oc_assign,
	 .flags = ROLE_OPERATOR},
	{.method = "GET", .path = "/api/v2/otaPassive", .where = HTTP_WORKER, .handle = oc_assignments, .flags = ROLE_VIEWER},
	{.method = "DELETE", .path = "/api/v2/otaPassive", .where = HTTP_WORKER, .handle = oc_unassign, .flags = ROLE_OPERATOR},
	{.method = "POST",
	 .path = "/api/v2/xiaozhi/otaPassive",
	 .where = HTTP_WORKER,
	 .body = HTTP_BODY_MEMORY,
	 .body_max = BODY_MAX,
	 .body_type = "application/json",
	 .handle = oc_standing_order,
	 .flags = ROLE_OPERATOR},
	{.method = "GET", .path = "/api/v2/xiaozhi/otaPassive", .where = HTTP_WORKER, .handle = oc_standing_list, .flags = ROLE_VIEWER},
	{.method = "DELETE",
	 .path = "/api/v2/xiaozhi/otaPassive",
	 .where = HTTP_WORKER,
	 .handle = oc_standing_cancel,
	 .flags = ROLE_OPERATOR},
	{.method = "POST",
	 .path = "/api/v2/xiaozhi/otaManage",
	 .where = HTTP_WORKER,
	 .body = HTTP_BODY_MEMORY,
	 .body_max = BODY_MAX,
	 .body_type = "application/json",
	 .handle = oc_bind,
	 .flags = ROLE_OPERATOR},
	{.method = "PUT",
	 .path = "/api/v2/xiaozhi/otaManage",
	 .where = HTTP_WORKER,
	 .body = HTTP_BODY_MEMORY,
	 .body_max = BODY_MAX,
	 .body_type = "application/json",
	 .handle = oc_rename,
	 .flags = ROLE_OPERATOR},
	{.method = "GET", .path = "/api/v2/xiaozhi/otaManage", .where = HTTP_WORKER, .handle = oc_bound, .flags = ROLE_VIEWER},
	{.method = "DELETE", .path = "/api/v2/xiaozhi/otaManage", .where = HTTP_WORKER, .handle = oc_unbind, .flags = ROLE_OPERATOR},
	{.method = "GET", .path = "/api/v2/otaPassiveEnable", .handle = oc_poll},
	{.method = "GET", .path = "/api/v2/micro/{fileName}", .handle = oc_micro},
};

static bool admit(struct http_request *req, void *ctx)
{
	struct err err = {0};
	if (auth_admit(req, ctx, (enum role)http_request_route(req)->flags, &err)) {
		return true;
	}
	oc_refuse(req, &err, 0);
	return false;
}

static void refuse(struct http_request *req, int status, const struct err *err, void *ctx)
{
	(void)ctx;
	const struct http_route *route = http_request_route(req);
	if (route && route->body == HTTP_BODY_FILE && (status == 400 || status == 404 || status == 409)) {
		oc_refuse(req, err, 0); /* an upload's own refusals are business errors: the server knows only their kind */
		return;
	}
	oc_refuse_status(req, status, err, 0);
}

void oc_dialect(struct http_dialect *out, struct engine *engine)
{
	*out = (struct http_dialect){
		.prefix = "/api/v2/",
		.routes = routes,
		.route_count = sizeof routes / sizeof *routes,
		.admit = admit,
		.refuse = refuse,
		.ctx = engine,
	};
}
