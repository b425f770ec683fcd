/* What operators call: login, firmware, push, passive assignments. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/auth.h"
#include "dialect/oc_envelope.h"
#include "dialect/oc_routes.h"
#include "engine/admin.h"
#include "engine/order.h"
#include "engine/upload.h"
#include "http/reply.h"
#include "http/request.h"

enum { CODE_PASSWORD = 2003, CODE_NO_ACCOUNT = 2007, CODE_MISSING = 1004, LIST_MAX = 1000 };

bool oc_query_id(struct http_request *req, const char *name, int64_t *out, struct err *err)
{
	char text[32];
	if (!http_query_text(req, name, true, text, sizeof text, err)) {
		return false;
	}
	if (!text_to_i64(text, out) || *out <= 0) {
		return err_set(err, ERR_TYPE, "%s must be a whole number above 0", name);
	}
	return true;
}

void oc_login(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	size_t len;
	const char *body = http_request_body(req, &len);
	scoped_json struct cJSON *json = json_parse_object(body, len, &err);
	struct actor actor;
	char password[256];
	char token[64];
	auth_actor(req, &actor);
	if (!json || !json_text(json, "username", true, actor.name, sizeof actor.name, &err) ||
	    !json_text(json, "password", true, password, sizeof password, &err)) {
		oc_refuse(req, &err, 0);
		return;
	}
	bool ok = admin_login(ctx, worker, &actor, password, token, &err);
	explicit_bzero(password, sizeof password);
	if (!ok) {
		int code = err.kind == ERR_NOT_FOUND ? CODE_NO_ACCOUNT : err.kind == ERR_DENIED ? CODE_PASSWORD : 0;
		if (err.kind == ERR_BUSY) {
			http_reply_header(req, "Retry-After", "300");
		}
		oc_refuse_status(req, err.kind == ERR_BUSY ? 429 : err.kind == ERR_UNAVAILABLE ? 503 : code ? 401 : 500, &err, code);
		return;
	}
	struct buf out;
	oc_begin(&out);
	buf_puts(&out, "\"Bearer ");
	buf_puts(&out, token);
	buf_putc(&out, '"');
	oc_send(req, &out);
	explicit_bzero(token, sizeof token);
}

/* --- otaUpload --- */

struct incoming {
	struct engine *engine;
	struct upload *upload;
	struct firmware firmware;
};

static void *upload_begin(struct http_request *req, struct worker *worker, void *ctx, struct err *err)
{
	struct incoming *in = calloc(1, sizeof *in);
	if (!in) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	in->engine = ctx;
	if (http_query_text(req, "name", true, in->firmware.name, sizeof in->firmware.name, err) &&
	    oc_query_id(req, "productId", &in->firmware.product_id, err) &&
	    admin_firmware_check(ctx, worker, in->firmware.product_id, in->firmware.name, err) && (in->upload = upload_new(ctx, err))) {
		text_copy(in->firmware.component, sizeof in->firmware.component, COMPONENT_DEFAULT);
		return in;
	}
	free(in);
	return NULL;
}

static bool upload_name(void *state, const char *file_name, struct err *err)
{
	struct incoming *in = state;
	size_t len = strlen(file_name);
	if (!text_is_file_name(file_name, sizeof in->firmware.file_name - 1)) {
		return err_set(err, ERR_INVALID, "the file's name must be a plain name without path");
	}
	if (len < 4 || strcasecmp(file_name + len - 4, ".bin") != 0) {
		return err_set(err, ERR_INVALID, "only .bin files are firmware: this is %.100s", file_name);
	}
	return text_copy(in->firmware.file_name, sizeof in->firmware.file_name, file_name);
}

static bool upload_data(void *state, struct worker *worker, const void *data, size_t len, struct err *err)
{
	struct incoming *in = state;
	return upload_write(in->upload, worker, data, len, err);
}

static void upload_abort(void *state, struct worker *worker)
{
	struct incoming *in = state;
	upload_free(&in->upload, worker);
	free(in);
}

static void upload_end(void *state, struct worker *worker, struct http_request *req, bool file)
{
	struct incoming *in = state;
	struct err err = {0};
	struct actor actor;
	int code = 0;
	auth_actor(req, &actor);
	bool ok = file || err_set(&err, ERR_MISSING, "the form has no file: send it as the field \"file\"");
	ok = ok && upload_seal(in->upload, worker, &in->firmware, &err);
	if (err.kind == ERR_EMPTY) {
		code = CODE_MISSING; /* the platform says so of an empty file */
	}
	ok = ok && admin_firmware_create(in->engine, worker, &actor, &in->firmware, &err);
	if (ok) {
		struct buf out;
		oc_begin(&out);
		oc_put_firmware(&out, &in->firmware);
		oc_send(req, &out);
	} else {
		oc_refuse(req, &err, code);
	}
	upload_abort(in, worker);
}

const struct http_upload oc_upload = {
	.begin = upload_begin, .name = upload_name, .data = upload_data, .end = upload_end, .abort = upload_abort};

/* --- otaEnable, otaPassive --- */

static void pushed(void *ctx, const struct order_result *result, const struct err *err)
{
	struct http_request *req = ctx;
	if (err) {
		oc_refuse(req, err, 0);
		return;
	}
	struct buf out;
	oc_begin(&out);
	buf_putc(&out, '[');
	oc_put_firmware(&out, &result->firmware);
	buf_putc(&out, ']');
	oc_send(req, &out);
}

