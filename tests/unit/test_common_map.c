#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/map.h"

static void an_empty_map_holds_nothing(void **state)
{
	(void)state;
	struct map m = {0};
	size_t at = 0;
	assert_null(map_get(&m, 1));
	assert_null(map_remove(&m, 1));
	assert_null(map_next(&m, &at));
	map_free(&m);
}

static void a_key_has_one_value(void **state)
{
	(void)state;
	struct map m = {0};
	int a;
	int b;
	assert_true(map_put(&m, 7, &a));
	assert_true(map_put(&m, 7, &b));
	assert_int_equal(m.count, 1);
	assert_ptr_equal(map_get(&m, 7), &b);
	assert_ptr_equal(map_remove(&m, 7), &b);
	assert_int_equal(m.count, 0);
	assert_null(map_get(&m, 7));
	map_free(&m);
}

enum { KEYS = 512 };

static void assert_agrees(const struct map *m, const int *model, int *cells)
{
	size_t count = 0;
	for (size_t k = 0; k < KEYS; k++) {
		assert_ptr_equal(map_get(m, k + 1), model[k] ? &cells[model[k]] : NULL);
		count += model[k] != 0;
	}
	assert_int_equal(m->count, count);
	size_t walked = 0;
	struct map_slot *slot;
	for (size_t at = 0; (slot = map_next(m, &at)); walked++) {
		assert_ptr_equal(slot->value, &cells[model[slot->key - 1]]);
	}
	assert_int_equal(walked, count);
}

/* Deletions move entries back over the hole, also around the end of the table. */
static void agrees_with_an_array_under_random_changes(void **state)
{
	(void)state;
	static int cells[KEYS + 1];
	int model[KEYS] = {0};
	struct map m = {0};
	srand(1);
	for (int i = 0; i < 40000; i++) {
		size_t k = (size_t)(rand() % KEYS);
		if (rand() % 2) {
			model[k] = 1 + rand() % KEYS;
			assert_true(map_put(&m, k + 1, &cells[model[k]]));
		} else {
			assert_ptr_equal(map_remove(&m, k + 1), model[k] ? &cells[model[k]] : NULL);
			model[k] = 0;
		}
		if (i % 1000 == 0) {
			assert_agrees(&m, model, cells);
		}
	}
	assert_agrees(&m, model, cells);
	map_free(&m);
}

static void sparse_keys_of_all_64_bits_are_told_apart(void **state)
{
	(void)state;
	static int cells[2000];
	struct map m = {0};
	for (uint64_t i = 0; i < 2000; i++) {
		assert_true(map_put(&m, UINT64_MAX - (i << 44), &cells[i]));
	}
	for (uint64_t i = 0; i < 2000; i++) {
		assert_ptr_equal(map_get(&m, UINT64_MAX - (i << 44)), &cells[i]);
	}
	map_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_holds_nothing),
		cmocka_unit_test(a_key_has_one_value),
		cmocka_unit_test(agrees_with_an_array_under_random_changes),
		cmocka_unit_test(sparse_keys_of_all_64_bits_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
