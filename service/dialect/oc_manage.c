/* What operators do with devices that show a code: bind, name, list, unbind. */
#include <stdlib.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/auth.h"
#include "dialect/oc_envelope.h"
#include "dialect/oc_routes.h"
#include "engine/activation.h"
#include "engine/admin.h"
#include "http/request.h"

enum { LIST_MAX = 1000, CODE_TEXT_SIZE = 32 };

static void put_device(struct buf *out, const struct device *d)
{
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, d->id);
	buf_puts(out, ",\"deviceName\":");
	buf_put_json(out, d->name);
	buf_puts(out, ",\"nickName\":");
	buf_put_json(out, d->nick_name);
	buf_puts(out, ",\"productId\":");
	buf_put_i64(out, d->product_id);
	buf_puts(out, d->auto_update ? ",\"autoUpdate\":true" : ",\"autoUpdate\":false");
	buf_puts(out, ",\"versionName\":");
	buf_put_json(out, d->version);
	buf_putc(out, '}');
}

static void send_device(struct http_request *req, const struct device *d)
{
	struct buf out;
	oc_begin(&out);
	put_device(&out, d);
	oc_send(req, &out);
}

/* An expired code is the caller's mistake like an unknown one: HTTP 200, the sentence says which. */
static void refuse(struct http_request *req, struct err *err)
{
	if (err->kind == ERR_GONE) {
		err->kind = ERR_INVALID;
	}
	oc_refuse(req, err, 0);
}

static struct cJSON *parse_body(struct http_request *req, struct err *err)
{
	size_t len;
	const char *body = http_request_body(req, &len);
	return json_parse_object(body, len, err);
}

void oc_bind(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct device device;
	char code[CODE_TEXT_SIZE];
	char nick_name[NICK_NAME_SIZE];
	struct activation_confirmation c = {.code = code, .nick_name = nick_name};
	scoped_json struct cJSON *json = parse_body(req, &err);
	auth_actor(req, &actor);
	if (!json || !json_text(json, "code", true, code, sizeof code, &err) ||
	    !json_text(json, "nickName", false, nick_name, sizeof nick_name, &err) ||
	    !json_int(json, "productId", true, 1, INT64_MAX, &c.product_id, &err) ||
	    !activation_confirm(ctx, worker, &actor, &c, &device, &err)) {
		refuse(req, &err);
		return;
	}
	send_device(req, &device);
}

void oc_rename(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct device d;
	int64_t id = 0;
	scoped_json struct cJSON *json = parse_body(req, &err);
	auth_actor(req, &actor);
	if (!json || !json_int(json, "id", true, 1, INT64_MAX, &id, &err) || !admin_device_get(worker, id, &d, &err) ||
	    (json_has(json, "nickName") && !json_text(json, "nickName", false, d.nick_name, sizeof d.nick_name, &err)) ||
	    !json_bool(json, "autoUpdate", false, &d.auto_update, &err) || !admin_device_update(ctx, worker, &actor, &d, d.rev, &err)) {
		refuse(req, &err);
		return;
	}
	send_device(req, &d);
}

void oc_bound(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)ctx;
	struct buf out;
	struct err err = {0};
	struct page page = {.limit = LIST_MAX, .bound = true};
	oc_begin(&out);
	buf_putc(&out, '[');
	for (size_t count = LIST_MAX, n = 0; count == LIST_MAX && buf_ok(&out);) {
		struct device *rows = NULL;
		if (!admin_device_list(worker, &page, &rows, &count, &err)) {
			buf_free(&out);
			oc_refuse(req, &err, 0);
			return;
		}
		for (size_t i = 0; i < count; i++, n++) {
			buf_puts(&out, n ? "," : "");
			put_device(&out, &rows[i]);
			page.after = rows[i].id;
		}
		free(rows);
	}
	buf_putc(&out, ']');
	oc_send(req, &out);
}

void oc_unbind(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	char text[32];
	int64_t id = 0;
	auth_actor(req, &actor);
	bool ok = http_query_text(req, "id", true, text, sizeof text, &err) &&
		  ((text_to_i64(text, &id) && id > 0) || err_set(&err, ERR_TYPE, "id must be a whole number above 0"));
	if (!ok || !activation_unbind(ctx, worker, &actor, id, &err)) {
		refuse(req, &err);
		return;
	}
	struct buf out;
	oc_begin(&out);
	buf_puts(&out, "null");
	oc_send(req, &out);
}
