/* Inside store/ only: how a row becomes a value, in one place for every statement that reads it. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "store/sql.h"

struct firmware;
struct fix;
struct image;
struct product;
struct rollout;
struct task;

/* Of tasks, under the name t. */
#define TASK_COLUMNS                                                                                                                    \
	"t.id, t.rollout_id, t.device_id, t.firmware_id, t.way, t.component, t.state, t.stage, t.code, t.token, t.source_version,"      \
	" t.seen_version, t.got, t.fetched, t.offers, t.turns, t.rev, " SQL_MS("t.created_at") ", " SQL_MS("t.updated_at") ", " SQL_MS( \
		"t.ended_at")
enum { TASK_COLUMN_COUNT = 20 };
void rows_task(const PGresult *r, int row, struct task *out);

/* Of firmware f LEFT JOIN artifacts a USING (sha256). */
#define FIRMWARE_COLUMNS                                                                                                            \
	"f.id, f.product_id, f.component, f.name, f.file_name, f.version, f.sha256, a.md5, a.size, f.rev, " SQL_MS(                 \
		"f.created_at") ", "                                                                                                \
				"f.chip, f.project, f.image_version, f.idf_version, f.elf_sha256, f.url, f.told_md5, f.told_size, " \
				"f.customize, f.force, f.allow_downgrade, " SQL_MS("f.updated_at")
enum { FIRMWARE_COLUMN_COUNT = 23 };
void rows_firmware(const PGresult *r, int row, struct firmware *out);
/* Five parameters: chip, project, image_version, idf_version, elf_sha256. */
void rows_add_image(struct sql_args *a, const struct image *image);

/* Of rollouts r; the task is the latest one of it. */
#define ROLLOUT_COLUMNS                                                                                                                 \
	"r.id, r.way, r.product_id, r.device_id, r.firmware_id, (SELECT max(x.id) FROM tasks x WHERE x.rollout_id = r.id AND x.way <> " \
	"'push'), r.component,"                                                                                                         \
	" r.version_name, r.description, " SQL_MS("r.created_at") ", " SQL_MS(                                                          \
		"r.ended_at") ", EXISTS (SELECT FROM mac_ranges y WHERE y.rollout_id = r.id), r.ranked, r.stage"
enum { ROLLOUT_COLUMN_COUNT = 14 };
void rows_rollout(const PGresult *r, int row, struct rollout *out);

/* Of products p. */
#define PRODUCT_COLUMNS                                                                                                             \
	"p.id, p.key, p.name, p.description, p.rev, " SQL_MS("p.created_at") ", " SQL_MS(                                           \
		"p.updated_at") ", p.images, p.identity, "                                                                          \
				"p.unbound_updates, array_to_string(p.boards, E'\\x1f'), array_to_string(p.partitions, E'\\x1f'), " \
				"p.auto_register, p.device_token, p.bundle = 'together', p.auto_register_max, p.registered"
enum { PRODUCT_COLUMN_COUNT = 17 };
void rows_product(const PGresult *r, int row, struct product *out);

/* Of forced_fixes x. */
#define FIX_COLUMNS "x.id, x.from_version, x.board, " SQL_MS("x.created_at")
void rows_fix(const PGresult *r, int row, struct fix *out);

#endif
