/* Preconditions. Lines: If-Match, If-None-Match, If-Range ("absent" stands for no such field), and the body of an answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "dialect/native_etag.h"
#include "fuzz.h"
#include "http/condition.h"

static const char etag[] = "\"e4c-1\"";

static bool matches(const char *list)
{
	return http_condition_status(&(struct http_conditions){.if_match = list}, etag) == 200;
}

static bool matches_weakly(const char *list)
{
	return http_condition_status(&(struct http_conditions){.if_none_match = list}, etag) == 304;
}

static bool is_any(const char *list)
{
	return list[strspn(list, " \t,")] == '*';
}

/* Other tags before or behind change nothing, and a strong match is a weak one too. */
static void check_list(const char *list)
{
	CHECK(!matches(list) || matches_weakly(list));
	CHECK(!matches_weakly(list) || is_any(list) || strstr(list, etag));
	if (is_any(list)) {
		return;
	}
	size_t size = strlen(list) + 32;
	scoped_free char *other = malloc(size);
	CHECK(other != NULL);
	snprintf(other, size, "\"x\" , W/\"y, z\",%s", list);
	CHECK(matches(other) == matches(list) && matches_weakly(other) == matches_weakly(list));
	snprintf(other, size, "%s,\"x\"", list);
	CHECK(!matches(list) || matches(other));
	CHECK(!matches_weakly(list) || matches_weakly(other));
	snprintf(other, size, "W/%s,%s", etag, list);
	CHECK(matches(other) == matches(list) && matches_weakly(other));
	snprintf(other, size, "%s,%s", etag, list);
	CHECK(matches(other) && matches_weakly(other));
}

static void check_native(const char *list, const char *body)
{
	char tag[NATIVE_ETAG_SIZE];
	char weak[NATIVE_ETAG_SIZE + 2];
	char other[NATIVE_ETAG_SIZE];
	native_etag_make(tag, 17, body, strlen(body));
	native_etag_make(other, 1, body, strlen(body));
	snprintf(weak, sizeof weak, "W/%s", tag);
	CHECK(native_etag_may_change(tag, 17) && !native_etag_may_change(tag, 1) && !native_etag_may_change(tag, 171));
	CHECK(!native_etag_may_change(weak, 17));
	CHECK(native_etag_is_fresh(tag, tag) && native_etag_is_fresh(weak, tag) && !native_etag_is_fresh(other, tag));
	CHECK(!native_etag_may_change(list, 17) || strchr(list, '*') || strstr(list, "\"17"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *if_match = fuzz_line(&in);
	scoped_free char *if_none_match = fuzz_line(&in);
	scoped_free char *if_range = fuzz_line(&in);
	scoped_free char *body = fuzz_line(&in);
	struct http_conditions c = {
		.if_match = strcmp(if_match, "absent") != 0 ? if_match : NULL,
		.if_none_match = strcmp(if_none_match, "absent") != 0 ? if_none_match : NULL,
		.if_range = strcmp(if_range, "absent") != 0 ? if_range : NULL,
	};
	bool failed = c.if_match && !matches(if_match);
	bool fresh = c.if_none_match && matches_weakly(if_none_match);
	CHECK(http_condition_status(&c, etag) == (failed ? 412 : fresh ? 304 : 200));
	CHECK(http_condition_range(&c, etag) == (!c.if_range || strcmp(if_range, etag) == 0));
	check_list(if_match);
	check_list(if_none_match);
	check_native(if_match, body);
	return 0;
}
