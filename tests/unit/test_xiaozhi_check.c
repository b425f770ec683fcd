#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "dialect/xiaozhi_check.h"
#include "xiaozhi_check_scene.h"
#include "xiaozhi_request.h"

/* A request as the seed has it, byte for byte. */
static bool decode_file(const char *name)
{
	char path[512];
	static char text[4096];
	struct xiaozhi_headers headers;
	size_t body_len;
	snprintf(path, sizeof path, "%s/%s", REQUESTS, name);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t len = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[len] = '\0';
	const char *body = xiaozhi_request_split(text, len, &headers, &body_len);
	memset(&err, 0, sizeof err);
	return xiaozhi_check_decode(&headers, body, body_len, &check, &err);
}

/* ---- the seeds ---- */

static void the_first_seeds_complete_request_is_read(void **state)
{
	(void)state;
	assert_true(decode_file("seed_000_esp32"));
	assert_true(check.told.read);
	assert_string_equal(check.mac, "112233445566");
	assert_string_equal(check.name, "11_22_33_44_55_66");
	assert_string_equal(check.told.client_uuid, "7b94d69a-9808-4c59-9c9b-704333b38aff");
	assert_true(check.client_is_uuid);
	assert_string_equal(check.told.language, "zh-CN");
	assert_string_equal(check.told.board_name, "xingzhi-cube-1.54tft-wifi");
	assert_string_equal(check.told.board_type, "xingzhi-cube-1.54tft-wifi");
	assert_string_equal(check.version, "1.0.1");
	assert_false(check.told.has_elf); /* 63 digits */
	assert_string_equal(check.told.chip, "esp32s3");
	assert_int_equal(check.told.flash_size, 16777216);
	assert_int_equal(check.free_heap, 8457848);
	assert_int_equal(check.told.partition_count, 6);
	assert_string_equal(check.told.slot, "ota_0");
	assert_int_equal(check.slot, 0);
	assert_int_equal(check.activation_version, 0);
}

static void the_first_seeds_smallest_requests_are_read(void **state)
{
	(void)state;
	assert_true(decode_file("seed_000_wifi"));
	assert_true(check.told.read);
	assert_string_equal(check.told.board_type, "bread-compact-wifi");
	assert_string_equal(check.told.board_name, "bread-compact-wifi-128x64");
	assert_elf("c8a8ecb6d6fbcda682494d9675cd1ead240ecf38bdde75282a42365a0e396033");
	assert_int_equal(check.slot, -1);
	assert_true(decode_file("seed_000_4g"));
	assert_true(check.told.read);
	assert_string_equal(check.told.board_type, "kevin-box");
	assert_string_equal(check.told.board_name, "kevin-box-2");
}

static void the_web_test_client_is_read(void **state)
{
	(void)state;
	assert_true(decode_file("seed_001_web"));
	assert_true(check.told.read);
	assert_string_equal(check.mac, "D40606B6A9FA");
	assert_string_equal(check.name, "d4_06_06_b6_a9_fa");
	assert_string_equal(check.told.client_uuid, "web_test_client");
	assert_false(check.client_is_uuid);
	assert_false(check.told.has_elf);         /* 48 digits */
	assert_string_equal(check.told.slot, ""); /* longer than any partition can be called */
}

