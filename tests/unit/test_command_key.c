/* `otad mqtt-key`: the file it makes, how keys come and go, what it leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "command_key.h"
#include "common/credential.h"
#include "common/err.h"

enum { AT_ONCE = 8 };

static char dir[] = "/tmp/otad-test-XXXXXX";
static char path[64];
static char out[4096];
static char complaint[4096];

static int setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof dir - 7, "XXXXXX", 7);
	snprintf(path, sizeof path, "%s/mqtt.keys", mkdtemp(dir));
	return 0;
}

/* Nothing but FILE may be left in its directory. */
static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void swallow(FILE *file, int fd, int saved, char *text, size_t size)
{
	fflush(stdout);
	fflush(stderr);
	dup2(saved, fd);
	close(saved);
	rewind(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

static int run(const char *option, const char *file)
{
	char *argv[4] = {(char[]){"mqtt-key"}};
	int argc = 1;
	char words[2][80];
	for (int i = 0; i < 2; i++) {
		const char *word = i == 0 ? option : file;
		if (word) {
			snprintf(words[i], sizeof words[i], "%s", word);
			argv[argc++] = words[i];
		}
	}
	FILE *output = tmpfile();
	FILE *errors = tmpfile();
	int old_out = dup(1);
	int old_err = dup(2);
	dup2(fileno(output), 1);
	dup2(fileno(errors), 2);
	int status = command_key(argc, argv);
	swallow(output, 1, old_out, out, sizeof out);
	swallow(errors, 2, old_err, complaint, sizeof complaint);
	return status;
}

static void write_file(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

static void read_file(char text[1024])
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, 1023, f)] = '\0';
	fclose(f);
}

static mode_t mode_of(void)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* The ids in the file, in order, as the daemon and the plugin read it: "k2 k1". */
static void assert_keys(const char *ids)
{
	struct credential_keys keys = {.count = 0};
	struct err err = {0};
	char got[64] = "";
	if (!credential_keys_load(&keys, path, &err)) {
		fail_msg("%s", err.text);
	}
	for (size_t i = 0; i < keys.count; i++) {
		snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? " " : "", keys.at[i].id);
	}
	credential_keys_clear(&keys);
	assert_string_equal(got, ids);
}

static void assert_refused(const char *option, const char *file, int status, const char *part)
{
	int got = run(option, file);
	if (got != status || !strstr(complaint, part)) {
		fail_msg("%d, %s", got, complaint);
	}
	assert_string_equal(out, "");
}

static void a_file_is_made_with_one_key_that_only_owner_and_group_may_read(void **state)
{
	(void)state;
	umask(077);
	assert_int_equal(run(NULL, path), 0);
	assert_keys("k1");
	assert_int_equal(mode_of(), 0640);
	assert_non_null(strstr(out, "k1"));
	assert_non_null(strstr(out, "plugin_opt_keys_file"));
}

static void two_files_have_different_secrets_and_neither_is_printed(void **state)
{
	(void)state;
	char first[1024];
	char second[1024];
	run(NULL, path);
	read_file(first);
	first[strcspn(first, "\n")] = '\0';
	assert_int_equal(strlen(first), strlen("k1 ") + 43);
	assert_null(strstr(out, first + 3));
	unlink(path);
	run(NULL, path);
	read_file(second);
	assert_string_not_equal(first, second);
}

static void rotating_signs_with_a_new_key_and_keeps_the_one_that_signed(void **state)
{
	(void)state;
	char before[1024];
	char after[1024];
	run(NULL, path);
	read_file(before);
	assert_int_equal(run(NULL, path), 0);
	assert_keys("k2 k1");
	read_file(after);
	assert_string_equal(strchr(after, '\n') + 1, before);
	assert_non_null(strstr(out, "SIGHUP"));
	assert_non_null(strstr(out, "--retire"));
	assert_null(strstr(out, "is gone"));
}

static void a_third_key_drops_the_oldest_and_says_so(void **state)
{
	(void)state;
	run(NULL, path);
	run(NULL, path);
	assert_int_equal(run(NULL, path), 0);
	assert_keys("k3 k2");
	assert_non_null(strstr(out, "k1 is gone"));
}

static void retiring_leaves_the_key_that_signs_and_its_id_is_never_given_again(void **state)
{
	(void)state;
	run(NULL, path);
	run(NULL, path);
	assert_int_equal(run("--retire", path), 0);
	assert_keys("k2");
	assert_non_null(strstr(out, "k1 is gone"));
	assert_refused("--retire", path, 1, "only key");
	assert_keys("k2");
	run(NULL, path);
	assert_keys("k3 k2");
}

