#include "dialect/native_credential.h"

#include <string.h>

#include "common/buf.h"
#include "common/credential.h"
#include "common/err.h"
#include "dialect/auth.h"
#include "dialect/native_noun.h"
#include "dialect/native_once.h"
#include "dialect/problem.h"
#include "engine/admin.h"
#include "http/reply.h"
#include "http/request.h"

enum { ANSWER_MAX = 4096 };

bool native_credential_put(struct engine *engine, struct buf *out, const struct device *d, struct err *err)
{
	struct credential c;
	if (!admin_credential_issue(engine, d, &c, err)) {
		return false;
	}
	native_noun_put_text(out, "username", c.username);
	native_noun_put_text(out, "password", c.password);
	explicit_bzero(&c, sizeof c);
	return true;
}

/* {"deviceId":1,"clientId":"..","epoch":1,"blocked":false,"blockedAt":null */
static void begin(struct buf *out, const struct device *d)
{
	buf_init(out, ANSWER_MAX);
	buf_puts(out, "{\"deviceId\":");
	buf_put_i64(out, d->id);
	native_noun_put_text(out, "clientId", d->client_id);
	native_noun_put_int(out, "epoch", d->epoch);
	native_noun_put_bool(out, "blocked", d->blocked_ms != 0);
	native_noun_put_time(out, "blockedAt", d->blocked_ms);
}

static void end(struct http_request *req, struct buf *out)
{
	http_reply_header(req, "Cache-Control", "no-store");
	http_reply(req, 200, "application/json", out->data, out->len);
	if (out->data) {
		explicit_bzero(out->data, out->len);
	}
	buf_free(out);
}

static bool find(const struct http_request *req, struct worker *w, struct device *out, struct err *err)
{
	static const char *const none[] = {NULL};
	union native_row row;
	const char *segment = http_request_segment(req, "id");
	if (!http_query_only(req, none, err) || !native_device.find(w, segment ? segment : "", &row, err)) {
		return false;
	}
	*out = row.device;
	return true;
}

void native_credential_get(struct http_request *req, struct worker *w, void *ctx)
{
	struct err err = {0};
	struct device d;
	struct credential c;
	struct buf out;
	if (!find(req, w, &d, &err) || !admin_credential_issue(ctx, &d, &c, &err)) {
		problem_reply(req, &err);
		return;
	}
	begin(&out, &d);
	native_noun_put_text(&out, "username", c.username);
	explicit_bzero(&c, sizeof c);
	buf_puts(&out, d.shown_epoch == d.epoch ? ",\"shown\":true}" : ",\"shown\":false}");
	end(req, &out);
}

/* Found out before it counts as shown: a client id from before there were credentials may be impossible. */
static bool can_issue(struct engine *engine, const struct device *d, struct err *err)
{
	struct credential c;
	bool can = admin_credential_issue(engine, d, &c, err);
	explicit_bzero(&c, sizeof c);
	return can;
}

static bool act(struct http_request *req, struct worker *w, struct engine *engine, enum admin_credential_verb verb, struct buf *out,
		struct err *err)
{
	struct actor actor;
	struct device d;
	bool confirmed = false;
	bool shows = verb == CREDENTIAL_SHOW || verb == CREDENTIAL_ROTATE;
	auth_actor(req, &actor);
	if (!find(req, w, &d, err) || (shows && !can_issue(engine, &d, err)) ||
	    !admin_credential(engine, w, &actor, (struct admin_credential_order){verb, d.id}, &d, &confirmed, err)) {
		return false;
	}
	begin(out, &d);
	if (shows && !native_credential_put(engine, out, &d, err)) {
		buf_free(out);
		return false;
	}
	if (verb != CREDENTIAL_SHOW) {
		native_noun_put_bool(out, "brokerConfirmed", confirmed);
	}
	buf_putc(out, '}');
	return true;
}

static void verb(struct http_request *req, struct worker *w, struct engine *engine, enum admin_credential_verb what)
{
	struct err err = {0};
	struct native_once once;
	struct buf out;
	if (!native_once_begin(&once, req, w, engine, &err)) {
		problem_reply(req, &err);
		return;
	}
	if (native_once_replayed(&once, req)) {
		return;
	}
	bool ok = act(req, w, engine, what, &out, &err);
	native_once_end(&once, w, ok ? 200 : 0, ok ? buf_cstr(&out) : "");
	if (ok) {
		end(req, &out);
	} else {
		problem_reply(req, &err);
	}
}

void native_credential_show(struct http_request *req, struct worker *w, void *ctx)
{
	verb(req, w, ctx, CREDENTIAL_SHOW);
}
void native_credential_rotate(struct http_request *req, struct worker *w, void *ctx)
{
	verb(req, w, ctx, CREDENTIAL_ROTATE);
}
void native_credential_block(struct http_request *req, struct worker *w, void *ctx)
{
	verb(req, w, ctx, CREDENTIAL_BLOCK);
}
void native_credential_unblock(struct http_request *req, struct worker *w, void *ctx)
{
	verb(req, w, ctx, CREDENTIAL_UNBLOCK);
}
