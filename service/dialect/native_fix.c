#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "dialect/native_noun.h"
#include "engine/admin.h"

static bool list(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct fix *rows = NULL;
	bool ok = admin_fix_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static bool find(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	return native_noun_parse_id(segment, &id, err) && admin_fix_get(w, id, &out->fix, err);
}

static void put(struct buf *out, const void *row)
{
	const struct fix *f = row;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, f->id);
	native_noun_put_text(out, "fromVersion", f->from_version);
	native_noun_put_text(out, "board", f->board);
	native_noun_put_time(out, "createdAt", f->created_ms);
	buf_putc(out, '}');
}

static bool decode(const struct cJSON *body, bool fresh, union native_row *inout, struct err *err)
{
	(void)fresh; /* there is no PATCH: another version or board is another fix */
	static const char *const known[] = {"fromVersion", "board", NULL};
	struct fix *f = &inout->fix;
	return json_only_keys(body, known, err) && json_text(body, "fromVersion", true, f->from_version, sizeof f->from_version, err) &&
	       json_text(body, "board", true, f->board, sizeof f->board, err) && fix_check(f, err);
}

static bool create(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, struct err *err)
{
	return admin_fix_create(e, w, actor, &inout->fix, err);
}

const struct native_noun native_fix = {
	.size = sizeof(struct fix),
	.list = list,
	.find = find,
	.put = put,
	.decode = decode,
	.create = create,
	.remove = admin_fix_delete,
};
