#include "dialect/fog_body.h"

#include <cjson/cJSON.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "model/range.h"

enum { FIELDS_MAX = RANGES_MAX + 64 };

static bool is_type(const char *content_type, const char *type)
{
	size_t len = strlen(type);
	return strncasecmp(content_type, type, len) == 0 && strchr("; \t", content_type[len]);
}

static bool begins_as_json(const char *body, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!strchr(" \t\r\n", body[i]) || !body[i]) {
			return body[i] == '{';
		}
	}
	return false;
}

bool fog_body_read(struct fog_body *out, const char *type, const char *body, size_t len, struct err *err)
{
	*out = (struct fog_body){.json = NULL};
	bool none = !type || !*type;
	if (none ? begins_as_json(body, len) : is_type(type, "application/json")) {
		out->json = json_parse_object(body, len, err);
		return out->json != NULL;
	}
	if (!none && !is_type(type, "application/x-www-form-urlencoded") && !is_type(type, "multipart/form-data")) {
		return err_set(err, ERR_INVALID,
			       "the body must be application/json, application/x-www-form-urlencoded or multipart/form-data");
	}
	if (begins_as_json(body, len)) { /* of which curl -d says that it is a form */
		return err_set(err, ERR_INVALID, "the body is JSON, but its Content-Type says that it is a form: send application/json");
	}
	return http_fields_read(&out->form, type, body, len, FIELDS_MAX, err);
}

void fog_body_free(struct fog_body *body)
{
	json_free(&body->json);
	http_fields_free(&body->form);
}

/* The only field of this name. NULL: there is none. */
static bool find(const struct fog_body *body, const char *name, const char **out, struct err *err)
{
	*out = NULL;
	for (size_t i = 0; i < body->form.count; i++) {
		if (strcmp(body->form.at[i].name, name) != 0) {
			continue;
		}
		if (*out) {
			return err_set(err, ERR_INVALID, "%s is there twice", name);
		}
		*out = body->form.at[i].value;
	}
	return true;
}

static bool note(bool *given, bool there)
{
	if (given) {
		*given = there;
	}
	return there;
}

bool fog_body_text(const struct fog_body *body, const char *name, struct fog_text text, bool *given, struct err *err)
{
	const char *value;
	if (body->json) {
		return !note(given, json_has(body->json, name)) || json_text_or_number(body->json, name, false, text.out, text.size, err);
	}
	if (!find(body, name, &value, err)) {
		return false;
	}
	if (!note(given, value != NULL)) {
		return true;
	}
	if (!text_is_printable(value, strlen(value))) {
		return err_set(err, ERR_INVALID, "%s holds control characters", name);
	}
	return text_copy(text.out, text.size, value) || err_set(err, ERR_INVALID, "%s has more than %zu bytes", name, text.size - 1);
}

bool fog_body_int(const struct fog_body *body, const char *name, const int64_t bounds[2], int64_t *out, bool *given, struct err *err)
{
	const char *value;
	int64_t number;
	if (body->json) {
		return !note(given, json_has(body->json, name)) || json_int(body->json, name, false, bounds[0], bounds[1], out, err);
	}
	if (!find(body, name, &value, err)) {
		return false;
	}
	if (!note(given, value != NULL)) {
		return true;
	}
	if (!text_to_i64(value, &number) || number < bounds[0] || number > bounds[1]) {
		return err_set(err, ERR_INVALID, "%s must be a whole number from %lld to %lld", name, (long long)bounds[0],
			       (long long)bounds[1]);
	}
	*out = number;
	return true;
}

bool fog_body_bool(const struct fog_body *body, const char *name, bool *out, bool *given, struct err *err)
{
	const char *value;
	if (body->json) {
		return !note(given, json_has(body->json, name)) || json_bool(body->json, name, false, out, err);
	}
	if (!find(body, name, &value, err)) {
		return false;
	}
	if (!note(given, value != NULL)) {
		return true;
	}
	*out = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
	return *out || strcmp(value, "false") == 0 || strcmp(value, "0") == 0 ||
	       err_set(err, ERR_INVALID, "%s must be true or false", name);
}

static bool ranges_of_json(const cJSON *member, const char *name, struct range_list *out, struct err *err)
{
	if (cJSON_IsString(member)) {
		return range_list_parse(out, member->valuestring, strlen(member->valuestring), err);
	}
	if (!cJSON_IsArray(member)) {
		return cJSON_IsNull(member) || err_set(err, ERR_INVALID, "%s must be a list of texts", name);
	}
	for (const cJSON *entry = member->child; entry; entry = entry->next) {
		if (!cJSON_IsString(entry)) {
			return err_set(err, ERR_INVALID, "%s must be a list of texts", name);
		}
		if (!range_list_add(out, entry->valuestring, strlen(entry->valuestring), err)) {
			return false;
		}
	}
	return true;
}

bool fog_body_ranges(const struct fog_body *body, const char *name, struct range_list *out, bool *given, struct err *err)
{
	if (body->json) {
		const cJSON *member = cJSON_GetObjectItemCaseSensitive(body->json, name);
		return !note(given, member != NULL) || ranges_of_json(member, name, out, err) || err_prefix(err, "%s", name);
	}
	note(given, false);
	for (size_t i = 0; i < body->form.count; i++) {
		const struct http_field *field = &body->form.at[i];
		if (strcmp(field->name, name) == 0) {
			note(given, true);
			if (!range_list_parse(out, field->value, strlen(field->value), err)) {
				return err_prefix(err, "%s", name);
			}
		}
	}
	return true;
}
