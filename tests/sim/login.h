/* How devices log in: by what the command line gives, or, for whole fleets, by passwords that are derived from the signing keys as otad
 * derives them (common/credential.h, epoch 1). Also the TLS of the broker's connections, which all devices share. */
#ifndef SIM_LOGIN_H
#define SIM_LOGIN_H

#include <stdbool.h>

#include "common/credential.h"
#include "common/secret.h"

struct device;
struct err;
struct mosquitto;
struct sim;

struct login {
	struct credential_keys keys; /* count 0: no derived passwords */
	struct secret password;      /* of a file or the environment */
	struct ssl_ctx_st *tls;      /* NULL: without TLS */
};

/* Reads the files that the options name. */
bool login_load(struct sim *sim, struct err *err);
void login_clear(struct login *login);

/* Puts user name, password and TLS into the device's client, whose client id is id. False if the device cannot have it. */
bool login_apply(const struct device *d, struct mosquitto *client, const char *id);

#endif
