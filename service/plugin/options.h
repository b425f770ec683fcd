/* plugin_opt_... of the broker's configuration, and the secrets in the files they name. */
#ifndef PLUGIN_OPTIONS_H
#define PLUGIN_OPTIONS_H

#include <stdbool.h>

#include "common/credential.h"
#include "common/secret.h"

struct err;
struct mosquitto_opt;

struct options {
	char *keys_file;
	char *service_username;
	char *service_secret_file;
	char *state_file;
	struct credential_keys keys;
	struct secret service_secret;
};

/* Takes the options over (copies) and reads the files. On failure out is empty. */
bool options_read(struct options *out, const struct mosquitto_opt *list, int count, struct err *err);

/* Reads both files again. On failure all stays as it was. */
bool options_reload(struct options *o, struct err *err);
void options_clear(struct options *o);

#endif