static void the_four_captures_of_a_4g_device_are_read(void **state)
{
	(void)state;
	static const char *const captures[] = {"seed_004_4g_1", "seed_004_4g_2", "seed_004_4g_3", "seed_004_4g_4"};
	static const int64_t heaps[] = {8425044, 8425048, 8402204, 8425048};
	for (size_t i = 0; i < COUNT(captures); i++) {
		assert_true(decode_file(captures[i]));
		assert_true(check.told.read);
		assert_string_equal(check.name, "94_a9_90_2c_84_b8");
		assert_string_equal(check.version, "2.0.4");
		assert_string_equal(check.told.board_type, "bread-compact-ml307");
		assert_elf("ec236bc87baef23231029a0a90caf2b9b5eb462bc616ad8c5c5313187082ffdf");
		assert_int_equal(check.free_heap, heaps[i]); /* a string from 1.7.7 on */
		assert_int_equal(check.activation_version, 1);
		assert_int_equal(check.told.partition_count, 6);
		const struct told_partition *slot = told_find(&check.told, "ota_1");
		assert_non_null(slot);
		assert_int_equal(slot->type, 0);
		assert_int_equal(slot->subtype, 17);
		assert_int_equal(slot->size, 4128768);
		assert_non_null(told_find(&check.told, "assets"));
		assert_null(told_find(&check.told, "ota_2"));
	}
}

/* ---- who it is ---- */

static void a_device_id_is_demanded(void **state)
{
	(void)state;
	struct xiaozhi_headers none = {.client_id = "x", .user_agent = "a/1"};
	assert_false(decode(&none, "{" APPLICATION "," BOARD ",\"mac_address\":\"11:22:33:44:55:66\"}"));
	assert_int_equal(err.kind, ERR_MISSING);
	none.device_id = "";
	assert_false(decode(&none, ""));
	assert_int_equal(err.kind, ERR_MISSING);
}

static void a_device_id_that_is_no_mac_identifies_nobody(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"x", "11:22:33:44:55", "11:22:33:44:55:66:77", "11:22-33:44:55:66", "gg:22:33:44:55:66", " 11:22:33:44:55:66"};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct xiaozhi_headers headers = {.device_id = wrong[i]};
		assert_false(decode(&headers, "{" APPLICATION "," BOARD "}"));
		assert_int_equal(err.kind, ERR_INVALID);
		assert_false(decode(&headers, "broken"));
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

static void every_spelling_of_a_mac_is_the_same_device(void **state)
{
	(void)state;
	static const char *const spelled[] = {"AA:BB:CC:DD:EE:0F", "aa-bb-cc-dd-ee-0f", "AABBCCDDEE0F", "aabb.ccdd.ee0f"};
	for (size_t i = 0; i < COUNT(spelled); i++) {
		struct xiaozhi_headers headers = {.device_id = spelled[i]};
		assert_true(decode(&headers, "{" APPLICATION "," BOARD ",\"mac_address\":\"aa:BB:cc:dd:ee:0f\"}"));
		assert_string_equal(check.name, "aa_bb_cc_dd_ee_0f");
	}
}

static void a_body_of_another_mac_is_refused_in_both_spellings_of_the_key(void **state)
{
	(void)state;
	accept_json("{" APPLICATION "," BOARD ",\"mac_address\":\"11-22-33-44-55-66\",\"mac address\":\"112233445566\"}");
	accept_json("{" APPLICATION "," BOARD ",\"mac_address\":\"\"}");
	accept_json("{" APPLICATION "," BOARD ",\"mac_address\":null}");
	refuse("{" APPLICATION "," BOARD ",\"mac_address\":\"11:22:33:44:55:67\"}");
	refuse("{" APPLICATION "," BOARD ",\"mac address\":\"11:22:33:44:55:67\"}");
	refuse("{" APPLICATION "," BOARD ",\"mac_address\":\"11:22:33:44:55:66\",\"mac address\":\"11:22:33:44:55:67\"}");
	refuse("{" APPLICATION "," BOARD ",\"mac_address\":\"unknown\"}");
	refuse("{" APPLICATION "," BOARD ",\"mac_address\":112233445566}");
}

static void the_client_id_is_the_headers_else_the_bodys(void **state)
{
	(void)state;
	struct xiaozhi_headers headers = device;
	static const char body[] = "{" APPLICATION "," BOARD ",\"uuid\":\"E2314AED-0a16-43f0-8128-766fbd3207f2\"}";
	assert_true(decode(&headers, body));
	assert_string_equal(check.told.client_uuid, "e2314aed-0a16-43f0-8128-766fbd3207f2");
	assert_true(check.client_is_uuid);
	headers.client_id = "mine";
	assert_true(decode(&headers, body));
	assert_string_equal(check.told.client_uuid, "mine");
	headers.client_id = "a@@@b|c";
	assert_true(decode(&headers, body));
	assert_string_equal(check.told.client_uuid, "e2314aed-0a16-43f0-8128-766fbd3207f2");
}

