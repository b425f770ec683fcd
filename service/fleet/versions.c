#include "fleet/versions.h"

#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "common/text.h"
#include "model/nouns.h"

/* A set as text: the version of "app", then components and their versions by turns, in the order of their names, each with its NUL; ""
 * ends them. */
enum { SET_SIZE = VERSION_SIZE + VERSIONS_PARTS * (COMPONENT_SIZE + VERSION_SIZE) + 1 };

struct versions {
	char **sets; /* 0 = nothing known */
	size_t count, cap;
	struct map ids; /* hash -> number */
};

static const char *after(const char *text)
{
	return text + strlen(text) + 1;
}

static size_t length_of(const char *set)
{
	const char *part = after(set);
	while (*part) {
		part = after(after(part));
	}
	return (size_t)(part - set) + 1;
}

struct versions *versions_new(void)
{
	struct versions *v = calloc(1, sizeof *v);
	if (!v) {
		return NULL;
	}
	v->cap = 16;
	v->sets = calloc(v->cap, sizeof *v->sets);
	if (!v->sets || !(v->sets[0] = calloc(1, 2))) {
		versions_free(&v);
		return NULL;
	}
	v->count = 1;
	return v;
}

void versions_free(struct versions **vp)
{
	struct versions *v = *vp;
	if (!v) {
		return;
	}
	for (size_t i = 0; i < v->count; i++) {
		free(v->sets[i]);
	}
	free(v->sets);
	map_free(&v->ids);
	free(v);
	*vp = NULL;
}

const char *versions_of(const struct versions *v, uint32_t set, const char *component)
{
	const char *app = v->sets[set];
	const char *part = after(app);
	if (strcmp(component, COMPONENT_DEFAULT) == 0) {
		return app;
	}
	while (*part && strcmp(part, component) != 0) {
		part = after(after(part));
	}
	return *part ? after(part) : part;
}

/* *key: where it is, or may be put. 0 = it is not there. */
static uint32_t look_up(const struct versions *v, const char *set, size_t len, uint64_t *key)
{
	void *found;
	*key = text_hash(set, len) | 1u;
	while ((found = map_get(&v->ids, *key))) { /* another set with that hash: the next key */
		uint32_t n = (uint32_t)(uintptr_t)found;
		if (length_of(v->sets[n]) == len && memcmp(v->sets[n], set, len) == 0) {
			return n;
		}
		*key += 2;
	}
	return 0;
}

static bool intern(struct versions *v, const char *set, uint32_t *out)
{
	uint64_t key;
	size_t len = length_of(set);
	*out = len == 2 ? 0 : look_up(v, set, len, &key);
	if (*out || len == 2 || v->count == VERSIONS_MAX) {
		return true;
	}
	if (v->count == v->cap) {
		char **more = realloc(v->sets, v->cap * 2 * sizeof *more);
		if (!more) {
			return false;
		}
		v->sets = more;
		v->cap *= 2;
	}
	char *copy = malloc(len);
	if (!copy || !map_put(&v->ids, key, (void *)(uintptr_t)v->count)) {
		free(copy);
		return false;
	}
	memcpy(copy, set, len);
	*out = (uint32_t)v->count;
	v->sets[v->count++] = copy;
	return true;
}

/* Where there is no room for all of it, that of "app" alone is still worth knowing. */
static bool intern_best(struct versions *v, const char *set, uint32_t *out)
{
	char app[VERSION_SIZE + 1] = "";
	bool ok = intern(v, set, out);
	if (!ok || *out || length_of(set) == strlen(set) + 2) {
		return ok;
	}
	memcpy(app, set, strlen(set) + 1);
	app[strlen(set) + 1] = '\0';
	return intern(v, app, out);
}

static void put(char **at, const char *text)
{
	size_t len = strlen(text) + 1;
	memcpy(*at, text, len);
	*at += len;
}

/* `from` with this one in its place; "" takes it out. */
static void change(const char *from, const char *component, const char *version, char out[SET_SIZE])
{
	bool is_app = strcmp(component, COMPONENT_DEFAULT) == 0;
	bool placed = is_app || !*version || !*component;
	const char *part = after(from);
	char *at = out;
	put(&at, is_app ? version : from);
	for (int count = 0; count < VERSIONS_PARTS && (*part || !placed);) {
		int order = *part ? strcmp(part, component) : 1;
		if (order == 0) {
			part = after(after(part));
			continue;
		}
		bool next = !placed && order > 0;
		put(&at, next ? component : part);
		put(&at, next ? version : after(part));
		part = next ? part : after(after(part));
		placed = placed || next;
		count++;
	}
	*at = '\0';
}

/* What is too long is unknown. */
static const char *fitting(const char *text, size_t size)
{
	return strlen(text) < size ? text : "";
}

bool versions_with(struct versions *v, uint32_t set, const char *component, const char *version, uint32_t *out)
{
	char text[SET_SIZE];
	change(v->sets[set], fitting(component, COMPONENT_SIZE), fitting(version, VERSION_SIZE), text);
	return intern_best(v, text, out);
}

/* The next of what stands between separators, cut to size. */
static void take(const char **at, char *out, size_t size)
{
	size_t len = strcspn(*at, "\x1f");
	size_t kept = len < size ? len : 0;
	memcpy(out, *at, kept);
	out[kept] = '\0';
	*at += len + ((*at)[len] != '\0');
}

bool versions_find(struct versions *v, const char *app, const char *parts, uint32_t *out)
{
	char texts[2][SET_SIZE];
	int now = 0;
	change(v->sets[0], COMPONENT_DEFAULT, fitting(app, VERSION_SIZE), texts[now]);
	while (*parts) {
		char component[COMPONENT_SIZE];
		char version[VERSION_SIZE];
		take(&parts, component, sizeof component);
		take(&parts, version, sizeof version);
		change(texts[now], component, version, texts[!now]);
		now = !now;
	}
	return intern_best(v, texts[now], out);
}
