#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "dialect/xiaozhi_check.h"
#include "xiaozhi_check_scene.h"
#include "xiaozhi_request.h"

const struct xiaozhi_headers device = {.device_id = "11:22:33:44:55:66", .user_agent = "bread-compact-wifi/1.7.0"};
struct xiaozhi_check check;
struct err err;

bool decode(const struct xiaozhi_headers *headers, const char *body)
{
	memset(&err, 0, sizeof err);
	memset(&check, 0xa5, sizeof check);
	return xiaozhi_check_decode(headers, body, strlen(body), &check, &err);
}

void accept_json(const char *body)
{
	if (!decode(&device, body)) {
		fail_msg("refused (%s): %s", err.text, body);
	}
	assert_true(check.told.read);
}

void assert_elf(const char *digits)
{
	char hex[65];
	assert_true(check.told.has_elf);
	text_hex(hex, check.told.elf_sha256, sizeof check.told.elf_sha256);
	assert_string_equal(hex, digits);
}

void refuse(const char *body)
{
	if (decode(&device, body)) {
		fail_msg("taken: %s", body);
	}
	assert_int_equal(err.kind, ERR_INVALID);
}
