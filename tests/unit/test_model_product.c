/* What an operator may say of a product. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "model/product.h"

static void names_are_printable_and_said_once(void **state)
{
	(void)state;
	static const struct {
		struct product product;
		const char *words;
	} cases[] = {
		{{.key = "lamp"}, NULL},
		{{.key = "lamp", .boards = {"bread compact", "\xe9\x9d\xa2\xe5\x8c\x85"}, .board_count = 2}, NULL},
		{{.key = "lamp", .boards = {"lamp"}, .board_count = 1}, NULL}, /* said twice over, which does no harm */
		{{.key = "lamp", .partitions = {"assets", "nvs"}, .partition_count = 2}, NULL},
		{{.key = "a lamp"}, "key must"},
		{{.key = ""}, "key must"},
		{{.key = "lamp", .boards = {"a", ""}, .board_count = 2}, "boards must be names of 1 to 64"},
		{{.key = "lamp",
		  .boards = {"a\x1f"
			     "b"},
		  .board_count = 1},
		 "boards must"},
		{{.key = "lamp", .boards = {"\xff"}, .board_count = 1}, "boards must"},
		{{.key = "lamp", .boards = {"a", "b", "a"}, .board_count = 3}, "boards names \"a\" twice"},
		{{.key = "lamp", .partitions = {""}, .partition_count = 1}, "partitions must be names of 1 to 16"},
		{{.key = "lamp", .partitions = {"x", "x"}, .partition_count = 2}, "partitions names \"x\" twice"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		assert_int_equal(product_check(&cases[i].product, &err), !cases[i].words);
		assert_true(!cases[i].words || strstr(err.text, cases[i].words));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_printable_and_said_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
