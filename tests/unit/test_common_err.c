#include "unit.h"

#include <errno.h>
#include <string.h>

#include "common/err.h"

static void setting_stores_kind_and_sentence_and_returns_false(void **state)
{
	(void)state;
	struct err err = {0};
	assert_false(err_set(&err, ERR_NOT_FOUND, "no device %s", "esp-1"));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.text, "no device esp-1");
}

static void a_null_err_is_allowed_everywhere(void **state)
{
	(void)state;
	assert_false(err_set(NULL, ERR_INVALID, "x"));
	assert_false(err_prefix(NULL, "x"));
}

static void each_layer_puts_its_words_in_front(void **state)
{
	(void)state;
	struct err err = {0};
	err_set(&err, ERR_NO_SPACE, "disk full");
	assert_false(err_prefix(&err, "chunk %d", 7));
	assert_false(err_prefix(&err, "upload"));
	assert_string_equal(err.text, "upload: chunk 7: disk full");
	assert_int_equal(err.kind, ERR_NO_SPACE);
}

static void its_own_text_may_be_an_argument(void **state)
{
	(void)state;
	struct err err = {0};
	err_set(&err, ERR_INVALID, "inner");
	err_set(&err, ERR_INVALID, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
}

static void a_long_sentence_is_cut_between_characters(void **state)
{
	(void)state;
	char text[400];
	struct err err = {0};
	for (size_t lead = 0; lead < 4; lead++) {
		memset(text, 'a', sizeof text);
		for (size_t at = lead; at + 3 <= sizeof text; at += 3) {
			memcpy(text + at, "\xe4\xb8\xad", 3);
		}
		text[sizeof text - 1] = '\0';
		err_set(&err, ERR_INVALID, "%s", text);
		size_t len = strlen(err.text);
		assert_in_range(len, 253, 255);
		assert_int_equal((len - lead) % 3, 0);
	}
}

static void a_long_prefix_leaves_a_terminated_text(void **state)
{
	(void)state;
	char text[400];
	memset(text, 'p', sizeof text);
	text[sizeof text - 1] = '\0';
	struct err err = {0};
	err_set(&err, ERR_INVALID, "inner");
	err_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), sizeof err.text - 1);
	err_set(&err, ERR_INVALID, "%s", text);
	err_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = ERR_NONE; a <= ERR_INTERNAL; a++) {
		assert_string_not_equal(err_kind_name((enum err_kind)a), "unknown");
		for (int b = ERR_NONE; b < a; b++) {
			assert_string_not_equal(err_kind_name((enum err_kind)a), err_kind_name((enum err_kind)b));
		}
	}
	assert_string_equal(err_kind_name((enum err_kind)99), "unknown");
	assert_string_equal(err_kind_name((enum err_kind) - 1), "unknown");
}

static void errno_has_a_text_even_if_unknown(void **state)
{
	(void)state;
	assert_string_equal(err_errno(ENOENT), "No such file or directory");
	assert_string_equal(err_errno(99999), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting_stores_kind_and_sentence_and_returns_false),
		cmocka_unit_test(a_null_err_is_allowed_everywhere),
		cmocka_unit_test(each_layer_puts_its_words_in_front),
		cmocka_unit_test(its_own_text_may_be_an_argument),
		cmocka_unit_test(a_long_sentence_is_cut_between_characters),
		cmocka_unit_test(a_long_prefix_leaves_a_terminated_text),
		cmocka_unit_test(errno_has_a_text_even_if_unknown),
		cmocka_unit_test(every_kind_has_a_name_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
