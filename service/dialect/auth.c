#include "dialect/auth.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "engine/engine.h"
#include "http/request.h"
#include "metrics/metrics.h"

struct operator
{
	char name[NAME_SIZE];
};

bool auth_admit(struct http_request *req, struct engine *engine, enum role need, struct err *err)
{
	if (need == ROLE_NONE) {
		return true;
	}
	const char *token = http_request_header(req, "Authorization");
	if (!token || !*token) {
		return err_set(err, ERR_UNAUTHENTICATED, "this needs a token: send the header \"Authorization: Bearer <token>\"");
	}
	struct operator* who = calloc(1, sizeof *who);
	if (!who) {
		return err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	enum role role = engine_token_role(engine, token, who->name);
	http_request_set_user(req, who, free);
	if (role == ROLE_NONE) {
		metrics_add(METRIC_LOGIN_FAILURES, 1);
		return err_set(err, ERR_UNAUTHENTICATED, "the token is unknown, expired or revoked");
	}
	if (role < need) {
		return err_set(err, ERR_DENIED, "this needs the role %s; %s has the role %s", role_name(need), who->name, role_name(role));
	}
	return true;
}

void auth_actor(struct http_request *req, struct actor *out)
{
	const struct operator* who = http_request_user(req);
	memset(out, 0, sizeof *out);
	if (who) {
		text_copy(out->name, sizeof out->name, who->name);
	}
	text_copy(out->address, sizeof out->address, http_request_peer(req));
	text_copy(out->request, sizeof out->request, http_request_id(req));
}
