/* What operators call: files of a product, made, listed, read, changed and deleted. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/scoped.h"
#include "common/text.h"
#include "config/config.h"
#include "dialect/auth.h"
#include "dialect/fog_body.h"
#include "dialect/fog_envelope.h"
#include "dialect/fog_file.h"
#include "dialect/fog_oss.h"
#include "dialect/fog_routes.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/import.h"
#include "http/request.h"
#include "model/file.h"
#include "model/listing.h"
#include "model/range.h"

enum { ANSWER_MAX = 64 << 20, LIST_RANGES_MAX = 1000, PAGE_SIZE = 10, BASE_SIZE = 1024 };

/* A path's product: its key, or its id in digits. */
static bool find_product(struct http_request *req, struct worker *w, int64_t *out, struct err *err)
{
	static const char *const calls[] = {"device", "devce", "version"};
	const char *product = http_request_segment(req, "product");
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		if (strcmp(product, calls[i]) == 0) {
			return err_set(err, ERR_INVALID, "\"%s\" is no product", product);
		}
	}
	return files_product(w, product, out, err);
}

static bool read_id(const struct http_request *req, int64_t *out)
{
	return text_to_i64(http_request_segment(req, "id"), out) && *out > 0;
}

static bool no_such_file(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "找不到固件");
}

void fog_no_product(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	(void)ctx;
	struct err err = {.kind = ERR_MISSING, .text = "product"};
	fog_refuse_err(req, &err);
}

/* A file with its ranges, both of one moment. */
struct whole {
	struct file file;
	struct file_named named;
};

static void free_whole(struct whole *whole)
{
	free(whole->named.rows);
}

static bool read_whole(struct worker *w, int64_t product, int64_t id, struct whole *out, struct err *err)
{
	if (!files_look(w, err)) {
		return false;
	}
	bool ok = files_get(w, product, id, &out->file, err) &&
		  files_ranges(w, &out->file, RANGES_MAX, &out->named.rows, &out->named.count, err);
	files_looked(w);
	return ok;
}

/* product: as the path has it. Any thread. */
static void send_whole(struct http_request *req, const char *product, const struct whole *whole, const char *message)
{
	struct buf out;
	buf_init(&out, ANSWER_MAX);
	fog_begin(&out, FOG_CODE_FIRST, message);
	fog_file_encode(&out, product, &whole->file, whole->named.rows, whole->named.count);
	fog_send(req, &out);
}

/* --- POST, PUT, PATCH --- */

/* One of them. It outlives its handler where the bytes of file_url are fetched first. */
struct writing {
	struct http_request *req;
	struct engine *engine;
	char product[NAME_SIZE]; /* as the path has it */
	struct fog_body body;
	struct range_list ranges; /* point into the body */
	struct fog_file_in in;
	struct import_order order; /* its edit is what is written */
	struct whole whole;        /* what there is then */
};

static void free_writing(struct writing **p)
{
	struct writing *x = *p;
	if (x) {
		free_whole(&x->whole);
		range_list_free(&x->ranges);
		fog_body_free(&x->body);
		free(x);
	}
}

/* In the order of the seed's table. */
static bool require(unsigned fields, unsigned wanted, struct err *err)
{
	static const struct {
		enum file_field field;
		const char *name;
	} members[] = {
		{FILE_NAME, "file_name"}, {FILE_URL, "file_url"}, {FILE_MD5, "md5"}, {FILE_SIZE, "size"}, {FILE_VERSION, "version"},
	};
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		if (wanted & members[i].field & ~fields) {
			return err_set(err, ERR_MISSING, "%s", members[i].name);
		}
	}
	return true;
}

enum { REQUIRED = FILE_URL | FILE_MD5 | FILE_SIZE | FILE_VERSION };

static bool read_body(struct writing *x, struct err *err)
{
	size_t len;
	struct file_edit *edit = &x->order.edit;
	const char *text = http_request_body(x->req, &len);
	x->in.ranges = &x->ranges;
	return fog_body_read(&x->body, http_request_header(x->req, "Content-Type"), text, len, err) &&
	       fog_file_decode(&x->body, &x->in, edit, err) && fog_oss_key(x->req, x->engine, edit->to.firmware.url, edit->to.object, err);
}

static bool read_creation(struct writing *x, struct worker *w, struct err *err)
{
	struct file *to = &x->order.edit.to;
	int64_t product;
	if (!find_product(x->req, w, &product, err) || !read_body(x, err) || !require(x->order.edit.fields, REQUIRED | FILE_NAME, err)) {
		return false;
	}
	to->stage = STAGE_TEST;
	to->firmware.product_id = product;
	return text_copy(to->firmware.component, sizeof to->firmware.component, fog_component(x->in.ota_type < 0 ? 0 : x->in.ota_type));
}

/* PUT takes a whole file, or status alone; the import may stand with either or alone. */
static bool require_whole(const struct writing *x, struct err *err)
{
	unsigned fields = x->order.edit.fields;
	bool alone = fields == FILE_STAGE || (fields == 0 && x->in.import);
	bool whole = strcmp(http_request_method(x->req), "PUT") == 0 && !alone;
	return require(fields, whole ? REQUIRED : 0, err);
}

