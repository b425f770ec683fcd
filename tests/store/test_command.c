/* `otad user` and `otad token`: what they print, what they refuse, what they leave in the database. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "command.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "config/config.h"
#include "pg.h"
#include "store/db.h"
#include "store/operator.h"

enum { WORDS_MAX = 10 };

static char uri[PG_URI_SIZE];
static struct config config = {.pg = uri};
static char out[4096];
static char complaint[4096];

static int setup(void **state)
{
	(void)state;
	pg_fresh(uri);
	return 0;
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

/* Runs "user add x ..." with `in` on standard input; out and complaint are what it printed. */
static int run(const char *line, const char *in)
{
	char words[256];
	char *argv[WORDS_MAX + 1] = {0};
	int argc = 0;
	snprintf(words, sizeof words, "%s", line);
	for (char *word = strtok(words, " "); word && argc < WORDS_MAX; word = strtok(NULL, " ")) {
		argv[argc++] = word;
	}
	FILE *input = tmpfile();
	FILE *output = tmpfile();
	FILE *errors = tmpfile();
	fputs(in, input);
	rewind(input);
	int old_in = dup(0);
	int old_out = dup(1);
	int old_err = dup(2);
	dup2(fileno(input), 0);
	dup2(fileno(output), 1);
	dup2(fileno(errors), 2);
	clearerr(stdin);
	int status = strncmp(line, "user", 4) == 0 ? command_user(&config, argc, argv) : command_token(&config, argc, argv);
	swallow(output, 1, old_out, out, sizeof out);
	swallow(errors, 2, old_err, complaint, sizeof complaint);
	dup2(old_in, 0);
	close(old_in);
	fclose(input);
	/* forgets what it had read ahead; POSIX defines it, and nothing else does it */
	/* cppcheck-suppress fflushOnInputStream */
	fflush(stdin);
	return status;
}

static void assert_refused(const char *line, const char *in, int status, const char *part)
{
	int got = run(line, in);
	if (got != status || !strstr(complaint, part)) {
		fail_msg("%s: %d, %s", line, got, complaint);
	}
}

static bool password_is(const char *name, const char *password)
{
	struct db_config where = {.uri = uri, .name = "test"};
	struct err err = {0};
	struct operator_row row;
	scoped(db_close) struct db *db = db_open(&where, &err);
	assert_true(store_operator_find(db, name, &row, &err));
	return digest_password_verify(password, row.password_hash);
}

static void a_user_is_added_with_the_password_of_standard_input(void **state)
{
	(void)state;
	assert_int_equal(run("user add bob --role operator --password-stdin", "long enough\nnot this\n"), 0);
	assert_string_equal(out, "");
	assert_true(password_is("bob", "long enough"));
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM operators WHERE role = 'operator' AND password_hash NOT LIKE '%enough%'"), 1);
	assert_int_equal(
		pg_number(uri, "SELECT count(*) FROM audit WHERE action = 'user.add' AND target = 'user/bob' AND actor LIKE 'cli:%'"), 1);
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM changes WHERE kind = 'token' AND ids = '{1}'"), 1);
	assert_int_equal(run("user list", ""), 0);
	assert_non_null(strstr(out, "bob"));
}

static void without_a_terminal_a_password_is_made_up_and_printed(void **state)
{
	(void)state;
	assert_int_equal(run("user add bob --role viewer", ""), 0);
	out[strcspn(out, "\n")] = '\0';
	assert_int_equal(strlen(out), 24);
	assert_true(password_is("bob", out));
}

static void bad_users_are_refused_and_nothing_is_left(void **state)
{
	(void)state;
	assert_refused("user add bob --password-stdin", "long enough", 1, "which role");
	assert_refused("user add bob --role king --password-stdin", "long enough", 2, "no such role");
	assert_refused("user add bob --role admin --password-stdin", "123456789", 1, "fewer than 10");
	assert_refused("user add bob --role admin --password-stdin",
		       "12345\xff"
		       "67890",
		       1, "printable");
	assert_refused("user add bob --role admin --password-stdin", "", 1, "no password");
	assert_refused("user add --role admin", "", 2, "needs a name");
	assert_refused("user add bob eve --role admin", "", 2, "too many words");
	assert_refused("user add 01234567890123456789012345678901234567890123456789012345678901234 --role admin", "", 1, "1 to 64");
	assert_refused("user add b\tb --role admin", "", 1, "printable");
	assert_refused("user list --role admin", "", 2, "does not know");
	assert_refused("user dance", "", 2, "no verb");
	assert_refused("user", "", 2, "usage");
	assert_refused("user passwd nobody --password-stdin", "long enough", 1, "no user \"nobody\"");
	assert_refused("user disable nobody", "", 1, "no user \"nobody\"");
	assert_int_equal(
		pg_number(uri, "SELECT (SELECT count(*) FROM operators) + (SELECT count(*) FROM audit) + (SELECT count(*) FROM changes)"),
		0);
}