void oc_enable(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct err err = {0};
	struct order order = {.way = WAY_PUSH};
	auth_actor(req, &order.actor);
	if (!http_query_text(req, "name", true, order.firmware, sizeof order.firmware, &err) ||
	    !http_query_text(req, "deviceName", true, order.device, sizeof order.device, &err) ||
	    !order_place(ctx, &order, pushed, req, &err)) {
		oc_refuse(req, &err, 0);
	}
}

/* An assignment under way: what its answer will say. */
struct assigning {
	struct http_request *req;
	struct order order;
};

static void put_assignment(struct buf *out, int64_t id, int64_t ota, int64_t device, const char *version, const char *description)
{
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, id);
	buf_puts(out, ",\"otaId\":");
	buf_put_i64(out, ota);
	buf_puts(out, ",\"deviceId\":");
	buf_put_i64(out, device);
	buf_puts(out, ",\"versionName\":");
	buf_put_json(out, version);
	buf_puts(out, ",\"description\":");
	buf_put_json(out, description);
}

static void assigned(void *ctx, const struct order_result *result, const struct err *err)
{
	struct assigning *a = ctx;
	if (err) {
		oc_refuse(a->req, err, 0);
	} else {
		struct buf out;
		oc_begin(&out);
		put_assignment(&out, result->rollout_id, result->firmware.id, result->device_id, a->order.version_name,
			       a->order.description);
		buf_putc(&out, '}');
		oc_send(a->req, &out);
	}
	free(a);
}

static bool decode_assignment(struct http_request *req, struct order *order, struct err *err)
{
	size_t len;
	const char *body = http_request_body(req, &len);
	scoped_json struct cJSON *json = json_parse_object(body, len, err);
	order->way = WAY_PASSIVE;
	return json && json_text(json, "deviceName", true, order->device, sizeof order->device, err) &&
	       json_text(json, "name", true, order->firmware, sizeof order->firmware, err) &&
	       json_text_or_number(json, "versionName", true, order->version_name, sizeof order->version_name, err) &&
	       json_text(json, "description", false, order->description, sizeof order->description, err);
}

void oc_assign(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct err err = {0};
	struct assigning *a = calloc(1, sizeof *a);
	if (!a) {
		err_set(&err, ERR_INTERNAL, "out of memory");
		oc_refuse(req, &err, 0);
		return;
	}
	a->req = req;
	auth_actor(req, &a->order.actor);
	if (!decode_assignment(req, &a->order, &err) || !order_place(ctx, &a->order, assigned, a, &err)) {
		free(a);
		oc_refuse(req, &err, 0);
	}
}

void oc_assignments(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)ctx;
	struct buf out;
	struct err err = {0};
	struct page page = {.limit = LIST_MAX};
	oc_begin(&out);
	buf_putc(&out, '[');
	for (size_t count = LIST_MAX, n = 0; count == LIST_MAX && buf_ok(&out);) {
		struct assignment *rows = NULL;
		if (!admin_assignment_list(worker, &page, &rows, &count, &err)) {
			buf_free(&out);
			oc_refuse(req, &err, 0);
			return;
		}
		for (size_t i = 0; i < count; i++, n++) {
			const struct rollout *r = &rows[i].rollout;
			buf_puts(&out, n ? "," : "");
			put_assignment(&out, r->id, r->firmware_id, r->device_id, r->version_name, r->description);
			buf_puts(&out, ",\"otaName\":");
			buf_put_json(&out, rows[i].firmware_name);
			buf_puts(&out, ",\"deviceName\":");
			buf_put_json(&out, rows[i].device_name);
			buf_putc(&out, '}');
			page.after = r->id;
		}
		free(rows);
	}
	buf_putc(&out, ']');
	oc_send(req, &out);
}

static void done_null(void *ctx, const struct order_result *result, const struct err *err)
{
	(void)result;
	struct http_request *req = ctx;
	if (err) {
		oc_refuse(req, err, 0);
		return;
	}
	struct buf out;
	oc_begin(&out);
	buf_puts(&out, "null");
	oc_send(req, &out);
}

void oc_unassign(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct assignment row;
	int64_t id;
	auth_actor(req, &actor);
	if (!oc_query_id(req, "id", &id, &err) || !admin_assignment_get(worker, id, &row, &err) ||
	    !order_cancel(ctx, id, 0, row.rollout.device_id, &actor, done_null, req, &err)) {
		oc_refuse(req, &err, 0);
	}
}

/* --- otaList, otaDelete --- */

void oc_list(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)ctx;
	struct buf out;
	struct err err = {0};
	struct page page = {.limit = LIST_MAX, .held = true};
	oc_begin(&out);
	buf_putc(&out, '[');
	for (size_t count = LIST_MAX, n = 0; count == LIST_MAX && buf_ok(&out);) {
		struct firmware *rows = NULL;
		if (!admin_firmware_list(worker, &page, &rows, &count, &err)) {
			buf_free(&out);
			oc_refuse(req, &err, 0);
			return;
		}
		for (size_t i = 0; i < count; i++, n++) {
			buf_puts(&out, n ? "," : "");
			oc_put_firmware(&out, &rows[i]);
			page.after = rows[i].id;
		}
		free(rows);
	}
	buf_putc(&out, ']');
	oc_send(req, &out);
}

void oc_delete(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	int64_t id;
	auth_actor(req, &actor);
	if (!oc_query_id(req, "id", &id, &err) || !admin_firmware_delete(ctx, worker, &actor, id, &err)) {
		oc_refuse(req, &err, 0);
		return;
	}
	done_null(req, NULL, NULL);
}
