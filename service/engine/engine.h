/* The engine: use cases in plain verbs, the same for every dialect. It knows no HTTP, no MQTT and no dialect.
 *
 * Verbs with a struct worker run on a worker thread and block on the database. Verbs with a callback never block: the callback runs at once
 * on the caller's thread, or later on a thread of the engine; it must not block either. Texts passed in are copied.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"

struct config;
struct engine;
struct err;
struct pool;

/* Connects, loads the snapshot (a database that is down or not migrated is an error: the caller decides to wait), starts the engine's
 * threads. */
struct engine *engine_start(const struct config *config, struct pool *pool, struct err *err);

/* What can be known of a configuration without starting: is the master key there and well-formed? */
bool engine_check(const struct config *config, struct err *err);

/* Applies reloadable configuration. config must outlive the engine (the old one is not touched again after this returned). */
void engine_reload(struct engine *engine, const struct config *config);

/* The configuration in force; what it points to outlives the next reloads. */
const struct config *engine_config(struct engine *engine);

/* Commits what is queued, writes last-seen times, stops the threads. */
void engine_stop(struct engine **engine);

/* For /readyz: is the database there, with our schema? is the broker? Each sentence is "" when all is well. */
struct engine_health {
	bool database;
	bool broker;
	bool presence; /* the broker tells who is connected, and refuses who is revoked (its plugin answers) */
	char database_why[TEXT_SIZE];
};
void engine_health(struct engine *engine, struct engine_health *out);

/* Who holds this token (with or without "Bearer " / "Token " in front)? Memory only. ROLE_NONE: nobody. name (of the operator) holds
 * NAME_SIZE. */
enum role engine_token_role(struct engine *engine, const char *token, char *name);

#endif
