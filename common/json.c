#include "common/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"

enum { DEPTH_MAX = 64, KEY_SHOWN = 64 };

static const double exact_max = 9007199254740992.0; /* 2^53: beyond it a double skips whole numbers */

/* ---- before cJSON sees it: what it would accept or alter silently ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* at: behind the opening quote. Returns behind the closing one, or NULL. */
static const char *skip_string(const char *at, const char *end, struct err *err)
{
	for (; at < end; at++) {
		if (*at == '"') {
			return at + 1;
		}
		if ((unsigned char)*at < 0x20) {
			err_set(err, ERR_INVALID, "the JSON body has an unescaped control character inside a string");
			return NULL;
		}
		if (*at != '\\') {
			continue;
		}
		if (++at == end) {
			break;
		}
		if (end - at >= 5 && memcmp(at, "u0000", 5) == 0) {
			err_set(err, ERR_INVALID, "the JSON body has \\u0000 inside a string; NUL is not text");
			return NULL;
		}
	}
	err_set(err, ERR_INVALID, "the JSON body ends inside a string");
	return NULL;
}

/* Depth, strings and what stands outside of them; cJSON checks the rest of the grammar. */
static bool prescan(const char *text, size_t len, struct err *err)
{
	const char *end = text + len;
	int depth = 0;
	for (const char *at = text; at < end;) {
		char c = *at++;
		if (c == '"') {
			at = skip_string(at, end, err);
			if (at == NULL) {
				return false;
			}
		} else if (c == '{' || c == '[') {
			if (++depth > DEPTH_MAX) {
				return err_set(err, ERR_INVALID, "the JSON body is nested deeper than %d levels", DEPTH_MAX);
			}
		} else if (c == '}' || c == ']') {
			depth--;
		} else if ((unsigned char)c < 0x20 && !is_blank(c)) {
			return err_set(err, ERR_INVALID, "the JSON body has a control character");
		}
	}
	return depth == 0 || err_set(err, ERR_INVALID, "the JSON body has unbalanced brackets");
}

/* ---- after cJSON: what it does not look at ---- */

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts, because a body of a hundred thousand members must not cost their square. */
static bool keys_differ(const cJSON *obj, struct err *err)
{
	size_t count = (size_t)cJSON_GetArraySize(obj);
	if (count < 2) {
		return true;
	}
	scoped_free const char **keys = malloc(count * sizeof *keys);
	if (keys == NULL) {
		return err_set(err, ERR_UNAVAILABLE, "out of memory");
	}
	size_t n = 0;
	for (const cJSON *m = obj->child; m != NULL; m = m->next) {
		keys[n++] = m->string;
	}
	qsort(keys, n, sizeof *keys, compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(keys[i - 1], keys[i]) == 0) {
			return err_set(err, ERR_INVALID, "the JSON body has the key \"%.*s\" twice", KEY_SHOWN, keys[i]);
		}
	}
	return true;
}

/* Recursion is bounded: prescan() has refused what is deeper than DEPTH_MAX. */
static bool check_tree(const cJSON *node, struct err *err)
{
	if (cJSON_IsNumber(node) && !isfinite(node->valuedouble)) {
		return err_set(err, ERR_INVALID, "the JSON body has a number that is too large");
	}
	if (cJSON_IsObject(node) && !keys_differ(node, err)) {
		return false;
	}
	for (const cJSON *child = node->child; child != NULL; child = child->next) {
		if (!check_tree(child, err)) {
			return false;
		}
	}
	return true;
}

struct cJSON *json_parse_object(const char *text, size_t len, struct err *err)
{
	while (len > 0 && is_blank(text[0])) {
		text++;
		len--;
	}
	while (len > 0 && is_blank(text[len - 1])) {
		len--;
	}
	if (len == 0) {
		err_set(err, ERR_INVALID, "the body is empty; a JSON object is expected");
		return NULL;
	}
	if (text[0] != '{') {
		err_set(err, ERR_INVALID, "the body is not a JSON object");
		return NULL;
	}
	if (!text_is_utf8(text, len)) {
		err_set(err, ERR_INVALID, "the JSON body is not valid UTF-8");
		return NULL;
	}
	if (!prescan(text, len, err)) {
		return NULL;
	}
	const char *end = NULL;
	scoped_json cJSON *json = cJSON_ParseWithLengthOpts(text, len, &end, false);
	if (json == NULL || end != text + len) {
		long at = end != NULL ? (long)(end - text) : 0;
		err_set(err, ERR_INVALID, "the body is not valid JSON (near byte %ld)", at);
		return NULL;
	}
	return check_tree(json, err) ? steal(&json) : NULL;
}

void json_free(struct cJSON **json)
{
	cJSON_Delete(*json);
	*json = NULL;
}

/* ---- members ---- */

static bool is_known(const char *const *known, const char *key)
{
	for (; *known != NULL; known++) {
		if (strcmp(*known, key) == 0) {
			return true;
		}
	}
	return false;
}

bool json_only_keys(const struct cJSON *obj, const char *const *known, struct err *err)
{
	for (const cJSON *m = obj->child; m != NULL; m = m->next) {
		if (is_known(known, m->string)) {
			continue;
		}
		char list[160];
		struct buf b;
		buf_init_fixed(&b, list, sizeof list);
		for (const char *const *k = known; *k != NULL; k++) {
			buf_puts(&b, k == known ? "" : ", ");
			buf_puts(&b, *k);
		}
		return err_set(err, ERR_INVALID, "unknown key \"%.*s\"; known: %s", KEY_SHOWN, m->string, buf_cstr(&b));
	}
	return true;
}

