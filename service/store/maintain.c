#include "store/maintain.h"

#include "store/sql.h"

static const struct sql events = {"maintain_events", "SELECT events_maintain(now() - make_interval(secs => $1::float8 / 1000))"};
static const struct sql tokens = {"maintain_tokens", "DELETE FROM tokens WHERE expires_at < now() - interval '1 day'"};
static const struct sql keys = {"maintain_keys", "DELETE FROM idempotency WHERE at < now() - interval '1 day'"};

bool store_maintain_events(struct db *db, int64_t keep_ms, struct err *err)
{
	struct sql_args a = {0};
	sql_i64(&a, keep_ms);
	return sql_run(db, &events, &a, err);
}

bool store_maintain_tokens(struct db *db, struct err *err)
{
	return sql_run(db, &tokens, NULL, err) && sql_run(db, &keys, NULL, err);
}
