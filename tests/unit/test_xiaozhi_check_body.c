/* The body of a check: what may be missing, odd, cut or too much. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "dialect/xiaozhi_check.h"
#include "xiaozhi_check_scene.h"
#include "xiaozhi_request.h"

/* Known by its headers alone. */
static void accept_headers(const char *body)
{
	if (!decode(&device, body)) {
		fail_msg("refused (%s): %s", err.text, body);
	}
	assert_false(check.told.read);
	assert_string_equal(check.mac, "112233445566");
	assert_string_equal(check.told.board_name, "bread-compact-wifi");
	assert_string_equal(check.told.board_type, "");
	assert_string_equal(check.version, "1.7.0");
}

/* ---- the body ---- */

static void a_body_that_is_no_json_is_served_from_the_headers(void **state)
{
	(void)state;
	static const char *const broken[] = {
		"",
		"{",
		"{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"my \"home\" net\"}}",
		"{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"back\\\"}}",
		"{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"back\\slash\"}}",
		"{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"caf\xe9\"}}",
		"{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"\xed\xa0\x80\"}}",
		"{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"tab\there\"}}",
		"{" APPLICATION "," BOARD "}x",
		"{" APPLICATION "," BOARD "}{}",
		"{" APPLICATION "," BOARD ",}",
		"{" APPLICATION "," BOARD ",\"x\":01}",
		"{" APPLICATION "," BOARD ",\"x\":1.}",
		"{" APPLICATION "," BOARD ",\"x\":.5}",
		"{" APPLICATION "," BOARD ",\"x\":+1}",
		"{" APPLICATION "," BOARD ",\"x\":1e}",
		"{" APPLICATION "," BOARD ",\"x\":nan}",
		"{" APPLICATION "," BOARD ",\"x\":True}",
		"{" APPLICATION "," BOARD ",\"x\" 1}",
		"{" APPLICATION "," BOARD ",\"x\"}",
		"{" APPLICATION "," BOARD ",x:1}",
		"{" APPLICATION "," BOARD ",1:1}",
		"{" APPLICATION "," BOARD ",\"x\":[1 2]}",
		"{" APPLICATION "," BOARD ",\"x\":[1,]}",
		"{" APPLICATION "," BOARD ",\"x\":[1}}",
		"{" APPLICATION "," BOARD ",\"x\":{]}",
		"{" APPLICATION " " BOARD "}",
		"{" APPLICATION "," BOARD ",\"x\"::1}",
		"{" APPLICATION "," BOARD ",\"x\":\"\\u12g4\"}",
		"\xef\xbb\xbf{" APPLICATION "," BOARD "}",
	};
	for (size_t i = 0; i < COUNT(broken); i++) {
		accept_headers(broken[i]);
	}
	static const char nul[] = "{" APPLICATION "," BOARD "}\0";
	assert_true(xiaozhi_check_decode(&device, nul, sizeof nul - 1, &check, &err));
	assert_false(check.told.read);
}

/* The Wi-Fi's name can say "type" again in an unescaped body: neither of the two may choose an image. */
static void a_body_that_says_something_twice_is_served_from_the_headers(void **state)
{
	(void)state;
	accept_headers("{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"x\",\"type\":\"evil\"}}");
	accept_headers("{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"x\",\"typ\\u0065\":\"evil\"}}");
	accept_headers("{" APPLICATION ",\"board\":{\"type\":\"a\",\"ssid\":\"x\"},\"board\":{\"type\":\"evil\"}}");
	accept_headers("{\"application\":{\"version\":\"1\",\"version\":\"2\"}," BOARD "}");
	accept_headers("{" APPLICATION "," BOARD ",\"mac_address\":\"112233445566\",\"mac_address\":\"112233445566\"}");
	accept_json("{" APPLICATION "," BOARD ",\"other\":1,\"other\":2}");
}

