#include "dialect/fog_oss_post.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/fog_callback.h"
#include "dialect/fog_policy.h"
#include "engine/callback.h"
#include "engine/objects.h"
#include "engine/upload.h"
#include "http/reply.h"
#include "http/request.h"
#include "metrics/metrics.h"
#include "model/nouns.h"

enum field { KEY, POLICY, ACCESS, SIGNATURE, STATUS, CALLBACK, FIELDS };

enum { VALUE_SIZE = FOG_POLICY_SIZE, ANSWER_SIZE = 1024, STRANGERS_MAX = 64 };

/* Forms whose policy has not been seen yet: anybody can send them, and each may fill two buffers. */
static atomic_int strangers;

static const char *const names[FIELDS] = {
	[KEY] = "key",
	[POLICY] = "policy",
	[ACCESS] = "OSSAccessKeyId",
	[SIGNATURE] = "signature",
	[STATUS] = "success_action_status",
	[CALLBACK] = "callback",
};

/* What the request keeps, since it outlives the form: why it was refused. */
struct refusal {
	enum oss_code code;
};

struct form {
	struct engine *engine;
	struct refusal *refusal;
	struct actor actor; /* to whom the policy was given; whence the form comes */
	struct upload *upload;
	struct fog_policy policy;
	uint64_t bytes;
	char key[FOG_KEY_SIZE];
	bool stranger; /* counted as one */
	bool there[FIELDS];
	char value[FIELDS][VALUE_SIZE];
	char callback_text[FOG_CALLBACK_SIZE];
	struct fog_callback callback;
	struct fog_vars vars;
};

static bool refuse(struct form *f, struct err *err, enum oss_code code, const char *message)
{
	f->refusal->code = code;
	return err_set(err, ERR_INVALID, "%s", message);
}

enum oss_code fog_oss_post_code(const struct http_request *req)
{
	const struct refusal *refusal = http_request_route(req) && http_request_route(req)->upload ? http_request_user(req) : NULL;
	return refusal ? refusal->code : OSS_NONE;
}

void fog_oss_etag(const struct artifact *artifact, char out[35])
{
	char *c = out + 1;
	text_hex(c, artifact->md5, sizeof artifact->md5);
	for (; *c; c++) {
		*c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
	}
	out[0] = c[0] = '"';
	c[1] = '\0';
}

static bool count_stranger(struct form *f, struct err *err)
{
	f->stranger = true;
	return atomic_fetch_add(&strangers, 1) < STRANGERS_MAX || err_set(err, ERR_BUSY, "Too many forms are under way; try again.");
}

static void known_now(struct form *f)
{
	if (f->stranger) {
		f->stranger = false;
		atomic_fetch_sub(&strangers, 1);
	}
}

static void *begin(struct http_request *req, struct worker *worker, void *ctx, struct err *err)
{
	(void)worker;
	struct form *f = calloc(1, sizeof *f);
	struct refusal *refusal = calloc(1, sizeof *refusal);
	if (!f || !refusal) {
		free(f);
		free(refusal);
		err_set(err, ERR_UNAVAILABLE, "out of memory");
		return NULL;
	}
	f->engine = ctx;
	f->refusal = refusal;
	http_request_set_user(req, refusal, free);
	text_copy(f->actor.address, sizeof f->actor.address, http_request_peer(req));
	text_copy(f->actor.request, sizeof f->actor.request, http_request_id(req));
	if (!count_stranger(f, err)) {
		known_now(f);
		free(f);
		return NULL;
	}
	return f;
}

static bool take_field(void *state, const char *name, const char *value, size_t len, struct err *err)
{
	struct form *f = state;
	if (strncmp(name, "x:", 2) == 0) {
		fog_vars_put(&f->vars, name, value, len);
		return true;
	}
	for (size_t i = 0; i < FIELDS; i++) {
		if (!text_equals_nocase(name, names[i])) {
			continue;
		}
		if (f->there[i]) {
			return refuse(f, err, OSS_BAD_ARGUMENT, "A field of the form is there twice.");
		}
		f->there[i] = true;
		char *room = i == CALLBACK ? f->callback_text : f->value[i];
		size_t size = i == CALLBACK ? sizeof f->callback_text : VALUE_SIZE;
		if (strlen(value) == len && text_copy(room, size, value)) {
			return true;
		}
		return refuse(f, err,
			      i == KEY      ? OSS_BAD_NAME
			      : i == POLICY ? OSS_BAD_POLICY
					    : OSS_BAD_ARGUMENT,
			      "A field of the form is too long, or holds a NUL.");
	}
	return !text_equals_nocase(name, "file") || refuse(f, err, OSS_BAD_FORM, "The field file is no file: it has no file name.");
}

