/* Request targets: judged, decoded, routed, taken apart, against a reading that decodes each piece once. Line 1: the method; line 2: the
 * target. */
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"
#include "http/router.h"
#include "http/server.h"
#include "http/uri.h"

static const struct http_route api[] = {
	{.method = "GET", .path = "/api/v2/micro/{fileName}"}, {.method = "GET", .path = "/api/v2/otaList"},
	{.method = "DELETE", .path = "/api/v2/otaDelete"},     {.method = "POST", .path = "/api/v2/{a}/{b}/{c}/{d}"},
	{.method = "PUT", .path = "/api/v2/{a}/of/{b}"},
};
static const struct http_route root[] = {{.method = "GET", .path = "/"}, {.method = "GET", .path = "/{page}"}};
static const struct http_dialect dialects[] = {
	{.prefix = "/", .routes = root, .route_count = sizeof root / sizeof *root},
	{.prefix = "/api/v2/", .routes = api, .route_count = sizeof api / sizeof *api},
};
static struct http_router *router;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	router = http_router_new(dialects, sizeof dialects / sizeof *dialects, NULL);
	CHECK(router != NULL);
	return 0;
}

static bool hex(const char *two, unsigned *out)
{
	unsigned char byte;
	char pair[3] = {two[0], two[0] ? two[1] : '\0', '\0'};
	bool ok = text_unhex(pair, &byte, 1);
	*out = byte;
	return ok;
}

/* Decodes len bytes once into out (len + 1). False at a bad escape or a NUL. */
static bool decode(const char *text, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		unsigned byte = (unsigned char)text[i];
		if (text[i] == '%') {
			if (len - i < 3 || !hex(text + i + 1, &byte) || byte == 0) {
				return false;
			}
			i += 2;
		}
		*out++ = (char)byte;
	}
	*out = '\0';
	return true;
}

static void check_verdict(const char *target, int verdict)
{
	size_t len = strlen(target);
	scoped_free char *plain = malloc(len + 1);
	bool fit = decode(target, len, plain) && text_is_utf8(plain, strlen(plain));
	CHECK(verdict == (len > HTTP_URI_MAX ? 414 : fit ? 0 : 400));
}

/* The n-th segment of the raw path, decoded. */
static bool raw_segment(const char *raw, unsigned n, char *out)
{
	for (; n; n--) {
		raw = strchr(raw, '/');
		if (!raw++) {
			return false;
		}
	}
	return decode(raw, strcspn(raw, "/"), out);
}

/* raw: where the path begins in the undecoded target. */
static void check_match(const struct http_match *m, const char *raw, const char *path)
{
	scoped_free char *wanted = malloc(strlen(raw) + 1);
	scoped_free char *got = malloc(strlen(path) + 1);
	unsigned segment = 0;
	unsigned param = 0;
	for (const char *at = m->route->path; *at; at++) {
		segment += *at == '/';
		if (*at != '{') {
			continue;
		}
		CHECK(param < m->param_count && m->param[param].name == at + 1 && m->param[param].text_len > 0);
		http_uri_segment(m->param[param].text, m->param[param].text_len, got);
		CHECK(raw_segment(raw, segment, wanted) && strcmp(got, wanted) == 0);
		param++;
	}
	CHECK(param == m->param_count);
	if (param == 0) { /* literal */
		CHECK(decode(raw, strlen(raw), wanted) && strcmp(wanted, m->route->path) == 0);
	}
}

static void check_path(const char *method, const char *target)
{
	scoped_free char *text = strdup(target);
	const char *path = http_uri_path(text);
	const char *raw = target + (path - text);
	struct http_match m;
	CHECK(text_is_utf8(path, strlen(path)) && strlen(path) <= strlen(raw));
	http_router_find(router, method, path, &m);
	CHECK((m.dialect != NULL) == (*path == '/'));
	CHECK(!m.route || strcmp(m.route->method, strcmp(method, "HEAD") == 0 ? "GET" : method) == 0);
	if (m.route) {
		check_match(&m, raw, path);
	}
}

static void check_query(char *query)
{
	scoped_free char *wanted = malloc(strlen(query) + 1);
	for (char *item = strsep(&query, "&"); item; item = strsep(&query, "&")) {
		CHECK(decode(item, strlen(item), wanted));
		size_t len = http_uri_decode(item);
		CHECK(len == strlen(item) && strcmp(item, wanted) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *method = fuzz_line(&in);
	scoped_free char *target = fuzz_line(&in);
	int verdict = http_uri_check(target);
	check_verdict(target, verdict);
	if (verdict != 0) {
		return 0;
	}
	char *query = target;
	strsep(&query, "?"); /* as libmicrohttpd does before it decodes */
	check_path(method, target);
	if (query) {
		check_query(query);
	}
	return 0;
}
