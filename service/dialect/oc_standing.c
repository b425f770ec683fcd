/* The platform's "xiaozhi/otaPassive": one firmware for all devices of a product. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/scoped.h"
#include "dialect/auth.h"
#include "dialect/oc_envelope.h"
#include "dialect/oc_routes.h"
#include "engine/admin.h"
#include "http/request.h"

enum { LIST_MAX = 1000 };

static void put_row(struct buf *out, const struct standing_row *s)
{
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, s->rollout.id);
	buf_puts(out, ",\"otaId\":");
	buf_put_i64(out, s->rollout.firmware_id);
	buf_puts(out, ",\"productId\":");
	buf_put_i64(out, s->rollout.product_id);
	buf_puts(out, ",\"versionName\":");
	buf_put_json(out, s->rollout.version_name);
}

static bool decode(struct http_request *req, struct rollout *r, struct err *err)
{
	size_t len;
	const char *body = http_request_body(req, &len);
	scoped_json struct cJSON *json = json_parse_object(body, len, err);
	return json && json_int(json, "otaId", true, 1, INT64_MAX, &r->firmware_id, err) &&
	       json_int(json, "productId", true, 1, INT64_MAX, &r->product_id, err) &&
	       json_text_or_number(json, "versionName", true, r->version_name, sizeof r->version_name, err) &&
	       json_text(json, "description", false, r->description, sizeof r->description, err);
}

void oc_standing_order(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct standing_row row = {0};
	auth_actor(req, &actor);
	if (!decode(req, &row.rollout, &err) || !admin_rollout_order(ctx, worker, &actor, &row, &err)) {
		oc_refuse(req, &err, 0);
		return;
	}
	struct buf out;
	oc_begin(&out);
	put_row(&out, &row);
	buf_putc(&out, '}');
	oc_send(req, &out);
}

void oc_standing_list(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)ctx;
	struct buf out;
	struct err err = {0};
	struct page page = {.limit = LIST_MAX};
	oc_begin(&out);
	buf_putc(&out, '[');
	for (size_t count = LIST_MAX, n = 0; count == LIST_MAX && buf_ok(&out);) {
		scoped_free struct standing_row *rows = NULL;
		if (!admin_rollout_list(worker, &page, &rows, &count, &err)) {
			buf_free(&out);
			oc_refuse(req, &err, 0);
			return;
		}
		for (size_t i = 0; i < count; i++, n++) {
			buf_puts(&out, n ? "," : "");
			put_row(&out, &rows[i]);
			buf_puts(&out, ",\"otaName\":");
			buf_put_json(&out, rows[i].firmware_name);
			buf_puts(&out, ",\"productName\":");
			buf_put_json(&out, rows[i].product_name);
			buf_putc(&out, '}');
			page.after = rows[i].rollout.id;
		}
	}
	buf_putc(&out, ']');
	oc_send(req, &out);
}

void oc_standing_cancel(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	int64_t id;
	auth_actor(req, &actor);
	if (!oc_query_id(req, "id", &id, &err) || !admin_rollout_cancel(ctx, worker, &actor, id, &err)) {
		oc_refuse(req, &err, 0);
		return;
	}
	struct buf out;
	oc_begin(&out);
	buf_puts(&out, "null");
	oc_send(req, &out);
}
