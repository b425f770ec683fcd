/* What devices call: the passive poll and the download. */
#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "dialect/auth.h"
#include "dialect/oc_envelope.h"
#include "dialect/oc_routes.h"
#include "dialect/serve.h"
#include "engine/deliver.h"
#include "engine/poll.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/status.h"
#include "model/nouns.h"

/* --- otaPassiveEnable --- */

static void polled(void *ctx, const struct offer *offer, const struct err *err)
{
	struct http_request *req = ctx;
	struct err none = {0};
	if (err || !offer) {
		if (!err) {
			err_set(&none, ERR_NOT_FOUND, "nothing is assigned to this device");
		}
		oc_refuse(req, err ? err : &none, 0);
		return;
	}
	char mem[2048];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"success\":true,\"errorCode\":200,\"errorMsg\":\"成功\",\"data\":{\"fileName\":\"");
	buf_puts(&out, offer->alias);
	buf_puts(&out, "\",\"version\":");
	buf_put_json(&out, offer->version);
	buf_puts(&out, ",\"md5\":\"");
	buf_puts(&out, offer->md5);
	buf_puts(&out, "\",\"description\":");
	buf_put_json(&out, offer->description);
	buf_puts(&out, "}}");
	http_reply(req, 200, "application/json", out.data, out.len);
}

void oc_poll(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct err err = {0};
	char device[NAME_SIZE];
	char version[VERSION_SIZE];
	if (!http_query_text(req, "deviceName", true, device, sizeof device, &err) ||
	    !http_query_text(req, "version", false, version, sizeof version, &err)) {
		oc_refuse(req, &err, 0);
		return;
	}
	struct poll poll = {.device = device, .version = version, .by_name = true};
	poll_device(ctx, &poll, polled, req);
}

/* --- micro/{fileName} --- */

/* A file that may not be had must look like one to a machine: its status, not 200. */
static void refuse_file(struct http_request *req, const struct err *err)
{
	oc_refuse_status(req, http_status(err->kind), err, 0);
}

static void opened(void *ctx, int fd, const struct err *err)
{
	struct http_request *req = ctx;
	struct delivery *d = http_request_user(req);
	http_request_set_user(req, NULL, NULL);
	if (err) {
		delivery_free(&d);
		refuse_file(req, err);
		return;
	}
	serve_file(req, d, fd, false);
}

/* "firmware-17.bin", the path in operators' answers: for those who hold a token. */
static bool open_for_operator(struct http_request *req, struct engine *engine, const char *name, struct delivery **out, struct err *err)
{
	static const char prefix[] = "firmware-";
	char digits[24];
	uint64_t id;
	size_t len = strlen(name);
	if (strncmp(name, prefix, sizeof prefix - 1) != 0 || len < sizeof prefix + 4 || strcmp(name + len - 4, ".bin") != 0 ||
	    len - 4 - (sizeof prefix - 1) >= sizeof digits) {
		return false;
	}
	memcpy(digits, name + sizeof prefix - 1, len - 4 - (sizeof prefix - 1));
	digits[len - 4 - (sizeof prefix - 1)] = '\0';
	struct err denied = {0};
	return text_to_u64(digits, &id) && id <= INT64_MAX && auth_admit(req, engine, ROLE_VIEWER, &denied) &&
	       delivery_open_firmware(engine, (int64_t)id, out, err);
}

void oc_micro(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct err err = {0};
	struct delivery *d = NULL;
	const char *name = http_request_segment(req, "fileName");
	if (!delivery_open(ctx, name, &d, &err) && !(err.kind == ERR_NOT_FOUND && open_for_operator(req, ctx, name, &d, &err))) {
		refuse_file(req, &err);
		return;
	}
	http_request_set_user(req, d, NULL);
	delivery_file(ctx, d, opened, req);
}