static void the_language_is_the_first_tag(void **state)
{
	(void)state;
	struct xiaozhi_headers headers = device;
	headers.x_language = "en-US";
	assert_true(decode(&headers, "{" APPLICATION "," BOARD ",\"language\":\"ja-JP\"}"));
	assert_string_equal(check.told.language, "en-US");
	headers.accept_language = "zh-CN,zh;q=0.9";
	assert_true(decode(&headers, ""));
	assert_string_equal(check.told.language, "zh-CN");
	headers.accept_language = "<script>";
	headers.x_language = NULL;
	assert_true(decode(&headers, "{" APPLICATION "," BOARD ",\"language\":\"ja-JP\"}"));
	assert_string_equal(check.told.language, "ja-JP");
}

static void a_serial_number_counts_only_with_activation_version_2(void **state)
{
	(void)state;
	static const struct {
		const char *version, *serial;
		int number;
		const char *taken;
	} rows[] = {
		{"2", "SN-0123", 2, "SN-0123"},
		{"2.1.1", "SN-0123", 2, "SN-0123"},
		{"1", "SN-0123", 1, ""},
		{NULL, "SN-0123", 0, ""},
		{"x", "SN-0123", 0, ""},
		{"21", "SN-0123", 0, ""},
		{"2", "with blank", 2, ""},
		{"2", "", 2, ""},
		{"2", NULL, 2, ""},
		{"2", "12345678901234567890123456789012", 2, "12345678901234567890123456789012"},
		{"2", "123456789012345678901234567890123", 2, ""},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct xiaozhi_headers headers = device;
		headers.activation_version = rows[i].version;
		headers.serial_number = rows[i].serial;
		assert_true(decode(&headers, ""));
		assert_int_equal(check.activation_version, rows[i].number);
		assert_string_equal(check.serial, rows[i].taken);
	}
}

static void the_user_agent_names_board_and_version_or_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *agent, *board, *version;
	} rows[] = {
		{"esp-box-3/1.5.6", "esp-box-3", "1.5.6"},
		{"a/b/1", "a/b", "1"},
		{"Mozilla/5.0 (X11) Firefox/1", "", ""},
		{"curl", "", ""},
		{"/1.0", "", ""},
		{"board/", "", ""},
		{"caf\xc3\xa9/1.0", "", ""},
		{NULL, "", ""},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct xiaozhi_headers headers = {.device_id = "112233445566", .user_agent = rows[i].agent};
		assert_true(decode(&headers, "not json"));
		assert_string_equal(check.told.board_name, rows[i].board);
		assert_string_equal(check.version, rows[i].version);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_seeds_complete_request_is_read),
		cmocka_unit_test(the_first_seeds_smallest_requests_are_read),
		cmocka_unit_test(the_web_test_client_is_read),
		cmocka_unit_test(the_four_captures_of_a_4g_device_are_read),
		cmocka_unit_test(a_device_id_is_demanded),
		cmocka_unit_test(a_device_id_that_is_no_mac_identifies_nobody),
		cmocka_unit_test(every_spelling_of_a_mac_is_the_same_device),
		cmocka_unit_test(a_body_of_another_mac_is_refused_in_both_spellings_of_the_key),
		cmocka_unit_test(the_client_id_is_the_headers_else_the_bodys),
		cmocka_unit_test(the_language_is_the_first_tag),
		cmocka_unit_test(a_serial_number_counts_only_with_activation_version_2),
		cmocka_unit_test(the_user_agent_names_board_and_version_or_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
