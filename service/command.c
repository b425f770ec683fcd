#include "command.h"

#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "config/config.h"
#include "model/nouns.h"
#include "store/change.h"
#include "store/db.h"
#include "store/operator.h"

enum { PASSWORD_MIN = 10, PASSWORD_SIZE = 1025, PASSWORD_RANDOM = 18, EXIT_USAGE = 2 };

static const char user_help[] = "usage: otad user add NAME --role admin|operator|viewer [--password-stdin]\n"
				"       otad user list\n"
				"       otad user passwd NAME [--password-stdin]\n"
				"       otad user disable NAME\n"
				"       otad user enable NAME\n"
				"\n"
				"NAME has 1 to 64 printable characters. A password has at least 10 characters; it is asked for\n"
				"on the terminal, or read as the first line of standard input with --password-stdin. Without\n"
				"either, one is made up and printed, which is shown only this once.\n"
				"A viewer reads, an operator also writes, an admin also reads the audit trail.\n"
				"A new password ends the sessions that logins began; a disabled user's tokens are refused.\n";

static const char token_help[] = "usage: otad token add USER [--label TEXT] [--ttl DURATION]\n"
				 "       otad token list USER\n"
				 "       otad token revoke ID\n"
				 "\n"
				 "`add` prints a new token, which is shown only this once. DURATION: 90s, 10m, 12h, 30d;\n"
				 "without --ttl the token is good until it is revoked.\n";

/* What the command line gave to a verb. */
struct request {
	struct db *db;
	struct actor actor;
	const char *name; /* NAME, USER or ID */
	const char *label;
	enum role role;
	int64_t ttl_ms;
	bool password_stdin;
};

struct verb {
	const char *name;
	const char *options; /* the option letters it knows */
	bool named;          /* wants NAME, USER or ID */
	bool (*run)(struct request *req, struct err *err);
};

/* ---- passwords ---- */

static bool read_line(char *out, size_t size, struct err *err)
{
	if (!fgets(out, (int)size, stdin)) {
		return err_set(err, ERR_INVALID, "no password was given");
	}
	size_t len = strcspn(out, "\r\n");
	if (out[len] == '\0' && !feof(stdin)) {
		return err_set(err, ERR_INVALID, "the password is longer than %d bytes", PASSWORD_SIZE - 2);
	}
	out[len] = '\0';
	return true;
}

static bool ask_hidden(const char *prompt, char *out, size_t size, struct err *err)
{
	struct termios old;
	struct termios hidden;
	tcgetattr(STDIN_FILENO, &old);
	hidden = old;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	bool ok = read_line(out, size, err);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	return ok;
}

static bool ask_twice(char *out, size_t size, struct err *err)
{
	char again[PASSWORD_SIZE];
	bool ok = ask_hidden("password: ", out, size, err) && ask_hidden("again: ", again, sizeof again, err);
	if (ok && strcmp(out, again) != 0) {
		ok = err_set(err, ERR_INVALID, "the two passwords differ");
	}
	explicit_bzero(again, sizeof again);
	return ok;
}

static void make_up(char *out)
{
	uint8_t random[PASSWORD_RANDOM];
	digest_random(random, sizeof random);
	text_base64url(out, random, sizeof random);
}

static size_t count_characters(const char *s)
{
	size_t n = 0;
	for (; *s; s++) {
		n += ((unsigned char)*s & 0xc0) != 0x80;
	}
	return n;
}

static bool judge(const char *password, struct err *err)
{
	if (!text_is_utf8(password, strlen(password)) || !text_is_printable(password, strlen(password))) {
		return err_set(err, ERR_INVALID, "the password has characters that are not printable UTF-8");
	}
	return count_characters(password) >= PASSWORD_MIN ||
	       err_set(err, ERR_INVALID, "the password has fewer than %d characters", PASSWORD_MIN);
}

/* A password, and whether it was made up here, so that somebody must be told. */
struct password {
	char text[PASSWORD_SIZE];
	char hash[OPERATOR_HASH_SIZE];
	bool made_up;
};

static void forget(struct password *password)
{
	explicit_bzero(password, sizeof *password);
}