/* The member, or NULL if it is absent or null; then *ok tells whether that is allowed. */
static const cJSON *member(const cJSON *obj, const char *key, bool required, bool *ok, struct err *err)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, key);
	*ok = true;
	if (m != NULL && !cJSON_IsNull(m)) {
		return m;
	}
	if (required) {
		*ok = err_set(err, ERR_MISSING, "%s is missing", key);
	}
	return NULL;
}

static bool take_text(const char *text, const char *key, bool required, char *out, size_t size, struct err *err)
{
	size_t len = strlen(text);
	if (len == 0 && required) {
		return err_set(err, ERR_EMPTY, "%s is empty", key);
	}
	if (!text_is_printable(text, len) || !text_is_utf8(text, len)) {
		return err_set(err, ERR_INVALID, "%s has characters that are not printable text", key);
	}
	if (!text_copy(out, size, text)) {
		return err_set(err, ERR_INVALID, "%s is too long; at most %zu bytes", key, size - 1);
	}
	return true;
}

bool json_text(const struct cJSON *obj, const char *key, bool required, char *out, size_t size, struct err *err)
{
	bool ok;
	out[0] = '\0';
	const cJSON *m = member(obj, key, required, &ok, err);
	if (m == NULL) {
		return ok;
	}
	if (!cJSON_IsString(m)) {
		return err_set(err, ERR_TYPE, "%s must be a string", key);
	}
	return take_text(m->valuestring, key, required, out, size, err);
}

/* By cast, not floor(): no libm for one function. */
static bool is_whole(double v)
{
	return v >= -exact_max && v <= exact_max && v == (double)(int64_t)v;
}

/* The shortest decimal that reads back as the same number. */
static void number_text(char out[32], double v)
{
	if (is_whole(v)) {
		snprintf(out, 32, "%.0f", v == 0 ? 0.0 : v);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, 32, "%.*g", digits, v);
		if (strtod(out, NULL) == v) {
			return;
		}
	}
}

bool json_text_or_number(const struct cJSON *obj, const char *key, bool required, char *out, size_t size, struct err *err)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, key);
	if (!cJSON_IsNumber(m)) {
		return json_text(obj, key, required, out, size, err);
	}
	char text[32];
	out[0] = '\0';
	number_text(text, m->valuedouble);
	return take_text(text, key, required, out, size, err);
}

/* NOLINTNEXTLINE(readability-function-size): a range is two parameters */
bool json_int(const struct cJSON *obj, const char *key, bool required, int64_t min, int64_t max, int64_t *out, struct err *err)
{
	bool ok;
	const cJSON *m = member(obj, key, required, &ok, err);
	if (m == NULL) {
		return ok;
	}
	int64_t value;
	if (cJSON_IsNumber(m) && is_whole(m->valuedouble)) {
		value = (int64_t)m->valuedouble;
	} else if (cJSON_IsString(m) && m->valuestring[0] == '\0') {
		return err_set(err, ERR_EMPTY, "%s is empty", key);
	} else if (!cJSON_IsString(m) || !text_to_i64(m->valuestring, &value)) {
		return err_set(err, ERR_TYPE, "%s must be a whole number", key);
	}
	if (value < min || value > max) {
		return err_set(err, ERR_INVALID, "%s must be between %lld and %lld", key, (long long)min, (long long)max);
	}
	*out = value;
	return true;
}

bool json_bool(const struct cJSON *obj, const char *key, bool required, bool *out, struct err *err)
{
	bool ok;
	const cJSON *m = member(obj, key, required, &ok, err);
	if (m == NULL) {
		return ok;
	}
	if (!cJSON_IsBool(m)) {
		return err_set(err, ERR_TYPE, "%s must be true or false", key);
	}
	*out = cJSON_IsTrue(m) != 0;
	return true;
}

bool json_object(const struct cJSON *obj, const char *key, const struct cJSON **out, struct err *err)
{
	bool ok;
	*out = member(obj, key, false, &ok, err);
	if (*out != NULL && !cJSON_IsObject(*out)) {
		*out = NULL;
		return err_set(err, ERR_TYPE, "%s must be an object", key);
	}
	return true;
}

bool json_texts(const struct cJSON *obj, const char *key, struct json_texts *inout, struct err *err)
{
	bool ok;
	const cJSON *m = member(obj, key, false, &ok, err);
	if (m == NULL) {
		return ok;
	}
	if (!cJSON_IsArray(m)) {
		return err_set(err, ERR_TYPE, "%s must be an array of strings", key);
	}
	size_t count = (size_t)cJSON_GetArraySize(m);
	if (count > inout->max) {
		return err_set(err, ERR_INVALID, "%s has too many members; at most %zu", key, inout->max);
	}
	size_t n = 0;
	for (const cJSON *item = m->child; item != NULL; item = item->next) {
		if (!cJSON_IsString(item)) {
			return err_set(err, ERR_TYPE, "%s must be an array of strings", key);
		}
		if (!take_text(item->valuestring, key, true, inout->out + n++ * inout->size, inout->size, err)) {
			return false;
		}
	}
	inout->count = n;
	return true;
}

bool json_has(const struct cJSON *obj, const char *key)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(obj, key);
	return m != NULL && !cJSON_IsNull(m);
}
