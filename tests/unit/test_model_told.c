#include "model/told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"

static struct told sample(void)
{
	struct told t = {.read = true, .has_elf = true, .elf_sha256 = {1}, .flash_size = 16 << 20, .partition_count = 2};
	strcpy(t.board_name, "bread-compact-wifi-128x64");
	strcpy(t.board_type, "bread-compact-wifi");
	strcpy(t.chip, "esp32s3");
	strcpy(t.slot, "ota_0");
	strcpy(t.client_uuid, "e2314aed-0a16-43f0-8128-766fbd3207f2");
	strcpy(t.language, "zh-CN");
	t.partitions[0] = (struct told_partition){"ota_0", 0, 16, 4128768};
	t.partitions[1] = (struct told_partition){"ota_1", 0, 17, 4128768};
	return t;
}

static void test_the_same_facts_have_the_same_fingerprint_in_every_process(void **state)
{
	(void)state;
	struct told t = sample();
	struct told again = sample();
	assert_int_equal(told_fingerprint(&t), told_fingerprint(&again));
	assert_int_equal(told_fingerprint(&t), UINT64_C(0x4408b23f10cd2758));
}

static void test_every_fact_counts(void **state)
{
	(void)state;
	uint64_t seen[12];
	size_t n = 0;
	struct told t = sample();
	seen[n++] = told_fingerprint(&t);
#define CHANGED(change)                           \
	do {                                      \
		t = sample();                     \
		change;                           \
		seen[n++] = told_fingerprint(&t); \
	} while (0)
	CHANGED(t.read = false);
	CHANGED(t.has_elf = false);
	CHANGED(t.elf_sha256[31] = 1);
	CHANGED(strcpy(t.board_name, ""));
	CHANGED(strcpy(t.board_type, "x"));
	CHANGED(strcpy(t.chip, "esp32"));
	CHANGED(strcpy(t.slot, "ota_1"));
	CHANGED(t.client_uuid[0] = 'f');
	CHANGED(t.flash_size = 1);
	CHANGED(t.partition_count = 1);
	CHANGED(t.partitions[1].size++);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(seen[i], seen[j]);
		}
	}
}

static void test_a_partition_is_found_by_its_label(void **state)
{
	(void)state;
	struct told t = sample();
	assert_ptr_equal(told_find(&t, "ota_1"), &t.partitions[1]);
	assert_null(told_find(&t, "assets"));
}

static void test_a_partition_table_is_the_same_after_print_and_parse(void **state)
{
	(void)state;
	char mem[256];
	struct buf text;
	struct told t = sample();
	struct told back = sample();
	strcpy(t.partitions[0].label, "a b 1 2");
	t.partitions[1].size = UINT32_MAX;
	buf_init_fixed(&text, mem, sizeof mem);
	told_print_partitions(&t, &text);
	assert_string_equal(buf_cstr(&text), "0 16 4128768 a b 1 2\n0 17 4294967295 ota_1\n");
	told_parse_partitions(&back, buf_cstr(&text));
	assert_int_equal(told_fingerprint(&back), told_fingerprint(&t));
}

static void test_what_is_no_partition_ends_the_table(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t count;
	} rows[] = {
		{"", 0},
		{"0 16 1 a", 1},
		{"0 16 1 ", 1},
		{"0 16 1 a\n256 16 1 b", 1},
		{"0 -1 1 a", 0},
		{"0 1 4294967296 a", 0},
		{"0 1 99999999999999999999999 a", 0},
		{"0 16 1", 0},
		{" 0 16 1 a", 0},
		{"0 16 1 12345678901234567", 0},
		{"0 16 1 1234567890123456\n\n0 16 1 a", 1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct told t = sample();
		told_parse_partitions(&t, rows[i].text);
		assert_int_equal(t.partition_count, rows[i].count);
	}
	char many[100 * 9 + 1] = "";
	for (int i = 0; i < 100; i++) {
		memcpy(many + i * 9, "0 16 1 a\n", sizeof "0 16 1 a\n");
	}
	struct told t = sample();
	told_parse_partitions(&t, many);
	assert_int_equal(t.partition_count, TOLD_PARTITIONS);
}

static void test_a_kept_copy_says_the_same(void **state)
{
	(void)state;
	struct told t = sample();
	struct told *kept = told_keep(&t);
	assert_int_equal(told_fingerprint(kept), told_fingerprint(&t));
	free(kept);
	t.partition_count = 0;
	kept = told_keep(&t);
	assert_int_equal(told_fingerprint(kept), told_fingerprint(&t));
	free(kept);
}

static void test_a_pin_is_zero_only_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(told_pin(""), 0);
	assert_int_not_equal(told_pin("a"), 0);
	assert_int_not_equal(told_pin("a"), told_pin("b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_facts_have_the_same_fingerprint_in_every_process),
		cmocka_unit_test(test_every_fact_counts),
		cmocka_unit_test(test_a_partition_is_found_by_its_label),
		cmocka_unit_test(test_a_partition_table_is_the_same_after_print_and_parse),
		cmocka_unit_test(test_what_is_no_partition_ends_the_table),
		cmocka_unit_test(test_a_kept_copy_says_the_same),
		cmocka_unit_test(test_a_pin_is_zero_only_for_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
