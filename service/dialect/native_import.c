#include "dialect/native_import.h"

#include <stdlib.h>

#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/auth.h"
#include "dialect/native_noun.h"
#include "dialect/problem.h"
#include "engine/import.h"
#include "http/request.h"

static bool decode_sha256(const struct http_request *req, struct import_order *out, struct err *err)
{
	static const char *const known[] = {"sha256", NULL};
	char text[2 * sizeof out->sha256 + 1];
	size_t len = 0;
	const char *body = http_request_body(req, &len);
	if (len == 0) {
		return true;
	}
	scoped_json struct cJSON *json = json_parse_object(body, len, err);
	if (!json || !json_only_keys(json, known, err)) {
		return false;
	}
	out->sha256_told = json_has(json, "sha256");
	return !out->sha256_told ||
	       (json_text(json, "sha256", true, text, sizeof text, err) &&
		(text_unhex(text, out->sha256, sizeof out->sha256) || err_set(err, ERR_INVALID, "sha256 must be 64 hex digits")));
}

/* The answer, maybe long after the handler has returned. */
static void imported(void *ctx, struct worker *worker, const struct file *file, const struct err *err)
{
	(void)worker;
	struct http_request *req = ctx;
	if (file) {
		union native_row row = {.file = *file};
		native_noun_reply(req, &native_file, &row);
	} else {
		problem_reply_late(req, "/api/v3/files/{id}/import", err);
	}
}

void native_file_import(struct http_request *req, struct worker *worker, void *ctx)
{
	static const char *const none[] = {NULL};
	struct err err = {0};
	struct import_order order = {.sha256_told = false};
	const char *segment = http_request_segment(req, "id");
	auth_actor(req, &order.actor);
	if (!http_query_only(req, none, &err) || !native_noun_parse_id(segment ? segment : "", &order.edit.to.firmware.id, &err) ||
	    !decode_sha256(req, &order, &err) || !import_begin(ctx, worker, &order, imported, req, &err)) {
		problem_reply(req, &err);
	}
}
