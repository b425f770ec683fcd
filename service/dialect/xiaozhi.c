#include "dialect/xiaozhi.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "config/config.h"
#include "dialect/xiaozhi_activate.h"
#include "dialect/xiaozhi_answer.h"
#include "dialect/xiaozhi_check.h"
#include "dialect/xiaozhi_routes.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/server.h"

/* ROUTES(root): all that is under one of the paths. */
#define CHECK(url)                                                                                                               \
	{.method = "POST", .path = (url), .body = HTTP_BODY_MEMORY, .body_max = XIAOZHI_CHECK_BODY_MAX, .handle = xiaozhi_post}, \
		{.method = "GET", .path = (url), .handle = xiaozhi_page},                                                        \
	{                                                                                                                        \
		.method = "OPTIONS", .path = (url), .handle = xiaozhi_preflight                                                  \
	}
#define ROUTES(root)                                                                          \
	CHECK(root), CHECK(root "/"),                                                         \
		{.method = "POST",                                                            \
		 .path = root "/activate",                                                    \
		 .where = HTTP_WORKER,                                                        \
		 .body = HTTP_BODY_MEMORY,                                                    \
		 .body_max = XIAOZHI_ACTIVATE_BODY_MAX,                                       \
		 .handle = xiaozhi_post_proof},                                               \
		{.method = "OPTIONS", .path = root "/activate", .handle = xiaozhi_preflight}, \
	{                                                                                     \
		.method = "GET", .path = root "/firmware/{fileName}", .handle = xiaozhi_file  \
	}

static const struct http_route xiaozhi_routes[] = {ROUTES("/xiaozhi/ota")};
static const struct http_route xiaozi_routes[] = {ROUTES("/xiaozi/ota")};
static const struct http_route api_routes[] = {ROUTES("/api/ota")};
static const struct http_route v1_routes[] = {ROUTES("/v1/ota")};

void xiaozhi_allow_origin(struct http_request *req)
{
	if (http_request_header(req, "Origin")) {
		http_reply_header(req, "Access-Control-Allow-Origin", "*");
	}
}

void xiaozhi_preflight(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	http_reply_header(req, "Access-Control-Allow-Origin", "*");
	http_reply_header(req, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
	http_reply_header(req, "Access-Control-Allow-Headers",
			  "Content-Type, Device-Id, Client-Id, Accept-Language, X-Language, Activation-Version, Serial-Number");
	http_reply_header(req, "Access-Control-Max-Age", "86400");
	http_reply(req, 204, NULL, NULL, 0);
}

void xiaozhi_refuse(struct http_request *req, enum err_kind kind)
{
	char mem[256];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	int status = xiaozhi_answer_error(&out, kind);
	http_reply(req, status, "application/json", out.data, out.len);
}

/* What the server itself refuses: its status, in the dialect's words. */
static void refuse(struct http_request *req, int status, const struct err *err, void *ctx)
{
	(void)ctx;
	char mem[512];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"error\":");
	buf_put_json(&out, status == 413 ? "Invalid OTA request" : err->text);
	buf_putc(&out, '}');
	xiaozhi_allow_origin(req);
	http_reply(req, status, "application/json", out.data, out.len);
}

void xiaozhi_read_headers(const struct http_request *req, struct xiaozhi_headers *out)
{
	struct http_wish wishes[] = {{HTTP_WISH("Device-Id")},       {HTTP_WISH("Client-Id")},  {HTTP_WISH("User-Agent")},
				     {HTTP_WISH("Accept-Language")}, {HTTP_WISH("X-Language")}, {HTTP_WISH("Activation-Version")},
				     {HTTP_WISH("Serial-Number")}};
	http_request_headers(req, wishes, sizeof wishes / sizeof *wishes);
	*out = (struct xiaozhi_headers){
		.device_id = wishes[0].value,
		.client_id = wishes[1].value,
		.user_agent = wishes[2].value,
		.accept_language = wishes[3].value,
		.x_language = wishes[4].value,
		.activation_version = wishes[5].value,
		.serial_number = wishes[6].value,
	};
}

void xiaozhi_base_url(struct http_request *req, const struct config *config, char out[XIAOZHI_BASE_SIZE])
{
	const char *host;
	int n = 0;
	if (*config->public_url) {
		text_copy(out, XIAOZHI_BASE_SIZE, config->public_url);
		return;
	}
	if ((host = http_request_host(req))) {
		n = snprintf(out, XIAOZHI_BASE_SIZE, "%s://%s", http_request_scheme(req), host);
	}
	if (n <= 0 || n >= XIAOZHI_BASE_SIZE) {
		out[0] = '\0';
	}
}

void xiaozhi_host(const char *base_url, int port, char out[XIAOZHI_HOST_SIZE])
{
	const char *host = strstr(base_url, "://");
	host = host ? host + 3 : base_url;
	size_t len = *host == '[' ? strcspn(host, "]/") + 1 : strcspn(host, ":/");
	len = port ? strcspn(host, "/") : len;
	len = len < XIAOZHI_HOST_SIZE ? len : 0;
	memcpy(out, host, len);
	out[len] = '\0';
}

void xiaozhi_dialects(struct http_dialect out[XIAOZHI_ROOTS], struct engine *engine)
{
	static const struct http_dialect roots[XIAOZHI_ROOTS] = {
#define ROOT(url, table) {.prefix = (url), .routes = (table), .route_count = sizeof(table) / sizeof *(table), .refuse = refuse}
		ROOT("/xiaozhi/ota", xiaozhi_routes),
		ROOT("/xiaozi/ota", xiaozi_routes),
		ROOT("/api/ota", api_routes),
		ROOT("/v1/ota", v1_routes),
#undef ROOT
	};
	for (size_t i = 0; i < XIAOZHI_ROOTS; i++) {
		out[i] = roots[i];
		out[i].ctx = engine;
	}
}
