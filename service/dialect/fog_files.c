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

static void send_whole(struct http_request *req, const struct whole *whole, const char *message)
{
	struct buf out;
	buf_init(&out, ANSWER_MAX);
	fog_begin(&out, FOG_CODE_FIRST, message);
	fog_file_encode(&out, http_request_segment(req, "product"), &whole->file, whole->named.rows, whole->named.count);
	fog_send(req, &out);
}

/* --- POST --- */

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

static bool read_body(struct http_request *req, struct engine *e, struct fog_body *body, struct fog_file_in *in, struct file_edit *edit,
		      struct err *err)
{
	size_t len;
	const char *text = http_request_body(req, &len);
	return fog_body_read(body, http_request_header(req, "Content-Type"), text, len, err) && fog_file_decode(body, in, edit, err) &&
	       fog_oss_key(req, e, edit->to.firmware.url, edit->to.object, err);
}

static bool create(struct http_request *req, struct worker *w, struct engine *e, struct file *out, struct err *err)
{
	scoped(fog_body_free) struct fog_body body = {.json = NULL};
	scoped(range_list_free) struct range_list ranges = {.count = 0};
	struct fog_file_in in = {.ranges = &ranges};
	struct file_edit edit;
	struct actor actor;
	int64_t product;
	auth_actor(req, &actor);
	if (!find_product(req, w, &product, err) || !read_body(req, e, &body, &in, &edit, err) ||
	    !require(edit.fields, REQUIRED | FILE_NAME, err)) {
		return false;
	}
	*out = edit.to;
	out->stage = STAGE_TEST;
	out->firmware.product_id = product;
	text_copy(out->firmware.component, sizeof out->firmware.component, fog_component(in.ota_type < 0 ? 0 : in.ota_type));
	return files_create(e, w, &actor, out, &ranges, err);
}

void fog_create(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	scoped(free_whole) struct whole whole = {.named = {.rows = NULL}};
	if (create(req, worker, ctx, &whole.file, &err) &&
	    files_ranges(worker, &whole.file, RANGES_MAX, &whole.named.rows, &whole.named.count, &err)) {
		send_whole(req, &whole, "upload file ok");
	} else {
		fog_refuse_err(req, &err);
	}
}

/* --- PUT, PATCH --- */

static bool change(struct http_request *req, struct worker *w, struct engine *e, struct whole *out, struct err *err)
{
	scoped(fog_body_free) struct fog_body body = {.json = NULL};
	scoped(range_list_free) struct range_list ranges = {.count = 0};
	struct fog_file_in in = {.ranges = &ranges};
	struct file_edit edit;
	struct actor actor;
	int64_t product;
	auth_actor(req, &actor);
	if (!find_product(req, w, &product, err)) {
		return false;
	}
	if (!read_id(req, &in.id)) {
		return no_such_file(err);
	}
	if (!read_body(req, e, &body, &in, &edit, err)) {
		return false;
	}
	bool whole = strcmp(http_request_method(req), "PUT") == 0 && edit.fields != FILE_STAGE;
	if (!require(edit.fields, whole ? REQUIRED : 0, err) || !files_get(w, product, in.id, &out->file, err)) {
		return err->kind == ERR_NOT_FOUND ? no_such_file(err) : false;
	}
	if (in.ota_type >= 0 && in.ota_type != fog_ota_type(out->file.firmware.component)) {
		return err_set(err, ERR_INVALID, "ota_type of a file cannot be changed");
	}
	edit.to.firmware.product_id = product;
	edit.to.firmware.id = in.id;
	edit.named = &out->named;
	return files_edit(e, w, &actor, &edit, &out->file, err) || (err->kind == ERR_NOT_FOUND && no_such_file(err));
}

void fog_edit(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	scoped(free_whole) struct whole whole = {.named = {.rows = NULL}};
	if (change(req, worker, ctx, &whole, &err)) {
		send_whole(req, &whole, "update file ok");
	} else {
		fog_refuse_err(req, &err);
	}
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
		send_whole(req, &whole, "file info");
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
