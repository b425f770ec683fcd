#include "dialect/native_once.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/auth.h"
#include "engine/admin.h"
#include "http/reply.h"
#include "http/request.h"

enum { KEY_MAX = 128 };

static bool hash_request(struct http_request *req, uint8_t out[32], struct err *err)
{
	size_t len = 0;
	uint8_t md5[DIGEST_MD5_LEN];
	const char *body = http_request_body(req, &len);
	const char *head[] = {http_request_method(req), http_request_path(req)};
	scoped_digest struct digest *digest = digest_new();
	if (!digest) {
		return err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	for (size_t i = 0; i < sizeof head / sizeof *head; i++) {
		digest_update(digest, head[i], strlen(head[i]));
		digest_update(digest, "\n", 1);
	}
	digest_update(digest, len ? body : "", len);
	digest_final(digest, md5, out);
	return true;
}

bool native_once_begin(struct native_once *once, struct http_request *req, struct worker *w, struct engine *e, struct err *err)
{
	memset(once, 0, sizeof *once);
	once->engine = e;
	auth_actor(req, &once->actor);
	const char *key = http_request_header(req, "Idempotency-Key");
	if (!key) {
		return true;
	}
	size_t len = strnlen(key, KEY_MAX + 1);
	if (len == 0 || len > KEY_MAX || !text_is_printable(key, len) || !text_is_utf8(key, len)) {
		return err_set(err, ERR_INVALID, "the header Idempotency-Key must have 1 to %d printable characters", KEY_MAX);
	}
	once->entry.actor = once->actor.name;
	once->entry.key = key;
	return hash_request(req, once->entry.request, err) && admin_idempotency_find(e, w, &once->entry, err);
}

bool native_once_replayed(struct native_once *once, struct http_request *req)
{
	if (once->entry.status == 0) {
		return false;
	}
	scoped_free char *body = steal(&once->entry.body);
	scoped_json struct cJSON *json = json_parse_object(body, strlen(body), NULL);
	int64_t id = 0;
	if (json && json_int(json, "id", true, 1, INT64_MAX, &id, NULL)) {
		native_once_location(req, id);
	}
	http_reply_header(req, "Cache-Control", "no-store");
	http_reply(req, once->entry.status, "application/json", body, strlen(body));
	explicit_bzero(body, strlen(body)); /* it may show a password */
	return true;
}

void native_once_end(struct native_once *once, struct worker *w, int status, const char *body)
{
	struct err err = {0};
	if (!once->entry.key) {
		return;
	}
	scoped_free char *copy = strdup(body);
	once->entry.status = status;
	once->entry.body = copy;
	bool ok = status && copy ? admin_idempotency_store(once->engine, w, &once->entry, &err)
				 : admin_idempotency_drop(w, &once->entry, &err);
	once->entry.body = NULL;
	if (!ok) { /* what was done is done; a repetition will be told that it exists */
		log_warn("idempotency key not kept", LOG_S("key", once->entry.key), LOG_S("why", err.text));
	}
}

void native_once_location(struct http_request *req, int64_t id)
{
	char location[256];
	snprintf(location, sizeof location, "%.200s/%" PRId64, http_request_path(req), id);
	http_reply_header(req, "Location", location);
}
