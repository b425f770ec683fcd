/* A device's check as a request: whatever is read is clean text, and JSON is what cJSON takes for JSON too. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/xiaozhi_check.h"
#include "dialect/xiaozhi_json.h"
#include "fuzz.h"
#include "model/version.h"
#include "xiaozhi_request.h"

static void check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	CHECK(len < size && text_is_utf8(text, len) && text_is_printable(text, len));
}

static void check_facts(const struct xiaozhi_check *c)
{
	char mac[MAC_SIZE];
	check_text(c->name, sizeof c->name);
	check_text(c->told.client_uuid, sizeof c->told.client_uuid);
	check_text(c->told.language, sizeof c->told.language);
	check_text(c->told.board_name, sizeof c->told.board_name);
	check_text(c->told.board_type, sizeof c->told.board_type);
	check_text(c->version, sizeof c->version);
	check_text(c->told.chip, sizeof c->told.chip);
	check_text(c->told.slot, sizeof c->told.slot);
	check_text(c->serial, sizeof c->serial);
	CHECK(mac_parse(c->mac, mac) && strcmp(mac, c->mac) == 0 && text_is_device_name(c->name));
	CHECK(c->told.read == (c->told.board_type[0] != '\0') && (!c->told.read || c->version[0]));
	CHECK(c->slot >= -1 && c->slot < 16 && c->told.flash_size >= 0 && c->free_heap >= 0);
	CHECK(c->told.partition_count <= TOLD_PARTITIONS);
	for (size_t i = 0; i < c->told.partition_count; i++) {
		check_text(c->told.partitions[i].label, sizeof c->told.partitions[i].label);
	}
	CHECK(told_fingerprint(&c->told) != 0);
}

/* What else cJSON or common/json.h would say no to, though it is JSON. */
static bool only_stricter(const struct err *err)
{
	return strstr(err->text, "twice") || strstr(err->text, "too large") || strstr(err->text, "\\u0000");
}

static void check_grammar(const char *body, size_t len)
{
	struct xiaozhi_json json;
	struct err err = {0};
	if (!xiaozhi_json_parse(&json, body, len) || !xiaozhi_json_is_object(&json, 0) || memmem(body, len, "\\u", 2)) {
		return;
	}
	scoped_json struct cJSON *tree = json_parse_object(body, len, &err);
	CHECK(tree || only_stricter(&err));
}

static void check_versions(const char *version)
{
	if (version_is_dotted(version)) {
		CHECK(version_is_read(version));
	}
	if (version_is_read(version)) {
		CHECK(version_compare(version, version) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct xiaozhi_headers headers;
	struct xiaozhi_check check;
	struct err err = {0};
	size_t len;
	scoped_free char *rest = fuzz_rest(&in, &len);
	scoped_free char *text = malloc(len + 1);
	CHECK(text);
	memcpy(text, rest, len);
	text[len] = '\0';
	const char *in_place = xiaozhi_request_split(text, len, &headers, &len);
	scoped_free char *body = malloc(len ? len : 1); /* exactly its size */
	CHECK(body);
	memcpy(body, in_place, len);
	check_grammar(body, len);
	if (xiaozhi_check_decode(&headers, body, len, &check, &err)) {
		check_facts(&check);
		check_versions(check.version);
	} else {
		CHECK(err.kind == ERR_MISSING || err.kind == ERR_INVALID || err.kind == ERR_TOO_LARGE);
	}
	return 0;
}
