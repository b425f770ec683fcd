#include "dialect/native_noun.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/auth.h"
#include "dialect/native_etag.h"
#include "dialect/native_once.h"
#include "dialect/problem.h"
#include "engine/admin.h"
#include "http/reply.h"
#include "http/request.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, FILTERS_MAX = 6, BODY_MAX = 16 << 20, UPDATE_ATTEMPTS = 3 };

static const char json_type[] = "application/json";

/* ---- for the nouns ---- */

bool native_noun_parse_id(const char *segment, int64_t *out, struct err *err)
{
	uint64_t id;
	if (!text_to_u64(segment, &id) || id == 0 || id > INT64_MAX) {
		return err_set(err, ERR_NOT_FOUND, "there is nothing with the id \"%s\"; an id is a whole number", segment);
	}
	*out = (int64_t)id;
	return true;
}

void native_noun_put_text(struct buf *out, const char *key, const char *value)
{
	buf_putf(out, ",\"%s\":", key);
	buf_put_json(out, value);
}

void native_noun_put_text_or_null(struct buf *out, const char *key, const char *value)
{
	native_noun_put_text(out, key, *value ? value : NULL);
}

void native_noun_put_int(struct buf *out, const char *key, int64_t value)
{
	buf_putf(out, ",\"%s\":", key);
	buf_put_i64(out, value);
}

void native_noun_put_bool(struct buf *out, const char *key, bool value)
{
	buf_putf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

void native_noun_put_time(struct buf *out, const char *key, int64_t wall_ms)
{
	char text[25];
	if (wall_ms) {
		clock_rfc3339(text, wall_ms);
	}
	native_noun_put_text(out, key, wall_ms ? text : NULL);
}

static int64_t revision(const struct native_noun *noun, const union native_row *row)
{
	int64_t rev = 0;
	if (noun->rev_offset) {
		memcpy(&rev, (const char *)row + noun->rev_offset, sizeof rev);
	}
	return rev;
}

static bool no_parameters(const struct http_request *req, struct err *err)
{
	static const char *const none[] = {NULL};
	return http_query_only(req, none, err);
}

/* ---- list ---- */

/* An id or, if it is not all digits, a key that `find` knows. What does not exist filters everything away: -1. */
static bool filter_id(const struct http_request *req, const char *param, int64_t *out, struct worker *w,
		      bool (*find)(struct worker *w, const char *segment, union native_row *out, struct err *err), struct err *err)
{
	char text[NAME_SIZE];
	union native_row row = {.id = 0};
	struct err why = {0};
	if (!http_query_text(req, param, false, text, sizeof text, err)) {
		return false;
	}
	if (!*text || text_to_i64(text, out)) {
		*out = *text && *out <= 0 ? -1 : *out;
		return true;
	}
	if (find(w, text, &row, &why)) {
		*out = row.id;
		return true;
	}
	*out = -1;
	return why.kind == ERR_NOT_FOUND || err_set(err, why.kind, "%s", why.text);
}

static bool find_product_key(struct worker *w, const char *key, union native_row *out, struct err *err)
{
	struct page page = {.limit = 1};
	scoped_free struct product *found = NULL;
	size_t count = 0;
	text_copy(page.name, sizeof page.name, key);
	if (!admin_product_list(w, &page, &found, &count, err)) {
		return false;
	}
	if (count == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no product with the key \"%s\"", key);
	}
	out->product = found[0];
	return true;
}

static bool only_known(const struct http_request *req, const struct native_noun *noun, struct err *err)
{
	const char *known[FILTERS_MAX] = {"after", "limit"};
	size_t n = 2;
	if (noun->name_filter) {
		known[n++] = noun->name_filter;
	}
	if (noun->product_filter) {
		known[n++] = "product";
	}
	if (noun->device_filter) {
		known[n++] = "device";
	}
	return http_query_only(req, known, err);
}

static bool read_page(const struct http_request *req, struct worker *w, const struct native_noun *noun, struct page *page, struct err *err)
{
	*page = (struct page){.limit = LIMIT_DEFAULT};
	return only_known(req, noun, err) && http_query_int(req, "after", false, 0, INT64_MAX, &page->after, err) &&
	       http_query_int(req, "limit", false, 1, LIMIT_MAX, &page->limit, err) &&
	       (!noun->name_filter || http_query_text(req, noun->name_filter, false, page->name, sizeof page->name, err)) &&
	       (!noun->product_filter || filter_id(req, "product", &page->product_id, w, find_product_key, err)) &&
	       (!noun->device_filter || filter_id(req, "device", &page->device_id, w, native_device.find, err));
}

