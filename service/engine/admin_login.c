#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "config/config.h"
#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "engine/private.h"
#include "engine/throttle.h"
#include "metrics/metrics.h"
#include "store/operator.h"

_Static_assert(OPERATOR_TOKEN_SIZE <= 64, "the contract of admin_login()");

/* Fits no password; verified against where there is no operator, so that both cost the same. */
#define NOBODY "scrypt$14$8$1$6f746164206e6f626f647920686f6d65$0000000000000000000000000000000000000000000000000000000000000000"

struct login {
	struct operator_token token;
	int64_t ttl_ms;
	char *text;
};

static bool grant(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct login *login = noun;
	if (!store_token_create(db, &login->token, login->ttl_ms, login->text, err)) {
		return false;
	}
	write->id = login->token.operator_id;
	return true;
}

static bool refuse(const struct actor *actor, enum err_kind kind, const char *sentence, struct err *err)
{
	metrics_add(METRIC_LOGIN_FAILURES, 1);
	log_warn("login refused", LOG_S("user", actor->name), LOG_S("address", actor->address), LOG_S("request", actor->request),
		 LOG_S("why", sentence));
	return err_set(err, kind, "%s", sentence);
}

/* Is it he? A database that is down is no failure of his. */
static bool identify(struct worker *w, const struct actor *actor, const char *password, struct operator_row *out, struct err *err)
{
	struct err why = {0};
	bool known = ADMIN_READ(w, &why, store_operator_find(db, actor->name, out, &why));
	if (!known && why.kind != ERR_NOT_FOUND) {
		throttle_forgive(THROTTLE_LOGIN, actor->address);
		return err_set(err, why.kind, "%s", why.text);
	}
	bool right = digest_password_verify(password, known ? out->password_hash : NOBODY);
	if (!known) {
		return refuse(actor, ERR_NOT_FOUND, "there is no such user", err);
	}
	if (!right) {
		return refuse(actor, ERR_DENIED, "the password is wrong", err);
	}
	return !out->disabled_ms || refuse(actor, ERR_DENIED, "this user is disabled", err);
}

bool admin_login(struct engine *e, struct worker *w, const struct actor *actor, const char *password, char token[64], struct err *err)
{
	struct operator_row who;
	if (!throttle_take(THROTTLE_LOGIN, actor->address, clock_mono_ms() + 1)) {
		return refuse(actor, ERR_BUSY, "too many failed logins from this address; wait five minutes", err);
	}
	if (!identify(w, actor, password, &who, err)) {
		return false;
	}
	throttle_forgive(THROTTLE_LOGIN, actor->address);
	const struct admin_frame frame = {e, w, actor};
	struct login login = {
		.token = {.operator_id = who.id, .label = OPERATOR_LOGIN_LABEL},
		.ttl_ms = atomic_load(&e->config)->login_ttl,
		.text = token,
	};
	struct admin_write write = {.action = "user.login", .kind = CHANGE_TOKEN};
	snprintf(write.target, sizeof write.target, "user/%s", who.name);
	return admin_frame_write(&frame, &write, grant, &login, err);
}
