#include "http/condition.h"

#include <stddef.h>
#include <string.h>

static const char *skip(const char *s, const char *what)
{
	return s + strspn(s, what);
}

/* Is etag in the list (or is it "*")? What is malformed ends the list. */
static bool listed(const char *list, const char *etag, bool weak_counts)
{
	list = skip(list, " \t,");
	if (*list == '*') {
		return *skip(list + 1, " \t") == '\0';
	}
	size_t len = strlen(etag);
	while (*list) {
		bool weak = list[0] == 'W' && list[1] == '/';
		const char *tag = weak ? list + 2 : list;
		const char *end = *tag == '"' ? strchr(tag + 1, '"') : NULL;
		if (!end) {
			return false;
		}
		end++;
		if ((weak_counts || !weak) && (size_t)(end - tag) == len && memcmp(tag, etag, len) == 0) {
			return true;
		}
		list = skip(end, " \t");
		if (*list && *list != ',') {
			return false;
		}
		list = skip(list, " \t,");
	}
	return false;
}

int http_condition_status(const struct http_conditions *c, const char *etag)
{
	if (c->if_match && !listed(c->if_match, etag, false)) {
		return 412;
	}
	return c->if_none_match && listed(c->if_none_match, etag, true) ? 304 : 200;
}

bool http_condition_range(const struct http_conditions *c, const char *etag)
{
	return !c->if_range || strcmp(c->if_range, etag) == 0;
}
