/* Policies of posted forms, and keys. The first byte chooses: a policy in base64, the JSON of one, a key and on a second line a file's
 * name. What is taken for a policy is one that could be handed out, and comes back the same; what is taken for a key stands in a URL. */
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "common/text.h"
#include "dialect/fog_policy.h"
#include "fuzz.h"

static void check_policy(const char *text)
{
	struct fog_policy p;
	struct fog_policy again;
	char encoded[FOG_POLICY_SIZE];
	if (!fog_policy_decode(text, &p, NULL)) {
		return;
	}
	CHECK(p.min <= p.max && *p.issuer && text_is_utf8(p.issuer, strlen(p.issuer)));
	if (!fog_policy_encode(&p, encoded)) {
		return; /* JSON's escapes may make it longer */
	}
	CHECK(fog_policy_decode(encoded, &again, NULL));
	CHECK(again.expires_ms == p.expires_ms && again.min == p.min && again.max == p.max);
	CHECK(strcmp(again.prefix, p.prefix) == 0 && strcmp(again.issuer, p.issuer) == 0);
}

static void check_json(const char *json, size_t len)
{
	scoped_free char *text = malloc((len + 2) / 3 * 4 + 1);
	scoped_free char *back = malloc(len + 1);
	CHECK(text && back);
	text_base64(text, json, len);
	CHECK(text_unbase64(text, strlen(text), back, len) == (long)len && memcmp(back, json, len) == 0);
	check_policy(text);
}

static void check_key(const char *wanted, const char *name)
{
	char key[FOG_KEY_SIZE];
	if (!fog_policy_key(key, sizeof key, wanted, name) || !fog_policy_is_key(key)) {
		return;
	}
	CHECK(*key && *key != '/' && key[strlen(key) - 1] != '/' && !strstr(key, "//") && !strstr(key, "/../"));
	CHECK(!strpbrk(key, "%?#\\\"<>& \t\r\n") && text_is_printable(key, strlen(key)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	struct fuzz_input in = {data + 1, size - 1};
	size_t len;
	scoped_free char *line = data[0] == 'j' ? NULL : fuzz_line(&in);
	scoped_free char *name = data[0] == 'k' ? fuzz_line(&in) : NULL;
	scoped_free char *json = line ? NULL : fuzz_rest(&in, &len);
	if (name) {
		check_key(line, name);
	} else if (line) {
		check_policy(line);
	} else {
		check_json(json, len);
	}
	return 0;
}
