/* Files: firmware with a URL and the ranked rollout that offers it. Their ranges are the rollout's. */
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "dialect/native_noun.h"
#include "engine/files.h"

static bool list(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct file *rows = NULL;
	bool ok = files_after(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static bool find(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	return native_noun_parse_id(segment, &id, err) && files_get(w, 0, id, &out->file, err);
}

/* null: the bytes are not ours. */
static void put_sha256(struct buf *out, const struct firmware *fw)
{
	char sha256[2 * sizeof fw->artifact.sha256 + 1] = "";
	if (!fw->external) {
		text_hex(sha256, fw->artifact.sha256, sizeof fw->artifact.sha256);
	}
	native_noun_put_text_or_null(out, "sha256", sha256);
}

static void put(struct buf *out, const void *row)
{
	const struct file *f = row;
	const struct firmware *fw = &f->firmware;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, fw->id);
	native_noun_put_int(out, "productId", fw->product_id);
	native_noun_put_text(out, "component", fw->component);
	native_noun_put_text(out, "version", fw->version);
	native_noun_put_text(out, "stage", rollout_stage_name(f->stage));
	native_noun_put_text(out, "fileUrl", fw->url);
	native_noun_put_text(out, "fileName", fw->file_name);
	native_noun_put_text(out, "md5", fw->told_md5);
	native_noun_put_text(out, "size", fw->told_size);
	put_sha256(out, fw);
	native_noun_put_text(out, "customize", fw->customize);
	native_noun_put_text(out, "description", f->description);
	native_noun_put_bool(out, "force", fw->force);
	native_noun_put_bool(out, "allowDowngrade", fw->allow_downgrade);
	native_noun_put_int(out, "rolloutId", f->rollout_id);
	native_noun_put_int(out, "ranges", f->range_count);
	native_noun_put_time(out, "createdAt", fw->created_ms);
	native_noun_put_time(out, "updatedAt", fw->updated_ms);
	buf_putc(out, '}');
}

static bool decode_stage(const struct cJSON *body, enum rollout_stage *out, struct err *err)
{
	char text[16];
	if (!json_has(body, "stage")) {
		return true;
	}
	return json_text(body, "stage", true, text, sizeof text, err) &&
	       (rollout_stage_parse(text, out) || err_set(err, ERR_INVALID, "stage must be test, online or invalid"));
}

/* What names it: only when it is made. */
static bool decode_place(const struct cJSON *body, bool fresh, struct firmware *fw, struct err *err)
{
	if (!fresh) {
		bool there = json_has(body, "productId") || json_has(body, "component");
		return !there || err_set(err, ERR_INVALID, "productId and component of a file cannot be changed");
	}
	return json_int(body, "productId", true, 1, INT64_MAX, &fw->product_id, err) &&
	       json_text(body, "component", true, fw->component, sizeof fw->component, err);
}

static bool decode(const struct cJSON *body, bool fresh, union native_row *inout, struct err *err)
{
	static const char *const known[] = {"productId", "component", "version",     "stage", "fileUrl",        "fileName", "md5",
					    "size",      "customize", "description", "force", "allowDowngrade", NULL};
	struct file *f = &inout->file;
	struct firmware *fw = &f->firmware;
	const struct {
		const char *key;
		bool required;
		char *out;
		size_t size;
	} texts[] = {
		{"version", true, fw->version, sizeof fw->version},
		{"fileUrl", true, fw->url, sizeof fw->url},
		{"md5", true, fw->told_md5, sizeof fw->told_md5},
		{"size", true, fw->told_size, sizeof fw->told_size},
		{"fileName", false, fw->file_name, sizeof fw->file_name},
		{"customize", false, fw->customize, sizeof fw->customize},
		{"description", false, f->description, sizeof f->description},
	};
	if (!json_only_keys(body, known, err) || !decode_place(body, fresh, fw, err)) {
		return false;
	}
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		bool required = fresh && texts[i].required;
		if ((required || json_has(body, texts[i].key)) &&
		    !json_text_or_number(body, texts[i].key, required, texts[i].out, texts[i].size, err)) {
			return false;
		}
	}
	return decode_stage(body, &f->stage, err) && json_bool(body, "force", false, &fw->force, err) &&
	       json_bool(body, "allowDowngrade", false, &fw->allow_downgrade, err);
}

static bool create(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, struct err *err)
{
	return files_create(e, w, actor, &inout->file, NULL, err);
}

static bool update(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, int64_t rev, struct err *err)
{
	const struct file_edit edit = {.fields = FILE_ALL_BUT_RANGES, .rev = rev, .to = inout->file};
	return files_edit(e, w, actor, &edit, &inout->file, err);
}

static bool remove_file(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err)
{
	return files_delete(e, w, actor, 0, id, err);
}

const struct native_noun native_file = {
	.size = sizeof(struct file),
	.rev_offset = offsetof(struct file, firmware.rev),
	.product_filter = true,
	.list = list,
	.find = find,
	.put = put,
	.decode = decode,
	.create = create,
	.update = update,
	.remove = remove_file,
};
