/* Who logs in at the broker: CONNECT packets made before the clock runs, with the HMACs of the passwords in them. Needs the room common.
 */
#ifndef BENCH_LOGIN_H
#define BENCH_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/credential.h"
#include "mqtt.h"

enum login_form {
	LOGIN_ANONYMOUS, /* client ids as in the plain form, neither user name nor password */
	LOGIN_PLAIN,
	LOGIN_XIAOZHI,
};

struct login {
	uint8_t *packet;
	size_t len;
};

/* "anonymous", "plain" or "xiaozhi", or the end of the program. */
enum login_form login_form_named(const char *name);

/* Reads the broker's keys_file; none for "-". */
void login_keys(struct credential_keys *keys, const char *path);

/* Device number i (from 1), in its first epoch: PREFIXi, or a mac made of i. */
struct login login_device(const struct credential_keys *keys, enum login_form form, const char *prefix, size_t i, bool clean);

/* The service, with a clean session. secret_file: its first line is the password; "-" = anonymous. */
struct login login_service(const char *client_id, const char *secret_file);

/* Connects, blocking, and waits for the CONNACK. */
void login_open(struct mqtt_peer *p, int port, const struct login *login);

#endif
