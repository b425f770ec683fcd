#include "store/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/secret.h"
#include "model/fix.h"
#include "model/product.h"
#include "model/range.h"
#include "model/told.h"
#include "model/voice.h"
#include "store/rows.h"
#include "store/sealed.h"
#include "store/sql.h"

enum { PAGE = 5000 }; /* as in the statements */
_Static_assert(PAGE % LOAD_BURST == 0 && (int)LOAD_BURST == (int)SQL_BURST, "rows come in whole bursts");

bool store_feed_listen(struct db *db, struct err *err)
{
	return sql_exec(db, "LISTEN otad", err);
}

/* Did somebody else send one? */
static bool drain_notes(struct db *db)
{
	bool foreign = false;
	for (PGnotify *note; (note = PQnotifies(sql_conn(db)));) {
		foreign = foreign || !sql_is_own_backend(db, note->be_pid);
		PQfreemem(note);
	}
	return foreign;
}

bool store_feed_wait(struct db *db, int wake_fd, int timeout_ms, bool *look)
{
	PGconn *conn = sql_conn(db);
	*look = false;
	if (!conn) {
		return false;
	}
	/* a NOTIFY that came along with the answer to an earlier statement makes no noise on the socket any more */
	*look = drain_notes(db);
	timeout_ms = *look ? 0 : timeout_ms;
	struct pollfd fds[2] = {{.fd = PQsocket(conn), .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
	if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR) {
		return false;
	}
	if (fds[1].revents & POLLIN) {
		uint64_t drain;
		ssize_t n = read(wake_fd, &drain, sizeof drain);
		(void)n;
		*look = true;
	}
	if (fds[0].revents && !PQconsumeInput(conn)) {
		return false;
	}
	*look = drain_notes(db) || *look;
	return PQstatus(conn) == CONNECTION_OK;
}

static const struct sql bounds = {"feed_bounds", "SELECT coalesce(min(pos), 0), coalesce(max(pos), 0) FROM changes"};

bool store_feed_bounds(struct db *db, int64_t *oldest, int64_t *newest, struct err *err)
{
	scoped_result PGresult *r = sql_query(db, &bounds, NULL, err);
	if (!r) {
		return false;
	}
	*oldest = sql_get_i64(r, 0, 0);
	*newest = sql_get_i64(r, 0, 1);
	return true;
}

static const struct sql read_changes = {"feed_read", "SELECT pos, kind, ids FROM changes WHERE pos > $1 ORDER BY pos LIMIT 1000"};

/* "{1,2,3}" of a bigint[] */
static size_t parse_ids(const char *text, int64_t **out)
{
	size_t max = 1;
	for (const char *c = text; *c; c++) {
		max += *c == ',';
	}
	*out = calloc(max, sizeof **out);
	size_t n = 0;
	for (char *end = NULL; *out && n < max; text = end) {
		text += strspn(text, "{,");
		int64_t id = strtoll(text, &end, 10);
		if (end == text) {
			break;
		}
		(*out)[n++] = id;
	}
	return n;
}

bool store_feed_read(struct db *db, int64_t after, struct change **out, size_t *count, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, after);
	scoped_result PGresult *r = sql_query(db, &read_changes, &a, err);
	*out = sql_rows(r, sizeof **out, count, err);
	for (size_t i = 0; *out && i < *count; i++) {
		struct change *c = &(*out)[i];
		c->pos = sql_get_i64(r, (int)i, 0);
		if (!store_change_parse(sql_get_text(r, (int)i, 1), &c->kind)) {
			c->kind = CHANGE_KINDS; /* of a newer replica: nothing we hold */
		}
		c->count = parse_ids(sql_get_text(r, (int)i, 2), &c->ids);
	}
	return *out != NULL;
}

void store_changes_free(struct change **changes, size_t count)
{
	for (size_t i = 0; *changes && i < count; i++) {
		free((*changes)[i].ids);
	}
	free(*changes);
	*changes = NULL;
}

static const struct sql trim = {
	"feed_trim",
	"DELETE FROM changes WHERE at < now() - make_interval(secs => $1::float8 / 1000) AND pos < (SELECT max(pos) FROM changes)"};

bool store_feed_trim(struct db *db, int64_t keep_ms, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, keep_ms);
	return sql_run(db, &trim, &a, err);
}

