#include "common/buf.h"
#include "dialect/native_noun.h"
#include "engine/admin.h"

static bool list(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct audit_row *rows = NULL;
	bool ok = admin_audit_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static void put(struct buf *out, const void *row)
{
	const struct audit_row *a = row;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, a->id);
	native_noun_put_time(out, "at", a->at_ms);
	native_noun_put_text(out, "actor", a->actor.name);
	native_noun_put_text(out, "address", a->actor.address);
	native_noun_put_text(out, "request", a->actor.request);
	native_noun_put_text(out, "action", a->action);
	native_noun_put_text(out, "target", a->target);
	native_noun_put_text(out, "detail", a->detail);
	buf_putc(out, '}');
}

const struct native_noun native_audit = {
	.size = sizeof(struct audit_row),
	.name_filter = "actor",
	.list = list,
	.put = put,
};