static void complete(const struct native_noun *noun, struct engine *e, void *row)
{
	if (noun->complete) {
		noun->complete(e, row);
	}
}

void native_noun_list(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun)
{
	struct err err = {0};
	struct page page;
	scoped_free void *rows = NULL;
	size_t count = 0;
	scoped(buf_free) struct buf body;
	buf_init(&body, BODY_MAX);
	if (!read_page(req, w, noun, &page, &err)) {
		problem_reply(req, &err);
		return;
	}
	page.limit++; /* one more than asked for tells whether there is a next page */
	if (!noun->list(w, &page, &rows, &count, &err)) {
		problem_reply(req, &err);
		return;
	}
	bool more = count == (size_t)page.limit;
	int64_t last = 0;
	buf_puts(&body, "{\"items\":[");
	for (size_t i = 0; i < count - more; i++) {
		char *row = (char *)rows + i * noun->size;
		complete(noun, e, row);
		buf_puts(&body, i ? "," : "");
		noun->put(&body, row);
		memcpy(&last, row, sizeof last);
	}
	buf_puts(&body, "],\"next\":");
	buf_puts(&body, more ? "" : "null");
	if (more) {
		buf_put_i64(&body, last);
	}
	buf_putc(&body, '}');
	if (!buf_ok(&body)) {
		err_set(&err, ERR_TOO_LARGE, "this page is too large; ask for fewer rows with ?limit=");
		problem_reply(req, &err);
		return;
	}
	http_reply(req, 200, json_type, body.data, body.len);
}

/* ---- one ---- */

static bool encode(const struct native_noun *noun, const union native_row *row, struct worker *more, struct buf *body, struct err *err)
{
	noun->put(body, row);
	if (more && noun->put_more && buf_ok(body)) {
		body->len--; /* the closing brace */
		if (!noun->put_more(more, body, row, err)) {
			return false;
		}
		buf_putc(body, '}');
	}
	return buf_ok(body) || err_set(err, ERR_UNAVAILABLE, "out of memory");
}

/* Takes the closing brace away for what the noun adds. */
static bool encode_written(const struct native_noun *noun, struct engine *e, const union native_row *before, union native_row *row,
			   struct buf *body, struct err *err)
{
	complete(noun, e, row);
	if (!encode(noun, row, NULL, body, err)) {
		return false;
	}
	if (noun->put_secret) {
		body->len--;
		if (!noun->put_secret(e, body, before, row, err)) {
			return false;
		}
		buf_putc(body, '}');
	}
	return buf_ok(body) || err_set(err, ERR_UNAVAILABLE, "out of memory");
}

static bool find_named(const struct http_request *req, struct worker *w, const struct native_noun *noun, union native_row *row,
		       struct err *err)
{
	const char *segment = http_request_segment(req, "id");
	return no_parameters(req, err) && noun->find(w, segment ? segment : "", row, err);
}

void native_noun_get(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun)
{
	struct err err = {0};
	union native_row row;
	char etag[NATIVE_ETAG_SIZE];
	scoped(buf_free) struct buf body;
	buf_init(&body, BODY_MAX);
	bool ok = find_named(req, w, noun, &row, &err);
	if (ok) {
		complete(noun, e, &row);
		ok = encode(noun, &row, w, &body, &err);
	}
	if (!ok) {
		problem_reply(req, &err);
		return;
	}
	native_etag_make(etag, revision(noun, &row), body.data, body.len);
	http_reply_header(req, "ETag", etag);
	if (native_etag_is_fresh(http_request_header(req, "If-None-Match"), etag)) {
		http_reply(req, 304, NULL, NULL, 0);
		return;
	}
	http_reply(req, 200, json_type, body.data, body.len);
}

/* ---- create ---- */

static struct cJSON *read_body(const struct http_request *req, struct err *err)
{
	size_t len = 0;
	const char *text = http_request_body(req, &len);
	return json_parse_object(text, len, err);
}

