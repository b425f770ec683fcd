#include "http/router.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "http/server.h"

struct entry {
	const struct http_route *route;
	size_t len; /* of a literal path; 0 = it has segments */
};

/* One dialect: its literal routes first, then those with segments. */
struct table {
	const struct http_dialect *dialect;
	size_t prefix_len;
	size_t count;
	struct entry *entry;
};

struct http_router {
	size_t count;
	struct table table[]; /* longest prefix first */
};

static bool check_path(const char *path, struct err *err)
{
	unsigned params = 0;
	for (const char *s = path; *s; s++) {
		if (*s == '{') {
			const char *end = strchr(s, '}');
			if (s == path || s[-1] != '/' || !end || (end[1] != '/' && end[1] != '\0')) {
				return err_set(err, ERR_INVALID, "Route %s: {name} must be a whole segment.", path);
			}
			params++;
			s = end;
		}
	}
	if (*path != '/' || params > HTTP_PARAMS_MAX) {
		return err_set(err, ERR_INVALID, "Route %s: it must begin with / and have at most %d segments.", path, HTTP_PARAMS_MAX);
	}
	return true;
}

static bool fill(struct table *t, const struct http_dialect *dialect, struct err *err)
{
	t->dialect = dialect;
	t->prefix_len = strlen(dialect->prefix);
	t->entry = calloc(dialect->route_count + 1, sizeof(*t->entry));
	if (!t->entry) {
		return err_set(err, ERR_INTERNAL, "Out of memory.");
	}
	for (int literal = 1; literal >= 0; literal--) {
		for (size_t i = 0; i < dialect->route_count; i++) {
			const struct http_route *route = &dialect->routes[i];
			if (!check_path(route->path, err)) {
				return false;
			}
			if ((strchr(route->path, '{') == NULL) == (literal != 0)) {
				t->entry[t->count++] = (struct entry){.route = route, .len = literal ? strlen(route->path) : 0};
			}
		}
	}
	return true;
}

static int longest_first(const void *a, const void *b)
{
	size_t x = ((const struct table *)a)->prefix_len;
	size_t y = ((const struct table *)b)->prefix_len;
	return x < y ? 1 : x > y ? -1 : 0;
}

struct http_router *http_router_new(const struct http_dialect *dialects, size_t count, struct err *err)
{
	struct http_router *router = calloc(1, sizeof(*router) + count * sizeof(router->table[0]));
	if (!router) {
		err_set(err, ERR_INTERNAL, "Out of memory.");
		return NULL;
	}
	for (; router->count < count; router->count++) {
		if (!fill(&router->table[router->count], &dialects[router->count], err)) {
			router->count++;
			http_router_free(&router);
			return NULL;
		}
	}
	qsort(router->table, count, sizeof(router->table[0]), longest_first);
	return router;
}

void http_router_free(struct http_router **router)
{
	if (!*router) {
		return;
	}
	for (size_t i = 0; i < (*router)->count; i++) {
		free((*router)->table[i].entry);
	}
	free(*router);
	*router = NULL;
}

static bool match_segments(const char *pattern, const char *path, struct http_match *out)
{
	out->param_count = 0;
	while (*pattern) {
		if (*pattern != '{') {
			if (*pattern++ != *path++) {
				return false;
			}
			continue;
		}
		size_t name_len = strcspn(++pattern, "}");
		size_t text_len = strcspn(path, "/");
		if (text_len == 0) {
			return false;
		}
		unsigned i = out->param_count++;
		out->param[i].name = pattern;
		out->param[i].name_len = name_len;
		out->param[i].text = path;
		out->param[i].text_len = text_len;
		pattern += name_len + 1;
		path += text_len;
	}
	return *path == '\0';
}

static bool match_path(const struct entry *e, const char *path, size_t len, struct http_match *out)
{
	if (e->len) {
		return e->len == len && memcmp(e->route->path, path, len) == 0;
	}
	return match_segments(e->route->path, path, out);
}

static void add_allow(char *allow, const char *method)
{
	size_t len = strlen(allow);
	size_t more = strlen(method);
	if (!strstr(allow, method) && len + more + 3 <= HTTP_ALLOW_SIZE) {
		memcpy(allow + len, ", ", 2);
		memcpy(allow + len + (len ? 2 : 0), method, more + 1);
	}
}

static void find_route(const struct table *t, const char *method, const char *path, struct http_match *out)
{
	size_t len = strlen(path);
	bool head = strcmp(method, "HEAD") == 0;
	for (size_t i = 0; i < t->count; i++) {
		const struct entry *e = &t->entry[i];
		if (!match_path(e, path, len, out)) {
			continue;
		}
		if (strcmp(e->route->method, head ? "GET" : method) == 0) {
			out->route = e->route;
			return;
		}
		add_allow(out->allow, e->route->method);
		if (strcmp(e->route->method, "GET") == 0) {
			add_allow(out->allow, "HEAD");
		}
	}
}

void http_router_find(const struct http_router *router, const char *method, const char *path, struct http_match *out)
{
	out->dialect = NULL;
	out->route = NULL;
	out->param_count = 0;
	out->allow[0] = '\0';
	for (size_t i = 0; i < router->count; i++) {
		const struct table *t = &router->table[i];
		if (strncmp(path, t->dialect->prefix, t->prefix_len) == 0) {
			out->dialect = t->dialect;
			find_route(t, method, path, out);
			return;
		}
	}
}