bool store_load_begin(struct db *db, struct err *err)
{
	return sql_exec(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
}

typedef void row_fn(const PGresult *r, int at, const struct load *load, void *row);

/* Two spellings of each load: one page of all rows after an id, and one of named rows. */
struct loader {
	struct sql all;
	struct sql some;
	row_fn *give;
};
#define LOADER(name, select, all_where, some_where, id, give)                                                           \
	{                                                                                                               \
		{"load_all_" name, "SELECT " select " WHERE " all_where " AND " id " > $1 ORDER BY " id " LIMIT 5000"}, \
			{"load_some_" name, "SELECT " select " WHERE " some_where " AND " id " > $1 AND " id            \
					    " = ANY($2::bigint[]) ORDER BY " id " LIMIT 5000"},                         \
			give                                                                                            \
	}

static bool run_load(struct db *db, const struct loader *loader, const struct load *load, void *row, struct err *err)
{
	scoped_list struct sql_list ids;
	sql_list_init(&ids);
	for (size_t i = 0; load->ids && i < load->count; i++) {
		sql_list_i64(&ids, load->ids[i]);
	}
	buf_putc(&ids.text, '}');
	for (int64_t after = 0;;) {
		struct sql_args a = {0};
		sql_i64(&a, after);
		if (load->ids) {
			sql_text(&a, buf_cstr(&ids.text));
		}
		scoped_result PGresult *r = sql_query(db, load->ids ? &loader->some : &loader->all, &a, err);
		if (!r) {
			return false;
		}
		int n = PQntuples(r);
		for (int i = 0; i < n; i++) {
			loader->give(r, i, load, row);
		}
		if (n < PAGE) {
			return true;
		}
		after = sql_get_i64(r, n - 1, 0);
	}
}

enum { OF_VOICE = PRODUCT_COLUMN_COUNT };
#define PRODUCTS_FROM                                                                                             \
	PRODUCT_COLUMNS ", v.mqtt, v.ws_url, v.ws_version, v.ws_token, g.endpoint, g.key_sealed FROM products p " \
			"LEFT JOIN voices v ON v.product_id = p.id LEFT JOIN gateways g ON g.product_id = v.gateway_of"

/* The callback travels behind one pointer so that run_load() is the same for all. */
struct product_row_fn {
	store_product_row *row;
	const struct seal_key *seal;
};

/* A sealed cell in clear, unset where there is none. False: it does not open, which costs the product this secret and nothing else. */
static bool open_cell(const PGresult *r, int i, int col, const struct seal_key *seal, const char *context, struct secret *out)
{
	struct err err = {0};
	size_t len;
	if (PQgetisnull(r, i, col)) {
		return true;
	}
	out->reveal = sealed_get(r, i, col, seal, context, &len, &err);
	if (!out->reveal) {
		log_error("a product's secret does not open; its devices are told nothing that needs it", LOG_S("error", err.text));
	}
	return out->reveal != NULL;
}

static void give_product(const PGresult *r, int i, const struct load *load, void *row)
{
	const struct product_row_fn *out = row;
	scoped(secret_clear) struct secret key = {0};
	scoped(secret_clear) struct secret token = {0};
	char context[SEALED_CONTEXT_SIZE];
	struct product p;
	rows_product(r, i, &p);
	struct voice v = {.product_id = p.id};
	voice_mqtt_parse(sql_get_text(r, i, OF_VOICE), &v.mqtt);
	snprintf(context, sizeof context, VOICE_CONTEXT, p.id);
	if (open_cell(r, i, OF_VOICE + 3, out->seal, context, &token)) {
		sql_copy_text(r, i, OF_VOICE + 1, v.ws_url, sizeof v.ws_url);
		v.ws_version = sql_get_i64(r, i, OF_VOICE + 2);
	}
	v.ws_token_set = token.reveal != NULL;
	snprintf(context, sizeof context, GATEWAY_CONTEXT, p.id);
	if (!open_cell(r, i, OF_VOICE + 5, out->seal, context, &key)) {
		v.mqtt = VOICE_NONE;
	}
	struct voice_means means = {.endpoint = sql_get_text(r, i, OF_VOICE + 4),
				    .gateway_key = key.reveal ? key.reveal : "",
				    .ws_token = token.reveal ? token.reveal : ""};
	out->row(load->ctx, &p, &v, &means);
}
static const struct loader products = LOADER("products", PRODUCTS_FROM, "true", "true", "p.id", give_product);

bool store_load_products(struct db *db, const struct seal_key *seal, const struct load *load, store_product_row *row, struct err *err)
{
	return run_load(db, &products, load, &(struct product_row_fn){row, seal}, err);
}

struct fix_row {
	void (*row)(void *ctx, const struct fix *);
};
static void give_fix(const PGresult *r, int i, const struct load *load, void *row)
{
	const struct fix_row *out = row;
	struct fix f;
	rows_fix(r, i, &f);
	out->row(load->ctx, &f);
}
static const struct loader fixes = LOADER("fixes", FIX_COLUMNS " FROM forced_fixes x", "true", "true", "x.id", give_fix);

bool store_load_fixes(struct db *db, const struct load *load, void (*row)(void *ctx, const struct fix *), struct err *err)
{
	return run_load(db, &fixes, load, &(struct fix_row){row}, err);
}

struct device_fn {
	void (*row)(void *ctx, const struct device_row *);
};
static void give_device(const PGresult *r, int i, const struct load *load, void *row)
{
	const struct device_fn *out = row;
	struct device_row d = {.id = sql_get_i64(r, i, 0),
			       .name = sql_get_text(r, i, 1),
			       .product_id = sql_get_i64(r, i, 2),
			       .version = sql_get_text(r, i, 3),
			       .epoch = sql_get_i64(r, i, 4),
			       .blocked = sql_get_bool(r, i, 5),
			       .bound = sql_get_bool(r, i, 6),
			       .auto_update = sql_get_bool(r, i, 7),
			       .mac = sql_get_text(r, i, 8),
			       .pin = told_pin(sql_get_text(r, i, 9)),
			       .told = (uint64_t)sql_get_i64(r, i, 10),
			       .parts = sql_get_text(r, i, 11),
			       .serial = sql_get_text(r, i, 12)};
	out->row(load->ctx, &d);
}
/* A page may be planned as any join; so many index look-ups are what is wanted. */
#define DEVICE_COLUMNS                                                                                                             \
	"d.id, d.name, d.product_id, d.version, d.epoch, d.blocked_at IS NOT NULL, d.bound_at IS NOT NULL, d.auto_update, d.mac, " \
	"d.client_uuid"
#define PARTS_TEXT "string_agg(v.component || E'\\x1f' || v.version, E'\\x1f')"
static const struct loader devices_some = {
	.some = {"load_some_devices", "SELECT " DEVICE_COLUMNS ", (SELECT f.told FROM device_facts f WHERE f.device_id = d.id), "
				      "(SELECT " PARTS_TEXT " FROM device_versions v WHERE v.device_id = d.id AND v.component <> 'app'), "
				      "(SELECT l.serial FROM licences l WHERE l.device_id = d.id) FROM devices d"
				      " WHERE d.id > $1 AND d.id = ANY($2::bigint[]) ORDER BY d.id LIMIT 5000"},
	.give = give_device,
};
/* All of them are read as they come: in pages each would be looked up, and held twice. */
static const char devices_all[] =
	"COPY (SELECT " DEVICE_COLUMNS ", f.told, v.parts, l.serial FROM devices d LEFT JOIN device_facts f ON f.device_id = d.id"
	" LEFT JOIN licences l ON l.device_id = d.id"
	" LEFT JOIN (SELECT v.device_id, " PARTS_TEXT " AS parts FROM device_versions v WHERE v.component <> 'app'"
	" GROUP BY v.device_id) v ON v.device_id = d.id) TO STDOUT";

struct device_line {
	const struct load *load;
	void (*row)(void *ctx, const struct device_row *);
	bool odd;
};

static void give_device_line(void *ctx, char *line)
{
	enum { ID, NAME, PRODUCT, VERSION, EPOCH, BLOCKED, BOUND, AUTO_UPDATE, MAC, CLIENT, TOLD, PARTS, SERIAL, FIELDS };
	struct device_line *l = ctx;
	char *f[FIELDS];
	if (!sql_copy_fields(line, f, FIELDS)) {
		l->odd = true;
		return;
	}
	struct device_row d = {.id = strtoll(f[ID], NULL, 10),
			       .name = f[NAME],
			       .product_id = strtoll(f[PRODUCT], NULL, 10),
			       .version = f[VERSION],
			       .epoch = strtoll(f[EPOCH], NULL, 10),
			       .blocked = *f[BLOCKED] == 't',
			       .bound = *f[BOUND] == 't',
			       .auto_update = *f[AUTO_UPDATE] == 't',
			       .mac = f[MAC],
			       .pin = told_pin(f[CLIENT]),
			       .told = (uint64_t)strtoll(f[TOLD], NULL, 10),
			       .parts = f[PARTS],
			       .serial = f[SERIAL]};
	l->row(l->load->ctx, &d);
}

bool store_load_devices(struct db *db, const struct load *load, void (*row)(void *ctx, const struct device_row *), struct err *err)
{
	if (load->ids) {
		return run_load(db, &devices_some, load, &(struct device_fn){row}, err);
	}
	struct device_line line = {.load = load, .row = row};
	return sql_copy_out(db, devices_all, give_device_line, &line, err) &&
	       (!line.odd || err_set(err, ERR_INTERNAL, "database: a line of devices has another number of fields"));
}

struct firmware_row {
	void (*row)(void *ctx, const struct firmware *);
};
static void give_firmware(const PGresult *r, int i, const struct load *load, void *row)
{
	const struct firmware_row *out = row;
	struct firmware f;
	rows_firmware(r, i, &f);
	out->row(load->ctx, &f);
}
static const struct loader firmware = LOADER("firmware", FIRMWARE_COLUMNS " FROM firmware f LEFT JOIN artifacts a USING (sha256)",
					     "f.deleted_at IS NULL", "f.deleted_at IS NULL", "f.id", give_firmware);

bool store_load_firmware(struct db *db, const struct load *load, void (*row)(void *ctx, const struct firmware *), struct err *err)
{
	return run_load(db, &firmware, load, &(struct firmware_row){row}, err);
}

struct range_line {
	const struct load *load;
	store_range_row *row;
	bool odd;
};

static void give_range_line(void *ctx, char *line)
{
	enum { PRODUCT, ROLLOUT, KIND, HEAD, FIRST, LAST, FIELDS };
	struct range_line *l = ctx;
	struct range range;
	char *f[FIELDS];
	if (sql_copy_fields(line, f, FIELDS) && range_make(f[KIND], f[HEAD], f[FIRST], f[LAST], &range)) {
		l->row(l->load->ctx, strtoll(f[PRODUCT], NULL, 10), strtoll(f[ROLLOUT], NULL, 10), &range);
	} else {
		l->odd = true;
	}
}

/* Also those of few rollouts may be a million. */
bool store_load_ranges(struct db *db, const struct load *load, store_range_row *row, struct err *err)
{
	struct range_line line = {.load = load, .row = row};
	scoped_list struct sql_list text; /* COPY takes no parameters; ids are numbers */
	sql_list_init(&text);
	buf_reset(&text.text);
	buf_puts(&text.text, "COPY (SELECT r.product_id, m.rollout_id, m.kind, m.head, m.first, m.last FROM mac_ranges m JOIN rollouts r"
			     " ON r.id = m.rollout_id WHERE r.ended_at IS NULL");
	for (size_t i = 0; load->ids && i < load->count; i++) {
		buf_puts(&text.text, i ? "," : " AND m.rollout_id IN (");
		buf_put_i64(&text.text, load->ids[i]);
	}
	buf_puts(&text.text, load->ids && load->count ? ")) TO STDOUT" : ") TO STDOUT");
	const char *copy = buf_cstr(&text.text);
	return (buf_ok(&text.text) || err_set(err, ERR_INTERNAL, "out of memory")) && sql_copy_out(db, copy, give_range_line, &line, err) &&
	       (!line.odd || err_set(err, ERR_INTERNAL, "database: a line of ranges cannot be read"));
}

struct rollout_row {
	void (*row)(void *ctx, const struct rollout *);
};
static void give_rollout(const PGresult *r, int i, const struct load *load, void *row)
{
	const struct rollout_row *out = row;
	struct rollout o;
	rows_rollout(r, i, &o);
	out->row(load->ctx, &o);
}
/* One page of each way: neither reads the pushes, which are the most. */
#define STANDING_KNOWN                                                                                                               \
	"r.way = 'standing' AND (r.ended_at IS NULL OR EXISTS (SELECT FROM tasks t WHERE t.rollout_id = r.id AND t.way = 'standing'" \
	" AND t.ended_at IS NULL))"
static const struct loader assignments =
	LOADER("assignments", ROLLOUT_COLUMNS " FROM rollouts r", "r.way = 'passive' AND r.ended_at IS NULL",
	       "r.way = 'passive' AND r.ended_at IS NULL", "r.id", give_rollout);
static const struct loader standing =
	LOADER("standing", ROLLOUT_COLUMNS " FROM rollouts r", STANDING_KNOWN, STANDING_KNOWN, "r.id", give_rollout);

bool store_load_rollouts(struct db *db, const struct load *load, void (*row)(void *ctx, const struct rollout *), struct err *err)
{
	return run_load(db, &assignments, load, &(struct rollout_row){row}, err) &&
	       run_load(db, &standing, load, &(struct rollout_row){row}, err);
}

struct task_row_fn {
	void (*row)(void *ctx, const struct task *);
};
static void give_task(const PGresult *r, int i, const struct load *load, void *row)
{
	const struct task_row_fn *out = row;
	struct task t;
	rows_task(r, i, &t);
	out->row(load->ctx, &t);
}
static const struct loader tasks = LOADER("tasks", TASK_COLUMNS " FROM tasks t", "t.ended_at IS NULL", "true", "t.id", give_task);

bool store_load_tasks(struct db *db, const struct load *load, void (*row)(void *ctx, const struct task *), struct err *err)
{
	return run_load(db, &tasks, load, &(struct task_row_fn){row}, err);
}

static const struct sql past = {"load_past", "SELECT t.id, t.device_id, t.offers, t.turns, t.state, t.code, " SQL_MS(
						     "t.created_at") " FROM tasks t WHERE t.rollout_id = $2"
								     " AND t.way <> 'push' AND t.id > $1 ORDER BY t.id LIMIT 5000"};

bool store_load_past(struct db *db, int64_t rollout_id, void *ctx, void (*row)(void *ctx, const struct task *), struct err *err)
{
	for (int64_t after = 0;;) {
		struct sql_args a = {0};
		sql_i64(&a, after);
		sql_i64(&a, rollout_id);
		scoped_result PGresult *r = sql_query(db, &past, &a, err);
		if (!r) {
			return false;
		}
		int n = PQntuples(r);
		for (int i = 0; i < n; i++) {
			struct task t = {.rollout_id = rollout_id, .way = WAY_STANDING};
			t.id = sql_get_i64(r, i, 0);
			t.device_id = sql_get_i64(r, i, 1);
			t.offers = sql_get_i64(r, i, 2);
			t.turns = sql_get_i64(r, i, 3);
			task_state_parse(sql_get_text(r, i, 4), &t.state);
			sql_copy_text(r, i, 5, t.code, sizeof t.code);
			t.created_ms = sql_get_i64(r, i, 6);
			row(ctx, &t);
		}
		if (n < PAGE) {
			return true;
		}
		after = sql_get_i64(r, n - 1, 0);
	}
}

static const struct sql revoked = {
	"load_revoked",
	"SELECT id FROM tasks WHERE state IN ('cancelled', 'superseded', 'rejected') AND created_at > " SQL_TIME("$1::bigint")};

bool store_load_revoked(struct db *db, int64_t since_ms, void *ctx, void (*row)(void *ctx, int64_t task_id), struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, since_ms);
	scoped_result PGresult *r = sql_query(db, &revoked, &a, err);
	for (int i = 0; r && i < PQntuples(r); i++) {
		row(ctx, sql_get_i64(r, i, 0));
	}
	return r != NULL;
}

