#include "engine/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "engine/admin_frame.h"
#include "engine/admin_sweep.h"
#include "engine/judge.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/roster.h"
#include "model/file.h"
#include "model/listing.h"
#include "model/range.h"
#include "store/feed.h"
#include "store/file.h"
#include "store/object.h"
#include "store/product.h"
#include "store/range.h"

bool files_product(struct worker *w, const char *key_or_id, int64_t *out, struct err *err)
{
	return ADMIN_READ(w, err, store_file_product(db, key_or_id, out, err));
}

static bool describe(struct admin_write *write, const struct file *f, struct err *err)
{
	const struct firmware *fw = &f->firmware;
	write->id = fw->id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64 "/file/%" PRId64, fw->product_id, fw->id);
	int n = snprintf(write->detail, sizeof write->detail, "%s %s, %s, %.*s", fw->component, fw->version, rollout_stage_name(f->stage),
			 f->imported ? 60 : 120, fw->url);
	if (f->imported) {
		char sha256[2 * sizeof fw->artifact.sha256 + 1];
		text_hex(sha256, fw->artifact.sha256, sizeof fw->artifact.sha256);
		snprintf(write->detail + n, sizeof write->detail - (size_t)n, ": %" PRId64 " bytes, sha256 %s", fw->artifact.size, sha256);
	}
	write->rollouts = malloc(sizeof *write->rollouts);
	if (!write->rollouts) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	write->rollouts[0] = f->rollout_id;
	write->rollout_count = 1;
	return true;
}

static bool cancel_tasks(struct db *db, struct admin_write *write, const struct actor *actor, const struct file *f, struct err *err)
{
	struct admin_sweep s = {.db = db, .write = write, .actor = actor->name, .event = EVENT_CANCELLED};
	return admin_sweep(&s, f->rollout_id, err);
}

/* --- ranges --- */

struct walk {
	const struct range_list *list;
	size_t at;
};

static void rewind_list(void *ctx)
{
	struct walk *w = ctx;
	w->at = 0;
}

static bool next_of_list(void *ctx, struct range *out)
{
	struct walk *w = ctx;
	if (w->at == w->list->count) {
		return false;
	}
	*out = w->list->rows[w->at++];
	return true;
}

static bool write_ranges(struct db *db, struct admin_write *write, struct file *f, const struct range_list *list, struct err *err)
{
	struct walk walk = {.list = list};
	const struct range_source source = {rewind_list, next_of_list, &walk};
	int64_t product_id;
	write->ranges = true;
	return store_range_lock(db, f->rollout_id, &product_id, err) &&
	       store_range_replace(db, f->rollout_id, &source, &f->range_count, err);
}

/* --- bytes of our own --- */

/* The MD5 told must be theirs, if it can be any. */
static bool check_md5(struct firmware *fw, struct err *err)
{
	char md5[2 * sizeof fw->artifact.md5 + 1];
	uint8_t told[sizeof fw->artifact.md5];
	text_hex(md5, fw->artifact.md5, sizeof fw->artifact.md5);
	if (strlen(fw->told_md5) == sizeof md5 - 1 && text_unhex(fw->told_md5, told, sizeof told) &&
	    memcmp(told, fw->artifact.md5, sizeof told) != 0) {
		return err_set(err, ERR_INVALID, "md5: the bytes uploaded there have %s", md5);
	}
	return text_copy(fw->told_md5, sizeof fw->told_md5, md5);
}

/* What the bytes of an object say of themselves. They may be many, so they are read before the transaction. */
struct reading {
	struct artifact artifact;
	struct image image;
	struct err why; /* they are no image */
};

static bool no_object(const struct err *why, struct err *err)
{
	return err_set(err, why->kind == ERR_NOT_FOUND ? ERR_INVALID : why->kind, "file_url: %.200s", why->text);
}

static bool read_object(struct worker *w, const char *key, struct reading *out, struct err *err)
{
	struct err why = {0};
	*out = (struct reading){.image = {.chip = ""}};
	return !*key ||
	       (ADMIN_READ(w, &why, store_object_get(db, key, &out->artifact, &why)) &&
		ADMIN_READ(w, &why, judge_read(db, &out->artifact, &out->image, &out->why, &why))) ||
	       no_object(&why, err);
}

