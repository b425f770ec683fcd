#include "broker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIES 500 /* of 20 ms */

static void die(const char *what)
{
	fprintf(stderr, "test broker: ");
	perror(what);
	exit(99);
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int free_port(void)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		die("free port");
	}
	close(fd);
	return ntohs(address.sin_port);
}

static bool listens(int port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return yes;
}

void broker_init(struct broker *broker)
{
	*broker = (struct broker){.port = free_port()};
	snprintf(broker->dir, sizeof(broker->dir), "/tmp/otad-broker-XXXXXX");
	if (mkdtemp(broker->dir) == NULL) {
		die(broker->dir);
	}
}

static FILE *create(const struct broker *broker, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", broker->dir, name);
	FILE *file = fopen(path, "we");
	if (file == NULL) {
		die(path);
	}
	return file;
}

/* Copies text, with DIR replaced. */
static void fill(FILE *file, const char *text, const char *dir)
{
	for (const char *at = strstr(text, "DIR/"); at != NULL; at = strstr(text, "DIR/")) {
		fprintf(file, "%.*s%s", (int)(at - text), text, dir);
		text = at + strlen("DIR");
	}
	fputs(text, file);
}

void broker_file(const struct broker *broker, const char *name, const char *text)
{
	FILE *file = create(broker, name);
	fill(file, text, broker->dir);
	fclose(file);
}

static void run(const struct broker *broker)
{
	char path[128];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/log", broker->dir);
	int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	snprintf(path, sizeof(path), "%s/mosquitto.conf", broker->dir);
	unsetenv("LD_PRELOAD");
	execl("/usr/sbin/mosquitto", "mosquitto", "-c", path, (char *)NULL);
	_exit(97);
}

void broker_start(struct broker *broker, const char *extra)
{
	FILE *file = create(broker, "mosquitto.conf");
	fprintf(file, "listener %d 127.0.0.1\nmax_inflight_messages 1000\nmax_queued_messages 200000\n", broker->port);
	if (geteuid() == 0) {
		fputs("user root\n", file); /* else it cannot enter the directory */
	}
	if (strstr(extra, "allow_anonymous") == NULL) {
		fputs("allow_anonymous true\n", file);
	}
	fill(file, extra, broker->dir);
	fclose(file);
	broker->pid = fork();
	if (broker->pid == 0) {
		run(broker);
	}
	for (int i = 0; i < TRIES && !listens(broker->port); i++) {
		if (broker->pid < 0 || waitpid(broker->pid, NULL, WNOHANG) != 0) {
			die("mosquitto did not start");
		}
		usleep(20000);
	}
}

void broker_save(struct broker *broker)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/mosquitto.db", broker->dir);
	unlink(path);
	kill(broker->pid, SIGUSR1);
	for (int i = 0; i < TRIES && access(path, F_OK) != 0; i++) { /* it is renamed into place */
		usleep(20000);
	}
}

static void end(struct broker *broker, int signal)
{
	if (broker->pid > 0) {
		kill(broker->pid, signal);
		waitpid(broker->pid, NULL, 0);
	}
	broker->pid = 0;
}

void broker_kill(struct broker *broker)
{
	end(broker, SIGKILL);
}

void broker_stop(struct broker *broker)
{
	end(broker, SIGTERM);
}

void broker_pause(struct broker *broker)
{
	kill(broker->pid, SIGSTOP);
}

void broker_resume(struct broker *broker)
{
	kill(broker->pid, SIGCONT);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void broker_end(struct broker *broker)
{
	broker_kill(broker);
	nftw(broker->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
