#include "store/rows.h"

#include "model/nouns.h"
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
		.rev = sql_get_i64(r, row, 15),
		.created_ms = sql_get_i64(r, row, 16),
		.updated_ms = sql_get_i64(r, row, 17),
		.ended_ms = sql_get_i64(r, row, 18),
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
	};
	rollout_way_parse(sql_get_text(r, row, 1), &o->way);
	sql_copy_text(r, row, 6, o->component, sizeof o->component);
	sql_copy_text(r, row, 7, o->version_name, sizeof o->version_name);
	sql_copy_text(r, row, 8, o->description, sizeof o->description);
}
