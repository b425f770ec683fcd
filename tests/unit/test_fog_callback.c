#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "dialect/fog_callback.h"
#include "unit.h"

#define URL "https://erp.example.com:8443/ota?kind=1"
#define ETAG "D8E8FCA2DC0F896FD7CB4CB0031BA249"

static bool decodes(const char *json, struct fog_callback *out)
{
	char text[2 * FOG_CALLBACK_SIZE];
	struct err err = {0};
	text_base64(text, json, strlen(json));
	bool ok = fog_callback_decode(text, out, &err);
	assert_int_equal(err.kind == ERR_NONE, ok);
	return ok;
}

/* NULL: refused. */
static const char *rendered(const char *json, const struct fog_vars *vars)
{
	static char text[FOG_CALLBACK_BODY_MAX + 1];
	static const struct fog_vars none;
	struct fog_callback c;
	struct buf out;
	const struct fog_posted posted = {.object = "ota/a b&c=\"d\".bin", .etag = ETAG, .size = 5, .vars = vars ? vars : &none};
	assert_true(decodes(json, &c));
	buf_init_fixed(&out, text, sizeof text);
	return fog_callback_render(&c, &posted, &out, &(struct err){0}) ? buf_cstr(&out) : NULL;
}

static void what_is_handed_out_comes_back(void **state)
{
	(void)state;
	char text[FOG_CALLBACK_SIZE];
	struct fog_callback c;
	struct err err = {0};
	assert_true(fog_callback_encode("", text));
	assert_string_equal(text, "eyJjYWxsYmFja1VybCI6IiJ9");
	assert_true(fog_callback_decode(text, &c, &err));
	assert_string_equal(c.url, "");
	assert_true(fog_callback_encode(URL, text));
	assert_true(fog_callback_decode(text, &c, &err));
	assert_string_equal(c.url, URL);
	assert_string_equal(c.body, "object=${object}&etag=${etag}&size=${size}&mimeType=${mimeType}");
	assert_string_equal(fog_callback_type(&c), "application/x-www-form-urlencoded");
}

static void the_longest_url_can_be_handed_out(void **state)
{
	(void)state;
	char url[FOG_CALLBACK_URL_SIZE];
	char text[FOG_CALLBACK_SIZE];
	struct fog_callback c;
	memset(url, 'a', sizeof url - 1);
	url[sizeof url - 1] = '\0';
	memcpy(url, "http://", 7);
	assert_true(fog_callback_encode(url, text));
	assert_true(fog_callback_decode(text, &c, &(struct err){0}));
	assert_string_equal(c.url, url);
}

#define CALLBACK(more) "{\"callbackUrl\":\"" URL "\"," more "}"
#define BODY(body) CALLBACK("\"callbackBody\":\"" body "\"")
#define JSON_BODY(body) CALLBACK("\"callbackBodyType\":\"application/json\",\"callbackBody\":\"" body "\"")

static void values_in_a_form_are_escaped(void **state)
{
	(void)state;
	assert_string_equal(rendered(BODY("bucket=${bucket}&object=${object}&etag=${etag}&size=${size}&mimeType=${mimeType}"), NULL),
			    "bucket=oss&object=ota%2Fa%20b%26c%3D%22d%22.bin&etag=" ETAG "&size=5&mimeType=application%2Foctet-stream");
	assert_string_equal(rendered(BODY("h=${imageInfo.height}&w=${imageInfo.width}&f=${imageInfo.format}"), NULL), "h=&w=&f=");
	assert_string_equal(rendered(BODY("plain $ text } and {braces}"), NULL), "plain $ text } and {braces}");
}

static void values_in_json_bring_their_quotes(void **state)
{
	(void)state;
	assert_string_equal(rendered(JSON_BODY("{\\\"object\\\":${object},\\\"size\\\":${size},\\\"m\\\":${mimeType}}"), NULL),
			    "{\"object\":\"ota/a b&c=\\\"d\\\".bin\",\"size\":5,\"m\":\"application/octet-stream\"}");
	assert_null(rendered(JSON_BODY("{\\\"object\\\":\\\"${object}\\\"}"), NULL));
	assert_null(rendered(JSON_BODY("object=${object}"), NULL));
	assert_null(rendered(JSON_BODY("[${object}]"), NULL));
}

static void the_form_s_own_variables(void **state)
{
	(void)state;
	struct fog_vars vars = {0};
	fog_vars_put(&vars, "x:who", "a&b \xE5\x9B\xBA", 7);
	fog_vars_put(&vars, "x:empty", "", 0);
	fog_vars_put(&vars, "x:who", "the second", 10);
	assert_false(vars.spoilt);
	assert_string_equal(rendered(BODY("who=${x:who}&e=${x:empty}&none=${x:none}"), &vars), "who=a%26b%20%E5%9B%BA&e=&none=");
	assert_string_equal(rendered(JSON_BODY("{\\\"w\\\":${x:who},\\\"n\\\":${x:none}}"), &vars),
			    "{\"w\":\"a&b \xE5\x9B\xBA\",\"n\":\"\"}");
	fog_vars_put(&vars, "x:quote", "\"},{\"", 5);
	assert_string_equal(rendered(JSON_BODY("{\\\"q\\\":${x:quote}}"), &vars), "{\"q\":\"\\\"},{\\\"\"}");
}