static void whole_json_must_say_version_and_type(void **state)
{
	(void)state;
	accept_json("{" APPLICATION "," BOARD "}");
	accept_json(" \r\n\t{ \"board\" : { \"type\" : \"a\" } , \"application\" : { \"version\" : \"1\" } } \n");
	static const char *const wrong[] = {
		"{}",
		"[]",
		"5",
		"null",
		"\"text\"",
		"{" APPLICATION "}",
		"{" BOARD "}",
		"{\"application\":{}," BOARD "}",
		"{\"application\":null," BOARD "}",
		"{\"application\":[]," BOARD "}",
		"{\"application\":\"1.0\"," BOARD "}",
		"{\"application\":{\"version\":\"\"}," BOARD "}",
		"{\"application\":{\"version\":1.8}," BOARD "}",
		"{\"application\":{\"version\":\"a\\nb\"}," BOARD "}",
		"{\"application\":{\"Version\":\"1.8\"}," BOARD "}",
		"{" APPLICATION ",\"board\":{}}",
		"{" APPLICATION ",\"board\":{\"type\":null}}",
		"{" APPLICATION ",\"board\":{\"type\":1}}",
		"{" APPLICATION ",\"board\":{\"type\":\"\"}}",
		"{" APPLICATION ",\"board\":{\"type\":\"12345678901234567890123456789012345678901234567890123456789012345\"}}",
	};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		refuse(wrong[i]);
	}
}

static void a_board_without_a_name_has_the_user_agents(void **state)
{
	(void)state;
	accept_json("{" APPLICATION ",\"board\":{\"type\":\"t\"}}");
	assert_string_equal(check.told.board_name, "bread-compact-wifi");
	assert_string_equal(check.version, "1.8.0"); /* the body's, not User-Agent's */
	accept_json("{" APPLICATION ",\"board\":{\"type\":\"t\",\"name\":\"n\"}}");
	assert_string_equal(check.told.board_name, "n");
}

static void odd_optional_members_are_unknown(void **state)
{
	(void)state;
	accept_json(
		"{" APPLICATION "," BOARD
		",\"uuid\":5,\"language\":[],\"chip_model_name\":{},\"flash_size\":\"x\",\"minimum_free_heap_size\":-1,\"ota\":\"ota_0\","
		"\"partition_table\":{\"label\":\"a\"},\"chip_info\":null,\"display\":7}");
	assert_string_equal(check.told.client_uuid, "");
	assert_string_equal(check.told.language, "");
	assert_string_equal(check.told.chip, "");
	assert_int_equal(check.told.flash_size, 0);
	assert_int_equal(check.free_heap, 0);
	assert_int_equal(check.told.partition_count, 0);
	assert_int_equal(check.slot, -1);
	accept_json("{" APPLICATION "," BOARD ",\"flash_size\":1e999,\"minimum_free_heap_size\":99999999999999999999999999}");
	assert_int_equal(check.told.flash_size, 0);
	assert_int_equal(check.free_heap, 0);
}

static void numbers_may_be_strings_and_strings_objects(void **state)
{
	(void)state;
	accept_json("{" APPLICATION
		    ",\"minimum_free_heap_size\":\"8425044\",\"flash_size\":\"4194304\",\"board\":{\"type\":\"t\",\"csq\":\"24\","
		    "\"cereg\":{\"stat\":1,\"tac\":\"2490\",\"ci\":\"015B290F\",\"AcT\":7}}}");
	assert_int_equal(check.free_heap, 8425044);
	assert_int_equal(check.told.flash_size, 4194304);
	accept_json("{" APPLICATION ",\"board\":{\"type\":\"t\",\"csq\":24,\"cereg\":\"1\"}}");
}

