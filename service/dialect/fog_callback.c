#include "dialect/fog_callback.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"

enum { JSON_SIZE = (FOG_CALLBACK_SIZE - 1) / 4 * 3 + 1, NAME_LEN_MAX = 64 };

#define FORM_TYPE "application/x-www-form-urlencoded"
#define JSON_TYPE "application/json"
#define CUSTOM "x:"

static const char template[] = "object=${object}&etag=${etag}&size=${size}&mimeType=${mimeType}";

bool fog_callback_encode(const char *url, char out[FOG_CALLBACK_SIZE])
{
	char json[JSON_SIZE];
	struct buf text;
	buf_init_fixed(&text, json, sizeof json);
	buf_puts(&text, "{\"callbackUrl\":");
	buf_put_json(&text, url);
	if (*url) {
		buf_puts(&text, ",\"callbackBody\":");
		buf_put_json(&text, template);
		buf_puts(&text, ",\"callbackBodyType\":\"" FORM_TYPE "\"");
	}
	buf_putc(&text, '}');
	if (buf_ok(&text)) {
		text_base64(out, text.data, text.len);
	}
	return buf_ok(&text);
}

/* --- variables --- */

enum variable { BUCKET, OBJECT, ETAG, SIZE, MIME_TYPE, IMAGE_HEIGHT, IMAGE_WIDTH, IMAGE_FORMAT, VARIABLES };

static const char *const variables[VARIABLES] = {
	"bucket", "object", "etag", "size", "mimeType", "imageInfo.height", "imageInfo.width", "imageInfo.format",
};