static void keys_by_other_names_comments_and_line_ends_are_understood(void **state)
{
	(void)state;
	char text[1024];
	write_file("# made by hand\r\n\r\nmine 0123456789abcdef\r\nk7 fedcba9876543210", 0600);
	assert_int_equal(run("--retire", path), 0);
	read_file(text);
	assert_string_equal(text, "mine 0123456789abcdef\n");
	run(NULL, path);
	assert_keys("k1 mine");
	write_file("mine 0123456789abcdef\nk7 fedcba9876543210\n", 0600);
	run(NULL, path);
	assert_keys("k8 mine");
	write_file("k99999999999999 0123456789abcdef\n", 0600);
	run(NULL, path);
	assert_keys("k1 k99999999999999");
}

static void an_existing_file_keeps_its_mode_and_an_empty_one_is_filled(void **state)
{
	(void)state;
	write_file("", 0600);
	assert_int_equal(run(NULL, path), 0);
	assert_keys("k1");
	assert_int_equal(mode_of(), 0600);
	chmod(path, 0440);
	assert_int_equal(run(NULL, path), 0);
	assert_int_equal(mode_of(), 0440);
}

static void a_link_to_the_file_stays_a_link(void **state)
{
	(void)state;
	char link[80];
	struct stat st;
	run(NULL, path);
	snprintf(link, sizeof link, "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(run(NULL, link), 0);
	lstat(link, &st);
	unlink(link);
	assert_true(S_ISLNK(st.st_mode));
	assert_keys("k2 k1");
}

static void what_is_no_key_file_is_refused_and_left_as_it_was(void **state)
{
	(void)state;
	static const char *const bad[] = {"k1 short\n",  "k1 0123456789abcdef\nk1 0123456789abcdeg\n",
					  "hello\n",     "\n",
					  "# nothing\n", "k1 0123456789abcdef\nk2 0123456789abcdef\nk3 0123456789abcdef\n"};
	char text[1024];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		write_file(bad[i], 0600);
		assert_refused(NULL, path, 1, path);
		assert_refused("--retire", path, 1, path);
		read_file(text);
		assert_string_equal(text, bad[i]);
	}
	write_file("k1 0123456789abcdef\n", 0644);
	assert_refused(NULL, path, 1, "chmod o=");
	assert_int_equal(mode_of(), 0644);
}

static void places_where_no_file_can_be_are_refused(void **state)
{
	(void)state;
	assert_refused(NULL, dir, 1, "not a regular file");
	assert_refused(NULL, "/dev/null", 1, "not a regular file");
	assert_refused(NULL, "/nowhere/at/all/keys", 1, "No such file");
	assert_refused("--retire", path, 1, "no key");
}

static void wrong_usage_is_told(void **state)
{
	(void)state;
	assert_refused(NULL, NULL, 2, "needs one FILE");
	assert_refused(NULL, "", 2, "needs one FILE");
	assert_refused(path, path, 2, "needs one FILE");
	assert_refused("--revoke", path, 2, "usage");
	assert_int_equal(run("--help", NULL), 0);
	assert_non_null(strstr(out, "usage: otad mqtt-key FILE"));
}

/* No rotation is lost: each saw the file of the one before. */
static void calls_at_the_same_time_wait_for_each_other(void **state)
{
	(void)state;
	run(NULL, path);
	for (int i = 0; i < AT_ONCE; i++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			_exit(run(NULL, path));
		}
	}
	for (int i = 0, status; i < AT_ONCE; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_keys("k9 k8");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_made_with_one_key_that_only_owner_and_group_may_read),
		TEST(two_files_have_different_secrets_and_neither_is_printed),
		TEST(rotating_signs_with_a_new_key_and_keeps_the_one_that_signed),
		TEST(a_third_key_drops_the_oldest_and_says_so),
		TEST(retiring_leaves_the_key_that_signs_and_its_id_is_never_given_again),
		TEST(keys_by_other_names_comments_and_line_ends_are_understood),
		TEST(an_existing_file_keeps_its_mode_and_an_empty_one_is_filled),
		TEST(a_link_to_the_file_stays_a_link),
		TEST(what_is_no_key_file_is_refused_and_left_as_it_was),
		TEST(places_where_no_file_can_be_are_refused),
		TEST(wrong_usage_is_told),
		TEST(calls_at_the_same_time_wait_for_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