/* Is it a policy of ours, and does it still hold? */
static bool check_policy(struct form *f, struct err *err)
{
	char access[OBJECTS_ACCESS_SIZE];
	if (!*f->value[POLICY] || !*f->value[SIGNATURE] || !*f->value[ACCESS]) {
		return refuse(f, err, OSS_ACCESS_DENIED,
			      "Anonymous posts are forbidden: policy, OSSAccessKeyId and signature must stand before the file.");
	}
	objects_access(f->engine, access);
	if (strcmp(f->value[ACCESS], access) != 0) {
		return refuse(f, err, OSS_BAD_ACCESS_KEY, "The OSS Access Key Id you provided does not exist in our records.");
	}
	if (!objects_signed(f->engine, f->value[POLICY], f->value[SIGNATURE])) {
		return refuse(f, err, OSS_BAD_SIGNATURE, "The request signature we calculated does not match the signature you provided.");
	}
	if (!fog_policy_decode(f->value[POLICY], &f->policy, err)) {
		f->refusal->code = OSS_BAD_POLICY;
		return false;
	}
	return f->policy.expires_ms > clock_wall_ms() || refuse(f, err, OSS_ACCESS_DENIED, "Invalid according to Policy: Policy expired.");
}

static bool check_key(struct form *f, const char *file_name, struct err *err)
{
	if (!*f->value[KEY]) {
		return refuse(f, err, OSS_BAD_ARGUMENT, "The field key must stand before the file.");
	}
	if (!fog_policy_key(f->key, sizeof f->key, f->value[KEY], file_name) || !fog_policy_is_key(f->key)) {
		return refuse(f, err, OSS_BAD_NAME,
			      "The key must be 1 to 160 of A-Z a-z 0-9 . _ - in at most 4 segments between slashes, none of them . or ..");
	}
	return strncmp(f->key, f->policy.prefix, strlen(f->policy.prefix)) == 0 ||
	       refuse(f, err, OSS_ACCESS_DENIED, "Invalid according to Policy: Policy Condition failed: [\"starts-with\", \"$key\"].");
}

/* Rendered once before there is anything to tell, so that what cannot be told is refused before a byte is taken. */
static bool check_callback(struct form *f, struct err *err)
{
	static const char etag[] = "00000000000000000000000000000000";
	struct err why = {0};
	bool ok = !*f->callback_text || fog_callback_decode(f->callback_text, &f->callback, &why);
	if (ok && *f->callback.url) {
		char text[FOG_CALLBACK_BODY_MAX + 1];
		struct buf body;
		const struct fog_posted posted = {.object = f->key, .etag = etag, .size = UINT64_MAX, .vars = &f->vars};
		buf_init_fixed(&body, text, sizeof text);
		ok = !callback_is_target(f->engine, f->callback.url)
			     ? err_set(&why, ERR_INVALID, "this service does not call that callbackUrl")
		     : f->vars.spoilt ? err_set(&why, ERR_INVALID, "the fields x:... are too many or too long, or not to be sent")
				      : fog_callback_render(&f->callback, &posted, &body, &why);
	}
	if (!ok) {
		f->refusal->code = OSS_BAD_ARGUMENT;
		return err_set(err, ERR_INVALID, "The callback configuration is not correct: %.180s.", why.text);
	}
	return true;
}

static bool begin_file(void *state, const char *file_name, struct err *err)
{
	struct form *f = state;
	if (!check_policy(f, err) || !check_key(f, file_name, err) || !check_callback(f, err)) {
		return false;
	}
	known_now(f);
	text_copy(f->actor.name, sizeof f->actor.name, f->policy.issuer);
	f->upload = upload_new(f->engine, err);
	return f->upload != NULL;
}

static bool take_data(void *state, struct worker *worker, const void *data, size_t len, struct err *err)
{
	struct form *f = state;
	f->bytes += len;
	if (f->bytes > f->policy.max) {
		return refuse(f, err, OSS_TOO_LARGE, "Your proposed upload exceeds the maximum allowed size.");
	}
	return upload_write(f->upload, worker, data, len, err);
}

