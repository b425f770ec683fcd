#include "dialect/native.h"

#include "common/err.h"
#include "dialect/auth.h"
#include "dialect/native_credential.h"
#include "dialect/native_gateway.h"
#include "dialect/native_import.h"
#include "dialect/native_licence.h"
#include "dialect/native_noun.h"
#include "dialect/native_order.h"
#include "dialect/native_range.h"
#include "dialect/native_voice.h"
#include "dialect/problem.h"
#include "http/request.h"
#include "http/server.h"

enum { BODY_MAX = 64 * 1024 };

/* One handler a verb and noun: name_verb. ctx is the engine. */
#define LIST(noun)                                                                          \
	static void noun##_list(struct http_request *req, struct worker *worker, void *ctx) \
	{                                                                                   \
		native_noun_list(req, worker, ctx, &native_##noun);                         \
	}
#define GET(noun)                                                                          \
	static void noun##_get(struct http_request *req, struct worker *worker, void *ctx) \
	{                                                                                  \
		native_noun_get(req, worker, ctx, &native_##noun);                         \
	}
#define WRITE(noun, verb)                                                                     \
	static void noun##_##verb(struct http_request *req, struct worker *worker, void *ctx) \
	{                                                                                     \
		native_noun_##verb(req, worker, ctx, &native_##noun);                         \
	}

LIST(product)
GET(product)
WRITE(product, create)
WRITE(product, update)
WRITE(product, remove)
LIST(device)
GET(device)
WRITE(device, create)
WRITE(device, update)
WRITE(device, remove)
LIST(licence)
GET(licence)
WRITE(licence, create)
WRITE(licence, remove)
LIST(fix)
GET(fix)
WRITE(fix, create)
WRITE(fix, remove)
LIST(firmware)
GET(firmware)
WRITE(firmware, remove)
LIST(file)
GET(file)
WRITE(file, create)
WRITE(file, update)
WRITE(file, remove)
LIST(task)
GET(task)
LIST(assignment)
GET(assignment)
LIST(rollout)
GET(rollout)
WRITE(rollout, create)
WRITE(rollout, remove)
LIST(audit)

#define READ(path_, handler, role)                                                                                    \
	{                                                                                                             \
		.method = "GET", .path = "/api/v3/" path_, .where = HTTP_WORKER, .handle = (handler), .flags = (role) \
	}
#define REMOVE(path_, handler, role)                                                                                     \
	{                                                                                                                \
		.method = "DELETE", .path = "/api/v3/" path_, .where = HTTP_WORKER, .handle = (handler), .flags = (role) \
	}
#define WITH_BODY(method_, path_, type_, max, handler, role)                                                                      \
	{                                                                                                                         \
		.method = (method_), .path = "/api/v3/" path_, .where = HTTP_WORKER, .body = HTTP_BODY_MEMORY, .body_max = (max), \
		.body_type = (type_), .handle = (handler), .flags = (role)                                                        \
	}
/* without a body */
#define ACT(path_, handler)                                                                                                   \
	{                                                                                                                     \
		.method = "POST", .path = "/api/v3/" path_, .where = HTTP_WORKER, .handle = (handler), .flags = ROLE_OPERATOR \
	}
#define WITH_JSON(method, path, handler, role) WITH_BODY(method, path, "application/json", BODY_MAX, handler, role)

/* flags: the role it takes */
static const struct http_route routes[] = {
	READ("products", product_list, ROLE_VIEWER),
	READ("products/{id}", product_get, ROLE_VIEWER),
	WITH_JSON("POST", "products", product_create, ROLE_OPERATOR),
	WITH_JSON("PATCH", "products/{id}", product_update, ROLE_OPERATOR),
	REMOVE("products/{id}", product_remove, ROLE_OPERATOR),
	READ("devices", device_list, ROLE_VIEWER),
	READ("devices/{id}", device_get, ROLE_VIEWER),
	WITH_JSON("POST", "devices", device_create, ROLE_OPERATOR),
	WITH_JSON("PATCH", "devices/{id}", device_update, ROLE_OPERATOR),
	REMOVE("devices/{id}", device_remove, ROLE_OPERATOR),
	READ("products/{id}/gateway", native_gateway_get, ROLE_VIEWER),
	WITH_JSON("PUT", "products/{id}/gateway", native_gateway_put, ROLE_ADMIN),
	REMOVE("products/{id}/gateway", native_gateway_remove, ROLE_ADMIN),
	READ("products/{id}/voice", native_voice_get, ROLE_VIEWER),
	WITH_JSON("PUT", "products/{id}/voice", native_voice_put, ROLE_ADMIN),
	REMOVE("products/{id}/voice", native_voice_remove, ROLE_ADMIN),
	READ("forced-fixes", fix_list, ROLE_VIEWER),
	READ("forced-fixes/{id}", fix_get, ROLE_VIEWER),
	WITH_JSON("POST", "forced-fixes", fix_create, ROLE_OPERATOR),
	REMOVE("forced-fixes/{id}", fix_remove, ROLE_OPERATOR),
	READ("licences", licence_list, ROLE_VIEWER),
	READ("licences/{id}", licence_get, ROLE_VIEWER),
	WITH_JSON("POST", "licences", licence_create, ROLE_ADMIN),
	WITH_BODY("POST", "licences/import", "text/csv", NATIVE_LICENCE_IMPORT_MAX, native_licence_import, ROLE_ADMIN),
	REMOVE("licences/{id}", licence_remove, ROLE_ADMIN),
	READ("firmware", firmware_list, ROLE_VIEWER),
	READ("firmware/{id}", firmware_get, ROLE_VIEWER),
	REMOVE("firmware/{id}", firmware_remove, ROLE_OPERATOR),
	READ("files", file_list, ROLE_VIEWER),
	READ("files/{id}", file_get, ROLE_VIEWER),
	WITH_JSON("POST", "files", file_create, ROLE_OPERATOR),
	WITH_JSON("PATCH", "files/{id}", file_update, ROLE_OPERATOR),
	REMOVE("files/{id}", file_remove, ROLE_OPERATOR),
	WITH_JSON("POST", "files/{id}/import", native_file_import, ROLE_OPERATOR),
	READ("tasks", task_list, ROLE_VIEWER),
	READ("tasks/{id}", task_get, ROLE_VIEWER),
	ACT("tasks/{id}/cancel", native_task_cancel),
	READ("devices/{id}/credentials", native_credential_get, ROLE_VIEWER),
	ACT("devices/{id}/credentials", native_credential_show),
	ACT("devices/{id}/credentials/rotate", native_credential_rotate),
	ACT("devices/{id}/credentials/block", native_credential_block),
	ACT("devices/{id}/credentials/unblock", native_credential_unblock),
	{.method = "GET",
	 .path = "/api/v3/devices/{id}/explain",
	 .where = HTTP_WORKER,
	 .handle = native_device_explain,
	 .flags = ROLE_VIEWER},
	READ("assignments", assignment_list, ROLE_VIEWER),
	READ("assignments/{id}", assignment_get, ROLE_VIEWER),
	READ("rollouts", rollout_list, ROLE_VIEWER),
	READ("rollouts/{id}", rollout_get, ROLE_VIEWER),
	WITH_JSON("POST", "rollouts", rollout_create, ROLE_OPERATOR),
	REMOVE("rollouts/{id}", rollout_remove, ROLE_OPERATOR),
	READ("rollouts/{id}/ranges", native_range_list, ROLE_VIEWER),
	WITH_BODY("POST", "rollouts/{id}/ranges/import", "text/csv", NATIVE_RANGE_IMPORT_MAX, native_range_import, ROLE_OPERATOR),
	REMOVE("rollouts/{id}/ranges", native_range_clear, ROLE_OPERATOR),
	READ("ranges", native_range_naming, ROLE_VIEWER),
	READ("audit", audit_list, ROLE_ADMIN),
};

static bool admit(struct http_request *req, void *ctx)
{
	struct err err = {0};
	const struct http_route *route = http_request_route(req);
	if (!route || auth_admit(req, ctx, (enum role)route->flags, &err)) {
		return true;
	}
	problem_reply(req, &err);
	return false;
}

void native_dialect(struct http_dialect *out, struct engine *engine)
{
	*out = (struct http_dialect){
		.prefix = "/api/v3/",
		.routes = routes,
		.route_count = sizeof routes / sizeof *routes,
		.admit = admit,
		.refuse = problem_refuse,
		.ctx = engine,
	};
}
