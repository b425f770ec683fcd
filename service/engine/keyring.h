/* Inside engine/ only: the keys that sign devices' MQTT credentials, replaced on SIGHUP. Thread-safe. */
#ifndef ENGINE_KEYRING_H
#define ENGINE_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/credential.h"

struct device;
struct err;
struct keyring;

/* NULL: err says what is wrong with the file. */
struct keyring *keyring_new(const char *path, struct err *err);
void keyring_free(struct keyring **ring);

/* Reads the file again; a bad one keeps the old keys. */
bool keyring_reload(struct keyring *ring, const char *path, struct err *err);

bool keyring_issue(struct keyring *ring, const struct device *device, struct credential *out);
/* The xiaozhi form; address: the ip in it. */
bool keyring_issue_xiaozhi(struct keyring *ring, const char *client_id, const char *device, int64_t epoch, const char *address,
			   struct credential *out);
enum credential_verdict keyring_verify(struct keyring *ring, const char *client_id, const char *username, const char *password,
				       char device[CREDENTIAL_DEVICE_SIZE], uint32_t *epoch);

#endif
