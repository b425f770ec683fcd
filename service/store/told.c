#include "store/told.h"

#include "common/scoped.h"
#include "model/told.h"
#include "store/sql.h"

enum { COLUMNS = 12, PARTITIONS_SIZE = 4096 };

static const struct sql write_facts = {
	"facts_write",
	"INSERT INTO device_facts AS f (device_id, told, flash_size, whole, board_name, board_type, chip, slot, language, elf_sha256,"
	" client_uuid, partitions) SELECT u.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bool[], $5::text[],"
	" $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[], $11::text[], $12::text[]) u(device, told, flash, whole, name,"
	" type, chip, slot, language, elf, client, partitions) JOIN devices d ON d.id = u.device ORDER BY u.device"
	" ON CONFLICT (device_id) DO UPDATE SET told = excluded.told, flash_size = excluded.flash_size, whole = excluded.whole,"
	" board_name = excluded.board_name, board_type = excluded.board_type, chip = excluded.chip, slot = excluded.slot,"
	" language = excluded.language, elf_sha256 = excluded.elf_sha256, client_uuid = excluded.client_uuid,"
	" partitions = excluded.partitions, updated_at = now() WHERE f.told <> excluded.told"};

static void put_elf(struct sql_list *list, const struct told *t)
{
	if (t->has_elf) {
		sql_list_bytes(list, t->elf_sha256, sizeof t->elf_sha256);
	} else {
		sql_list_text_or_null(list, "");
	}
}

static void put_partitions(struct sql_list *list, const struct told *t)
{
	char mem[PARTITIONS_SIZE];
	struct buf text;
	buf_init_fixed(&text, mem, sizeof mem);
	told_print_partitions(t, &text);
	sql_list_text(list, buf_cstr(&text));
}

bool store_facts_write(struct db *db, const struct told_fact *facts, size_t n, struct err *err)
{
	struct sql_list l[COLUMNS];
	for (size_t c = 0; c < COLUMNS; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		const struct told *t = facts[i].told;
		const char *const texts[] = {t->board_name, t->board_type, t->chip, t->slot, t->language};
		sql_list_i64(&l[0], facts[i].device_id);
		sql_list_i64(&l[1], (int64_t)facts[i].fingerprint);
		sql_list_i64(&l[2], t->flash_size);
		sql_list_bool(&l[3], t->read);
		for (size_t c = 0; c < sizeof texts / sizeof *texts; c++) {
			sql_list_text(&l[4 + c], texts[c]);
		}
		put_elf(&l[9], t);
		sql_list_text(&l[10], t->client_uuid);
		put_partitions(&l[11], t);
	}
	return sql_run_lists(db, &write_facts, l, COLUMNS, err);
}

static const struct sql get_facts = {
	"facts_get", "SELECT flash_size, whole, board_name, board_type, chip, slot, language, elf_sha256, client_uuid, partitions, " SQL_MS(
			     "updated_at") " FROM device_facts WHERE device_id = $1"};

bool store_facts_get(struct db *db, int64_t device_id, struct told *out, int64_t *updated_ms, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, device_id);
	*out = (struct told){.read = false};
	*updated_ms = 0;
	scoped_result PGresult *r = sql_query(db, &get_facts, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r != NULL;
	}
	out->flash_size = sql_get_i64(r, 0, 0);
	out->read = sql_get_bool(r, 0, 1);
	sql_copy_text(r, 0, 2, out->board_name, sizeof out->board_name);
	sql_copy_text(r, 0, 3, out->board_type, sizeof out->board_type);
	sql_copy_text(r, 0, 4, out->chip, sizeof out->chip);
	sql_copy_text(r, 0, 5, out->slot, sizeof out->slot);
	sql_copy_text(r, 0, 6, out->language, sizeof out->language);
	out->has_elf = sql_get_bytes(r, 0, 7, out->elf_sha256, sizeof out->elf_sha256);
	sql_copy_text(r, 0, 8, out->client_uuid, sizeof out->client_uuid);
	told_parse_partitions(out, sql_get_text(r, 0, 9));
	*updated_ms = sql_get_i64(r, 0, 10);
	return true;
}

static const struct sql tasked = {"devices_tasked", "SELECT d.id FROM unnest($1::bigint[]) WITH ORDINALITY d(id, at) WHERE EXISTS "
						    "(SELECT FROM tasks t WHERE t.device_id = d.id) ORDER BY d.at"};

bool store_devices_tasked(struct db *db, const int64_t *devices, size_t n, int64_t *out, size_t *count, struct err *err)
{
	scoped_list struct sql_list ids;
	struct sql_args a = {0};
	sql_list_init(&ids);
	for (size_t i = 0; i < n; i++) {
		sql_list_i64(&ids, devices[i]);
	}
	sql_array(&a, &ids);
	scoped_result PGresult *r = sql_query(db, &tasked, &a, err);
	*count = r ? (size_t)PQntuples(r) : 0;
	for (size_t i = 0; i < *count; i++) {
		out[i] = sql_get_i64(r, (int)i, 0);
	}
	return r != NULL;
}
