#include "store/rows.h"

#include <string.h>

#include "model/file.h"
#include "model/fix.h"
#include "model/nouns.h"
#include "model/product.h"
#include "model/task.h"

void rows_task(const PGresult *r, int row, struct task *t)
{
	*t = (struct task){
		.id = sql_get_i64(r, row, 0),
		.rollout_id = sql_get_i64(r, row, 1),
		.device_id = sql_get_i64(r, row, 2),
		.firmware_id = sql_get_i64(r, row, 3),
		.fetched = sql_get_bool(r, row, 13),
		.offers = sql_get_i64(r, row, 14),
		.turns = sql_get_i64(r, row, 15),
		.rev = sql_get_i64(r, row, 16),
		.created_ms = sql_get_i64(r, row, 17),
		.updated_ms = sql_get_i64(r, row, 18),
		.ended_ms = sql_get_i64(r, row, 19),
	};
	rollout_way_parse(sql_get_text(r, row, 4), &t->way);
	sql_copy_text(r, row, 5, t->component, sizeof t->component);
	task_state_parse(sql_get_text(r, row, 6), &t->state);
	sql_copy_text(r, row, 7, t->stage, sizeof t->stage);
	sql_copy_text(r, row, 8, t->code, sizeof t->code);
	sql_copy_text(r, row, 9, t->token, sizeof t->token);
	sql_copy_text(r, row, 10, t->source_version, sizeof t->source_version);
	sql_copy_text(r, row, 11, t->seen_version, sizeof t->seen_version);
	coverage_parse(&t->got, sql_get_text(r, row, 12));
}

void rows_firmware(const PGresult *r, int row, struct firmware *f)
{
	*f = (struct firmware){
		.id = sql_get_i64(r, row, 0),
		.product_id = sql_get_i64(r, row, 1),
		.artifact.size = sql_get_i64(r, row, 8),
		.rev = sql_get_i64(r, row, 9),
		.created_ms = sql_get_i64(r, row, 10),
		.external = PQgetisnull(r, row, 6),
		.force = sql_get_bool(r, row, 20),
		.allow_downgrade = sql_get_bool(r, row, 21),
		.updated_ms = sql_get_i64(r, row, 22),
	};
	sql_copy_text(r, row, 2, f->component, sizeof f->component);
	sql_copy_text(r, row, 3, f->name, sizeof f->name);
	sql_copy_text(r, row, 4, f->file_name, sizeof f->file_name);
	sql_copy_text(r, row, 5, f->version, sizeof f->version);
	sql_get_bytes(r, row, 6, f->artifact.sha256, sizeof f->artifact.sha256);
	sql_get_bytes(r, row, 7, f->artifact.md5, sizeof f->artifact.md5);
	sql_copy_text(r, row, 11, f->image.chip, sizeof f->image.chip);
	sql_copy_text(r, row, 12, f->image.project, sizeof f->image.project);
	sql_copy_text(r, row, 13, f->image.version, sizeof f->image.version);
	sql_copy_text(r, row, 14, f->image.idf, sizeof f->image.idf);
	sql_get_bytes(r, row, 15, f->image.elf_sha256, sizeof f->image.elf_sha256);
	sql_copy_text(r, row, 16, f->url, sizeof f->url);
	sql_copy_text(r, row, 17, f->told_md5, sizeof f->told_md5);
	sql_copy_text(r, row, 18, f->told_size, sizeof f->told_size);
	sql_copy_text(r, row, 19, f->customize, sizeof f->customize);
	if (f->external) {
		f->artifact.size = file_bytes(f->told_size);
	}
}

void rows_add_image(struct sql_args *a, const struct image *image)
{
	sql_text_or_null(a, image->chip);
	sql_text_or_null(a, image->project);
	sql_text_or_null(a, image->version);
	sql_text_or_null(a, image->idf);
	if (*image->chip) {
		sql_bytes(a, image->elf_sha256, sizeof image->elf_sha256);
	} else {
		sql_null(a);
	}
}

void rows_rollout(const PGresult *r, int row, struct rollout *o)
{
	*o = (struct rollout){
		.id = sql_get_i64(r, row, 0),
		.product_id = sql_get_i64(r, row, 2),
		.device_id = sql_get_i64(r, row, 3),
		.firmware_id = sql_get_i64(r, row, 4),
		.task_id = sql_get_i64(r, row, 5),
		.created_ms = sql_get_i64(r, row, 9),
		.ended_ms = sql_get_i64(r, row, 10),
		.named = sql_get_bool(r, row, 11),
		.ranked = sql_get_bool(r, row, 12),
	};
	rollout_stage_parse(sql_get_text(r, row, 13), &o->stage);
	rollout_way_parse(sql_get_text(r, row, 1), &o->way);
	sql_copy_text(r, row, 6, o->component, sizeof o->component);
	sql_copy_text(r, row, 7, o->version_name, sizeof o->version_name);
	sql_copy_text(r, row, 8, o->description, sizeof o->description);
}

/* Names between unit separators, which are in none of them, into max names of `size` bytes each; how many. */
static size_t read_names(const char *text, char *out, size_t size, size_t max)
{
	size_t n = 0;
	for (; *text && n < max; n++) {
		size_t len = strcspn(text, "\x1f");
		size_t kept = len < size ? len : size - 1;
		memcpy(out + n * size, text, kept);
		out[n * size + kept] = '\0';
		text += len + (text[len] != '\0');
	}
	return n;
}

void rows_product(const PGresult *r, int row, struct product *p)
{
	*p = (struct product){
		.id = sql_get_i64(r, row, 0),
		.rev = sql_get_i64(r, row, 4),
		.created_ms = sql_get_i64(r, row, 5),
		.updated_ms = sql_get_i64(r, row, 6),
		.unbound_updates = sql_get_bool(r, row, 9),
		.auto_register = sql_get_bool(r, row, 12),
		.device_token = sql_get_bool(r, row, 13),
		.together = sql_get_bool(r, row, 14),
		.auto_register_max = sql_get_i64(r, row, 15),
		.registered = sql_get_i64(r, row, 16),
	};
	sql_copy_text(r, row, 1, p->key, sizeof p->key);
	sql_copy_text(r, row, 2, p->name, sizeof p->name);
	sql_copy_text(r, row, 3, p->description, sizeof p->description);
	product_images_parse(sql_get_text(r, row, 7), &p->images);
	identity_policy_parse(sql_get_text(r, row, 8), &p->identity);
	p->board_count = read_names(sql_get_text(r, row, 10), p->boards[0], sizeof p->boards[0], BOARDS_MAX);
	p->partition_count = read_names(sql_get_text(r, row, 11), p->partitions[0], sizeof p->partitions[0], PARTITIONS_MAX);
}

void rows_fix(const PGresult *r, int row, struct fix *f)
{
	*f = (struct fix){.id = sql_get_i64(r, row, 0), .created_ms = sql_get_i64(r, row, 3)};
	sql_copy_text(r, row, 1, f->from_version, sizeof f->from_version);
	sql_copy_text(r, row, 2, f->board, sizeof f->board);
}
