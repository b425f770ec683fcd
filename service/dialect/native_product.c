#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "dialect/native_noun.h"
#include "engine/admin.h"

static bool list(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct product *rows = NULL;
	bool ok = admin_product_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static bool find(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	return native_noun_parse_id(segment, &id, err) && admin_product_get(w, id, &out->product, err);
}

static void put_names(struct buf *out, const char *key, const char *names, size_t size, size_t count)
{
	buf_putf(out, ",\"%s\":[", key);
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, i ? "," : "");
		buf_put_json(out, names + i * size);
	}
	buf_putc(out, ']');
}

static void put(struct buf *out, const void *row)
{
	const struct product *p = row;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, p->id);
	native_noun_put_text(out, "key", p->key);
	native_noun_put_text(out, "name", p->name);
	native_noun_put_text(out, "description", p->description);
	native_noun_put_text(out, "images", product_images_name(p->images));
	native_noun_put_text(out, "identity", identity_policy_name(p->identity));
	put_names(out, "boards", p->boards[0], sizeof p->boards[0], p->board_count);
	put_names(out, "partitions", p->partitions[0], sizeof p->partitions[0], p->partition_count);
	native_noun_put_bool(out, "unboundUpdates", p->unbound_updates);
	native_noun_put_bool(out, "autoRegister", p->auto_register);
	native_noun_put_int(out, "autoRegisterMax", p->auto_register_max);
	native_noun_put_int(out, "registered", p->registered);
	native_noun_put_bool(out, "deviceToken", p->device_token);
	native_noun_put_text(out, "bundle", p->together ? "together" : "independent");
	native_noun_put_time(out, "createdAt", p->created_ms);
	native_noun_put_time(out, "updatedAt", p->updated_ms);
	buf_putc(out, '}');
}

static bool decode_images(const struct cJSON *body, enum product_images *out, struct err *err)
{
	char text[16];
	if (!json_has(body, "images")) {
		return true;
	}
	return json_text(body, "images", true, text, sizeof text, err) &&
	       (product_images_parse(text, out) || err_set(err, ERR_INVALID, "images must be any or esp32"));
}

static bool decode_identity(const struct cJSON *body, struct product *p, struct err *err)
{
	char text[16];
	if (!json_has(body, "identity")) {
		return true;
	}
	return json_text(body, "identity", true, text, sizeof text, err) &&
	       (identity_policy_parse(text, &p->identity) || err_set(err, ERR_INVALID, "identity must be mac, pinned or licence"));
}

static bool decode_bundle(const struct cJSON *body, struct product *p, struct err *err)
{
	char text[16];
	if (!json_has(body, "bundle")) {
		return true;
	}
	if (!json_text(body, "bundle", true, text, sizeof text, err)) {
		return false;
	}
	p->together = strcmp(text, "together") == 0;
	return p->together || strcmp(text, "independent") == 0 || err_set(err, ERR_INVALID, "bundle must be independent or together");
}

static bool decode_device_needs(const struct cJSON *body, struct product *p, struct err *err)
{
	struct json_texts boards = {p->boards[0], sizeof p->boards[0], BOARDS_MAX, p->board_count};
	struct json_texts partitions = {p->partitions[0], sizeof p->partitions[0], PARTITIONS_MAX, p->partition_count};
	bool ok = json_texts(body, "boards", &boards, err) && json_texts(body, "partitions", &partitions, err) &&
		  json_bool(body, "unboundUpdates", false, &p->unbound_updates, err) &&
		  json_bool(body, "autoRegister", false, &p->auto_register, err) &&
		  json_int(body, "autoRegisterMax", false, 1, AUTO_REGISTER_MAX, &p->auto_register_max, err) &&
		  json_bool(body, "deviceToken", false, &p->device_token, err);
	p->board_count = boards.count;
	p->partition_count = partitions.count;
	return ok;
}

static bool decode(const struct cJSON *body, bool fresh, union native_row *inout, struct err *err)
{
	static const char *const known[] = {"key",        "name",           "description",  "images",          "identity",    "boards",
					    "partitions", "unboundUpdates", "autoRegister", "autoRegisterMax", "deviceToken", "bundle",
					    NULL};
	struct product *p = &inout->product;
	if (!json_only_keys(body, known, err)) {
		return false;
	}
	if ((fresh || json_has(body, "key")) && !json_text(body, "key", true, p->key, sizeof p->key, err)) {
		return false;
	}
	return (!json_has(body, "name") || json_text(body, "name", false, p->name, sizeof p->name, err)) &&
	       (!json_has(body, "description") || json_text(body, "description", false, p->description, sizeof p->description, err)) &&
	       decode_images(body, &p->images, err) && decode_identity(body, p, err) && decode_device_needs(body, p, err) &&
	       decode_bundle(body, p, err) && product_check(p, err);
}

static bool create(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, struct err *err)
{
	return admin_product_create(e, w, actor, &inout->product, err);
}

static bool update(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, int64_t rev, struct err *err)
{
	return admin_product_update(e, w, actor, &inout->product, rev, err);
}

const struct native_noun native_product = {
	.size = sizeof(struct product),
	.rev_offset = offsetof(struct product, rev),
	.name_filter = "key",
	.list = list,
	.find = find,
	.put = put,
	.decode = decode,
	.create = create,
	.update = update,
	.remove = admin_product_delete,
};