static bool obtain(const struct request *req, struct password *out, struct err *err)
{
	bool ok = true;
	out->made_up = !req->password_stdin && !isatty(STDIN_FILENO);
	if (out->made_up) {
		make_up(out->text);
	} else if (req->password_stdin) {
		ok = read_line(out->text, sizeof out->text, err);
	} else {
		ok = ask_twice(out->text, sizeof out->text, err);
	}
	if (!ok || !judge(out->text, err)) {
		return false;
	}
	return digest_password_hash(out->text, out->hash) || err_set(err, ERR_INTERNAL, "out of memory while hashing the password");
}

static void tell(const struct password *password)
{
	if (password->made_up) {
		fputs("password: ", stderr);
		puts(password->text);
	}
}

/* ---- what a change leaves behind ---- */

static bool record(const struct request *req, const char *action, const char *target, const char *detail, int64_t operator_id,
		   struct err *err)
{
	return store_audit(req->db, &req->actor, action, target, detail, err) &&
	       store_change(req->db, CHANGE_TOKEN, &operator_id, 1, true, NULL, err) && db_commit(req->db, err);
}

static bool record_user(const struct request *req, const char *action, const char *detail, int64_t operator_id, struct err *err)
{
	char target[TEXT_SIZE];
	snprintf(target, sizeof target, "user/%s", req->name);
	return record(req, action, target, detail, operator_id, err);
}

/* ---- user ---- */

static bool user_add(struct request *req, struct err *err)
{
	struct operator_row row = {.role = req->role};
	size_t len = strlen(req->name);
	if (len == 0 || !text_is_utf8(req->name, len) || !text_is_printable(req->name, len) ||
	    !text_copy(row.name, sizeof row.name, req->name)) {
		return err_set(err, ERR_INVALID, "a user's name has 1 to %d printable characters", NAME_SIZE - 1);
	}
	if (row.role == ROLE_NONE) {
		return err_set(err, ERR_MISSING, "which role? add --role admin, --role operator or --role viewer");
	}
	struct operator_row other;
	if (store_operator_find(req->db, row.name, &other, NULL)) { /* before a password is asked for in vain */
		return err_set(err, ERR_EXISTS, "there is a user \"%s\" already", row.name);
	}
	scoped(forget) struct password password = {0};
	if (!obtain(req, &password, err)) {
		return false;
	}
	text_copy(row.password_hash, sizeof row.password_hash, password.hash);
	if (!db_begin(req->db, err) || !store_operator_create(req->db, &row, err) ||
	    !record_user(req, "user.add", role_name(row.role), row.id, err)) {
		return false;
	}
	fprintf(stderr, "user \"%s\" added with the role %s\n", row.name, role_name(row.role));
	tell(&password);
	return true;
}

static void print_time(const char *before, int64_t ms)
{
	char text[25];
	clock_rfc3339(text, ms);
	printf("%s%.10s %.8sZ", before, text, text + 11);
}

static bool user_list(struct request *req, struct err *err)
{
	scoped_free struct operator_row *rows = NULL;
	size_t count = 0;
	if (!store_operator_list(req->db, &rows, &count, err)) {
		return false;
	}
	printf("%-24s %-9s %-20s  %s\n", "NAME", "ROLE", "CREATED", "STATE");
	for (size_t i = 0; i < count; i++) {
		printf("%-24s %-9s ", rows[i].name, role_name(rows[i].role));
		print_time("", rows[i].created_ms);
		puts(rows[i].disabled_ms ? "  disabled" : "  active");
	}
	return true;
}

static bool user_passwd(struct request *req, struct err *err)
{
	struct operator_row row;
	scoped(forget) struct password password = {0};
	if (!store_operator_find(req->db, req->name, &row, err) || !obtain(req, &password, err) || !db_begin(req->db, err) ||
	    !store_operator_set_password(req->db, row.id, password.hash, err) || !record_user(req, "user.passwd", "", row.id, err)) {
		return false;
	}
	fprintf(stderr, "user \"%s\" has a new password\n", row.name);
	tell(&password);
	return true;
}

