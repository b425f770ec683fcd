/* What handlers ask of a request. libmicrohttpd's index of the head is only read here, by the one thread that runs the handler. */
#include "http/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "http/inside.h"
#include "http/upload.h"
#include "http/uri.h"
#include "http/watch.h"

const struct http_route *http_request_route(const struct http_request *req)
{
	return req->match.route;
}

const char *http_request_method(const struct http_request *req)
{
	return req->method;
}

const char *http_request_path(const struct http_request *req)
{
	return req->path;
}

bool http_request_is_head(const struct http_request *req)
{
	return strcmp(req->method, "HEAD") == 0;
}

const char *http_request_id(struct http_request *req)
{
	if (!req->id[0]) {
		uint64_t x = req->number; /* spread by a bijection */
		x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
		x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
		x ^= x >> 31;
		text_hex(req->id, &x, sizeof(x));
	}
	return req->id;
}

/* --- header fields ------------------------------------------------------------------------------------------------------------------ */

const char *http_request_header(const struct http_request *req, const char *name)
{
	return MHD_lookup_connection_value(req->conn, MHD_HEADER_KIND, name);
}

struct wishes {
	struct http_wish *at;
	size_t count;
};

/* Of several lines of one name the first counts, as with libmicrohttpd's own look-up. */
static enum MHD_Result on_line(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value, size_t len)
{
	(void)kind;
	(void)len;
	const struct wishes *w = cls;
	for (size_t i = 0; i < w->count; i++) {
		struct http_wish *wish = &w->at[i];
		if (wish->len == key_len && !wish->value && strcasecmp(wish->name, key) == 0) {
			wish->value = value;
			break;
		}
	}
	return MHD_YES;
}

void http_request_headers(const struct http_request *req, struct http_wish *wishes, size_t n)
{
	struct wishes w = {wishes, n};
	for (size_t i = 0; i < n; i++) {
		wishes[i].value = NULL;
	}
	MHD_get_connection_values_n(req->conn, MHD_HEADER_KIND, on_line, &w);
}

struct joined {
	const char *name;
	unsigned lines;
	char *buf;
	size_t size, len;
	bool failed;
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind;
	struct joined *j = cls;
	if (strcasecmp(key, j->name) != 0 || !value) {
		return MHD_YES;
	}
	size_t len = strlen(value);
	j->failed |= j->len + len + 2 > j->size;
	if (!j->failed) {
		if (j->lines) {
			j->buf[j->len++] = ',';
		}
		memcpy(j->buf + j->len, value, len + 1);
		j->len += len;
	}
	j->lines++;
	return MHD_YES;
}

const char *http_request_joined(const struct http_request *req, const char *name, char *buf, size_t size)
{
	if (!http_request_header(req, name)) {
		return NULL;
	}
	struct joined j = {.name = name, .buf = buf, .size = size};
	MHD_get_connection_values(req->conn, MHD_HEADER_KIND, on_header, &j);
	return j.failed ? NULL : buf;
}

