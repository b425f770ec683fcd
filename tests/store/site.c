#include "site.h"

#include <ftw.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/deliver.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/hear.h"
#include "store/db.h"
#include "store/migrate.h"

char site_uri[PG_URI_SIZE];
static PGconn *asking; /* to it, for many small questions */
static int devices_used;
static int firmware_used;

/* --- the database --- */

static void clear_environment(void)
{
	extern char **environ;
	for (char **e = environ; *e;) { /* settings of a service that this shell knows are not ours */
		char name[64];
		if (strncmp(*e, "OTAD_", 5) != 0) {
			e++;
			continue;
		}
		snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
		unsetenv(name);
		e = environ;
	}
}

/* Engines run as the role that may touch rows only. */
static void service_uri(char out[PG_URI_SIZE])
{
	snprintf(out, PG_URI_SIZE, "%.*suser=otad_service", (int)(strstr(site_uri, "user=") - site_uri), site_uri);
}

static void migrate(void)
{
	struct err err = {0};
	struct db_config where = {.uri = site_uri, .name = "test"};
	struct db *db = db_open(&where, &err);
	int applied = 0;
	bool ok = db && store_migrate(db, &applied, &err);
	db_close(&db);
	if (!ok) {
		fail_msg("%s", err.text);
	}
}

static void forget_connection(void)
{
	PQfinish(asking);
	asking = NULL;
}

/* Answers the first cell; a connection that was cut is replaced. */
static int64_t ask(const char *sql)
{
	PGresult *result = NULL;
	ExecStatusType status = PGRES_FATAL_ERROR;
	for (int attempt = 0; attempt < 2 && status == PGRES_FATAL_ERROR; attempt++) {
		if (attempt) {
			forget_connection();
		}
		asking = asking ? asking : PQconnectdb(site_uri);
		PQclear(result);
		result = PQexec(asking, sql);
		status = PQresultStatus(result);
	}
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		fail_msg("%.100s: %s", sql, PQerrorMessage(asking));
	}
	int64_t number = PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
	PQclear(result);
	return number;
}

void site_new(void)
{
	static const char seeds[] = "INSERT INTO products (key) VALUES ('lamp');"
				    "INSERT INTO devices (name, product_id, client_id, version) SELECT 'd' || i, 1, 'd' || i, '1.0' FROM "
				    "generate_series(1, %d) i ORDER BY i;"
				    "INSERT INTO uploads SELECT FROM generate_series(1, %d);"
				    "INSERT INTO artifacts (sha256, md5, size, upload_id) SELECT sha256(id::text::bytea), "
				    "decode(md5(id::text), 'hex'), %d, id FROM uploads;"
				    "INSERT INTO firmware (product_id, name, sha256, version) SELECT 1, CASE id WHEN 1 THEN 'known' WHEN 2 "
				    "THEN 'known3' ELSE 'u' || id - 2 END,"
				    " sha256(id::text::bytea), CASE id WHEN 1 THEN '2.0' WHEN 2 THEN '3.0' END FROM uploads ORDER BY id";
	clear_environment();
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	forget_connection();
	pg_empty(site_uri);
	site_run("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'otad_service') THEN CREATE ROLE otad_service LOGIN; END "
		 "IF; END $$");
	migrate();
	site_run(seeds, SITE_DEVICES, SITE_FIRMWARE + 2, SITE_SIZE);
	devices_used = 0;
	firmware_used = 0;
}

const char *site_device(void)
{
	static char names[SITE_DEVICES][16];
	assert_true(devices_used < SITE_DEVICES);
	char *name = names[devices_used++];
	snprintf(name, sizeof names[0], "d%d", devices_used);
	return name;
}

int64_t site_id(const char *device)
{
	return strtoll(device + 1, NULL, 10);
}

const char *site_firmware(void)
{
	static char names[SITE_FIRMWARE][16];
	assert_true(firmware_used < SITE_FIRMWARE);
	char *name = names[firmware_used++];
	snprintf(name, sizeof names[0], "u%d", firmware_used);
	return name;
}

__attribute__((format(printf, 2, 0))) static void format(char out[2048], const char *fmt, va_list ap)
{
	int n = vsnprintf(out, 2048, fmt, ap);
	assert_in_range(n, 1, 2047);
}

void site_run(const char *fmt, ...)
{
	char sql[2048];
	va_list ap;
	va_start(ap, fmt);
	format(sql, fmt, ap);
	va_end(ap);
	ask(sql);
}

int64_t site_number(const char *fmt, ...)
{
	char sql[2048];
	va_list ap;
	va_start(ap, fmt);
	format(sql, fmt, ap);
	va_end(ap);
	return ask(sql);
}

void site_pause(void)
{
	usleep(5000);
}