static void reply_row(struct http_request *req, int status, const struct native_noun *noun, const union native_row *row,
		      const struct buf *body)
{
	char etag[NATIVE_ETAG_SIZE];
	native_etag_make(etag, revision(noun, row), body->data, body->len);
	http_reply_header(req, "ETag", etag);
	if (noun->put_secret) {
		http_reply_header(req, "Cache-Control", "no-store");
	}
	http_reply(req, status, json_type, body->data, body->len);
}

static bool create_row(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun, union native_row *row,
		       struct err *err)
{
	struct actor actor;
	scoped_json struct cJSON *json = read_body(req, err);
	memset(row, 0, sizeof *row);
	auth_actor(req, &actor);
	return json && noun->decode(json, true, row, err) && noun->create(e, w, &actor, row, err);
}

void native_noun_create(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun)
{
	struct err err = {0};
	union native_row row;
	struct native_once once;
	scoped(buf_free) struct buf body;
	buf_init(&body, BODY_MAX);
	if (!no_parameters(req, &err) || !native_once_begin(&once, req, w, e, &err)) {
		problem_reply(req, &err);
		return;
	}
	if (native_once_replayed(&once, req)) {
		return;
	}
	bool ok = create_row(req, w, e, noun, &row, &err) && encode_written(noun, e, NULL, &row, &body, &err);
	native_once_end(&once, w, ok ? 201 : 0, ok ? buf_cstr(&body) : "");
	if (!ok) {
		problem_reply(req, &err);
		return;
	}
	native_once_location(req, row.id);
	reply_row(req, 201, noun, &row, &body);
}

/* ---- update, delete ---- */

/* Does the condition allow to touch this revision? 412 has been replied if not. */
static bool allowed(struct http_request *req, int64_t rev)
{
	if (native_etag_may_change(http_request_header(req, "If-Match"), rev)) {
		return true;
	}
	struct err err = {0};
	err_set(&err, ERR_CONFLICT, "it was changed since you read it; read it again");
	problem_reply_as(req, 412, &err);
	return false;
}

/* One try: reads, changes, writes what it read; row[1] is what it was before. *again: someone else was faster. False and err.kind ERR_NONE:
 * has replied. */
static bool update_once(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun,
			union native_row row[2], bool *again, struct err *err)
{
	struct actor actor;
	*again = false;
	scoped_json struct cJSON *json = read_body(req, err);
	if (!json || !find_named(req, w, noun, row, err)) {
		return false;
	}
	int64_t rev = revision(noun, row);
	if (!allowed(req, rev)) {
		return false;
	}
	auth_actor(req, &actor);
	row[1] = row[0];
	if (!noun->decode(json, false, row, err)) {
		return false;
	}
	if (noun->update(e, w, &actor, row, rev, err)) {
		return true;
	}
	union native_row now;
	*again = err->kind == ERR_CONFLICT && find_named(req, w, noun, &now, NULL) && revision(noun, &now) != rev;
	return false;
}

void native_noun_update(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun)
{
	struct err err = {0};
	union native_row row[2];
	bool again = true;
	bool ok = false;
	for (int attempt = 0; again && attempt < UPDATE_ATTEMPTS; attempt++) {
		err = (struct err){0};
		ok = update_once(req, w, e, noun, row, &again, &err);
	}
	if (!ok && err.kind == ERR_NONE) {
		return;
	}
	scoped(buf_free) struct buf body;
	buf_init(&body, BODY_MAX);
	if (!ok || !encode_written(noun, e, &row[1], &row[0], &body, &err)) {
		problem_reply(req, &err);
		return;
	}
	reply_row(req, 200, noun, &row[0], &body);
}

void native_noun_reply(struct http_request *req, const struct native_noun *noun, const union native_row *row)
{
	struct err err = {0};
	scoped(buf_free) struct buf body;
	buf_init(&body, BODY_MAX);
	if (encode(noun, row, NULL, &body, &err)) {
		reply_row(req, 200, noun, row, &body);
	} else {
		problem_reply_late(req, "", &err);
	}
}

void native_noun_remove(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun)
{
	struct err err = {0};
	union native_row row;
	struct actor actor;
	if (!find_named(req, w, noun, &row, &err)) {
		problem_reply(req, &err);
		return;
	}
	if (!allowed(req, revision(noun, &row))) {
		return;
	}
	auth_actor(req, &actor);
	if (!noun->remove(e, w, &actor, row.id, &err)) {
		problem_reply(req, &err);
		return;
	}
	http_reply(req, 204, NULL, NULL, 0);
}