/* As an upload for this product is judged. */
static bool judge(struct db *db, struct firmware *fw, const struct err *why, struct err *err)
{
	struct product product;
	if (!*fw->version) {
		return true; /* file_check() says so */
	}
	return store_product_get(db, fw->product_id, &product, err) &&
	       (judge_firmware(product.images, why, fw, err) || err_prefix(err, why->kind == ERR_NONE ? "version" : "file_url"));
}

/* A URL of an object of ours: its bytes are the firmware's. */
static bool take_object(struct db *db, struct file *f, const struct reading *reading, struct err *err)
{
	struct firmware *fw = &f->firmware;
	struct err why = {0};
	fw->external = !*f->object;
	fw->image = reading->image;
	if (fw->external) {
		return true;
	}
	if (!store_object_use(db, f->object, &fw->artifact, &why)) {
		return no_object(&why, err);
	}
	if (memcmp(fw->artifact.sha256, reading->artifact.sha256, sizeof fw->artifact.sha256) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "file_url: other bytes were uploaded there this moment; try again");
	}
	return check_md5(fw, err) && judge(db, fw, &reading->why, err);
}

/* What an import has fetched, if the file still says what it said then. */
static bool take_import(struct firmware *fw, const struct firmware *fetched, struct err *err)
{
	struct err why = {0};
	bool same = strcmp(fw->url, fetched->url) == 0 && strcmp(fw->version, fetched->version) == 0;
	if (!same || !file_matches(fw, &fetched->artifact, &why)) {
		return err_set(err, ERR_CONFLICT, "the file was changed while its bytes were fetched%s%.150s", *why.text ? ": " : "",
			       why.text);
	}
	fw->external = false;
	fw->artifact = fetched->artifact;
	fw->image = fetched->image;
	return check_md5(fw, err);
}

/* Another MD5 than that of the bytes that are here is a mistake where they are an object's; what was imported may be another file there by
 * now. */
static bool keep_bytes(struct db *db, struct firmware *fw, struct err *err)
{
	struct err why = {0};
	bool object = true;
	if (check_md5(fw, &why)) {
		return true;
	}
	if (!store_object_names(db, fw->url, &fw->artifact, &object, err)) {
		return false;
	}
	if (object) {
		return err_set(err, why.kind, "%s", why.text);
	}
	fw->external = true;
	fw->image = (struct image){.chip = ""};
	return true;
}

struct edit {
	const struct file_edit *edit;
	const struct reading *reading;
	const struct actor *actor;
	struct file *out;
};

/* After an edit of what was there before. */
static bool take_bytes(struct db *db, const struct edit *e, const struct firmware *before, struct err *err)
{
	struct firmware *fw = &e->out->firmware;
	unsigned fields = e->edit->fields;
	bool named = (fields & FILE_URL) && *e->edit->to.object;
	if (named || strcmp(before->url, fw->url) != 0) {
		text_copy(e->out->object, sizeof e->out->object, named ? e->edit->to.object : "");
		return take_object(db, e->out, e->reading, err);
	}
	if (!fw->external && (fields & FILE_MD5) && !keep_bytes(db, fw, err)) {
		return false;
	}
	bool renamed = *fw->image.chip && strcmp(before->version, fw->version) != 0;
	return fw->external || !renamed || judge(db, fw, &(struct err){.kind = ERR_NONE}, err);
}

/* --- create --- */

struct create {
	struct file *file;
	const struct reading *reading;
	const struct range_list *ranges;
	const struct actor *actor;
};

static bool insert(struct db *db, const struct create *c, struct err *err)
{
	struct file *f = c->file;
	const struct firmware fetched = f->firmware;
	return take_object(db, f, c->reading, err) && (!f->imported || take_import(&f->firmware, &fetched, err)) &&
	       store_file_insert(db, f, c->actor->name, clock_wall_ms(), err);
}

