#include "dialect/native_range.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/auth.h"
#include "dialect/native_noun.h"
#include "dialect/native_once.h"
#include "dialect/native_range_csv.h"
#include "dialect/problem.h"
#include "engine/admin.h"
#include "http/reply.h"
#include "http/request.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, BODY_MAX = 1 << 20 };

static bool rollout_of(const struct http_request *req, int64_t *id, struct err *err)
{
	const char *segment = http_request_segment(req, "id");
	return native_noun_parse_id(segment ? segment : "", id, err);
}

/* ,"items":[...] without what is before and after. */
static void put_rows(struct buf *out, const struct range_row *rows, size_t count, bool of_rollout)
{
	buf_puts(out, "\"items\":[");
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, i ? ",{" : "{");
		if (!of_rollout) {
			buf_puts(out, "\"rolloutId\":");
			buf_put_i64(out, rows[i].rollout_id);
			buf_putc(out, ',');
		}
		buf_puts(out, "\"place\":");
		buf_put_i64(out, rows[i].place);
		native_noun_put_text(out, "range", rows[i].said);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void send(struct http_request *req, struct buf *out)
{
	if (buf_ok(out)) {
		http_reply(req, 200, "application/json", out->data, out->len);
	} else {
		problem_reply(req, &(struct err){.kind = ERR_UNAVAILABLE, .text = "out of memory"});
	}
	buf_free(out);
}

void native_range_list(struct http_request *req, struct worker *w, void *ctx)
{
	(void)ctx;
	static const char *const known[] = {"after", "limit", NULL};
	struct err err = {0};
	struct page page = {.limit = LIMIT_DEFAULT};
	scoped_free struct range_row *rows = NULL;
	int64_t id;
	int64_t total;
	size_t count;
	if (!rollout_of(req, &id, &err) || !http_query_only(req, known, &err) ||
	    !http_query_int(req, "after", false, 0, INT32_MAX, &page.after, &err) ||
	    !http_query_int(req, "limit", false, 1, LIMIT_MAX, &page.limit, &err) ||
	    !admin_range_list(w, id, &page, &rows, &count, &total, &err)) {
		problem_reply(req, &err);
		return;
	}
	struct buf out;
	buf_init(&out, BODY_MAX);
	buf_puts(&out, "{\"count\":");
	buf_put_i64(&out, total);
	buf_putc(&out, ',');
	put_rows(&out, rows, count, true);
	bool more = count > 0 && rows[count - 1].place < total;
	buf_puts(&out, ",\"next\":");
	if (more) {
		buf_put_i64(&out, rows[count - 1].place);
	}
	buf_puts(&out, more ? "}" : "null}");
	send(req, &out);
}

void native_range_naming(struct http_request *req, struct worker *w, void *ctx)
{
	(void)ctx;
	static const char *const known[] = {"identifier", "productId", "limit", NULL};
	struct err err = {0};
	struct page page = {.limit = LIMIT_DEFAULT};
	scoped_free struct range_row *rows = NULL;
	char identifier[RANGE_SAID_MAX + 1];
	char id[RANGE_ID_SIZE];
	size_t count;
	if (!http_query_only(req, known, &err) || !http_query_text(req, "identifier", true, identifier, sizeof identifier, &err) ||
	    !http_query_int(req, "productId", false, 1, INT64_MAX, &page.product_id, &err) ||
	    !http_query_int(req, "limit", false, 1, LIMIT_MAX, &page.limit, &err) ||
	    !(range_normalise(identifier, id) || err_set(&err, ERR_INVALID, "identifier is nothing that a range could name")) ||
	    !admin_range_naming(w, id, &page, &rows, &count, &err)) {
		problem_reply(req, &err);
		return;
	}
	struct buf out;
	buf_init(&out, BODY_MAX);
	buf_putc(&out, '{');
	put_rows(&out, rows, count, false);
	buf_putc(&out, '}');
	send(req, &out);
}

void native_range_clear(struct http_request *req, struct worker *w, void *ctx)
{
	static const char *const none[] = {NULL};
	struct err err = {0};
	struct actor actor;
	int64_t id;
	auth_actor(req, &actor);
	if (!rollout_of(req, &id, &err) || !http_query_only(req, none, &err) || !admin_range_clear(ctx, w, &actor, id, &err)) {
		problem_reply(req, &err);
		return;
	}
	http_reply(req, 204, NULL, NULL, 0);
}

/* ---- import ---- */

static bool import(struct http_request *req, struct worker *w, struct engine *e, const struct admin_range_import *import, int64_t *imported,
		   struct err *err)
{
	struct actor actor;
	struct native_range_csv csv;
	const struct range_source source = {native_range_csv_rewind, native_range_csv_next, &csv};
	size_t len = 0;
	const char *text = http_request_body(req, &len);
	auth_actor(req, &actor);
	if (!native_range_csv_read(&csv, len ? text : "", len, err)) {
		return false;
	}
	bool ok = admin_range_import(e, w, &actor, import, &source, imported, err);
	native_range_csv_free(&csv);
	return ok;
}

static bool read_mode(const struct http_request *req, bool *replace, struct err *err)
{
	char text[8];
	if (!http_query_text(req, "replace", false, text, sizeof text, err)) {
		return false;
	}
	*replace = strcmp(text, "true") == 0;
	return *replace || !*text || strcmp(text, "false") == 0 || err_set(err, ERR_INVALID, "replace must be true or false");
}

void native_range_import(struct http_request *req, struct worker *w, void *ctx)
{
	static const char *const known[] = {"replace", NULL};
	struct err err = {0};
	struct native_once once;
	struct admin_range_import wanted = {0};
	int64_t imported = 0;
	char body[48];
	struct buf out;
	buf_init_fixed(&out, body, sizeof body);
	if (!rollout_of(req, &wanted.rollout_id, &err) || !http_query_only(req, known, &err) || !read_mode(req, &wanted.replace, &err) ||
	    !native_once_begin(&once, req, w, ctx, &err)) {
		problem_reply(req, &err);
		return;
	}
	if (native_once_replayed(&once, req)) {
		return;
	}
	bool ok = import(req, w, ctx, &wanted, &imported, &err);
	buf_puts(&out, "{\"imported\":");
	buf_put_i64(&out, imported);
	buf_putc(&out, '}');
	native_once_end(&once, w, ok ? 200 : 0, ok ? buf_cstr(&out) : "");
	if (!ok) {
		problem_reply(req, &err);
		return;
	}
	http_reply(req, 200, "application/json", out.data, out.len);
}
