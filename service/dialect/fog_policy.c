#include "dialect/fog_policy.h"

#include <cjson/cJSON.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"

enum { JSON_SIZE = (FOG_POLICY_SIZE - 1) / 4 * 3 + 1, MS = 1000 };

bool fog_policy_encode(const struct fog_policy *policy, char out[FOG_POLICY_SIZE])
{
	char json[JSON_SIZE];
	char expiration[25];
	struct buf text;
	buf_init_fixed(&text, json, sizeof json);
	clock_rfc3339(expiration, policy->expires_ms);
	buf_putf(&text, "{\"expiration\":\"%s\",\"conditions\":[[\"content-length-range\",", expiration);
	buf_put_u64(&text, policy->min);
	buf_putc(&text, ',');
	buf_put_u64(&text, policy->max);
	buf_puts(&text, "],[\"starts-with\",\"$key\",");
	buf_put_json(&text, policy->prefix);
	buf_puts(&text, "]],\"issuer\":");
	buf_put_json(&text, policy->issuer);
	buf_putc(&text, '}');
	if (buf_ok(&text)) {
		text_base64(out, text.data, text.len);
	}
	return buf_ok(&text);
}

/* --- decoding --- */

static bool bad(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "Invalid Policy: %s.", what);
}

static bool digits(const char *s, size_t n, int *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9') {
			return false;
		}
		*out = *out * 10 + (s[i] - '0');
	}
	return true;
}

/* "2018-11-08T07:06:57Z", or with ".123" in it. */
static bool read_time(const char *s, int64_t *ms)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	struct tm tm = {0};
	int milli = 0;
	size_t len = strlen(s);
	if (len != 20 && len != 24) {
		return false;
	}
	for (size_t i = 0; shape[i]; i++) {
		if (shape[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i]) {
			return false;
		}
	}
	if (len == 24 ? s[19] != '.' || !digits(s + 20, 3, &milli) || s[23] != 'Z' : s[19] != 'Z') {
		return false;
	}
	digits(s, 4, &tm.tm_year);
	digits(s + 5, 2, &tm.tm_mon);
	digits(s + 8, 2, &tm.tm_mday);
	digits(s + 11, 2, &tm.tm_hour);
	digits(s + 14, 2, &tm.tm_min);
	digits(s + 17, 2, &tm.tm_sec);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	struct tm told = tm;
	int64_t seconds = timegm(&tm);
	*ms = seconds * MS + milli;
	return seconds >= 0 && tm.tm_mon == told.tm_mon && tm.tm_mday == told.tm_mday && tm.tm_hour == told.tm_hour &&
	       tm.tm_min == told.tm_min && tm.tm_sec == told.tm_sec; /* else it named no such day or time */
}

static bool read_bytes(const cJSON *number, uint64_t *out)
{
	if (!cJSON_IsNumber(number) || !(number->valuedouble >= 0) || number->valuedouble > 9007199254740992.0) {
		return false;
	}
	*out = (uint64_t)number->valuedouble;
	return (double)*out == number->valuedouble;
}

static bool read_condition(const cJSON *c, struct fog_policy *out, unsigned *seen, struct err *err)
{
	const cJSON *what = cJSON_GetArrayItem(c, 0);
	const cJSON *first = cJSON_GetArrayItem(c, 1);
	const cJSON *second = cJSON_GetArrayItem(c, 2);
	if (!cJSON_IsArray(c) || cJSON_GetArraySize(c) != 3 || !cJSON_IsString(what)) {
		return bad(err, "a condition is no list of three");
	}
	if (strcmp(what->valuestring, "content-length-range") == 0 && !(*seen & 1)) {
		*seen |= 1;
		return (read_bytes(first, &out->min) && read_bytes(second, &out->max) && out->min <= out->max) ||
		       bad(err, "content-length-range has no two sizes");
	}
	if (strcmp(what->valuestring, "starts-with") == 0 && !(*seen & 2)) {
		*seen |= 2;
		return (cJSON_IsString(first) && strcmp(first->valuestring, "$key") == 0 && cJSON_IsString(second) &&
			text_copy(out->prefix, sizeof out->prefix, second->valuestring)) ||
		       bad(err, "starts-with is not about $key");
	}
	return bad(err, "a condition is unknown, or there twice");
}

static bool read_policy(const cJSON *json, struct fog_policy *out, struct err *err)
{
	static const char *const known[] = {"expiration", "conditions", "issuer", NULL};
	char expiration[32];
	unsigned seen = 0;
	const cJSON *conditions = cJSON_GetObjectItemCaseSensitive(json, "conditions");
	if (!json_only_keys(json, known, err) || !json_text(json, "expiration", true, expiration, sizeof expiration, err) ||
	    !json_text(json, "issuer", true, out->issuer, sizeof out->issuer, err)) {
		return false;
	}
	if (!read_time(expiration, &out->expires_ms)) {
		return bad(err, "the expiration is no time of the form 2018-11-08T07:06:57Z");
	}
	if (!cJSON_IsArray(conditions)) {
		return bad(err, "conditions is no list");
	}
	for (const cJSON *c = conditions->child; c; c = c->next) {
		if (!read_condition(c, out, &seen, err)) {
			return false;
		}
	}
	return seen == 3 || bad(err, "a condition is missing");
}

bool fog_policy_decode(const char *base64, struct fog_policy *out, struct err *err)
{
	char text[JSON_SIZE];
	size_t len = strlen(base64);
	*out = (struct fog_policy){0};
	long n = len < FOG_POLICY_SIZE ? text_unbase64(base64, len, text, sizeof text) : -1;
	if (n < 0) {
		return bad(err, "it is no base64, or too long");
	}
	scoped_json struct cJSON *json = json_parse_object(text, (size_t)n, err);
	return json && read_policy(json, out, err);
}

/* --- keys --- */

static bool is_segment(const char *s, size_t len)
{
	static const char known[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	return len > 0 && strspn(s, known) >= len && !(len == 1 && s[0] == '.') && !(len == 2 && s[0] == '.' && s[1] == '.');
}

bool fog_policy_is_key(const char *key)
{
	if (strlen(key) >= FOG_KEY_SIZE) {
		return false;
	}
	for (unsigned depth = 0; depth < FOG_KEY_DEPTH; depth++) {
		size_t len = strcspn(key, "/");
		if (!is_segment(key, len)) {
			return false;
		}
		if (!key[len]) {
			return true;
		}
		key += len + 1;
	}
	return false;
}

bool fog_policy_key(char *out, size_t size, const char *key, const char *file_name)
{
	static const char variable[] = "${filename}";
	const char *at = strstr(key, variable);
	struct buf text;
	buf_init_fixed(&text, out, size);
	buf_put(&text, key, at ? (size_t)(at - key) : strlen(key));
	if (at) {
		buf_puts(&text, file_name);
		buf_puts(&text, at + sizeof variable - 1);
	}
	buf_cstr(&text);
	return buf_ok(&text);
}
