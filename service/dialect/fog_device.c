/* What devices call: is there something newer for one of my components, and what I run now. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/scoped.h"
#include "common/text.h"
#include "config/config.h"
#include "dialect/auth.h"
#include "dialect/fog_answer.h"
#include "dialect/fog_body.h"
#include "dialect/fog_envelope.h"
#include "dialect/fog_file.h"
#include "dialect/fog_routes.h"
#include "engine/engine.h"
#include "engine/parts.h"
#include "engine/registration.h"
#include "http/request.h"

/* The order of the answer: mcu, wifi. */
static const char *const versions[PARTS_MAX] = {"mcu_version", "wifi_version"};

static void name_parts(struct parts_ask *ask)
{
	for (int i = 0; i < PARTS_MAX; i++) {
		text_copy(ask->parts[i].component, sizeof ask->parts[i].component, fog_component(i));
	}
}

static bool may_call(struct http_request *req, struct engine *e, const struct parts_product *product, struct err *err)
{
	return !product->token || auth_admit(req, e, ROLE_VIEWER, err);
}

/* --- device, devce --- */

/* Must be there; empty = unknown. */
static bool read_version(struct http_request *req, const char *name, char out[VERSION_SIZE], struct err *err)
{
	struct err why = {0};
	if (http_query_text(req, name, true, out, VERSION_SIZE, &why)) {
		return true;
	}
	if (why.kind == ERR_EMPTY) {
		out[0] = '\0';
		return true;
	}
	return err_set(err, why.kind, "%s", why.kind == ERR_MISSING ? name : why.text);
}

static bool read_product(struct http_request *req, struct engine *e, struct parts_product *out, struct err *err)
{
	char key[NAME_SIZE];
	struct err why = {0};
	if (!http_query_text(req, "product_id", true, key, sizeof key, &why)) {
		bool missing = why.kind == ERR_MISSING || why.kind == ERR_EMPTY;
		return err_set(err, missing ? ERR_MISSING : why.kind, "%s", missing ? "product_id" : why.text);
	}
	return parts_product(e, key, out) || err_set(err, ERR_NOT_FOUND, "there is no product \"%s\"", key);
}

static bool read_ids(struct http_request *req, struct parts_ask *ask, struct err *err)
{
	static const char *const names[PARTS_IDS_MAX] = {"device_id", "mac", "dsn", "sn"};
	for (size_t i = 0; i < PARTS_IDS_MAX; i++) {
		if (!http_query_text(req, names[i], false, ask->ids[i], sizeof ask->ids[i], err)) {
			return false;
		}
	}
	return true;
}

/* What of the request the answer needs; it may come after the handler has returned. */
struct waiting {
	struct http_request *req;
	char base[FOG_BASE_SIZE];
};

static void checked(void *ctx, const struct parts_answer *answer, const struct err *err)
{
	struct waiting *w = ctx;
	if (answer) {
		char mem[FOG_ANSWER_MAX + 1];
		struct buf out;
		buf_init_fixed(&out, mem, sizeof mem);
		fog_answer(&out, answer, w->base);
		fog_send(w->req, &out);
	} else {
		fog_refuse_err(w->req, err);
	}
	free(w);
}

static void check(struct http_request *req, struct engine *e, const struct parts_ask *ask)
{
	const struct config *config = engine_config(e);
	const char *host = http_request_host(req);
	struct waiting *w = calloc(1, sizeof *w);
	if (!w) {
		struct err err = {.kind = ERR_BUSY, .text = "out of memory"};
		fog_refuse_err(req, &err);
		return;
	}
	struct buf base;
	w->req = req;
	buf_init_fixed(&base, w->base, sizeof w->base);
	if (*config->public_url) {
		buf_puts(&base, config->public_url);
	} else {
		buf_putf(&base, "%s://%s", http_request_scheme(req), host ? host : "localhost");
	}
	buf_cstr(&base);
	parts_check(e, ask, checked, w);
}