static bool set_disabled(struct request *req, bool disabled, struct err *err)
{
	struct operator_row row;
	if (!store_operator_find(req->db, req->name, &row, err) || !db_begin(req->db, err) ||
	    !store_operator_set_disabled(req->db, row.id, disabled, err) ||
	    !record_user(req, disabled ? "user.disable" : "user.enable", "", row.id, err)) {
		return false;
	}
	fprintf(stderr, "user \"%s\" is %s\n", row.name, disabled ? "disabled" : "enabled");
	return true;
}

static bool user_disable(struct request *req, struct err *err)
{
	return set_disabled(req, true, err);
}

static bool user_enable(struct request *req, struct err *err)
{
	return set_disabled(req, false, err);
}

/* ---- token ---- */

static bool token_add(struct request *req, struct err *err)
{
	struct operator_row row;
	char token[OPERATOR_TOKEN_SIZE];
	char target[TEXT_SIZE];
	struct operator_token fresh = {0};
	size_t len = strlen(req->label);
	if (!text_copy(fresh.label, sizeof fresh.label, req->label) || !text_is_utf8(req->label, len) ||
	    !text_is_printable(req->label, len)) {
		return err_set(err, ERR_INVALID, "a label has at most %d printable bytes", OPERATOR_LABEL_SIZE - 1);
	}
	if (!store_operator_find(req->db, req->name, &row, err)) {
		return false;
	}
	if (row.disabled_ms) {
		return err_set(err, ERR_CONFLICT, "the user \"%s\" is disabled; first: otad user enable", row.name);
	}
	fresh.operator_id = row.id;
	if (!db_begin(req->db, err) || !store_token_create(req->db, &fresh, req->ttl_ms, token, err)) {
		return false;
	}
	snprintf(target, sizeof target, "user/%s/token/%" PRId64, row.name, fresh.id);
	if (!record(req, "token.add", target, req->label, row.id, err)) {
		return false;
	}
	puts(token);
	return true;
}

static const char *token_state(const struct operator_token *token)
{
	if (token->revoked_ms) {
		return "revoked";
	}
	return token->expires_ms && token->expires_ms <= clock_wall_ms() ? "expired" : "active";
}

static bool token_list(struct request *req, struct err *err)
{
	struct operator_row row;
	scoped_free struct operator_token *tokens = NULL;
	size_t count = 0;
	if (!store_operator_find(req->db, req->name, &row, err) || !store_token_list(req->db, row.id, &tokens, &count, err)) {
		return false;
	}
	printf("%-8s %-20s  %-20s  %-8s %s\n", "ID", "CREATED", "EXPIRES", "STATE", "LABEL");
	for (size_t i = 0; i < count; i++) {
		printf("%-8" PRId64, tokens[i].id);
		print_time(" ", tokens[i].created_ms);
		if (tokens[i].expires_ms) {
			print_time("  ", tokens[i].expires_ms);
		} else {
			printf("  %-20s", "never");
		}
		printf("  %-8s %s\n", token_state(&tokens[i]), tokens[i].label);
	}
	return true;
}

static bool token_revoke(struct request *req, struct err *err)
{
	int64_t id = 0;
	int64_t operator_id = 0;
	char target[TEXT_SIZE];
	if (!text_to_i64(req->name, &id)) {
		return err_set(err, ERR_INVALID, "\"%s\" is not a token's id; `otad token list USER` shows them", req->name);
	}
	snprintf(target, sizeof target, "token/%" PRId64, id);
	if (!db_begin(req->db, err) || !store_token_revoke(req->db, id, &operator_id, err) ||
	    !record(req, "token.revoke", target, "", operator_id, err)) {
		return false;
	}
	fprintf(stderr, "token %" PRId64 " revoked\n", id);
	return true;
}

/* ---- the command line ---- */

static const struct verb user_verbs[] = {
	{"add", "rp", true, user_add},       {"list", "", false, user_list},    {"passwd", "p", true, user_passwd},
	{"disable", "", true, user_disable}, {"enable", "", true, user_enable}, {NULL, NULL, false, NULL},
};

static const struct verb token_verbs[] = {
	{"add", "lt", true, token_add},
	{"list", "", true, token_list},
	{"revoke", "", true, token_revoke},
	{NULL, NULL, false, NULL},
};