static void drop(void *state, struct worker *worker)
{
	struct form *f = state;
	known_now(f);
	upload_free(&f->upload, worker);
	free(f);
}

/* As the form wishes: 200 and 204 are empty, 201 tells what was made. */
static void answer(struct form *f, struct http_request *req, const struct artifact *artifact)
{
	char text[ANSWER_SIZE];
	char etag[35];
	struct buf out;
	const char *wish = f->value[STATUS];
	int status = strcmp(wish, "200") == 0 ? 200 : strcmp(wish, "201") == 0 ? 201 : 204;
	fog_oss_etag(artifact, etag);
	fog_oss_headers(req);
	http_reply_header(req, "ETag", etag);
	buf_init_fixed(&out, text, sizeof text);
	if (status == 201) {
		buf_puts(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Key>");
		buf_put_markup(&out, f->key);
		buf_puts(&out, "</Key><ETag>");
		buf_put_markup(&out, etag);
		buf_puts(&out, "</ETag></PostResponse>");
	}
	http_reply(req, status, "application/xml", out.data, out.len);
}

/* What the target has to say of it. */
static bool ask(struct form *f, const struct artifact *artifact, struct buf *answer, struct err *err)
{
	char etag[35];
	int status;
	scoped(buf_free) struct buf body;
	buf_init(&body, FOG_CALLBACK_BODY_MAX);
	fog_oss_etag(artifact, etag);
	etag[33] = '\0'; /* its quotes are HTTP's */
	const struct fog_posted posted = {.object = f->key, .etag = etag + 1, .size = (uint64_t)artifact->size, .vars = &f->vars};
	if (!fog_callback_render(&f->callback, &posted, &body, err)) {
		return false;
	}
	const struct callback_body sent = {fog_callback_type(&f->callback), body.data, body.len};
	if (!callback_post(f->engine, f->callback.url, &sent, answer, &status, err)) {
		return false;
	}
	if (status != 200) {
		return err_set(err, ERR_UNAVAILABLE, "Error status : %d", status);
	}
	scoped_json struct cJSON *json = json_parse_object(answer->data, answer->len, NULL);
	return json || err_set(err, ERR_INVALID, "Response body is not valid json format");
}

/* The object is there. Its target is told, and answers the form in our place. */
static void call_back(struct form *f, struct http_request *req, const struct artifact *artifact)
{
	struct err err = {0};
	scoped(buf_free) struct buf text;
	buf_init(&text, CALLBACK_ANSWER_MAX);
	bool told = ask(f, artifact, &text, &err);
	char etag[35];
	fog_oss_etag(artifact, etag);
	http_reply_header(req, "ETag", etag);
	if (told) {
		fog_oss_headers(req);
		http_reply(req, 200, "application/json", text.data, text.len);
		return;
	}
	metrics_add(METRIC_CALLBACKS_FAILED, 1);
	log_warn("callback failed; the object is there", LOG_S("key", f->key), LOG_S("error", err.text),
		 LOG_S("request", f->actor.request));
	fog_oss_refuse(req, OSS_CALLBACK_FAILED, err.text);
}

static bool seal(struct form *f, struct worker *worker, struct artifact *out, struct err *err)
{
	if (f->bytes < f->policy.min) {
		return refuse(f, err, OSS_TOO_SMALL, "Your proposed upload is smaller than the minimum allowed size.");
	}
	if (!upload_seal_bytes(f->upload, worker, out, err)) {
		return false;
	}
	return objects_create(f->engine, worker, &f->actor, f->key, out, err) ||
	       (err->kind == ERR_EXISTS &&
		refuse(f, err, OSS_EXISTS, "Other bytes have been uploaded with this key. Keys are written once: use another name."));
}

static void end(void *state, struct worker *worker, struct http_request *req, bool file)
{
	struct form *f = state;
	struct err err = {0};
	struct artifact artifact;
	if (!file) {
		fog_oss_refuse(req, OSS_BAD_FORM, "The form has no file.");
	} else if (seal(f, worker, &artifact, &err)) {
		(*f->callback.url ? call_back : answer)(f, req, &artifact);
	} else if (f->refusal->code != OSS_NONE) {
		fog_oss_refuse(req, f->refusal->code, err.text);
	} else {
		fog_oss_fail(req, &err);
	}
	drop(f, worker);
}

const struct http_upload fog_oss_post = {
	.begin = begin, .field = take_field, .name = begin_file, .data = take_data, .end = end, .abort = drop};
