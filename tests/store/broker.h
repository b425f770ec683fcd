/* A private Mosquitto for one test, on a free loopback port, with its files in a temporary directory; it dies with the test program. Any
 * failure of the server itself prints why and ends the program. One thread.
 */
#ifndef TESTS_STORE_BROKER_H
#define TESTS_STORE_BROKER_H

#include <sys/types.h>

struct broker {
	char dir[64];
	int port;
	pid_t pid; /* 0 = not running */
};

/* Makes directory and port; does not start it. */
void broker_init(struct broker *broker);

/* For extra: sessions outlive the broker, as last saved. */
#define BROKER_PERSISTENT "persistence true\npersistence_location DIR/\n"

/* Writes a file beside its configuration, whose lines may name it as "DIR/name". */
void broker_file(const struct broker *broker, const char *name, const char *text);

/* Starts it and waits until it listens. Anonymous, unless extra says otherwise; extra: more configuration lines, or "". Without
 * persistence it forgets everything at its end. */
void broker_start(struct broker *broker, const char *extra);

/* Has it save its sessions now, if its configuration is persistent. */
void broker_save(struct broker *broker);

void broker_kill(struct broker *broker);  /* SIGKILL: no farewell */
void broker_stop(struct broker *broker);  /* SIGTERM: an orderly end */
void broker_pause(struct broker *broker); /* connections stay, nothing is read or answered */
void broker_resume(struct broker *broker);

/* Kills it and removes its directory. */
void broker_end(struct broker *broker);

#endif
