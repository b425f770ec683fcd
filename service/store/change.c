#include "store/change.h"

#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "model/nouns.h"
#include "store/sql.h"

static const char *const kind_names[CHANGE_KINDS] = {
	[CHANGE_PRODUCT] = "product", [CHANGE_DEVICE] = "device", [CHANGE_FIRMWARE] = "firmware", [CHANGE_ROLLOUT] = "rollout",
	[CHANGE_TASK] = "task",       [CHANGE_TOKEN] = "token",   [CHANGE_FIX] = "forced_fix",    [CHANGE_RANGES] = "ranges",
};

bool store_change_parse(const char *name, enum change_kind *out)
{
	for (int i = 0; i < CHANGE_KINDS; i++) {
		if (strcmp(name, kind_names[i]) == 0) {
			*out = (enum change_kind)i;
			return true;
		}
	}
	return false;
}

bool store_change(struct db *db, enum change_kind kind, const int64_t *ids, size_t count, bool wake, int64_t *pos, struct err *err)
{
	static const struct sql quiet = {"change_append", "SELECT change_append($1, $2::bigint[])"};
	/* one round trip for both: PostgreSQL sends a NOTIFY at commit, wherever in the transaction it stands */
	static const struct sql waking = {"change_append_wake", "SELECT change_append($1, $2::bigint[]), pg_notify('otad', '')"};
	scoped_list struct sql_list list;
	sql_list_ids(&list, ids, count);
	struct sql_args a = {0};
	sql_text(&a, kind_names[kind]);
	sql_array(&a, &list);
	if (!buf_ok(&list.text)) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	return sql_run_i64(db, wake ? &waking : &quiet, &a, pos, err);
}

bool store_audit(struct db *db, const struct actor *actor, const char *action, const char *target, const char *detail, struct err *err)
{
	static const struct sql insert = {
		"audit_insert", "INSERT INTO audit (actor, address, request, action, target, detail) VALUES ($1, $2, $3, $4, $5, $6)"};
	struct sql_args a = {0};
	sql_text(&a, actor->name);
	sql_text(&a, actor->address);
	sql_text(&a, actor->request);
	sql_text(&a, action);
	sql_text(&a, target);
	sql_text(&a, detail);
	return sql_run(db, &insert, &a, err);
}
