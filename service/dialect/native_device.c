#include <string.h>

#include "common/buf.h"
#include "common/credential.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "dialect/native_credential.h"
#include "dialect/native_noun.h"
#include "engine/admin.h"
#include "engine/presence.h"
#include "model/mac.h"
#include "model/told.h"

static bool list(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct device *rows = NULL;
	bool ok = admin_device_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

/* All digits: an id; else a device name. */
static bool find(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	if (segment[strspn(segment, "0123456789")] == '\0') {
		return native_noun_parse_id(segment, &id, err) && admin_device_get(w, id, &out->device, err);
	}
	if (!text_is_device_name(segment)) {
		return err_set(err, ERR_NOT_FOUND, "there is no such device; a name has 1 to %d of the characters A-Z a-z 0-9 _ -",
			       NAME_SIZE - 1);
	}
	return admin_device_find(w, segment, &out->device, err);
}

static void put(struct buf *out, const void *row)
{
	const struct device *d = row;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, d->id);
	native_noun_put_text(out, "name", d->name);
	native_noun_put_int(out, "productId", d->product_id);
	native_noun_put_text(out, "clientId", d->client_id);
	native_noun_put_text_or_null(out, "mac", d->mac);
	native_noun_put_text_or_null(out, "version", d->version);
	native_noun_put_text(out, "nickName", d->nick_name);
	native_noun_put_bool(out, "autoUpdate", d->auto_update);
	native_noun_put_bool(out, "registered", d->registered);
	native_noun_put_time(out, "boundAt", d->bound_ms);
	native_noun_put_time(out, "lastSeen", d->last_seen_ms);
	buf_puts(out, d->online < 0 ? ",\"online\":null" : d->online ? ",\"online\":true" : ",\"online\":false");
	native_noun_put_bool(out, "blocked", d->blocked_ms != 0);
	native_noun_put_time(out, "createdAt", d->created_ms);
	native_noun_put_time(out, "updatedAt", d->updated_ms);
	buf_putc(out, '}');
}

static void put_partitions(struct buf *out, const struct told *t)
{
	buf_puts(out, ",\"partitions\":[");
	for (size_t i = 0; i < t->partition_count; i++) {
		const struct told_partition *p = &t->partitions[i];
		buf_puts(out, i ? ",{\"label\":" : "{\"label\":");
		buf_put_json(out, p->label);
		native_noun_put_int(out, "type", p->type);
		native_noun_put_int(out, "subtype", p->subtype);
		native_noun_put_int(out, "size", p->size);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

/* Its Client-Id is a secret, and not shown. */
static void put_told(struct buf *out, const struct told *t, int64_t updated_ms)
{
	char elf[2 * sizeof t->elf_sha256 + 1] = "";
	if (t->has_elf) {
		text_hex(elf, t->elf_sha256, sizeof t->elf_sha256);
	}
	buf_puts(out, t->read ? "{\"bodyRead\":true" : "{\"bodyRead\":false");
	native_noun_put_text_or_null(out, "boardName", t->board_name);
	native_noun_put_text_or_null(out, "boardType", t->board_type);
	native_noun_put_text_or_null(out, "chip", t->chip);
	native_noun_put_text_or_null(out, "slot", t->slot);
	native_noun_put_text_or_null(out, "language", t->language);
	native_noun_put_text_or_null(out, "elfSha256", elf);
	if (t->flash_size) {
		native_noun_put_int(out, "flashSize", t->flash_size);
	} else {
		buf_puts(out, ",\"flashSize\":null");
	}
	put_partitions(out, t);
	native_noun_put_time(out, "updatedAt", updated_ms);
	buf_putc(out, '}');
}

static bool put_versions(struct worker *w, struct buf *out, const union native_row *row, struct err *err)
{
	struct device_version versions[DEVICE_VERSIONS_MAX];
	size_t count;
	if (!admin_device_versions(w, row->id, versions, &count, err)) {
		return false;
	}
	buf_puts(out, ",\"versions\":[");
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, i ? ",{\"component\":" : "{\"component\":");
		buf_put_json(out, versions[i].component);
		native_noun_put_text(out, "version", versions[i].version);
		native_noun_put_time(out, "reportedAt", versions[i].reported_ms);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
	return true;
}

static bool put_facts(struct worker *w, struct buf *out, const union native_row *row, struct err *err)
{
	struct told t;
	int64_t updated_ms;
	if (!put_versions(w, out, row, err) || !admin_device_facts(w, row->id, &t, &updated_ms, err)) {
		return false;
	}
	buf_puts(out, ",\"facts\":");
	if (updated_ms) {
		put_told(out, &t, updated_ms);
	} else {
		buf_puts(out, "null");
	}
	return true;
}

static void complete(struct engine *e, void *row)
{
	struct device *d = row;
	d->online = presence_of(e, d->name);
}

static bool decode_name(const struct cJSON *body, bool fresh, struct device *d, struct err *err)
{
	if ((fresh || json_has(body, "name")) && !json_text(body, "name", true, d->name, sizeof d->name, err)) {
		return false;
	}
	return text_is_device_name(d->name) ||
	       err_set(err, ERR_INVALID, "name must have 1 to %d of the characters A-Z a-z 0-9 _ -", NAME_SIZE - 1);
}

static bool decode_mac(const struct cJSON *body, struct device *d, struct err *err)
{
	char text[32];
	if (!json_has(body, "mac")) {
		return true;
	}
	if (!json_text(body, "mac", false, text, sizeof text, err)) {
		return false;
	}
	if (!*text) { /* takes it away */
		d->mac[0] = '\0';
		return true;
	}
	return mac_parse(text, d->mac) || err_set(err, ERR_INVALID, "mac must be 12 hex digits, such as AA:BB:CC:DD:EE:FF");
}

static bool decode(const struct cJSON *body, bool fresh, union native_row *inout, struct err *err)
{
	static const char *const known[] = {"name", "productId", "clientId", "mac", "nickName", "autoUpdate", NULL};
	struct device *d = &inout->device;
	d->auto_update = fresh || d->auto_update;
	return json_only_keys(body, known, err) && decode_name(body, fresh, d, err) &&
	       json_int(body, "productId", fresh, 1, INT64_MAX, &d->product_id, err) &&
	       (!json_has(body, "clientId") || json_text(body, "clientId", true, d->client_id, sizeof d->client_id, err)) &&
	       (!json_has(body, "nickName") || json_text(body, "nickName", false, d->nick_name, sizeof d->nick_name, err)) &&
	       json_bool(body, "autoUpdate", false, &d->auto_update, err) && decode_mac(body, d, err) &&
	       credential_check_client_id(*d->client_id ? d->client_id : d->name, d->name, err);
}

/* Credentials are bound to name and client id: with another one they are new. */
static bool put_secret(struct engine *e, struct buf *out, const union native_row *before, const union native_row *row, struct err *err)
{
	return (before && before->device.epoch == row->device.epoch) || native_credential_put(e, out, &row->device, err);
}

static bool create(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, struct err *err)
{
	return admin_device_create(e, w, actor, &inout->device, err);
}

static bool update(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, int64_t rev, struct err *err)
{
	return admin_device_update(e, w, actor, &inout->device, rev, err);
}

const struct native_noun native_device = {
	.size = sizeof(struct device),
	.rev_offset = offsetof(struct device, rev),
	.name_filter = "name",
	.product_filter = true,
	.list = list,
	.find = find,
	.complete = complete,
	.put = put,
	.put_more = put_facts,
	.put_secret = put_secret,
	.decode = decode,
	.create = create,
	.update = update,
	.remove = admin_device_delete,
};