static const struct sockaddr *address(const struct http_request *req)
{
	return MHD_get_connection_info(req->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

const char *http_request_peer(struct http_request *req)
{
	if (!req->peer[0]) {
		const struct http_proxies *proxies = req->loop->server->proxies;
		char forwarded[HTTP_HEAD_MAX]; /* a client must not hide behind a long list */
		const char *list = NULL;
		if (http_proxy_trusted(proxies, address(req))) {
			list = http_request_joined(req, "X-Forwarded-For", forwarded, sizeof(forwarded));
		}
		http_proxy_client(proxies, address(req), list, req->peer);
	}
	return req->peer;
}

static bool is_host_char(char c)
{
	bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
	return letter || (c >= '0' && c <= '9') || (c && strchr(".-_:[]", c));
}

const char *http_request_host(struct http_request *req)
{
	const char *host = http_request_header(req, MHD_HTTP_HEADER_HOST);
	size_t len = 0;
	while (host && is_host_char(host[len])) {
		len++;
	}
	return len > 0 && len < 256 && host[len] == '\0' ? host : NULL;
}

const char *http_request_scheme(struct http_request *req)
{
	bool trusted = http_proxy_trusted(req->loop->server->proxies, address(req));
	const char *proto = trusted ? http_request_header(req, "X-Forwarded-Proto") : NULL;
	bool https = proto ? strcasecmp(proto, "https") == 0 : req->tls;
	return https ? "https" : "http";
}

/* --- path segments ------------------------------------------------------------------------------------------------------------------ */

void http_request_params(struct http_request *req)
{
	const struct http_match *m = &req->match;
	size_t need = 0;
	for (unsigned i = 0; i < m->param_count; i++) {
		need += m->param[i].text_len + 1;
	}
	req->params = need <= sizeof(req->param_text) ? req->param_text : malloc(need);
	char *out = req->params;
	for (unsigned i = 0; out && i < m->param_count; i++) {
		http_uri_segment(m->param[i].text, m->param[i].text_len, out);
		out += strlen(out) + 1;
	}
}

const char *http_request_segment(const struct http_request *req, const char *name)
{
	const struct http_match *m = &req->match;
	const char *text = req->params;
	for (unsigned i = 0; text && i < m->param_count; i++) {
		if (strncmp(m->param[i].name, name, m->param[i].name_len) == 0 && name[m->param[i].name_len] == '\0') {
			return text;
		}
		text += strlen(text) + 1;
	}
	return NULL;
}

/* --- the query ---------------------------------------------------------------------------------------------------------------------- */

struct query {
	const char *name;
	const char *value;
	size_t len;
	unsigned count;
};

static enum MHD_Result on_argument(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value, size_t len)
{
	(void)kind;
	(void)key_len;
	struct query *q = cls;
	if (strcmp(key, q->name) == 0) {
		q->value = value ? value : "";
		q->len = len;
		q->count++;
	}
	return MHD_YES;
}

static bool find(const struct http_request *req, const char *name, bool required, struct query *q, struct err *err)
{
	*q = (struct query){.name = name};
	MHD_get_connection_values_n(req->conn, MHD_GET_ARGUMENT_KIND, on_argument, q);
	if (q->count > 1) {
		return err_set(err, ERR_INVALID, "The query parameter %s is given more than once.", name);
	}
	if (q->count == 0 && required) {
		return err_set(err, ERR_MISSING, "The query parameter %s is missing.", name);
	}
	if (q->count == 1 && required && q->len == 0) {
		return err_set(err, ERR_EMPTY, "The query parameter %s is empty.", name);
	}
	if (q->count == 1 && !text_is_printable(q->value, q->len)) {
		return err_set(err, ERR_INVALID, "The query parameter %s holds control characters.", name);
	}
	return true;
}

bool http_query_text(const struct http_request *req, const char *name, bool required, char *out, size_t size, struct err *err)
{
	struct query q;
	*out = '\0';
	if (!find(req, name, required, &q, err)) {
		return false;
	}
	if (q.len >= size) {
		return err_set(err, ERR_INVALID, "The query parameter %s is longer than %zu bytes.", name, size - 1);
	}
	if (q.count) {
		memcpy(out, q.value, q.len + 1);
	}
	return true;
}

bool http_query_int(const struct http_request *req, const char *name, bool required, int64_t min, int64_t max, int64_t *out,
		    struct err *err)
{
	struct query q;
	int64_t value;
	if (!find(req, name, required, &q, err)) {
		return false;
	}
	if (q.count == 0) {
		return true;
	}
	if (!text_to_i64(q.value, &value) || value < min || value > max) {
		return err_set(err, ERR_INVALID, "The query parameter %s must be a whole number from %lld to %lld.", name, (long long)min,
			       (long long)max);
	}
	*out = value;
	return true;
}

struct known {
	const char *const *names;
	struct err *err;
	bool ok;
};

static enum MHD_Result on_known(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind;
	(void)value;
	struct known *k = cls;
	for (const char *const *name = k->names; *name; name++) {
		if (strcmp(*name, key) == 0) {
			return MHD_YES;
		}
	}
	bool show = text_is_printable(key, strlen(key));
	k->ok = err_set(k->err, ERR_INVALID, "There is no query parameter %.64s here.", show ? key : "of this name");
	return MHD_NO;
}

bool http_query_only(const struct http_request *req, const char *const *known, struct err *err)
{
	struct known k = {.names = known, .err = err, .ok = true};
	MHD_get_connection_values(req->conn, MHD_GET_ARGUMENT_KIND, on_known, &k);
	return k.ok;
}

struct last {
	const char *value;
	size_t len;
};

static enum MHD_Result on_last(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value, size_t len)
{
	(void)kind;
	*(struct last *)cls = value ? (struct last){value, len} : (struct last){key, key_len};
	return MHD_YES;
}

bool http_query_ends(const struct http_request *req, const char *tail)
{
	struct last last = {"", 0};
	size_t len = strlen(tail);
	MHD_get_connection_values_n(req->conn, MHD_GET_ARGUMENT_KIND, on_last, &last);
	return last.len >= len && memcmp(last.value + last.len - len, tail, len) == 0;
}

void http_request_to_worker(struct http_request *req, http_handler *handle)
{
	req->then = handle;
}

/* --- body, user, end ---------------------------------------------------------------------------------------------------------------- */

const char *http_request_body(const struct http_request *req, size_t *len)
{
	*len = req->body ? (size_t)req->received : 0;
	return *len ? req->body : "";
}

void http_request_set_user(struct http_request *req, void *user, void (*free_fn)(void *))
{
	if (req->user_free) {
		req->user_free(req->user);
	}
	req->user = user;
	req->user_free = free_fn;
}

void *http_request_user(const struct http_request *req)
{
	return req->user;
}

void http_request_wipe(struct http_request *req)
{
	http_request_set_user(req, NULL, NULL);
	if (req->params != req->param_text) {
		free(req->params);
	}
	if (req->response) {
		MHD_destroy_response(req->response);
		req->response = NULL;
	}
	free(req->body);
	http_watch_end(&req->watch);
	if (req->inflow) {
		http_upload_free(req);
	}
}