static void ten_characters_may_be_any(void **state)
{
	(void)state;
	assert_int_equal(run("user add bob --role admin --password-stdin", "一二三四五六七八九十\r\n"), 0);
	assert_true(password_is("bob", "一二三四五六七八九十"));
	assert_refused("user add eve --role admin --password-stdin", "一二三四五六七八九\n", 1, "fewer than 10");
	assert_refused("user add bob --role admin --password-stdin", "long enough", 1, "already");
}

static void a_token_is_printed_once_and_only_it(void **state)
{
	(void)state;
	run("user add bob --role admin --password-stdin", "long enough");
	assert_int_equal(run("token add bob --label ci --ttl 2h", ""), 0);
	assert_int_equal(strlen(out), OPERATOR_TOKEN_SIZE); /* and a newline */
	assert_memory_equal(out, "otad_", 5);
	assert_string_equal(complaint, "");
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM tokens WHERE label = 'ci' AND expires_at BETWEEN now() + interval '119 min' "
					"AND now() + interval '2 h'"),
			 1);
	assert_int_equal(run("token list bob", ""), 0);
	assert_non_null(strstr(out, "active   ci"));
	assert_int_equal(run("token revoke 1", ""), 0);
	assert_int_equal(run("token list bob", ""), 0);
	assert_non_null(strstr(out, "revoked  ci"));
	assert_int_equal(run("token add bob", ""), 0);
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM tokens WHERE expires_at IS NULL"), 1);
}

static void bad_tokens_are_refused(void **state)
{
	(void)state;
	run("user add bob --role admin --password-stdin", "long enough");
	assert_refused("token add nobody", "", 1, "no user");
	assert_refused("token add bob --ttl soon", "", 2, "duration");
	assert_refused("token add bob --ttl 0s", "", 2, "duration");
	assert_refused("token add bob --label", "", 2, "usage");
	assert_refused("token revoke bob", "", 1, "not a token's id");
	assert_refused("token revoke 99", "", 1, "no token 99");
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM tokens"), 0);
}

static void a_disabled_user_gets_no_token_until_enabled(void **state)
{
	(void)state;
	run("user add bob --role admin --password-stdin", "long enough");
	assert_int_equal(run("user disable bob", ""), 0);
	assert_refused("token add bob", "", 1, "disabled");
	assert_int_equal(run("user enable bob", ""), 0);
	assert_int_equal(run("token add bob", ""), 0);
	assert_int_equal(run("user passwd bob --password-stdin", "another one"), 0);
	assert_true(password_is("bob", "another one"));
	assert_false(password_is("bob", "long enough"));
}

static void help_is_no_failure_and_a_missing_database_is(void **state)
{
	(void)state;
	assert_int_equal(run("user --help", ""), 0);
	assert_non_null(strstr(out, "usage: otad user add"));
	assert_int_equal(run("token add --help", ""), 0);
	assert_non_null(strstr(out, "usage: otad token add"));
	struct config nowhere = {.pg = (char[]){"postgresql:///x?host=/nonexistent"}};
	struct config saved = config;
	config = nowhere;
	assert_refused("user list", "", 1, "database");
	config = saved;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(a_user_is_added_with_the_password_of_standard_input),
		TEST(without_a_terminal_a_password_is_made_up_and_printed),
		TEST(bad_users_are_refused_and_nothing_is_left),
		TEST(ten_characters_may_be_any),
		TEST(a_token_is_printed_once_and_only_it),
		TEST(bad_tokens_are_refused),
		TEST(a_disabled_user_gets_no_token_until_enabled),
		TEST(help_is_no_failure_and_a_missing_database_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
