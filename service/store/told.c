#include "store/told.h"

#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "model/told.h"
#include "store/sql.h"

enum { LISTS = 13, PARTITIONS_SIZE = 4096, LOOK_BACK = 32 };

/* Most devices of a batch are of a few kinds: what is the same for all of a kind travels once. Without a look at devices, which the foreign
 * key looks at for new rows. */
#define UPSERT(devices)                                                                                                                \
	"INSERT INTO device_facts AS f (device_id, told, flash_size, whole, board_name, board_type, chip, slot, language, elf_sha256," \
	" client_uuid, partitions) SELECT u.device, u.told, k.flash, k.whole, k.name, k.type, k.chip, k.slot, k.language, u.elf,"      \
	" u.client, k.partitions FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::int[])"                          \
	" u(device, told, elf, client, kind) JOIN unnest($6::bigint[], $7::bool[], $8::text[], $9::text[], $10::text[], $11::text[],"  \
	" $12::text[], $13::text[]) WITH ORDINALITY k(flash, whole, name, type, chip, slot, language, partitions, no)"                 \
	" ON k.no = u.kind" devices " ON CONFLICT (device_id) DO UPDATE SET told = excluded.told, flash_size = excluded.flash_size,"   \
	" whole = excluded.whole, board_name = excluded.board_name, board_type = excluded.board_type, chip = excluded.chip,"           \
	" slot = excluded.slot, language = excluded.language, elf_sha256 = excluded.elf_sha256, client_uuid = excluded.client_uuid,"   \
	" partitions = excluded.partitions, updated_at = now() WHERE f.told <> excluded.told"
static const struct sql write_facts = {"facts_write", UPSERT("")};
static const struct sql write_known = {"facts_write_known", UPSERT(" JOIN devices d ON d.id = u.device")};

/* One of each kind, in the order of their numbers. */
struct kinds {
	const struct told **at;
	size_t count;
};

/* What differs in bytes that mean nothing is only told twice. */
static bool same_kind(const struct told *a, const struct told *b)
{
	return a->read == b->read && a->flash_size == b->flash_size && a->partition_count == b->partition_count &&
	       strcmp(a->board_name, b->board_name) == 0 && strcmp(a->board_type, b->board_type) == 0 && strcmp(a->chip, b->chip) == 0 &&
	       strcmp(a->slot, b->slot) == 0 && strcmp(a->language, b->language) == 0 &&
	       memcmp(a->partitions, b->partitions, a->partition_count * sizeof *a->partitions) == 0;
}

/* Its number, from 1; a kind that has not come for long is a new one. */
static size_t kind_of(struct kinds *kinds, const struct told *t)
{
	size_t least = kinds->count > LOOK_BACK ? kinds->count - LOOK_BACK : 0;
	for (size_t i = kinds->count; i > least; i--) {
		if (same_kind(kinds->at[i - 1], t)) {
			return i;
		}
	}
	kinds->at[kinds->count++] = t;
	return kinds->count;
}

static void put_partitions(struct sql_list *list, const struct told *t)
{
	char mem[PARTITIONS_SIZE];
	struct buf text;
	buf_init_fixed(&text, mem, sizeof mem);
	told_print_partitions(t, &text);
	sql_list_text(list, buf_cstr(&text));
}

static void put_kind(struct sql_list *l, const struct told *t)
{
	sql_list_i64(&l[0], t->flash_size);
	sql_list_bool(&l[1], t->read);
	sql_list_text(&l[2], t->board_name);
	sql_list_text(&l[3], t->board_type);
	sql_list_text(&l[4], t->chip);
	sql_list_text(&l[5], t->slot);
	sql_list_text(&l[6], t->language);
	put_partitions(&l[7], t);
}

static void put_fact(struct sql_list *l, const struct told_fact *fact, size_t kind)
{
	sql_list_i64(&l[0], fact->device_id);
	sql_list_i64(&l[1], (int64_t)fact->fingerprint);
	if (fact->told->has_elf) {
		sql_list_bytes(&l[2], fact->told->elf_sha256, sizeof fact->told->elf_sha256);
	} else {
		sql_list_text_or_null(&l[2], "");
	}
	sql_list_text(&l[3], fact->told->client_uuid);
	sql_list_i64(&l[4], (int64_t)kind);
}

bool store_facts_write(struct db *db, const struct told_fact *facts, size_t n, bool known, struct err *err)
{
	enum { FACT_LISTS = 5 };
	scoped_free const struct told **at = calloc(n + 1, sizeof *at);
	struct kinds kinds = {.at = at};
	struct sql_list l[LISTS];
	if (!at) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	for (size_t c = 0; c < LISTS; c++) {
		sql_list_init(&l[c]);
	}
	for (size_t i = 0; i < n; i++) {
		put_fact(l, &facts[i], kind_of(&kinds, facts[i].told));
	}
	for (size_t i = 0; i < kinds.count; i++) {
		put_kind(l + FACT_LISTS, kinds.at[i]);
	}
	return sql_run_lists(db, known ? &write_known : &write_facts, l, LISTS, err);
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
	sql_list_ids(&ids, devices, n);
	sql_array(&a, &ids);
	scoped_result PGresult *r = sql_query(db, &tasked, &a, err);
	*count = r ? (size_t)PQntuples(r) : 0;
	for (size_t i = 0; i < *count; i++) {
		out[i] = sql_get_i64(r, (int)i, 0);
	}
	return r != NULL;
}
