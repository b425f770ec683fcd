#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "artifact/cache.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "common/seal.h"
#include "common/secret.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/alarms.h"
#include "engine/batch.h"
#include "engine/check.h"
#include "engine/evidence.h"
#include "engine/keyring.h"
#include "engine/notes.h"
#include "engine/patience.h"
#include "engine/private.h"
#include "engine/teller.h"
#include "engine/tick.h"
#include "fetch/hosts.h"
#include "fleet/feed.h"
#include "fleet/fleet.h"
#include "fleet/fleet_token.h"
#include "store/db.h"
#include "store/migrate.h"
#include "work/commit.h"
#include "work/pool.h"

enum { SETTLE_MS = 5000, STATEMENT_MS = 60000 };

void engine_log_audit(const struct actor *actor, const char *action, const char *target, const char *detail)
{
	log_info("operator", LOG_S("action", action), LOG_S("target", target), LOG_S("detail", detail), LOG_S("actor", actor->name),
		 LOG_S("address", actor->address), LOG_S("request", actor->request));
}

void engine_settle(struct engine *e, int64_t pos)
{
	feed_wait(e->feed, pos, SETTLE_MS);
}

static bool check_schema(struct engine *e, struct err *err)
{
	struct db *db = db_open(e->db_config, err);
	bool ok = db && store_schema_check(db, err);
	db_close(&db);
	return ok;
}

static bool read_master(const struct config *config, uint8_t master[32], struct err *err)
{
	struct secret text = {0};
	bool ok = secret_from_file(&text, config->master_key_file, err);
	if (ok && !text_unhex(text.reveal, master, 32)) {
		ok = err_set(err, ERR_INVALID, "%s must hold 64 hex digits: make one with 'openssl rand -hex 32'", config->master_key_file);
	}
	secret_clear(&text);
	return ok || err_prefix(err, "master_key_file");
}

static bool check_import_hosts(const struct config *config, struct err *err)
{
	return hosts_check(config->import_hosts, err) || err_prefix(err, "import_hosts");
}

bool engine_check(const struct config *config, struct err *err)
{
	uint8_t master[32];
	bool ok = read_master(config, master, err);
	explicit_bzero(master, sizeof master);
	ok = ok && check_import_hosts(config, err);
	struct keyring *ring = ok ? keyring_new(config->mqtt_keys_file, err) : NULL;
	ok = ring != NULL;
	keyring_free(&ring);
	return ok;
}

static bool load_key(struct engine *e, const struct config *config, struct err *err)
{
	uint8_t master[32];
	uint8_t key[32];
	if (!read_master(config, master, err)) {
		return false;
	}
	digest_derive(master, "alias", key);
	e->alias_key = digest_key_new(key, sizeof key);
	digest_derive(master, "seal", key);
	e->seal_key = seal_key_new(key);
	digest_derive(master, "object", e->object_key);
	explicit_bzero(master, sizeof master);
	explicit_bzero(key, sizeof key);
	return (e->alias_key && e->seal_key) || err_set(err, ERR_INTERNAL, "out of memory");
}

static bool start_parts(struct engine *e, const struct config *config, struct err *err)
{
	struct commit_config commit = {
		.db = e->db_config,
		.queue_max = (size_t)config->commit_queue,
		.batch_max = (size_t)config->commit_batch,
		.run = batch_run,
		.committed = batch_committed,
		.ctx = e,
	};
	/* the longest a task's alias can live, whatever task_ttl was when it was made: 180 days and one */
	int64_t revoked_ms = 182 * 24 * 3600 * 1000LL;
	return check_import_hosts(config, err) && check_schema(e, err) && load_key(e, config, err) &&
	       (e->keyring = keyring_new(config->mqtt_keys_file, err)) && (e->teller = teller_new()) && (e->alarms = alarms_new()) &&
	       (e->cache = cache_new(config->cache_dir, config->cache_max, err)) &&
	       (e->fleet = fleet_new(e->alias_key, config->task_ttl)) && (e->evidence = evidence_new()) && (e->notes = notes_new()) &&
	       (e->batch = calloc(1, sizeof *e->batch)) && (e->feed = feed_start(e->fleet, e->db_config, e->seal_key, revoked_ms, err)) &&
	       (e->commit = commit_new(&commit, err)) && (e->ticker = ticker_start(e, err)) &&
	       (e->patience = patience_start(CHECK_PATIENCE_MS, err)) && (e->contacts = patience_start(CHECK_CONTACT_MS, err)) &&
	       (e->imports = pool_new(1, 1, e->db_config, err));
}

