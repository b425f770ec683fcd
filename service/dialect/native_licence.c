#include "dialect/native_licence.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "dialect/auth.h"
#include "dialect/native_licence_csv.h"
#include "dialect/native_noun.h"
#include "dialect/native_once.h"
#include "dialect/problem.h"
#include "engine/admin.h"
#include "http/reply.h"
#include "http/request.h"

/* ---- one ---- */

static bool list(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct licence *rows = NULL;
	bool ok = admin_licence_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static bool find(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	return native_noun_parse_id(segment, &id, err) && admin_licence_get(w, id, &out->licence.licence, err);
}

static void put_id_or_null(struct buf *out, const char *key, int64_t id)
{
	if (id) {
		native_noun_put_int(out, key, id);
	} else {
		native_noun_put_text(out, key, NULL);
	}
}

/* Never the key. */
static void put(struct buf *out, const void *row)
{
	const struct licence *l = row;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, l->id);
	native_noun_put_text(out, "serial", l->serial);
	native_noun_put_text(out, "encoding", licence_encoding_name(l->encoding));
	put_id_or_null(out, "productId", l->product_id);
	put_id_or_null(out, "deviceId", l->device_id);
	native_noun_put_time(out, "createdAt", l->created_ms);
	buf_putc(out, '}');
}

static bool decode(const struct cJSON *body, bool fresh, union native_row *inout, struct err *err)
{
	(void)fresh; /* there is no PATCH: another key is another licence */
	static const char *const known[] = {"serial", "key", "encoding", "productId", NULL};
	char serial[SERIAL_SIZE];
	char key[LICENCE_KEY_DIGITS + 1];
	char encoding[16];
	struct licence_new *l = &inout->licence;
	bool ok = json_only_keys(body, known, err) && json_text(body, "serial", true, serial, sizeof serial, err) &&
		  json_text(body, "encoding", false, encoding, sizeof encoding, err) &&
		  json_int(body, "productId", false, 1, INT64_MAX, &l->licence.product_id, err) &&
		  json_text(body, "key", true, key, sizeof key, err) && licence_take(l, serial, key, encoding, err);
	explicit_bzero(key, sizeof key);
	return ok;
}

static bool create(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, struct err *err)
{
	bool ok = admin_licence_create(e, w, actor, &inout->licence, err);
	licence_key_wipe(&inout->licence.key);
	return ok;
}

const struct native_noun native_licence = {
	.size = sizeof(struct licence),
	.rev_offset = offsetof(struct licence, rev),
	.name_filter = "serial",
	.product_filter = true,
	.list = list,
	.find = find,
	.put = put,
	.decode = decode,
	.create = create,
	.remove = admin_licence_delete,
};

/* ---- many ---- */

static bool import(struct http_request *req, struct worker *w, struct engine *e, int64_t product_id, size_t *count, struct err *err)
{
	struct actor actor;
	struct licence_new *rows = NULL;
	size_t len = 0;
	size_t bad = 0;
	const char *text = http_request_body(req, &len);
	auth_actor(req, &actor);
	if (!native_licence_csv(len ? text : "", len, product_id, &rows, count, err)) {
		return false;
	}
	bool ok = admin_licence_import(e, w, &actor, rows, *count, &bad, err);
	if (!ok && bad < *count) {
		err_prefix(err, "line %zu", rows[bad].line);
	}
	native_licence_csv_free(&rows, *count);
	return ok;
}

void native_licence_import(struct http_request *req, struct worker *w, void *ctx)
{
	static const char *const known[] = {"productId", NULL};
	struct err err = {0};
	struct native_once once;
	int64_t product_id = 0;
	size_t count = 0;
	char body[48];
	struct buf out;
	buf_init_fixed(&out, body, sizeof body);
	if (!http_query_only(req, known, &err) || !http_query_int(req, "productId", false, 1, INT64_MAX, &product_id, &err) ||
	    !native_once_begin(&once, req, w, ctx, &err)) {
		problem_reply(req, &err);
		return;
	}
	if (native_once_replayed(&once, req)) {
		return;
	}
	bool ok = import(req, w, ctx, product_id, &count, &err);
	buf_putf(&out, "{\"imported\":%zu}", count);
	native_once_end(&once, w, ok ? 200 : 0, ok ? buf_cstr(&out) : "");
	if (!ok) {
		problem_reply(req, &err);
		return;
	}
	http_reply(req, 200, "application/json", out.data, out.len);
}