static bool create(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct create *c = noun;
	return insert(db, c, err) && (!c->ranges || !c->ranges->count || write_ranges(db, write, c->file, c->ranges, err)) &&
	       describe(write, c->file, err);
}

bool files_create(struct engine *e, struct worker *w, const struct actor *actor, struct file *inout, const struct range_list *ranges,
		  struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "file.create", .kind = CHANGE_FIRMWARE};
	struct reading reading;
	return file_check(inout, err) && read_object(w, inout->object, &reading, err) &&
	       admin_frame_write(&frame, &write, create, &(struct create){inout, &reading, ranges, actor}, err);
}

/* --- edit --- */

/* As they are with this very write. */
static bool read_named(struct db *db, const struct file *f, struct file_named *out, struct err *err)
{
	const struct page page = {.limit = RANGES_MAX};
	int64_t total;
	free(out->rows); /* of an attempt before */
	out->rows = NULL;
	return store_range_list(db, f->rollout_id, &page, &out->rows, &out->count, &total, err);
}

/* What an edit makes of the row, which is locked then. */
struct outcome {
	bool image; /* devices are told another one */
	bool ends;  /* it becomes invalid */
	bool anew;
	bool closes; /* it is for fewer: what else is told must not be seen before that */
};

static bool apply(struct db *db, const struct edit *e, struct outcome *out, struct err *err)
{
	const struct file *to = &e->edit->to;
	struct file *f = e->out;
	char told[sizeof f->firmware.told_md5];
	if (!store_file_lock(db, to->firmware.product_id, to->firmware.id, f, err)) {
		return false;
	}
	if (e->edit->rev && e->edit->rev != f->firmware.rev) {
		return err_set(err, ERR_CONFLICT, "file %" PRId64 " was changed meanwhile", to->firmware.id);
	}
	const enum rollout_stage before = f->stage;
	const struct firmware firmware = f->firmware;
	file_apply(f, e->edit, &out->image);
	text_copy(told, sizeof told, f->firmware.told_md5);
	f->imported = to->imported;
	if (!take_bytes(db, e, &firmware, err) || (to->imported && !take_import(&f->firmware, &to->firmware, err)) || !file_check(f, err)) {
		return false;
	}
	/* An import that shows what the MD5 was all the time: nobody can say which image devices have fetched until now. */
	out->image = out->image || (to->imported && strcmp(told, f->firmware.told_md5) != 0);
	out->ends = f->stage == STAGE_INVALID && before != STAGE_INVALID;
	out->closes = out->ends || (f->stage != STAGE_ONLINE && before == STAGE_ONLINE);
	out->anew = out->image || (before == STAGE_INVALID && f->stage != STAGE_INVALID);
	return true;
}

static bool edit(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct edit *e = noun;
	struct file *f = e->out;
	struct outcome outcome;
	if (!apply(db, e, &outcome, err)) {
		return false;
	}
	write->opens = !outcome.closes;
	return store_file_update(db, f, outcome.anew ? clock_wall_ms() : 0, err) &&
	       (!(outcome.image || outcome.ends) || cancel_tasks(db, write, e->actor, f, err)) &&
	       (!(e->edit->fields & FILE_RANGES) || write_ranges(db, write, f, e->edit->ranges, err)) &&
	       (!e->edit->named || read_named(db, f, e->edit->named, err)) && describe(write, f, err);
}

bool files_edit(struct engine *e, struct worker *w, const struct actor *actor, const struct file_edit *wanted, struct file *out,
		struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	bool only_import = wanted->to.imported && !wanted->fields;
	struct admin_write write = {.action = only_import ? "file.import" : "file.edit", .kind = CHANGE_FIRMWARE};
	struct reading reading;
	return read_object(w, wanted->fields & FILE_URL ? wanted->to.object : "", &reading, err) &&
	       admin_frame_write(&frame, &write, edit, &(struct edit){wanted, &reading, actor, out}, err);
}

/* --- neither of them yet --- */