static bool is_name(const char *s, size_t len)
{
	static const char known[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	return len > 0 && len <= NAME_LEN_MAX && strspn(s, known) >= len;
}

static bool is_custom(const char *s, size_t len)
{
	size_t head = sizeof CUSTOM - 1;
	return len > head && memcmp(s, CUSTOM, head) == 0 && is_name(s + head, len - head);
}

static enum variable find_variable(const char *name, size_t len)
{
	for (enum variable v = BUCKET; v < VARIABLES; v++) {
		if (strlen(variables[v]) == len && memcmp(variables[v], name, len) == 0) {
			return v;
		}
	}
	return VARIABLES;
}

void fog_vars_put(struct fog_vars *vars, const char *name, const char *value, size_t len)
{
	size_t head = strlen(name) + 1;
	if (vars->spoilt || vars->count == FOG_VARS_MAX || !is_custom(name, head - 1) || !text_is_utf8(value, len) ||
	    len >= sizeof vars->text - vars->len || head > sizeof vars->text - vars->len - len - 1) {
		vars->spoilt = true;
		return;
	}
	memcpy(vars->text + vars->len, name, head);
	memcpy(vars->text + vars->len + head, value, len);
	vars->text[vars->len + head + len] = '\0';
	vars->len += head + len + 1;
	vars->count++;
}

/* The first of that name; "" = there is none. */
static const char *find_custom(const struct fog_vars *vars, const char *name, size_t len)
{
	for (const char *at = vars->text; at < vars->text + vars->len;) {
		const char *value = at + strlen(at) + 1;
		if ((size_t)(value - at) == len + 1 && memcmp(at, name, len) == 0) {
			return value;
		}
		at = value + strlen(value) + 1;
	}
	return "";
}

/* --- decoding --- */

/* The host of a URL as it stands there, with or without its port. */
static bool is_host_of(const char *host, const char *url)
{
	const char *own = strstr(url, "://");
	own = own ? own + 3 : "";
	size_t whole = strcspn(own, "/?");
	size_t bare = own[0] == '[' ? strcspn(own, "]") + 1 : strcspn(own, ":/?");
	size_t len = strlen(host);
	return (len == whole || len == bare) && strncmp(host, own, len) == 0;
}

static bool check_template(const char *s, struct err *err)
{
	if (!*s) {
		return err_set(err, ERR_INVALID, "callbackBody is missing or empty");
	}
	while ((s = strstr(s, "${")) != NULL) {
		s += 2;
		size_t len = strcspn(s, "}");
		if (!s[len]) {
			return err_set(err, ERR_INVALID, "callbackBody has a ${ without its }");
		}
		if (find_variable(s, len) == VARIABLES && !is_custom(s, len)) {
			return err_set(err, ERR_INVALID, "callbackBody has a variable that there is not: %.64s",
				       text_is_printable(s, len) ? s : "?");
		}
		s += len;
	}
	return true;
}

static bool read_members(const cJSON *json, struct fog_callback *out, struct err *err)
{
	static const char *const known[] = {"callbackUrl", "callbackBody", "callbackBodyType", "callbackHost", "callbackSNI", NULL};
	char type[sizeof FORM_TYPE];
	char host[256];
	bool sni; /* the name is sent in any case */
	if (!json_only_keys(json, known, err) || !json_text(json, "callbackUrl", false, out->url, sizeof out->url, err) ||
	    !json_text(json, "callbackBody", false, out->body, sizeof out->body, err) ||
	    !json_text(json, "callbackBodyType", false, type, sizeof type, err) ||
	    !json_text(json, "callbackHost", false, host, sizeof host, err) || !json_bool(json, "callbackSNI", false, &sni, err)) {
		return false;
	}
	if (!*out->url) {
		return true;
	}
	out->json = strcmp(type, JSON_TYPE) == 0;
	if (!out->json && *type && strcmp(type, FORM_TYPE) != 0) {
		return err_set(err, ERR_INVALID, "callbackBodyType must be " FORM_TYPE " or " JSON_TYPE);
	}
	if (*host && !is_host_of(host, out->url)) {
		return err_set(err, ERR_INVALID, "callbackHost must be the callbackUrl's own");
	}
	return check_template(out->body, err);
}

bool fog_callback_decode(const char *base64, struct fog_callback *out, struct err *err)
{
	char text[JSON_SIZE];
	size_t len = strlen(base64);
	*out = (struct fog_callback){.url = ""};
	long n = len < FOG_CALLBACK_SIZE ? text_unbase64(base64, len, text, sizeof text) : -1;
	if (n < 0) {
		return err_set(err, ERR_INVALID, "it is no base64, or too long");
	}
	scoped_json struct cJSON *json = json_parse_object(text, (size_t)n, err);
	return json && read_members(json, out, err);
}

/* --- the body --- */

static void put_escaped(struct buf *out, const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (; *s; s++) {
		if (strchr(plain, *s)) {
			buf_putc(out, *s);
		} else {
			buf_putf(out, "%%%02X", (unsigned char)*s);
		}
	}
}

static void put_text(struct buf *out, bool json, const char *s)
{
	if (json) {
		buf_put_json(out, s);
	} else {
		put_escaped(out, s);
	}
}

static void put_variable(struct buf *out, const struct fog_callback *c, const struct fog_posted *p, const char *name, size_t len)
{
	switch (find_variable(name, len)) {
	case BUCKET:
		put_text(out, c->json, "oss");
		break;
	case OBJECT:
		put_text(out, c->json, p->object);
		break;
	case ETAG:
		put_text(out, c->json, p->etag);
		break;
	case SIZE:
		buf_put_u64(out, p->size);
		break;
	case MIME_TYPE:
		put_text(out, c->json, "application/octet-stream");
		break;
	case IMAGE_HEIGHT: /* of a picture; these are none */
	case IMAGE_WIDTH:
	case IMAGE_FORMAT:
		put_text(out, c->json, "");
		break;
	case VARIABLES:
		put_text(out, c->json, find_custom(p->vars, name, len));
		break;
	}
}

bool fog_callback_render(const struct fog_callback *c, const struct fog_posted *p, struct buf *out, struct err *err)
{
	const char *at = c->body;
	for (const char *next; (next = strstr(at, "${")) != NULL;) {
		buf_put(out, at, (size_t)(next - at));
		size_t len = strcspn(next + 2, "}");
		put_variable(out, c, p, next + 2, len);
		at = next + 2 + len + 1; /* decoded: the brace is there */
	}
	buf_puts(out, at);
	if (!buf_ok(out)) {
		return err_set(err, ERR_INVALID, "the callbackBody becomes longer than %d bytes", FOG_CALLBACK_BODY_MAX);
	}
	if (!c->json) {
		return true;
	}
	scoped_json struct cJSON *json = json_parse_object(out->data, out->len, NULL);
	return json || err_set(err, ERR_INVALID, "the callbackBody becomes no JSON object; variables bring their own quotes");
}

const char *fog_callback_type(const struct fog_callback *c)
{
	return c->json ? JSON_TYPE : FORM_TYPE;
}