void fog_check(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct err err = {0};
	struct parts_ask ask = {0};
	struct parts_product product;
	name_parts(&ask);
	if (!read_product(req, ctx, &product, &err) || !read_version(req, versions[1], ask.parts[1].version, &err) ||
	    !read_version(req, versions[0], ask.parts[0].version, &err) || !read_ids(req, &ask, &err) ||
	    !may_call(req, ctx, &product, &err)) {
		fog_refuse_err(req, &err);
		return;
	}
	ask.product_id = product.id;
	check(req, ctx, &ask);
}

/* --- version --- */

static void heard(void *ctx, const struct err *err)
{
	struct http_request *req = ctx;
	if (err) {
		fog_refuse_err(req, err);
		return;
	}
	char mem[128];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	fog_begin(&out, FOG_CODE_FIRST, "update version ok");
	buf_puts(&out, "{}");
	fog_send(req, &out);
}

static bool require(const struct fog_body *body, const char *name, struct fog_text text, struct err *err)
{
	bool given;
	return fog_body_text(body, name, text, &given, err) && (given || err_set(err, ERR_MISSING, "%s", name));
}

/* product_id is ours: the documented body names no product. */
static bool read_report(struct http_request *req, struct engine *e, struct parts_ask *ask, struct parts_product *product, struct err *err)
{
	scoped(fog_body_free) struct fog_body body = {.json = NULL};
	char key[NAME_SIZE] = "";
	size_t len;
	const char *text = http_request_body(req, &len);
	*product = (struct parts_product){0};
	name_parts(ask);
	if (!fog_body_read(&body, http_request_header(req, "Content-Type"), text, len, err) ||
	    !require(&body, "device_id", (struct fog_text){ask->ids[0], sizeof ask->ids[0]}, err) ||
	    !require(&body, versions[1], (struct fog_text){ask->parts[1].version, VERSION_SIZE}, err) ||
	    !require(&body, versions[0], (struct fog_text){ask->parts[0].version, VERSION_SIZE}, err) ||
	    !fog_body_text(&body, "product_id", (struct fog_text){key, sizeof key}, NULL, err)) {
		return false;
	}
	if (!*ask->ids[0]) {
		return err_set(err, ERR_MISSING, "device_id");
	}
	if (*key && !parts_product(e, key, product)) {
		return err_set(err, ERR_NOT_FOUND, "there is no product \"%s\"", key);
	}
	ask->product_id = product->id;
	return true;
}

static void refuse(struct http_request *req, const struct err *err)
{
	if (err->kind == ERR_CONFLICT) { /* no parameter's fault */
		fog_refuse(req, FOG_BAD, err->text);
	} else {
		fog_refuse_err(req, err);
	}
}

/* An unknown device of a product that registers them: on a worker, then its report. */
static void register_first(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct parts_ask ask = {0};
	struct parts_product product;
	struct parts_product its;
	struct actor actor;
	auth_actor(req, &actor);
	if (!*actor.name) {
		text_copy(actor.name, sizeof actor.name, "device");
	}
	if (!read_report(req, ctx, &ask, &product, &err) ||
	    (registration_find(ctx, &ask, &its) && !registration_make(ctx, worker, &actor, &ask, its.id, &err))) {
		refuse(req, &err);
		return;
	}
	parts_report(ctx, &ask, heard, req);
}

void fog_version(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct err err = {0};
	struct parts_ask ask = {0};
	struct parts_product product;
	struct parts_product its;
	if (!read_report(req, ctx, &ask, &product, &err)) {
		fog_refuse_err(req, &err);
		return;
	}
	bool fresh = registration_find(ctx, &ask, &its);
	if (!parts_of_device(ctx, &ask, &product) && fresh) {
		product = its;
	}
	if (!may_call(req, ctx, &product, &err) || (fresh && !registration_is_open(its.id, http_request_peer(req), &err))) {
		refuse(req, &err);
		return;
	}
	if (fresh) {
		http_request_to_worker(req, register_first);
		return;
	}
	parts_report(ctx, &ask, heard, req);
}