static bool preview(struct db *db, const struct edit *e, struct err *err)
{
	struct outcome outcome;
	if (!db_begin(db, err)) {
		return false;
	}
	bool ok;
	if (e->edit->to.firmware.id) {
		ok = apply(db, e, &outcome, err) && store_file_update(db, e->out, 0, err);
	} else {
		*e->out = e->edit->to;
		ok = file_check(e->out, err) && insert(db, &(struct create){.file = e->out, .reading = e->reading, .actor = e->actor}, err);
	}
	db_rollback(db);
	return ok;
}

bool files_preview(struct worker *w, const struct file_edit *wanted, struct file *out, struct err *err)
{
	static const struct actor nobody = {.name = ""};
	struct reading reading;
	const struct edit e = {wanted, &reading, &nobody, out};
	return read_object(w, wanted->fields & FILE_URL ? wanted->to.object : "", &reading, err) &&
	       ADMIN_READ(w, err, preview(db, &e, err));
}

/* --- delete --- */

struct removal {
	int64_t product_id, id;
	const struct actor *actor;
};

static bool delete (struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct removal *r = noun;
	struct file f;
	if (!store_file_lock(db, r->product_id, r->id, &f, err)) {
		return false;
	}
	if (f.stage != STAGE_TEST) {
		return err_set(err, ERR_CONFLICT, "file %" PRId64 " is %s: only those in test can be deleted", r->id,
			       rollout_stage_name(f.stage));
	}
	if (!cancel_tasks(db, write, r->actor, &f, err)) {
		return false;
	}
	if (f.range_count && !write_ranges(db, write, &f, &(struct range_list){.count = 0}, err)) {
		return false;
	}
	struct err why = {0};
	if (!store_file_delete(db, &f, &why)) { /* a push of its bytes may be under way */
		return err_set(err, why.kind == ERR_CONFLICT ? ERR_INVALID : why.kind, "%s", why.text);
	}
	return describe(write, &f, err);
}

bool files_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t product_id, int64_t id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "file.delete", .kind = CHANGE_FIRMWARE};
	return admin_frame_write(&frame, &write, delete, &(struct removal){product_id, id, actor}, err);
}

/* --- read --- */

bool files_look(struct worker *w, struct err *err)
{
	return ADMIN_READ(w, err, store_load_begin(db, err));
}

void files_looked(struct worker *w)
{
	struct err none = {0};
	struct db *db = worker_db(w, &none);
	if (db) {
		db_rollback(db);
	}
}

bool files_after(struct worker *w, const struct page *page, struct file **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_file_list(db, page, out, count, err));
}

bool files_get(struct worker *w, int64_t product_id, int64_t id, struct file *out, struct err *err)
{
	scoped_free struct file *row = NULL;
	size_t count = 0;
	const struct page page = {.after = id - 1, .limit = 1, .product_id = product_id};
	if (!files_after(w, &page, &row, &count, err)) {
		return false;
	}
	if (count == 0 || row[0].firmware.id != id) {
		return err_set(err, ERR_NOT_FOUND, "there is no file %" PRId64, id);
	}
	*out = row[0];
	return true;
}

bool files_ranges(struct worker *w, const struct file *f, size_t max, struct range_row **out, size_t *count, struct err *err)
{
	const struct page page = {.limit = (int64_t)max};
	int64_t total;
	*out = NULL;
	*count = 0;
	return f->range_count == 0 || ADMIN_READ(w, err, store_range_list(db, f->rollout_id, &page, out, count, &total, err));
}

bool files_list(struct engine *e, struct worker *w, struct files_page *page, struct err *err)
{
	int64_t ids[FILES_PAGE_MAX];
	fleet_read(e->fleet);
	page->total = roster_count(fleet_roster(e->fleet), page->product_id);
	size_t n = roster_page(fleet_roster(e->fleet), page->product_id, page->offset, ids, page->limit);
	fleet_done(e->fleet);
	page->rows = NULL;
	page->count = 0;
	return n == 0 || ADMIN_READ(w, err, store_file_read(db, page->product_id, ids, n, &page->rows, &page->count, err));
}