struct engine *engine_start(const struct config *config, struct pool *pool, struct err *err)
{
	struct engine *e = calloc(1, sizeof *e);
	struct db_config *db = calloc(1, sizeof *db);
	if (!e || !db) {
		free(e);
		free(db);
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	*db = (struct db_config){.uri = config->pg, .name = "otad", .statement_ms = STATEMENT_MS};
	pthread_mutex_init(&e->ready_lock, NULL);
	e->config = config;
	e->pool = pool;
	e->db_config = db;
	if (!start_parts(e, config, err)) {
		if (err->kind == ERR_NONE) {
			err_set(err, ERR_INTERNAL, "out of memory");
		}
		engine_stop(&e);
	}
	return e;
}

void engine_reload(struct engine *e, const struct config *config)
{
	struct err err = {0};
	if (!keyring_reload(e->keyring, config->mqtt_keys_file, &err)) {
		log_error("signing keys not reloaded; the old ones stay", LOG_S("error", err.text));
	}
	if (!check_import_hosts(config, &err)) {
		log_error("nothing can be imported until this is mended", LOG_S("error", err.text));
	}
	e->config = config;
}

const struct config *engine_config(struct engine *e)
{
	return e->config;
}

void engine_stop(struct engine **ep)
{
	struct engine *e = *ep;
	if (!e) {
		return;
	}
	pool_stop(&e->imports);  /* fetch_halt() has ended what it fetched */
	ticker_stop(&e->ticker); /* its last round still needs the commit */
	commit_stop(&e->commit);
	patience_stop(&e->patience);
	patience_stop(&e->contacts);
	feed_stop(&e->feed);
	db_close(&e->dispatch_db);
	evidence_free(&e->evidence);
	notes_free(&e->notes);
	fleet_free(&e->fleet);
	cache_free(&e->cache);
	digest_key_free(&e->alias_key);
	keyring_free(&e->keyring);
	teller_free(&e->teller);
	alarms_free(&e->alarms);
	seal_key_free(&e->seal_key);
	if (e->batch) {
		batch_free(e->batch);
	}
	free(e->batch);
	pthread_mutex_destroy(&e->ready_lock);
	free(e->db_config);
	explicit_bzero(e->object_key, sizeof e->object_key);
	free(e);
	*ep = NULL;
}

void engine_health(struct engine *e, struct engine_health *out)
{
	*out = (struct engine_health){.database = feed_is_up(e->feed), .broker = e->broker_up, .presence = e->presence_known};
	if (!out->database) {
		text_copy(out->database_why, sizeof out->database_why, "no connection to the database");
	}
}

/* "Bearer x", "Token x" (any case) or bare x */
static const char *strip_scheme(const char *token)
{
	static const char *const schemes[] = {"Bearer ", "Token "};
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t len = strlen(schemes[i]);
		if (strncasecmp(token, schemes[i], len) == 0) {
			token += len;
			break;
		}
	}
	return token + strspn(token, " ");
}

enum role engine_token_role(struct engine *e, const char *token, char *name)
{
	uint8_t hash[DIGEST_SHA256_LEN];
	const char *bare = strip_scheme(token);
	enum role role = ROLE_NONE;
	digest_sha256(hash, bare, strlen(bare));
	fleet_read(e->fleet);
	const struct fleet_token *t = fleet_token(e->fleet, hash);
	if (t && (!t->expires_ms || t->expires_ms > clock_wall_ms())) {
		role = t->role;
		text_copy(name, NAME_SIZE, t->name);
	}
	fleet_done(e->fleet);
	return role;
}
