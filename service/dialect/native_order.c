#include "dialect/native_order.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "dialect/auth.h"
#include "dialect/native_noun.h"
#include "dialect/problem.h"
#include "engine/admin.h"
#include "engine/explain.h"
#include "engine/order.h"
#include "http/reply.h"
#include "http/request.h"
#include "model/told.h"

enum { EXPLAIN_MAX = 8192 };

/* What has ended cannot be cancelled: a conflict with its state, not an unknown name. */
static void cancelled(void *ctx, const struct order_result *result, const struct err *err)
{
	struct http_request *req = ctx;
	(void)result;
	if (err) {
		struct err conflict = *err;
		conflict.kind = err->kind == ERR_NOT_FOUND ? ERR_CONFLICT : err->kind;
		problem_reply(req, &conflict);
		return;
	}
	http_reply(req, 204, NULL, NULL, 0);
}

void native_task_cancel(struct http_request *req, struct worker *worker, void *ctx)
{
	struct err err = {0};
	struct actor actor;
	struct task_row row;
	int64_t id;
	auth_actor(req, &actor);
	if (!native_noun_parse_id(http_request_segment(req, "id"), &id, &err) || !admin_task_get(worker, id, &row, &err) ||
	    !order_cancel(ctx, 0, id, row.task.device_id, &actor, cancelled, req, &err)) {
		problem_reply(req, &err);
	}
}

/* Lines into a JSON array of strings. */
static void put_lines(struct buf *out, const char *lines)
{
	buf_putc(out, '[');
	for (bool first = true; *lines; first = false) {
		size_t len = strcspn(lines, "\n");
		buf_puts(out, first ? "" : ",");
		buf_put_json_len(out, lines, len);
		lines += len + (lines[len] == '\n');
	}
	buf_putc(out, ']');
}

/* In both languages. told NULL: it has told nothing of its board. */
static bool explain(struct http_request *req, struct engine *engine, const struct told *told, struct buf *en, struct buf *zh,
		    struct err *err)
{
	char component[COMPONENT_SIZE];
	const char *device = http_request_segment(req, "id");
	if (!http_query_text(req, "component", false, component, sizeof component, err)) {
		return false;
	}
	const char *asked = *component ? component : COMPONENT_DEFAULT;
	return (explain_device(engine, device, asked, told, false, en) && explain_device(engine, device, asked, told, true, zh)) ||
	       err_set(err, ERR_NOT_FOUND, "no device of that name");
}

static bool explain_with_facts(struct http_request *req, struct engine *engine, struct worker *worker, struct buf *en, struct buf *zh,
			       struct err *err)
{
	struct told told;
	bool has_told;
	int64_t updated_ms = 0;
	int64_t id = explain_find(engine, http_request_segment(req, "id"), &has_told);
	if (id && has_told && !admin_device_facts(worker, id, &told, &updated_ms, err)) {
		return false;
	}
	return explain(req, engine, updated_ms ? &told : NULL, en, zh, err);
}

void native_device_explain(struct http_request *req, struct worker *worker, void *ctx)
{
	static const char *const known[] = {"component", NULL};
	struct err err = {0};
	char mem[2][EXPLAIN_MAX / 2];
	struct buf en;
	struct buf zh;
	struct buf out;
	buf_init_fixed(&en, mem[0], sizeof mem[0]);
	buf_init_fixed(&zh, mem[1], sizeof mem[1]);
	if (!http_query_only(req, known, &err) || !explain_with_facts(req, ctx, worker, &en, &zh, &err)) {
		problem_reply(req, &err);
		return;
	}
	buf_init(&out, EXPLAIN_MAX * 4);
	buf_puts(&out, "{\"sentences\":{\"en\":");
	put_lines(&out, buf_cstr(&en));
	buf_puts(&out, ",\"zh\":");
	put_lines(&out, buf_cstr(&zh));
	buf_puts(&out, "}}");
	http_reply(req, 200, "application/json", out.data, out.len);
	buf_free(&out);
}