bool site_in_time(int64_t *deadline)
{
	int64_t now = clock_mono_ms();
	*deadline = *deadline ? *deadline : now + SITE_WAIT_MS;
	return now < *deadline;
}

void site_until(int64_t expected, const char *fmt, ...)
{
	char sql[2048];
	va_list ap;
	va_start(ap, fmt);
	format(sql, fmt, ap);
	va_end(ap);
	int64_t got;
	for (int64_t deadline = 0; (got = ask(sql)) != expected; site_pause()) {
		if (!site_in_time(&deadline)) {
			fail_msg("%s: %" PRId64 ", not %" PRId64, sql, got, expected);
		}
	}
}

bool site_task_is(int64_t task, const char *state)
{
	return site_number("SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND state = '%s'", task, state) == 1;
}

void site_until_task(int64_t task, const char *state)
{
	site_until(1, "SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND state = '%s'", task, state);
}

static struct pg_hold *lock;

void site_unlock(void)
{
	if (lock) {
		pg_let_go(&lock);
	}
}

void site_lock(void)
{
	site_unlock();
	lock = pg_hold(site_uri, "LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE");
}

int site_calm(void **state)
{
	(void)state;
	site_unlock();
	return 0;
}

void site_cut(void)
{
	site_run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'otad' AND datname = current_database()");
}

/* --- engines --- */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_int_equal(fclose(file), 0);
}

static struct config *load(struct replica *r, const char *settings)
{
	char path[96];
	char text[1024];
	char uri[PG_URI_SIZE];
	struct err err = {0};
	service_uri(uri);
	snprintf(path, sizeof path, "%s/key", r->dir);
	write_file(path, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
	snprintf(text, sizeof text, "pg = %s\nmaster_key_file = %s\ncache_dir = %s/cache\nmqtt_keys_file = %s/mqtt.keys\n%s", uri, path,
		 r->dir, r->dir, settings);
	snprintf(path, sizeof path, "%s/mqtt.keys", r->dir);
	write_file(path, "k1 the-signing-key-of-the-tests\n");
	snprintf(path, sizeof path, "%s/conf", r->dir);
	write_file(path, text);
	struct config *config = config_load(path, &err);
	if (!config) {
		fail_msg("%s", err.text);
	}
	assert_true(r->config_count < 8);
	r->configs[r->config_count++] = config;
	return config;
}

/* The transport: takes everything, does nothing. */
static void record(void *ctx, const int64_t *tasks, size_t n)
{
	struct replica *r = ctx;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < n && r->ready_count < SITE_DEVICES; i++) {
		r->ready[r->ready_count++] = tasks[i];
	}
	pthread_mutex_unlock(&r->lock);
}

