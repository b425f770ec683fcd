/* The field `callback` of a posted form: a line of JSON, a line with the value of x:v, and the object's key. What is taken is rendered; a
 * value never ends its place: in JSON the body is an object, in a form the values bring no & and no =. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/fog_callback.h"
#include "fuzz.h"

static unsigned count(const char *s, size_t len, char c)
{
	unsigned n = 0;
	for (size_t i = 0; i < len; i++) {
		n += s[i] == c;
	}
	return n;
}

static void render(const struct fog_callback *c, const struct fog_posted *posted)
{
	scoped(buf_free) struct buf out;
	buf_init(&out, FOG_CALLBACK_BODY_MAX);
	if (!fog_callback_render(c, posted, &out, NULL)) {
		return;
	}
	CHECK(out.len <= FOG_CALLBACK_BODY_MAX && text_is_utf8(out.data, out.len));
	if (c->json) {
		scoped_json struct cJSON *json = json_parse_object(out.data, out.len, NULL);
		CHECK(json);
		return;
	}
	CHECK(count(out.data, out.len, '&') <= count(c->body, strlen(c->body), '&'));
	CHECK(count(out.data, out.len, '=') <= count(c->body, strlen(c->body), '='));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *json = fuzz_line(&in);
	scoped_free char *value = fuzz_line(&in);
	scoped_free char *key = fuzz_line(&in);
	scoped_free char *text = malloc((strlen(json) + 2) / 3 * 4 + 1);
	struct fog_callback c;
	struct fog_vars vars = {0};
	CHECK(text);
	text_base64(text, json, strlen(json));
	if (!fog_callback_decode(text, &c, NULL) || !*c.url) {
		return 0;
	}
	fog_vars_put(&vars, "x:v", value, strlen(value));
	bool printable = text_is_utf8(key, strlen(key));
	render(&c, &(struct fog_posted){.object = printable ? key : "ota/x", .etag = "0", .size = size, .vars = &vars});
	return 0;
}