static const struct option long_options[] = {
	{"role", required_argument, NULL, 'r'}, {"password-stdin", no_argument, NULL, 'p'}, {"label", required_argument, NULL, 'l'},
	{"ttl", required_argument, NULL, 't'},  {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

static bool take_option(struct request *req, int option, const char *value, struct err *err)
{
	switch (option) {
	case 'r':
		req->role = role_parse(value);
		return req->role != ROLE_NONE || err_set(err, ERR_INVALID, "no such role \"%s\"; admin, operator or viewer", value);
	case 'p':
		req->password_stdin = true;
		return true;
	case 'l':
		req->label = value;
		return true;
	case 't':
		return (text_to_ms(value, &req->ttl_ms) && req->ttl_ms > 0 && req->ttl_ms <= INT64_C(100) * 365 * 86400 * 1000) ||
		       err_set(err, ERR_INVALID, "\"%s\" is not a duration such as 12h or 30d", value);
	default:
		return false;
	}
}

static int usage(const char *help, const struct err *err)
{
	if (err->kind != ERR_NONE) {
		fprintf(stderr, "otad: %s\n", err->text);
	}
	fputs(help, stderr);
	return EXIT_USAGE;
}

/* Fills req from what follows the verb. -1: go on; else the exit status. */
static int parse(const struct verb *verb, const char *help, int argc, char **argv, struct request *req)
{
	struct err err = {0};
	optind = 0; /* main has used getopt already: begin anew */
	for (int option; (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
		if (option == 'h') {
			fputs(help, stdout);
			return EXIT_SUCCESS;
		}
		if (option == '?') {
			return usage(help, &err);
		}
		if (!strchr(verb->options, option)) {
			err_set(&err, ERR_INVALID, "`%s` does not know that option", verb->name);
			return usage(help, &err);
		}
		if (!take_option(req, option, optarg, &err)) {
			return usage(help, &err);
		}
	}
	if (argc - optind != (verb->named ? 1 : 0)) {
		err_set(&err, ERR_INVALID, argc == optind ? "`%s` needs a name" : "`%s` got too many words", verb->name);
		return usage(help, &err);
	}
	req->name = verb->named ? argv[optind] : "";
	return -1;
}

static const struct verb *find_verb(const struct verb *verbs, const char *name)
{
	for (; verbs->name; verbs++) {
		if (strcmp(verbs->name, name) == 0) {
			return verbs;
		}
	}
	return NULL;
}

/* Who does it: the system's user, for the audit. */
static void fill_actor(struct actor *actor)
{
	const struct passwd *user = getpwuid(getuid());
	snprintf(actor->name, sizeof actor->name, "cli:%.59s", user ? user->pw_name : "?");
	text_copy(actor->address, sizeof actor->address, "local");
}

static int run(const struct config *config, const struct verb *verb, struct request *req)
{
	struct err err = {0};
	const struct db_config where = {.uri = config->pg, .name = "otad/command", .statement_ms = 30000};
	scoped(db_close) struct db *db = db_open(&where, &err);
	req->db = db;
	fill_actor(&req->actor);
	if (!db || !verb->run(req, &err)) {
		fprintf(stderr, "otad: %s\n", err.text);
		return EXIT_FAILURE;
	}
	if (fflush(stdout) != 0) {
		perror("otad: standard output");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static int dispatch(const struct config *config, const struct verb *verbs, const char *help, int argc, char **argv)
{
	struct err err = {0};
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(help, stdout);
		return EXIT_SUCCESS;
	}
	const struct verb *verb = argc >= 2 ? find_verb(verbs, argv[1]) : NULL;
	if (!verb) {
		if (argc >= 2) {
			err_set(&err, ERR_INVALID, "`%s` has no verb \"%s\"", argv[0], argv[1]);
		}
		return usage(help, &err);
	}
	struct request req = {.label = ""};
	int status = parse(verb, help, argc - 1, argv + 1, &req);
	return status >= 0 ? status : run(config, verb, &req);
}

int command_user(const struct config *config, int argc, char **argv)
{
	return dispatch(config, user_verbs, user_help, argc, argv);
}

int command_token(const struct config *config, int argc, char **argv)
{
	return dispatch(config, token_verbs, token_help, argc, argv);
}