static bool read_change(struct writing *x, struct worker *w, struct err *err)
{
	struct file now;
	struct file_edit *edit = &x->order.edit;
	int64_t product;
	if (!find_product(x->req, w, &product, err)) {
		return false;
	}
	if (!read_id(x->req, &x->in.id)) {
		return no_such_file(err);
	}
	if (!read_body(x, err)) {
		return false;
	}
	if (!require_whole(x, err) || !files_get(w, product, x->in.id, &now, err)) {
		return err->kind == ERR_NOT_FOUND ? no_such_file(err) : false;
	}
	if (x->in.ota_type >= 0 && x->in.ota_type != fog_ota_type(now.firmware.component)) {
		return err_set(err, ERR_INVALID, "ota_type of a file cannot be changed");
	}
	edit->to.firmware.product_id = product;
	edit->to.firmware.id = x->in.id;
	edit->named = &x->whole.named;
	return true;
}

/* Whom the file names: an edit has read it with its very write. */
static bool complete(struct whole *whole, struct worker *w, struct err *err)
{
	return whole->named.rows || files_ranges(w, &whole->file, RANGES_MAX, &whole->named.rows, &whole->named.count, err);
}

static void reply_written(struct writing *x, struct worker *w, bool ok, struct err *err)
{
	bool fresh = x->in.id == 0;
	if (ok && complete(&x->whole, w, err)) {
		send_whole(x->req, x->product, &x->whole, fresh ? "upload file ok" : "update file ok");
		return;
	}
	if (!fresh && err->kind == ERR_NOT_FOUND) {
		no_such_file(err);
	}
	fog_refuse_err(x->req, err);
}

static void imported(void *ctx, struct worker *worker, const struct file *file, const struct err *why)
{
	scoped(free_writing) struct writing *x = ctx;
	struct err err = {0};
	if (file) {
		x->whole.file = *file;
	} else {
		err = *why;
	}
	reply_written(x, worker, file != NULL, &err);
}

static bool write_now(struct writing *x, struct worker *w, struct err *err)
{
	struct file *out = &x->whole.file;
	const struct file_edit *edit = &x->order.edit;
	if (x->in.id) {
		return files_edit(x->engine, w, &x->order.actor, edit, out, err);
	}
	*out = edit->to;
	return files_create(x->engine, w, &x->order.actor, out, edit->ranges, err);
}

typedef bool reader(struct writing *x, struct worker *w, struct err *err);

static void write_file(struct http_request *req, struct worker *w, struct engine *e, reader *read)
{
	struct err err = {0};
	scoped(free_writing) struct writing *x = calloc(1, sizeof *x);
	if (!x) {
		err_set(&err, ERR_INTERNAL, "out of memory");
		fog_refuse_err(req, &err);
		return;
	}
	x->req = req;
	x->engine = e;
	auth_actor(req, &x->order.actor);
	text_copy(x->product, sizeof x->product, http_request_segment(req, "product"));
	bool ok = read(x, w, &err);
	if (ok && x->in.import) {
		if (import_begin(e, w, &x->order, imported, x, &err)) {
			steal(&x); /* imported() has it */
			return;
		}
		ok = false;
	}
	reply_written(x, w, ok && write_now(x, w, &err), &err);
}

void fog_create(struct http_request *req, struct worker *worker, void *ctx)
{
	write_file(req, worker, ctx, read_creation);
}

void fog_edit(struct http_request *req, struct worker *worker, void *ctx)
{
	write_file(req, worker, ctx, read_change);
}

/* --- DELETE --- */

void fog_delete(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	int64_t product;
	int64_t id;
	auth_actor(req, &actor);
	if (!find_product(req, worker, &product, &err)) {
		fog_refuse_err(req, &err);
		return;
	}
	bool known = read_id(req, &id);
	if (!known || !files_delete(ctx, worker, &actor, product, id, &err)) {
		if (!known || err.kind == ERR_NOT_FOUND) {
			fog_refuse(req, FOG_NO_TASK, "ot_id错误,找不到任务");
		} else if (err.kind == ERR_CONFLICT) {
			fog_refuse(req, FOG_NOT_IN_TEST, "任务状态错误:仅有测试中的任务可以删除");
		} else {
			fog_refuse_err(req, &err);
		}
		return;
	}
	struct buf out;
	buf_init(&out, ANSWER_MAX);
	fog_begin(&out, FOG_MESSAGE_FIRST, "任务删除成功");
	buf_puts(&out, "{\"ot_id\":null}");
	fog_send(req, &out);
}

/* --- GET --- */

void fog_get(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)ctx;
	struct err err = {0};
	scoped(free_whole) struct whole whole = {.named = {.rows = NULL}};
	int64_t product;
	int64_t id;
	bool ok = find_product(req, worker, &product, &err);
	if (ok && (!read_id(req, &id) || !read_whole(worker, product, id, &whole, &err))) {
		ok = err.kind == ERR_NONE || err.kind == ERR_NOT_FOUND ? no_such_file(&err) : false;
	}
	if (ok) {
		send_whole(req, http_request_segment(req, "product"), &whole, "file info");
	} else {
		fog_refuse_err(req, &err);
	}
}

