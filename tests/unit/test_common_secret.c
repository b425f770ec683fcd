#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "common/err.h"
#include "common/secret.h"

static char path[] = "/tmp/otad-secret-XXXXXX";

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *data, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void setting_copies_and_clearing_unsets(void **state)
{
	(void)state;
	struct secret s = {0};
	char text[] = "hunter2";
	assert_false(secret_is_set(&s));
	assert_true(secret_set(&s, text));
	memset(text, 'x', 7);
	assert_string_equal(s.reveal, "hunter2");
	assert_true(secret_set(&s, "other"));
	assert_string_equal(s.reveal, "other");
	assert_true(secret_set(&s, s.reveal)); /* of itself */
	assert_string_equal(s.reveal, "other");
	secret_clear(&s);
	assert_false(secret_is_set(&s));
	secret_clear(&s);
}

static void lack_of_memory_keeps_the_old_value(void **state)
{
	(void)state;
	struct secret s = {0};
	assert_true(secret_set(&s, "old"));
	alloc_fail_nth(1);
	assert_false(secret_set(&s, "new"));
	assert_string_equal(s.reveal, "old");
	secret_clear(&s);
}

static void only_the_same_text_is_equal(void **state)
{
	(void)state;
	struct secret s = {0};
	assert_false(secret_equals(&s, ""));
	assert_true(secret_set(&s, "hunter2"));
	assert_true(secret_equals(&s, "hunter2"));
	static const char *const others[] = {"", "h", "hunter", "hunter22", "Hunter2", "hunter3", "hunter2hunter2"};
	for (size_t i = 0; i < COUNT(others); i++) {
		assert_false(secret_equals(&s, others[i]));
	}
	assert_true(secret_set(&s, ""));
	assert_true(secret_equals(&s, ""));
	assert_false(secret_equals(&s, "x"));
	secret_clear(&s);
}

static void the_first_line_of_a_file_is_the_secret(void **state)
{
	(void)state;
	static const char *const files[] = {"pass word\n", "pass word", "pass word\r\n", "pass word\nsecond line\n"};
	for (size_t i = 0; i < COUNT(files); i++) {
		struct secret s = {0};
		struct err err = {0};
		write_file(files[i], strlen(files[i]), 0600);
		assert_true(secret_from_file(&s, path, &err));
		assert_string_equal(s.reveal, "pass word");
		secret_clear(&s);
	}
}

static void a_file_that_everybody_may_read_is_refused_with_the_cure(void **state)
{
	(void)state;
	static const struct {
		mode_t mode;
		bool ok;
	} rows[] = {{0600, true}, {0400, true}, {0640, true}, {0644, false}, {0604, false}, {0602, false}, {0666, false}};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct secret s = {0};
		struct err err = {0};
		write_file("x\n", 2, rows[i].mode);
		assert_int_equal(secret_from_file(&s, path, &err), rows[i].ok);
		assert_int_equal(secret_is_set(&s), rows[i].ok);
		if (!rows[i].ok) {
			assert_non_null(strstr(err.text, "chmod o= '"));
			assert_non_null(strstr(err.text, path));
		}
		secret_clear(&s);
		chmod(path, 0600);
	}
}

static void expect_refused(const char *data, size_t len, enum err_kind kind)
{
	struct secret s = {0};
	struct err err = {0};
	write_file(data, len, 0600);
	assert_true(secret_set(&s, "before"));
	assert_false(secret_from_file(&s, path, &err));
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.text, path));
	assert_string_equal(s.reveal, "before");
	secret_clear(&s);
}

static void unusable_files_are_refused_and_the_value_stays(void **state)
{
	(void)state;
	char longest[5000];
	memset(longest, 'x', sizeof longest);
	expect_refused("", 0, ERR_EMPTY);
	expect_refused("\nsecond\n", 8, ERR_EMPTY);
	expect_refused("\r\n", 2, ERR_EMPTY);
	expect_refused("a\0b\n", 4, ERR_INVALID);
	expect_refused(longest, 4096, ERR_TOO_LARGE);
	expect_refused(longest, sizeof longest, ERR_TOO_LARGE);
}

static void the_longest_line_is_read_whole(void **state)
{
	(void)state;
	char longest[4096];
	struct secret s = {0};
	memset(longest, 'x', 4095);
	longest[4095] = '\n';
	for (size_t len = 4095; len <= 4096; len++) {
		write_file(longest, len, 0600);
		assert_true(secret_from_file(&s, path, NULL));
		assert_int_equal(strlen(s.reveal), 4095);
	}
	secret_clear(&s);
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	struct secret s = {0};
	struct err err = {0};
	assert_false(secret_from_file(&s, "/nonexistent/file", &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_false(secret_from_file(&s, "/tmp", &err));
	assert_int_equal(err.kind, ERR_INVALID);
	char fifo[64];
	snprintf(fifo, sizeof fifo, "%s.fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_false(secret_from_file(&s, fifo, &err)); /* at once, though nobody writes */
	unlink(fifo);
	assert_false(secret_is_set(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting_copies_and_clearing_unsets),
		cmocka_unit_test(lack_of_memory_keeps_the_old_value),
		cmocka_unit_test(only_the_same_text_is_equal),
		cmocka_unit_test(the_first_line_of_a_file_is_the_secret),
		cmocka_unit_test(a_file_that_everybody_may_read_is_refused_with_the_cure),
		cmocka_unit_test(unusable_files_are_refused_and_the_value_stays),
		cmocka_unit_test(the_longest_line_is_read_whole),
		cmocka_unit_test(what_is_no_file_is_refused),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
