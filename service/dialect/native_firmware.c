#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "dialect/native_noun.h"
#include "engine/admin.h"

static bool list(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct firmware *rows = NULL;
	bool ok = admin_firmware_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static bool find(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	return native_noun_parse_id(segment, &id, err) && admin_firmware_get(w, id, &out->firmware, err);
}

static void put_image(struct buf *out, const struct image *image)
{
	char elf[65];
	if (!*image->chip) {
		buf_puts(out, ",\"image\":null");
		return;
	}
	text_hex(elf, image->elf_sha256, sizeof image->elf_sha256);
	buf_puts(out, ",\"image\":{\"chip\":");
	buf_put_json(out, image->chip);
	native_noun_put_text_or_null(out, "project", image->project);
	native_noun_put_text_or_null(out, "version", image->version);
	native_noun_put_text_or_null(out, "idfVersion", image->idf);
	native_noun_put_text(out, "elfSha256", elf);
	buf_putc(out, '}');
}

static void put(struct buf *out, const void *row)
{
	const struct firmware *f = row;
	char md5[33];
	char sha256[65];
	text_hex(md5, f->artifact.md5, sizeof f->artifact.md5);
	text_hex(sha256, f->artifact.sha256, sizeof f->artifact.sha256);
	if (f->external) { /* as told, and nobody has looked */
		text_copy(md5, sizeof md5, strlen(f->told_md5) == 32 ? f->told_md5 : "");
		sha256[0] = '\0';
	}
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, f->id);
	native_noun_put_int(out, "productId", f->product_id);
	native_noun_put_text(out, "component", f->component);
	native_noun_put_text(out, "name", f->name);
	native_noun_put_text_or_null(out, "fileName", f->file_name);
	native_noun_put_text_or_null(out, "version", f->version);
	put_image(out, &f->image);
	native_noun_put_int(out, "size", f->artifact.size);
	native_noun_put_text_or_null(out, "md5", md5);
	native_noun_put_text_or_null(out, "sha256", sha256);
	native_noun_put_text_or_null(out, "url", f->url);
	native_noun_put_time(out, "createdAt", f->created_ms);
	buf_putc(out, '}');
}

const struct native_noun native_firmware = {
	.size = sizeof(struct firmware),
	.rev_offset = offsetof(struct firmware, rev),
	.name_filter = "name",
	.product_filter = true,
	.list = list,
	.find = find,
	.put = put,
	.remove = admin_firmware_delete,
};