/* A page's number and size. */
struct paging {
	int64_t page, size;
	bool size_said;
};

/* A page that is no number is a bad page (404), as one that is not there; *bad says so. */
static bool read_paging(const struct http_request *req, struct paging *out, bool *bad, struct err *err)
{
	char text[32];
	*out = (struct paging){.page = 1, .size = PAGE_SIZE};
	if (!http_query_text(req, "page_size", false, text, sizeof text, err)) {
		return false;
	}
	out->size_said = *text != '\0';
	if (out->size_said && (!text_to_i64(text, &out->size) || out->size < 1 || out->size > FILES_PAGE_MAX)) {
		return err_set(err, ERR_INVALID, "page_size must be a whole number from 1 to %d", FILES_PAGE_MAX);
	}
	*bad = !http_query_text(req, "page", false, text, sizeof text, err) ||
	       (*text && (!text_to_i64(text, &out->page) || out->page < 1 || out->page > INT32_MAX));
	return !*bad || err_set(err, ERR_NOT_FOUND, "there is no such page");
}

/* An absolute URL as the client asked, with another page; null where there is none. */
static void put_link(struct buf *out, const char *key, const char *base, const struct paging *paging, int64_t page)
{
	buf_putf(out, ",\"%s\":", key);
	if (!page) {
		buf_puts(out, "null");
		return;
	}
	char url[BASE_SIZE + 64];
	int n = snprintf(url, sizeof url, "%s?page=%" PRId64, base, page);
	if (paging->size_said && n > 0 && (size_t)n < sizeof url) {
		snprintf(url + n, sizeof url - (size_t)n, "&page_size=%" PRId64, paging->size);
	}
	buf_put_json(out, url);
}

static void read_base(struct http_request *req, const struct config *config, char out[BASE_SIZE])
{
	const char *host = http_request_host(req);
	const char *path = http_request_path(req);
	if (*config->public_url) {
		snprintf(out, BASE_SIZE, "%s%s", config->public_url, path);
	} else {
		snprintf(out, BASE_SIZE, "%s://%s%s", http_request_scheme(req), host ? host : "localhost", path);
	}
}

static void put_list_head(struct http_request *req, struct buf *out, const struct files_page *files, const struct paging *paging,
			  const struct config *config)
{
	char base[BASE_SIZE];
	read_base(req, config, base);
	int64_t last = ((int64_t)files->total + paging->size - 1) / paging->size;
	fog_begin(out, FOG_MESSAGE_FIRST, "info list");
	buf_puts(out, "{\"count\":");
	buf_put_u64(out, files->total);
	buf_puts(out, ",\"page_size\":");
	buf_put_i64(out, paging->size);
	put_link(out, "next", base, paging, paging->page < last ? paging->page + 1 : 0);
	put_link(out, "previous", base, paging, paging->page - 1);
	buf_puts(out, ",\"results\":[");
}

/* The files with their first ranges. */
static bool put_files(struct http_request *req, struct worker *w, struct buf *out, const struct files_page *files, struct err *err)
{
	for (size_t i = 0; i < files->count; i++) {
		scoped_free struct range_row *rows = NULL;
		size_t count;
		if (!files_ranges(w, &files->rows[i], LIST_RANGES_MAX, &rows, &count, err)) {
			return false;
		}
		buf_puts(out, i ? "," : "");
		fog_file_encode(out, http_request_segment(req, "product"), &files->rows[i], rows, count);
	}
	buf_puts(out, "]}");
	return true;
}

static bool find_page(struct http_request *req, struct worker *w, struct engine *e, struct files_page *files, struct paging *paging,
		      bool *bad, struct err *err)
{
	*bad = false;
	if (!find_product(req, w, &files->product_id, err) || !read_paging(req, paging, bad, err)) {
		return false;
	}
	files->offset = (size_t)((paging->page - 1) * paging->size);
	files->limit = (size_t)paging->size;
	if (!files_list(e, w, files, err)) {
		return false;
	}
	*bad = paging->page > 1 && files->offset >= files->total;
	return !*bad || err_set(err, ERR_NOT_FOUND, "there is no such page");
}

void fog_list(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct files_page files = {.rows = NULL};
	struct paging paging;
	bool bad = false;
	struct buf out;
	buf_init(&out, ANSWER_MAX);
	bool looking = files_look(worker, &err);
	bool ok = looking && find_page(req, worker, ctx, &files, &paging, &bad, &err);
	if (ok) {
		put_list_head(req, &out, &files, &paging, engine_config(ctx));
		ok = put_files(req, worker, &out, &files, &err);
	}
	if (looking) {
		files_looked(worker);
	}
	free(files.rows);
	if (ok) {
		fog_send(req, &out);
		return;
	}
	buf_free(&out);
	if (bad) {
		fog_refuse_status(req, 404, &err);
	} else {
		fog_refuse_err(req, &err);
	}
}