static void a_digest_of_another_length_is_unknown(void **state)
{
	(void)state;
	static const char *const digests[] = {"\"\"",
					      "\"abc\"",
					      "12",
					      "null",
					      "\"zz236bc87baef23231029a0a90caf2b9b5eb462bc616ad8c5c5313187082ffdf\"",
					      "\"ec236bc87baef23231029a0a90caf2b9b5eb462bc616ad8c5c5313187082ffdf0\""};
	char body[512];
	for (size_t i = 0; i < COUNT(digests); i++) {
		snprintf(body, sizeof body, "{\"application\":{\"version\":\"1\",\"elf_sha256\":%s}," BOARD "}", digests[i]);
		accept_json(body);
		assert_false(check.told.has_elf);
	}
	accept_json("{\"application\":{\"version\":\"1\",\"elf_sha256\":"
		    "\"EC236BC87BAEF23231029A0A90CAF2B9B5EB462BC616AD8C5C5313187082FFDF\"}," BOARD "}");
	assert_elf("ec236bc87baef23231029a0a90caf2b9b5eb462bc616ad8c5c5313187082ffdf");
}

static void escaped_text_is_decoded(void **state)
{
	(void)state;
	accept_json(
		"{\"application\":{\"version\":\"1\\u002e8\"},\"board\":{\"type\":\"a\\/b\\\\c\\\"\",\"name\":\"\\u5367\\ud83d\\ude00\"}}");
	assert_string_equal(check.version, "1.8");
	assert_string_equal(check.told.board_type, "a/b\\c\"");
	assert_string_equal(check.told.board_name, "卧\xf0\x9f\x98\x80");
	accept_json("{" APPLICATION "," BOARD ",\"chip_model_name\":\"\\ud83d\",\"uuid\":\"\\u0000\",\"language\":\"\\udc00\"}");
	assert_string_equal(check.told.chip, "");
	assert_string_equal(check.told.client_uuid, "");
	accept_json("{" APPLICATION "," BOARD ",\"language\\u0000\\u0000\":\"zh\"}");
	assert_string_equal(check.told.language, "");
}

static void entries_of_the_partition_table_that_are_not_whole_are_left_out(void **state)
{
	(void)state;
	accept_json("{" APPLICATION "," BOARD ",\"ota\":{\"label\":\"ota_1\"},\"partition_table\":[1,{},[],"
		    "{\"label\":\"a\",\"type\":256,\"subtype\":0,\"size\":1},{\"label\":\"a\",\"type\":0,\"subtype\":0,\"size\":-1},"
		    "{\"label\":\"a\",\"type\":0,\"subtype\":0,\"size\":4294967296},{\"label\":\"seventeen "
		    "letters\",\"type\":0,\"subtype\":0,\"size\":1},"
		    "{\"label\":\"ota_0\",\"type\":0,\"subtype\":16,\"size\":1},{\"label\":\"ota_1\",\"type\":0,\"subtype\":17,\"size\":"
		    "4294967295}]}");
	assert_int_equal(check.told.partition_count, 2);
	assert_string_equal(check.told.partitions[1].label, "ota_1");
	assert_int_equal(check.told.partitions[1].size, 4294967295);
	assert_int_equal(check.slot, 1);
}

static void a_partition_that_is_no_app_slot_is_no_slot(void **state)
{
	(void)state;
	accept_json("{" APPLICATION "," BOARD
		    ",\"ota\":{\"label\":\"factory\"},\"partition_table\":[{\"label\":\"factory\",\"type\":0,\"subtype\":0,\"size\":1}]}");
	assert_string_equal(check.told.slot, "factory");
	assert_int_equal(check.slot, -1);
	accept_json("{" APPLICATION "," BOARD
		    ",\"ota\":{\"label\":\"data\"},\"partition_table\":[{\"label\":\"data\",\"type\":1,\"subtype\":16,\"size\":1}]}");
	assert_int_equal(check.slot, -1);
}

/* ---- caps ---- */

static void put_partitions(struct buf *b, int n)
{
	buf_puts(b, "{" APPLICATION "," BOARD ",\"partition_table\":[");
	for (int i = 0; i < n; i++) {
		buf_putf(b, "%s{\"label\":\"p%d\",\"type\":1,\"subtype\":2,\"address\":%d,\"size\":4096}", i ? "," : "", i, i * 4096);
	}
	buf_puts(b, "]}");
}

