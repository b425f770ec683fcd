/* Standing rollouts: whoever of a product comes and is eligible. */
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "dialect/native_noun.h"
#include "engine/admin.h"

static bool list(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct standing_row *rows = NULL;
	bool ok = admin_rollout_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static bool find(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	return native_noun_parse_id(segment, &id, err) && admin_rollout_get(w, id, &out->standing, err);
}

static void put(struct buf *out, const void *row)
{
	const struct standing_row *s = row;
	const struct rollout *r = &s->rollout;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, r->id);
	native_noun_put_int(out, "productId", r->product_id);
	native_noun_put_text(out, "component", r->component);
	native_noun_put_int(out, "firmwareId", r->firmware_id);
	native_noun_put_text(out, "firmwareName", s->firmware_name);
	native_noun_put_text_or_null(out, "versionName", r->version_name);
	native_noun_put_text(out, "description", r->description);
	native_noun_put_text(out, "createdBy", s->created_by);
	native_noun_put_time(out, "createdAt", r->created_ms);
	buf_putc(out, '}');
}

static bool decode(const struct cJSON *body, bool fresh, union native_row *inout, struct err *err)
{
	(void)fresh; /* there is no PATCH: another order is another rollout */
	static const char *const known[] = {"productId", "firmwareId", "component", "versionName", "description", NULL};
	struct rollout *r = &inout->standing.rollout;
	return json_only_keys(body, known, err) && json_int(body, "productId", true, 1, INT64_MAX, &r->product_id, err) &&
	       json_int(body, "firmwareId", true, 1, INT64_MAX, &r->firmware_id, err) &&
	       json_text(body, "component", false, r->component, sizeof r->component, err) &&
	       json_text_or_number(body, "versionName", false, r->version_name, sizeof r->version_name, err) &&
	       json_text(body, "description", false, r->description, sizeof r->description, err);
}

static bool create(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, struct err *err)
{
	return admin_rollout_order(e, w, actor, &inout->standing, err);
}

const struct native_noun native_rollout = {
	.size = sizeof(struct standing_row),
	.product_filter = true,
	.list = list,
	.find = find,
	.put = put,
	.decode = decode,
	.create = create,
	.remove = admin_rollout_cancel,
};