struct replica *replica_start(const char *settings)
{
	struct replica *r = calloc(1, sizeof *r);
	struct err err = {0};
	strcpy(r->dir, "/tmp/otad-site.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	pthread_mutex_init(&r->lock, NULL);
	r->engine = engine_start(load(r, settings), NULL, &err);
	if (!r->engine) {
		fail_msg("%s", err.text);
	}
	dispatch_attach(r->engine, record, r);
	dispatch_state(r->engine, true);
	return r;
}

void replica_reload(struct replica *r, const char *settings)
{
	engine_reload(r->engine, load(r, settings));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void replica_stop(struct replica **rp)
{
	struct replica *r = *rp;
	if (!r) {
		return;
	}
	dispatch_attach(r->engine, NULL, NULL);
	engine_stop(&r->engine);
	while (r->config_count > 0) {
		config_free(&r->configs[--r->config_count]);
	}
	nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	pthread_mutex_destroy(&r->lock);
	free(r);
	*rp = NULL;
}

size_t replica_ready(struct replica *r, int64_t task)
{
	size_t n = 0;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->ready_count; i++) {
		n += r->ready[i] == task;
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* --- verbs --- */

static void finish(struct answer *a, const struct err *err)
{
	if (err) {
		a->err = *err;
	}
	__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
}

bool answer_is_done(const struct answer *a)
{
	return __atomic_load_n(&a->done, __ATOMIC_ACQUIRE);
}

void answer_wait(struct answer *a)
{
	for (int64_t deadline = 0; !answer_is_done(a); usleep(500)) {
		if (!site_in_time(&deadline)) {
			fail_msg("no answer");
		}
	}
}

static void ordered(void *ctx, const struct order_result *result, const struct err *err)
{
	struct answer *a = ctx;
	a->order = *result;
	finish(a, err);
}

static void heard(void *ctx, const struct err *err)
{
	finish(ctx, err);
}

static void polled(void *ctx, const struct offer *offer, const struct err *err)
{
	struct answer *a = ctx;
	if (offer) {
		a->offered = true;
		a->offer = *offer;
	}
	finish(a, err);
}

static const struct actor alice = {.name = "alice", .address = "192.0.2.1", .request = "0123456789abcdef"};

void begin_order(struct replica *r, enum rollout_way way, const char *device, const char *firmware, struct answer *a)
{
	struct order o = {.way = way, .actor = alice, .version_name = "9", .description = "as told"};
	struct err err = {0};
	text_copy(o.device, sizeof o.device, device);
	text_copy(o.firmware, sizeof o.firmware, firmware);
	if (!order_place(r->engine, &o, ordered, a, &err)) {
		finish(a, &err);
	}
}

void begin_report(struct replica *r, const char *device, const struct report *report, struct answer *a)
{
	struct err err = {0};
	if (!hear_report(r->engine, device, report, heard, a, &err)) {
		finish(a, &err);
	}
}

void begin_poll(struct replica *r, const char *device, const char *version, struct answer *a)
{
	struct poll poll = {.device = device, .version = version};
	poll_device(r->engine, &poll, polled, a);
}

struct answer order(struct replica *r, enum rollout_way way, const char *device, const char *firmware)
{
	struct answer a = {0};
	begin_order(r, way, device, firmware, &a);
	answer_wait(&a);
	return a;
}

static struct answer cancel(struct replica *r, int64_t rollout, int64_t task, const char *device)
{
	struct answer a = {0};
	struct err err = {0};
	if (!order_cancel(r->engine, rollout, task, site_id(device), &alice, ordered, &a, &err)) {
		finish(&a, &err);
	}
	answer_wait(&a);
	return a;
}

struct answer cancel_task(struct replica *r, int64_t task, const char *device)
{
	return cancel(r, 0, task, device);
}

struct answer cancel_assignment(struct replica *r, int64_t rollout, const char *device)
{
	return cancel(r, rollout, 0, device);
}

struct answer report_version(struct replica *r, const char *device, const char *version, bool booted)
{
	struct report report = {.kind = REPORT_VERSION, .component = COMPONENT_DEFAULT, .booted = booted};
	struct answer a = {0};
	text_copy(report.version, sizeof report.version, version);
	begin_report(r, device, &report, &a);
	answer_wait(&a);
	return a;
}

struct answer report_step(struct replica *r, const char *device, int64_t step)
{
	struct report report = {.kind = REPORT_PROGRESS, .component = COMPONENT_DEFAULT, .step = step};
	struct answer a = {0};
	begin_report(r, device, &report, &a);
	answer_wait(&a);
	return a;
}

struct answer poll_as(struct replica *r, const char *device, const char *version)
{
	struct answer a = {0};
	begin_poll(r, device, version, &a);
	answer_wait(&a);
	return a;
}

int64_t push(struct replica *r, const char *device, const char *firmware)
{
	struct answer a = order(r, WAY_PUSH, device, firmware);
	if (a.err.kind != ERR_NONE) {
		fail_msg("push: %s", a.err.text);
	}
	return a.order.task_id;
}

struct offer assign(struct replica *r, const char *device, const char *firmware)
{
	struct answer a = order(r, WAY_PASSIVE, device, firmware);
	struct answer p = poll_as(r, device, "");
	if (a.err.kind != ERR_NONE || !p.offered) {
		fail_msg("assign: %s %s", a.err.text, p.err.text);
	}
	return p.offer;
}

const char *alias_of(struct replica *r, int64_t task)
{
	static struct dispatch_message message;
	struct dispatch_item item = {.task_id = task};
	assert_true(dispatch_message(r->engine, &item, &message));
	return message.offer.alias;
}

enum err_kind open_alias(struct replica *r, const char *alias)
{
	struct delivery *d = NULL;
	struct err err = {0};
	if (!delivery_open(r->engine, alias, &d, &err)) {
		return err.kind;
	}
	delivery_free(&d);
	return ERR_NONE;
}

enum err_kind fetch(struct replica *r, const char *alias, uint64_t offset, uint64_t len)
{
	struct delivery *d = NULL;
	struct err err = {0};
	if (!delivery_open(r->engine, alias, &d, &err)) {
		return err.kind;
	}
	delivery_begun(d);
	delivery_bytes(d, offset, len);
	delivery_free(&d);
	return ERR_NONE;
}

void site_stall(struct replica *r, struct answer *a)
{
	struct report report = {.kind = REPORT_VERSION, .component = COMPONENT_DEFAULT, .version = "1.0"};
	if (!lock) {
		site_lock();
	}
	begin_report(r, site_device(), &report, a);
	site_until(1, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otad' AND wait_event_type = 'Lock' AND datname = "
		      "current_database()");
}
