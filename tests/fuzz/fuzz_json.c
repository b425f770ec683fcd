/* JSON bodies and messages. The input is the text. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"

enum { DEPTH_MAX = 64 }; /* as common/json.h says */

/* depth: levels of brackets around the node */
static void check_node(const cJSON *node, int depth)
{
	bool inner = cJSON_IsObject(node) || cJSON_IsArray(node);
	CHECK(depth + inner <= DEPTH_MAX);
	CHECK(!cJSON_IsNumber(node) || isfinite(node->valuedouble));
	CHECK(!cJSON_IsString(node) || text_is_utf8(node->valuestring, strlen(node->valuestring)));
	for (const cJSON *child = node->child; child; child = child->next) {
		if (cJSON_IsObject(node)) {
			CHECK(text_is_utf8(child->string, strlen(child->string)));
			CHECK(cJSON_GetObjectItemCaseSensitive(node, child->string) == child); /* no doubled key */
		}
		check_node(child, depth + 1);
	}
	CHECK(inner || !node->child);
}

static void check_text(const cJSON *json, const cJSON *member, size_t size)
{
	struct err err = {0};
	scoped_free char *out = malloc(size);
	bool ok = json_text(json, member->string, true, out, size, &err);
	CHECK(ok || (*out == '\0' && err.kind != ERR_NONE && *err.text));
	CHECK(strlen(out) < size);
	CHECK(!ok || (*out && cJSON_IsString(member) && strcmp(out, member->valuestring) == 0));
	CHECK(!ok || (text_is_utf8(out, strlen(out)) && text_is_printable(out, strlen(out))));
	bool either = json_text_or_number(json, member->string, false, out, size, &err);
	CHECK(!ok || either);
	CHECK(!either || !cJSON_IsNumber(member) || strtod(out, NULL) == member->valuedouble);
}

static void check_number(const cJSON *json, const cJSON *member)
{
	int64_t value = 5;
	bool ok = json_int(json, member->string, true, -7, 1000, &value, NULL);
	CHECK(ok ? value >= -7 && value <= 1000 : value == 5);
	CHECK(!ok || !cJSON_IsNumber(member) || (double)value == member->valuedouble);
	int64_t wide = 5;
	CHECK(!ok || (json_int(json, member->string, true, INT64_MIN, INT64_MAX, &wide, NULL) && wide == value));
	bool flag;
	CHECK(json_bool(json, member->string, true, &flag, NULL) == (cJSON_IsBool(member) != 0));
	CHECK(json_has(json, member->string) == !cJSON_IsNull(member));
}

static void check_members(const cJSON *json)
{
	const char *known[3] = {NULL};
	int n = 0;
	for (const cJSON *member = json->child; member && n < 8; member = member->next, n++) {
		check_text(json, member, 1);
		check_text(json, member, 8);
		check_text(json, member, 4096);
		check_number(json, member);
		known[n & 1] = member->string;
	}
	CHECK(json_only_keys(json, known, NULL) == (cJSON_GetArraySize(json) <= 2));
}

static void check_printed(const cJSON *json)
{
	char *text = cJSON_PrintUnformatted(json);
	CHECK(text != NULL);
	scoped_json cJSON *again = json_parse_object(text, strlen(text), NULL);
	CHECK(again != NULL);
	char *second = cJSON_PrintUnformatted(again); /* cJSON_Compare() takes exponential time */
	CHECK(second && strcmp(text, second) == 0);
	cJSON_free(second);
	cJSON_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct err err = {0};
	size_t len;
	scoped_free char *text = fuzz_rest(&in, &len);
	scoped_json cJSON *json = json_parse_object(text, len, &err);
	if (!json) {
		CHECK(err.kind != ERR_NONE && *err.text);
		return 0;
	}
	CHECK(cJSON_IsObject(json));
	check_node(json, 0);
	check_members(json);
	check_printed(json);
	return 0;
}