static void variables_that_cannot_be_told_spoil_the_lot(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value;
		size_t len;
	} rows[] = {{"x:a b", "v", 1}, {"x:", "v", 1}, {"x:a", "a\0b", 3}, {"x:a", "\xff", 1}, {"x:\"", "v", 1}};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fog_vars vars = {0};
		fog_vars_put(&vars, rows[i].name, rows[i].value, rows[i].len);
		assert_true(vars.spoilt);
	}
	struct fog_vars vars = {0};
	for (int i = 0; i < FOG_VARS_MAX; i++) {
		fog_vars_put(&vars, "x:a", "v", 1);
	}
	assert_false(vars.spoilt);
	fog_vars_put(&vars, "x:a", "v", 1);
	assert_true(vars.spoilt);
	char text[FOG_VARS_SIZE];
	memset(text, 'v', sizeof text);
	for (size_t len = sizeof text - 10; len <= sizeof text; len++) {
		vars = (struct fog_vars){0};
		fog_vars_put(&vars, "x:ab", text, len);
		assert_int_equal(vars.spoilt, len + 6 > sizeof vars.text);
	}
}

static void whoever_wants_another_host_is_refused(void **state)
{
	(void)state;
	struct fog_callback c;
	assert_true(decodes(CALLBACK("\"callbackBody\":\"x\",\"callbackHost\":\"erp.example.com\",\"callbackSNI\":true"), &c));
	assert_true(decodes(CALLBACK("\"callbackBody\":\"x\",\"callbackHost\":\"erp.example.com:8443\""), &c));
	assert_true(decodes("{\"callbackUrl\":\"http://[::1]/x\",\"callbackBody\":\"x\",\"callbackHost\":\"[::1]\"}", &c));
	assert_false(decodes(CALLBACK("\"callbackBody\":\"x\",\"callbackHost\":\"erp.example.co\""), &c));
	assert_false(decodes(CALLBACK("\"callbackBody\":\"x\",\"callbackHost\":\"evil.example.com\""), &c));
	assert_false(decodes(CALLBACK("\"callbackBody\":\"x\",\"callbackHost\":\"erp.example.com:8443/ota\""), &c));
}

static void what_is_no_callback_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"",
		"[]",
		"no json",
		"{\"callbackUrl\":1}",
		CALLBACK("\"callbackBody\":\"\""),
		CALLBACK("\"callbackSNI\":1"),
		CALLBACK("\"callbackBody\":null"),
		BODY("${object"),
		BODY("${}"),
		BODY("${nothing}"),
		BODY("${x:}"),
		BODY("${x:a b}"),
		BODY("line\\u000aline"),
		CALLBACK("\"callbackBody\":\"x\",\"callbackBodyType\":\"text/plain\""),
		CALLBACK("\"callbackBody\":\"x\",\"callbackUrl\":\"http://twice/\""),
		CALLBACK("\"callbackBody\":\"x\",\"more\":1"),
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fog_callback c;
		if (decodes(rows[i], &c)) {
			fail_msg("%s", rows[i]);
		}
	}
	struct fog_callback c;
	assert_false(fog_callback_decode("not base64", &c, &(struct err){0}));
}

static void a_body_has_an_end(void **state)
{
	(void)state;
	char json[FOG_CALLBACK_SIZE] = "{\"callbackUrl\":\"" URL "\",\"callbackBody\":\"";
	struct fog_vars vars = {0};
	char value[1000];
	memset(value, '&', sizeof value);
	fog_vars_put(&vars, "x:v", value, sizeof value);
	size_t len = strlen(json);
	for (int i = 0; i < 5; i++) {
		len += (size_t)snprintf(json + len, sizeof json - len, "${x:v}");
	}
	snprintf(json + len, sizeof json - len, "\"}");
	assert_non_null(rendered(json, &vars));
	snprintf(json + len, sizeof json - len, "${x:v}\"}");
	assert_null(rendered(json, &vars));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_handed_out_comes_back),
		cmocka_unit_test(the_longest_url_can_be_handed_out),
		cmocka_unit_test(values_in_a_form_are_escaped),
		cmocka_unit_test(values_in_json_bring_their_quotes),
		cmocka_unit_test(the_form_s_own_variables),
		cmocka_unit_test(variables_that_cannot_be_told_spoil_the_lot),
		cmocka_unit_test(whoever_wants_another_host_is_refused),
		cmocka_unit_test(what_is_no_callback_is_refused),
		cmocka_unit_test(a_body_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