struct token_row_fn {
	void (*row)(void *ctx, const struct token_row *);
};
static void give_token(const PGresult *r, int i, const struct load *load, void *row)
{
	const struct token_row_fn *out = row;
	struct token_row t = {
		.operator_id = sql_get_i64(r, i, 1), .expires_ms = sql_get_i64(r, i, 3), .role = role_parse(sql_get_text(r, i, 4))};
	sql_get_bytes(r, i, 2, t.hash, sizeof t.hash);
	sql_copy_text(r, i, 5, t.name, sizeof t.name);
	out->row(load->ctx, &t);
}
#define TOKENS_FROM \
	"k.id, k.operator_id, k.hash, " SQL_MS("k.expires_at") ", o.role, o.name FROM tokens k JOIN operators o ON o.id = k.operator_id"
#define TOKENS_GOOD "k.revoked_at IS NULL AND o.disabled_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())"
static const struct loader tokens_all = LOADER("tokens", TOKENS_FROM, TOKENS_GOOD, "true", "k.id", give_token);
static const struct loader tokens_of = {
	.some = {"load_tokens_of", "SELECT " TOKENS_FROM " WHERE " TOKENS_GOOD
				   " AND k.id > $1 AND k.operator_id = ANY($2::bigint[]) ORDER BY k.id LIMIT 5000"},
	.give = give_token,
};

bool store_load_tokens(struct db *db, const struct load *load, void (*row)(void *ctx, const struct token_row *), struct err *err)
{
	return run_load(db, load->ids ? &tokens_of : &tokens_all, load, &(struct token_row_fn){row}, err);
}