static void the_largest_partition_table_is_read_and_more_is_cut(void **state)
{
	(void)state;
	static char mem[XIAOZHI_CHECK_BODY_MAX + 64];
	struct buf b;
	buf_init_fixed(&b, mem, sizeof mem);
	put_partitions(&b, TOLD_PARTITIONS);
	accept_json(buf_cstr(&b));
	assert_int_equal(check.told.partition_count, TOLD_PARTITIONS);
	buf_reset(&b);
	put_partitions(&b, TOLD_PARTITIONS + 20);
	accept_json(buf_cstr(&b));
	assert_int_equal(check.told.partition_count, TOLD_PARTITIONS);
	assert_string_equal(check.told.partitions[TOLD_PARTITIONS - 1].label, "p94");
	buf_reset(&b);
	put_partitions(&b, 400); /* more tokens than are looked at */
	accept_headers(buf_cstr(&b));
}

static void depth_is_bounded(void **state)
{
	(void)state;
	char body[512];
	struct buf b;
	for (int depth = 31; depth <= 32; depth++) { /* within the object: 32 and 33 levels */
		buf_init_fixed(&b, body, sizeof body);
		buf_puts(&b, "{" APPLICATION "," BOARD ",\"x\":");
		for (int i = 0; i < depth; i++) {
			buf_putc(&b, '[');
		}
		for (int i = 0; i < depth; i++) {
			buf_putc(&b, ']');
		}
		buf_putc(&b, '}');
		if (depth == 31) {
			accept_json(buf_cstr(&b));
		} else {
			accept_headers(buf_cstr(&b));
		}
	}
}

static void a_body_of_more_than_64_kib_is_refused(void **state)
{
	(void)state;
	static char body[XIAOZHI_CHECK_BODY_MAX + 2];
	static const char start[] = "{" APPLICATION "," BOARD "}";
	memset(body, ' ', sizeof body - 1);
	memcpy(body, start, sizeof start - 1);
	body[XIAOZHI_CHECK_BODY_MAX] = '\0';
	accept_json(body);
	body[XIAOZHI_CHECK_BODY_MAX] = ' ';
	assert_false(decode(&device, body));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
}

static void every_cut_and_every_flipped_byte_is_survived(void **state)
{
	(void)state;
	static const char whole[] =
		"{" APPLICATION "," BOARD
		",\"partition_table\":[{\"label\":\"a\",\"type\":0,\"subtype\":16,\"size\":1}],\"ota\":{\"label\":\"a\"}}";
	char body[sizeof whole];
	for (size_t cut = 0; cut < sizeof whole - 1; cut++) {
		assert_true(xiaozhi_check_decode(&device, whole, cut, &check, &err));
		assert_false(check.told.read);
	}
	for (size_t i = 0; i < sizeof whole - 1; i++) {
		for (int c = 0; c < 256; c++) {
			memcpy(body, whole, sizeof whole);
			body[i] = (char)c;
			if (!xiaozhi_check_decode(&device, body, sizeof whole - 1, &check, &err)) {
				assert_int_equal(err.kind, ERR_INVALID);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_that_is_no_json_is_served_from_the_headers),
		cmocka_unit_test(a_body_that_says_something_twice_is_served_from_the_headers),
		cmocka_unit_test(whole_json_must_say_version_and_type),
		cmocka_unit_test(a_board_without_a_name_has_the_user_agents),
		cmocka_unit_test(odd_optional_members_are_unknown),
		cmocka_unit_test(numbers_may_be_strings_and_strings_objects),
		cmocka_unit_test(a_digest_of_another_length_is_unknown),
		cmocka_unit_test(escaped_text_is_decoded),
		cmocka_unit_test(entries_of_the_partition_table_that_are_not_whole_are_left_out),
		cmocka_unit_test(a_partition_that_is_no_app_slot_is_no_slot),
		cmocka_unit_test(the_largest_partition_table_is_read_and_more_is_cut),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(a_body_of_more_than_64_kib_is_refused),
		cmocka_unit_test(every_cut_and_every_flipped_byte_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
