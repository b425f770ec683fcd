#include "dialect/fog_file.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "dialect/fog_body.h"
#include "model/file.h"
#include "model/listing.h"

static const char *const components[] = {"mcu", "wifi"};

const char *fog_component(int64_t ota_type)
{
	return components[ota_type];
}

int fog_ota_type(const char *component)
{
	return strcmp(component, components[0]) == 0 ? 0 : strcmp(component, components[1]) == 0 ? 1 : -1;
}

/* --- in --- */

/* Both spellings of the component; they may not differ. */
static bool decode_type(const struct fog_body *body, int64_t *out, struct err *err)
{
	static const int64_t bounds[2] = {0, 1};
	int64_t ug_type = -1;
	int64_t ota_type = -1;
	if (!fog_body_int(body, "ug_type", bounds, &ug_type, NULL, err) || !fog_body_int(body, "ota_type", bounds, &ota_type, NULL, err)) {
		return false;
	}
	*out = ug_type >= 0 ? ug_type : ota_type;
	return ug_type < 0 || ota_type < 0 || ug_type == ota_type || err_set(err, ERR_INVALID, "ug_type and ota_type differ");
}

static bool decode_ids(const struct fog_body *body, int64_t id, struct err *err)
{
	static const int64_t bounds[2] = {0, INT64_MAX};
	static const char *const names[] = {"id", "ot_id"};
	for (size_t i = 0; id && i < sizeof names / sizeof *names; i++) {
		int64_t said = id;
		if (!fog_body_int(body, names[i], bounds, &said, NULL, err)) {
			return false;
		}
		if (said != id) {
			return err_set(err, ERR_INVALID, "%s differs from the one in the path", names[i]);
		}
	}
	return true;
}

static bool decode_texts(const struct fog_body *body, struct file_edit *out, struct err *err)
{
	struct firmware *fw = &out->to.firmware;
	const struct {
		const char *name;
		enum file_field field;
		struct fog_text text;
	} texts[] = {
		{"file_name", FILE_NAME, {fw->file_name, sizeof fw->file_name}},
		{"file_url", FILE_URL, {fw->url, sizeof fw->url}},
		{"md5", FILE_MD5, {fw->told_md5, sizeof fw->told_md5}},
		{"size", FILE_SIZE, {fw->told_size, sizeof fw->told_size}},
		{"version", FILE_VERSION, {fw->version, sizeof fw->version}},
		{"customize", FILE_CUSTOMIZE, {fw->customize, sizeof fw->customize}},
		{"description", FILE_DESCRIPTION, {out->to.description, sizeof out->to.description}},
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		bool given;
		if (!fog_body_text(body, texts[i].name, texts[i].text, &given, err)) {
			return false;
		}
		out->fields |= given ? (unsigned)texts[i].field : 0;
	}
	return true;
}

static bool decode_stage(const struct fog_body *body, struct file_edit *out, struct err *err)
{
	static const int64_t bounds[2] = {0, 2};
	static const enum rollout_stage stages[] = {STAGE_TEST, STAGE_ONLINE, STAGE_INVALID};
	int64_t status = 0;
	bool given;
	if (!fog_body_int(body, "status", bounds, &status, &given, err)) {
		return false;
	}
	out->to.stage = stages[status];
	out->fields |= given ? (unsigned)FILE_STAGE : 0;
	return true;
}

static bool decode_flags(const struct fog_body *body, struct file_edit *out, struct err *err)
{
	bool force;
	bool downgrade;
	if (!fog_body_bool(body, "force", &out->to.firmware.force, &force, err) ||
	    !fog_body_bool(body, "allow_downgrade", &out->to.firmware.allow_downgrade, &downgrade, err)) {
		return false;
	}
	out->fields |= (force ? (unsigned)FILE_FORCE : 0) | (downgrade ? (unsigned)FILE_DOWNGRADE : 0);
	return true;
}

bool fog_file_decode(const struct fog_body *body, struct fog_file_in *in, struct file_edit *out, struct err *err)
{
	bool ranges;
	*out = (struct file_edit){.ranges = in->ranges};
	if (!decode_ids(body, in->id, err) || !decode_type(body, &in->ota_type, err) || !decode_texts(body, out, err) ||
	    !decode_stage(body, out, err) || !decode_flags(body, out, err) || !fog_body_bool(body, "import", &in->import, NULL, err) ||
	    !fog_body_ranges(body, "mac_range", in->ranges, &ranges, err)) {
		return false;
	}
	out->fields |= ranges ? (unsigned)FILE_RANGES : 0;
	return true;
}

/* --- out --- */

static void put_text(struct buf *out, const char *key, const char *value)
{
	buf_putf(out, ",\"%s\":", key);
	buf_put_json(out, value);
}

/* Naive, in the configured zone: the process runs in it. */
static void put_time(struct buf *out, const char *key, int64_t wall_ms)
{
	char text[32];
	struct tm local;
	time_t s = (time_t)(wall_ms / 1000);
	localtime_r(&s, &local);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &local);
	put_text(out, key, text);
}

static void put_ranges(struct buf *out, const struct range_row *rows, size_t count)
{
	buf_puts(out, ",\"mac_range\":");
	for (size_t i = 0; i < count; i++) {
		buf_putc(out, i ? ',' : '[');
		buf_put_json(out, rows[i].said);
	}
	buf_puts(out, count ? "]" : "null");
}

/* What only this service knows of, and only where it is said. */
static void put_extra(struct buf *out, const struct file *f, size_t shown)
{
	const char *comma = "";
	buf_puts(out, ",\"extra\":{");
	if (f->firmware.force) {
		buf_puts(out, "\"force\":true");
		comma = ",";
	}
	if (f->firmware.allow_downgrade) {
		buf_putf(out, "%s\"allow_downgrade\":true", comma);
		comma = ",";
	}
	if ((size_t)f->range_count > shown) {
		buf_putf(out, "%s\"mac_range_count\":", comma);
		buf_put_i64(out, f->range_count);
	}
	buf_putc(out, '}');
}

void fog_file_encode(struct buf *out, const char *product, const struct file *f, const struct range_row *rows, size_t count)
{
	static const int status[] = {[STAGE_TEST] = 0, [STAGE_ONLINE] = 1, [STAGE_INVALID] = 2};
	const struct firmware *fw = &f->firmware;
	int type = fog_ota_type(fw->component);
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, fw->id);
	put_text(out, "product", product);
	buf_puts(out, ",\"ota_type\":");
	if (type < 0) { /* made by the native API */
		buf_put_json(out, fw->component);
	} else {
		buf_put_i64(out, type);
	}
	put_text(out, "file_name", fw->file_name);
	put_text(out, "file_url", fw->url);
	put_text(out, "size", fw->told_size);
	put_text(out, "md5", fw->told_md5);
	put_text(out, "version", fw->version);
	put_ranges(out, rows, count);
	put_text(out, "customize", fw->customize);
	put_time(out, "created_at", fw->created_ms);
	put_time(out, "updated_at", fw->updated_ms);
	put_text(out, "description", f->description);
	buf_puts(out, ",\"status\":");
	buf_put_i64(out, status[f->stage]);
	buf_puts(out, ",\"is_delete\":false");
	put_extra(out, f, count);
	buf_putc(out, '}');
}
