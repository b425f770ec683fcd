/* A small process of its own, the keeper, owns the server: it hears commands on a pipe and reads end-of-file when the test program has
 * died, so that neither a failed assertion nor a sanitizer's abort leaves a server or a directory behind. */
#include "pg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEMPLATE "with_schema"

static struct {
	char dir[64]; /* short: a socket path has room for 107 bytes */
	pid_t keeper;
	int command; /* to the keeper */
	int answer;  /* from it */
	int databases;
} pg;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("test database: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	_exit(99); /* the keeper cleans up; leaks of a broken run are nobody's business */
}

/* --- the keeper --- */

static const struct passwd *other_user(void)
{
	const struct passwd *user = getpwnam("postgres");
	return user ? user : getpwnam("nobody");
}

/* PostgreSQL refuses to run as root. */
static void drop_root(void)
{
	if (geteuid() != 0) {
		return;
	}
	const struct passwd *user = other_user();
	if (!user || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0) {
		_exit(98);
	}
}

static pid_t spawn(char *const argv[])
{
	pid_t pid = fork();
	if (pid == 0) {
		int log = open("log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
		drop_root();
		dup2(log, 1);
		dup2(log, 2);
		setsid(); /* Ctrl-C is the test's; the keeper decides about the server */
		execv(argv[0], argv);
		_exit(97);
	}
	return pid;
}

static bool finish(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static bool keeper_init(const char *dir)
{
	const struct passwd *user = other_user();
	if (chdir(dir) != 0 || (geteuid() == 0 && (!user || chown(dir, user->pw_uid, user->pw_gid) != 0))) {
		return false;
	}
	char program[] = PG_BINDIR "/initdb";
	char *argv[] = {program,           (char[]){"-D"}, (char[]){"data"}, (char[]){"-U"},         (char[]){"otad"},      (char[]){"-A"},
			(char[]){"trust"}, (char[]){"-E"}, (char[]){"UTF8"}, (char[]){"--locale=C"}, (char[]){"--no-sync"}, NULL};
	return finish(spawn(argv));
}

static pid_t keeper_start(char *socket_option)
{
	char program[] = PG_BINDIR "/postgres";
	char *argv[] = {program,
			(char[]){"-D"},
			(char[]){"data"},
			(char[]){"-c"},
			(char[]){"listen_addresses="},
			(char[]){"-c"},
			socket_option,
			(char[]){"-c"},
			(char[]){"fsync=off"},
			(char[]){"-c"},
			(char[]){"shared_buffers=32MB"},
			(char[]){"-c"},
			(char[]){"max_connections=60"},
			NULL};
	return spawn(argv);
}

/* Commands: u(p), d(own). One byte back for each. */
__attribute__((noreturn)) static void keeper_main(const char *dir, int commands, int answers)
{
	char socket_option[128];
	snprintf(socket_option, sizeof socket_option, "unix_socket_directories=%s", dir);
	signal(SIGINT, SIG_IGN); /* they are meant for the test; the keeper goes when it is gone */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	pid_t server = 0;
	bool ok = keeper_init(dir);
	for (char c; read(commands, &c, 1) == 1;) {
		if (c == 'u' && !server && ok) {
			server = keeper_start(socket_option);
		} else if (c == 'd' && server) {
			kill(server, SIGQUIT);
			finish(server);
			server = 0;
		}
		if (write(answers, ok ? "+" : "-", 1) != 1) {
			break;
		}
	}
	if (server) {
		kill(server, SIGQUIT);
		finish(server);
	}
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

/* --- the test program's side --- */

__attribute__((noreturn)) static void die_with_log(void)
{
	char text[2000] = "";
	char path[96];
	snprintf(path, sizeof path, "%s/log", pg.dir);
	FILE *log = fopen(path, "re");
	if (log) {
		text[fread(text, 1, sizeof text - 1, log)] = '\0';
		fclose(log);
	}
	die("the server does not come up:\n%s", text);
}

static void command(char c)
{
	char answer = '-';
	if (write(pg.command, &c, 1) != 1 || read(pg.answer, &answer, 1) != 1 || answer != '+') {
		die_with_log();
	}
}

static void stop(void)
{
	if (pg.keeper) {
		close(pg.command);
		finish(pg.keeper);
		pg.keeper = 0;
	}
}

static void uri_of(char uri[PG_URI_SIZE], const char *database)
{
	snprintf(uri, PG_URI_SIZE, "postgresql:///%s?host=%s&user=otad", database, pg.dir);
}

static PGresult *query_on(PGconn *conn, const char *sql)
{
	PGresult *r = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(r);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		die("%.60s: %s", sql, PQerrorMessage(conn));
	}
	return r;
}

static PGresult *query(const char *uri, const char *sql)
{
	PGconn *conn = PQconnectdb(uri);
	PGresult *r = query_on(conn, sql);
	PQfinish(conn);
	return r;
}

void pg_run(const char *uri, const char *sql)
{
	PQclear(query(uri, sql));
}

int64_t pg_number(const char *uri, const char *sql)
{
	PGresult *r = query(uri, sql);
	int64_t n = PQntuples(r) ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
	PQclear(r);
	return n;
}

struct pg_hold {
	PGconn *conn;
};

struct pg_hold *pg_hold(const char *uri, const char *sql)
{
	struct pg_hold *hold = malloc(sizeof *hold);
	hold->conn = PQconnectdb(uri);
	PQclear(query_on(hold->conn, "BEGIN"));
	PQclear(query_on(hold->conn, sql));
	return hold;
}

void pg_let_go(struct pg_hold **hold)
{
	PQfinish((*hold)->conn);
	free(*hold);
	*hold = NULL;
}

void pg_up(void)
{
	char uri[PG_URI_SIZE];
	uri_of(uri, "postgres");
	command('u');
	for (int i = 0; PQping(uri) != PQPING_OK; i++) {
		if (i == 1200) {
			die_with_log();
		}
		usleep(50000);
	}
}

void pg_down(void)
{
	command('d');
}

static int is_sql(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');
	return dot && strcmp(dot, ".sql") == 0 && entry->d_name[0] >= '0' &&
	       entry->d_name[0] <= '9'; /* not schema.sql, which is for reading */
}

static void apply_file(const char *uri, const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", PG_SQL_DIR, name);
	FILE *file = fopen(path, "re");
	if (!file) {
		die("%s: %s", path, strerror(errno));
	}
	char *text = NULL;
	size_t size = 0;
	if (getdelim(&text, &size, '\0', file) <= 0) {
		die("%s is empty", path);
	}
	fclose(file);
	pg_run(uri, text);
	free(text);
}

static void make_template(void)
{
	char uri[PG_URI_SIZE];
	uri_of(uri, "postgres");
	pg_run(uri, "CREATE DATABASE " TEMPLATE);
	uri_of(uri, TEMPLATE);
	struct dirent **files;
	int n = scandir(PG_SQL_DIR, &files, is_sql, alphasort);
	if (n <= 0) {
		die("no migrations in %s", PG_SQL_DIR);
	}
	for (int i = 0; i < n; i++) {
		apply_file(uri, files[i]->d_name);
		free(files[i]);
	}
	free(files);
}

static void boot(void)
{
	int down[2];
	int up[2];
	strcpy(pg.dir, "/tmp/otad-pg.XXXXXX");
	if (!mkdtemp(pg.dir) || pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) {
		die("%s: %s", pg.dir, strerror(errno));
	}
	pg.keeper = fork();
	if (pg.keeper == 0) {
		close(down[1]);
		close(up[0]);
		keeper_main(pg.dir, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	pg.command = down[1];
	pg.answer = up[0];
	atexit(stop);
	pg_up();
	make_template();
}

static void create(char uri[PG_URI_SIZE], const char *from)
{
	if (!pg.keeper) {
		boot();
	}
	char name[16];
	char sql[96];
	char admin[PG_URI_SIZE];
	snprintf(name, sizeof name, "t%d", ++pg.databases);
	snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE %s", name, from);
	uri_of(admin, "postgres");
	pg_run(admin, sql);
	uri_of(uri, name);
}

void pg_fresh(char uri[PG_URI_SIZE])
{
	create(uri, TEMPLATE);
}
void pg_empty(char uri[PG_URI_SIZE])
{
	create(uri, "template0");
}
