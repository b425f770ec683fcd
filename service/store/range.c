#include "store/range.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "store/sql.h"

static bool none(int64_t rollout_id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no rollout %" PRId64 " of a file", rollout_id);
}

bool store_range_lock(struct db *db, int64_t rollout_id, int64_t *product_id, struct err *err)
{
	/* shared, as whoever makes tasks of it: an import of seconds must not hold up their group commit */
	static const struct sql row = {"range_lock_row",
				       "SELECT product_id FROM rollouts WHERE id = $1 AND ranked AND ended_at IS NULL FOR SHARE"};
	static const struct sql writers = {"range_lock_writers", "SELECT 1 FROM pg_advisory_xact_lock(7305424, hashint8($1))"};
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	scoped_result PGresult *r = sql_query(db, &row, &a, err);
	if (!r || PQntuples(r) == 0) {
		return r && none(rollout_id, err);
	}
	*product_id = sql_get_i64(r, 0, 0);
	return sql_run(db, &writers, &a, err);
}

/* --- writing --- */

struct copying {
	const struct range_source *source;
	int64_t rollout_id;
	int64_t place;
};

static void put_field(struct buf *line, const char *s, size_t len)
{
	buf_putc(line, '\t');
	sql_copy_field(line, s, len);
}

static bool next_line(void *ctx, struct buf *line)
{
	struct copying *c = ctx;
	struct range r;
	if (!c->source->next(c->source->ctx, &r)) {
		return false;
	}
	const char *kind = range_kind_name(r.kind);
	bool macs = r.kind == RANGE_MACS;
	buf_put_i64(line, c->rollout_id);
	buf_putc(line, '\t');
	buf_put_i64(line, ++c->place);
	put_field(line, kind, strlen(kind));
	put_field(line, r.head, strlen(r.head));
	put_field(line, macs ? r.first : NULL, MAC_SIZE - 1);
	put_field(line, macs ? r.last : NULL, MAC_SIZE - 1);
	put_field(line, r.said, r.said_len);
	return true;
}

static const struct sql last_place = {"range_last_place", "SELECT coalesce(max(place), 0) FROM mac_ranges WHERE rollout_id = $1"};

static bool read_last(struct db *db, int64_t rollout_id, int64_t *out, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	return sql_run_i64(db, &last_place, &a, out, err);
}

bool store_range_add(struct db *db, int64_t rollout_id, const struct range_source *source, int64_t *count, struct err *err)
{
	struct copying c = {.source = source, .rollout_id = rollout_id};
	source->rewind(source->ctx);
	return read_last(db, rollout_id, &c.place, err) && sql_exec(db, "SET LOCAL statement_timeout = '10min'", err) &&
	       sql_copy_in(db, "COPY mac_ranges (rollout_id, place, kind, head, first, last, said) FROM STDIN", next_line, &c, count, err);
}

bool store_range_clear(struct db *db, int64_t rollout_id, int64_t *count, struct err *err)
{
	static const struct sql clear = {"range_clear", "DELETE FROM mac_ranges WHERE rollout_id = $1"};
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	return sql_exec(db, "SET LOCAL statement_timeout = '10min'", err) && read_last(db, rollout_id, count, err) &&
	       sql_run(db, &clear, &a, err);
}

bool store_range_replace(struct db *db, int64_t rollout_id, const struct range_source *source, int64_t *count, struct err *err)
{
	int64_t before;
	return store_range_clear(db, rollout_id, &before, err) && store_range_add(db, rollout_id, source, count, err);
}

/* --- reading --- */

#define COLUMNS "m.rollout_id, m.place, m.kind, m.head, m.first, m.last, m.said"

static bool read_rows(const PGresult *r, struct range_row **out, size_t *count, struct err *err)
{
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		struct range_row *row = &(*out)[i];
		int at = (int)i;
		row->rollout_id = sql_get_i64(r, at, 0);
		row->place = sql_get_i64(r, at, 1);
		range_make(sql_get_text(r, at, 2), sql_get_text(r, at, 3), sql_get_text(r, at, 4), sql_get_text(r, at, 5), &row->range);
		if (PQgetisnull(r, at, 6)) {
			range_text(&row->range, row->said);
		} else {
			sql_copy_text(r, at, 6, row->said, sizeof row->said);
		}
	}
	return *out != NULL;
}

bool store_range_may(struct db *db, int64_t rollout_id, struct err *err)
{
	static const struct sql select = {"range_may", "SELECT 1 FROM rollouts WHERE id = $1 AND ranked AND ended_at IS NULL"};
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	return r && (PQntuples(r) == 1 || none(rollout_id, err));
}

bool store_range_list(struct db *db, int64_t rollout_id, const struct page *page, struct range_row **out, size_t *count, int64_t *total,
		      struct err *err)
{
	static const struct sql select = {"range_list", "SELECT " COLUMNS " FROM mac_ranges m WHERE m.rollout_id = $1 AND m.place > $2"
							" ORDER BY m.place LIMIT $3"};
	struct sql_args a = {0};
	sql_i64(&a, rollout_id);
	sql_i64(&a, page->after);
	sql_i64(&a, page->limit);
	if (!read_last(db, rollout_id, total, err)) {
		return false;
	}
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	return read_rows(r, out, count, err);
}

/* "{"","C","C8",...}": all that it begins with, itself among them. */
static void list_heads(const char *identifier, struct sql_list *out)
{
	char head[RANGE_ID_SIZE];
	size_t len = strlen(identifier);
	sql_list_init(out);
	for (size_t n = 0; n <= len; n++) {
		memcpy(head, identifier, n);
		head[n] = '\0';
		sql_list_text(out, head);
	}
}

bool store_range_naming(struct db *db, const char *identifier, const struct page *page, struct range_row **out, size_t *count,
			struct err *err)
{
	static const struct sql select = {
		"range_naming",
		"WITH m AS MATERIALIZED (SELECT * FROM mac_ranges WHERE head = ANY($1::text[])" /* or the order would choose the index */
		" AND CASE kind WHEN 'exact' THEN head = $2 WHEN 'prefix' THEN true ELSE $3 BETWEEN first AND last END)"
		" SELECT " COLUMNS " FROM m JOIN rollouts r ON r.id = m.rollout_id WHERE r.ended_at IS NULL"
		" AND ($4::bigint IS NULL OR r.product_id = $4) ORDER BY m.rollout_id, m.place LIMIT $5"};
	scoped_list struct sql_list heads;
	struct sql_args a = {0};
	uint64_t mac;
	list_heads(identifier, &heads);
	sql_array(&a, &heads);
	sql_text(&a, identifier);
	sql_text_or_null(&a, range_mac(identifier, &mac) ? identifier : "");
	sql_i64_or_null(&a, page->product_id);
	sql_i64(&a, page->limit);
	scoped_result PGresult *r = sql_query(db, &select, &a, err);
	return read_rows(r, out, count, err);
}
